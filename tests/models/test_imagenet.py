from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np
import numpy.typing as npt
import pytest
import torch

from tests.data.mutants import mutant, mutate_bytes
from tfdeepviz.files import FormatError
from tfdeepviz.models.classifier import GenreClassifier
from tfdeepviz.models.imagenet import load_imagenet_start
from tfdeepviz.params import ParameterError

_VGG = {
    "vgg11": (1, 1, 2, 2, 2),
    "vgg13": (2, 2, 2, 2, 2),
    "vgg16": (2, 2, 3, 3, 3),
}


def torch_features(architecture: str, batch_norm: bool) -> torch.nn.Sequential:
    """torchvision's `features`, but for AlexNet's strides; weights that keep the signal at its size."""
    torch.manual_seed(0)
    modules: list[torch.nn.Module] = []
    if architecture == "alexnet":
        relu, pool = torch.nn.ReLU(), torch.nn.MaxPool2d(3, 2)
        modules += [torch.nn.Conv2d(3, 64, 11, stride=(1, 2), padding=2), relu, pool]
        modules += [torch.nn.Conv2d(64, 192, 5, padding=2), relu, pool]
        for n, filters in ((192, 384), (384, 256), (256, 256)):
            modules += [torch.nn.Conv2d(n, filters, 3, padding=1), relu]
        modules.append(pool)
    else:
        channels = 3
        for n, filters in zip(_VGG[architecture], (64, 128, 256, 512, 512), strict=True):
            for _ in range(n):
                modules.append(torch.nn.Conv2d(channels, filters, 3, padding=1))
                modules += [torch.nn.BatchNorm2d(filters)] * batch_norm
                modules.append(torch.nn.ReLU())
                channels = filters
            modules.append(torch.nn.MaxPool2d(2, 2))
    for module in modules:
        if isinstance(module, torch.nn.Conv2d):
            torch.nn.init.kaiming_normal_(module.weight)
            torch.nn.init.normal_(module.bias, std=0.1)
        elif isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(module.weight, 0.5, 1.5)
            torch.nn.init.normal_(module.bias, std=0.2)
            torch.nn.init.normal_(module.running_mean, std=0.2)
            # Small ones, so that another epsilon would be seen.
            torch.nn.init.uniform_(module.running_var, 0.05, 1.5)
    return torch.nn.Sequential(*modules).eval()


def save(features: torch.nn.Sequential, path: Path, *, in_zip: bool = True) -> Path:
    """As torchvision's files are: with a classifier, which nobody needs here."""
    state = {f"features.{name}": value for name, value in features.state_dict().items()}
    torch.save({**state, "classifier.0.weight": torch.ones(2, 2)}, path, _use_new_zipfile_serialization=in_zip)
    return path


def model_of(architecture: str, *, batch_norm: bool = False, **options: Any) -> GenreClassifier:
    return GenreClassifier(architecture=architecture, batch_norm=batch_norm, dense_units=1, **options)


def features_of(model: GenreClassifier, x: npt.NDArray[Any]) -> npt.NDArray[Any]:
    for layer in model.features:
        x = layer(x)
    return np.asarray(x)


@pytest.mark.parametrize(
    ("architecture", "batch_norm", "in_zip"),
    [
        *(("alexnet", False, True), ("vgg11", True, False)),
        *(("vgg13", False, True), ("vgg16", True, True)),
    ],
)
def test_features_equal_pytorchs(tmp_path: Path, architecture: str, batch_norm: bool, in_zip: bool) -> None:
    """One channel here, three equal ones there."""
    features = torch_features(architecture, batch_norm)
    model = model_of(architecture, batch_norm=batch_norm)
    model.build()
    fresh = [weight.numpy() for layer in model.head for weight in layer.weights]
    load_imagenet_start(model, save(features, tmp_path / "s.pth", in_zip=in_zip))
    x = np.random.default_rng(0).normal(size=(2, 64, 96, 1)).astype(np.float32)
    with torch.no_grad():
        expected = features(torch.from_numpy(x).permute(0, 3, 1, 2).expand(-1, 3, -1, -1)).permute(0, 2, 3, 1).numpy()
    assert expected.shape[1:] == ((6, 4, 256) if architecture == "alexnet" else (2, 3, 512))
    scale = expected.std()
    assert scale > 0.1
    np.testing.assert_allclose(features_of(model, x) / scale, expected / scale, atol=1e-4)
    # Flattened, ours run over (coefficient, frame, filter), PyTorch's over (filter, coefficient, frame).
    if architecture != "alexnet":
        encoding = np.asarray(model.encode_and_classify(x, model.encoding_layers[0])[0])
        np.testing.assert_allclose(encoding / scale, expected.reshape(2, -1) / scale, atol=1e-4)
    for old, new in zip(fresh, (weight for layer in model.head for weight in layer.weights), strict=True):
        np.testing.assert_array_equal(new.numpy(), old)


@pytest.mark.parametrize("batch_norm", [False, True])
def test_a_normalised_encoding_keeps_its_own_normalisation(tmp_path: Path, batch_norm: bool) -> None:
    features = torch_features("vgg11", batch_norm)
    plain, normalized = (
        model_of("vgg11", batch_norm=batch_norm, input_size=(32, 32), normalize_encoding=normalize)
        for normalize in (False, True)
    )
    for model in (plain, normalized):
        load_imagenet_start(model, save(features, tmp_path / "s.pth"))
    mine, theirs = ({layer.name: layer for layer in model.features} for model in (normalized, plain))
    np.testing.assert_array_equal(np.asarray(mine["conv5_2"].kernel), np.asarray(theirs["conv5_2"].kernel))
    norm = mine["conv5_2_norm"]
    assert [weight.shape for weight in norm.weights] == [(512,), (512,)]
    np.testing.assert_array_equal(np.asarray(norm.moving_variance), 1)


def _vgg_of_keras(architecture: str) -> keras.Model:
    """As KerasHub's backbone: three channels, layers named by block."""
    if architecture == "vgg16":
        return keras.applications.VGG16(weights=None, include_top=False, input_shape=(32, 32, 3))
    inputs = x = keras.Input((None, None, 3))
    for block, (n, filters) in enumerate(zip(_VGG[architecture], (64, 128, 256, 512, 512), strict=True), 1):
        for i in range(1, n + 1):
            name = f"block{block}_conv{i}"
            x = keras.layers.Conv2D(filters, 3, padding="same", activation="relu", name=name)(x)
        x = keras.layers.MaxPooling2D()(x)
    return keras.Model(inputs, x)


@pytest.mark.parametrize("architecture", ["vgg11", "vgg16"])
def test_weights_of_keras(tmp_path: Path, architecture: str) -> None:
    original = _vgg_of_keras(architecture)
    original.save_weights(tmp_path / "m.weights.h5")
    model = model_of(architecture, input_size=(32, 32))
    load_imagenet_start(model, tmp_path / "m.weights.h5")
    x = np.random.default_rng(0).normal(size=(1, 32, 32, 1)).astype(np.float32)
    expected = np.asarray(original(np.repeat(x, 3, axis=-1)))
    assert expected.std() > 0
    np.testing.assert_allclose(features_of(model, x), expected, rtol=1e-4, atol=1e-4 * expected.std())


def _block_names() -> list[str]:
    return [f"block{block}_conv{i}" for block, n in enumerate(_VGG["vgg16"], 1) for i in range(1, n + 1)]


def test_the_file_of_keras_applications_is_made_for_pixel_values(tmp_path: Path) -> None:
    """Names as in `vgg16_weights_tf_dim_ordering_tf_kernels.h5`, the dense layers of its top included."""
    model = model_of("vgg16", input_size=(32, 32))
    model.build()
    rng = np.random.default_rng(0)
    shapes = [layer.kernel.shape for layer in model.features if isinstance(layer, keras.layers.Conv2D)]
    kernels = [rng.normal(size=(3, 3, 3 if i == 0 else shape[2], shape[3])) for i, shape in enumerate(shapes)]
    with h5py.File(tmp_path / "vgg16.h5", "w") as file:
        file.attrs["layer_names"] = [name.encode() for name in (*_block_names(), "fc1")]
        for name, kernel in zip(_block_names(), kernels, strict=True):
            file[f"{name}/{name}_W_1:0"] = kernel.astype(np.float32)
            file[f"{name}/{name}_b_1:0"] = np.full(kernel.shape[-1], kernel.shape[-1], np.float32)
        file["fc1/fc1_W_1:0"], file["fc1/fc1_b_1:0"] = np.ones((2, 3)), np.ones(3)
    load_imagenet_start(model, tmp_path / "vgg16.h5")
    convolutions = [layer for layer in model.features if layer.weights]
    for i, (layer, kernel) in enumerate(zip(convolutions, kernels, strict=True)):
        expected = kernel if i else kernel.sum(axis=2, keepdims=True) * 57.6
        np.testing.assert_allclose(layer.kernel.numpy(), expected, rtol=1e-4, atol=1e-4)
        np.testing.assert_array_equal(layer.bias.numpy(), kernel.shape[-1])


@pytest.fixture(scope="module")
def vgg11() -> GenreClassifier:
    """With batch normalisation; no file of these tests fits it."""
    return model_of("vgg11", batch_norm=True, input_size=(32, 32))


def _small_state(n_convolutions: int, *, batch_norm: bool = False) -> dict[str, torch.Tensor]:
    """Files that do not fit are told apart by the number of modules alone."""
    state: dict[str, torch.Tensor] = {}
    for i in range(n_convolutions):
        state |= {f"features.{2 * i}.weight": torch.ones(1, 1, 3, 3), f"features.{2 * i}.bias": torch.ones(1)}
        if batch_norm:
            names = ("weight", "bias", "running_mean", "running_var")
            state |= {f"features.{2 * i + 1}.{name}": torch.ones(1) for name in names}
    return state


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        (_small_state(13), r"holds vgg16, the model is vgg11.*--set model.architecture=vgg16"),
        (_small_state(5), r"holds alexnet, the model is vgg11"),
        (_small_state(16), r"16 convolutions; alexnet, vgg11, vgg13, vgg16 have others"),
        (_small_state(8), r"no batch normalisation, the model has it.*--set model.batch_norm=false"),
        (_small_state(8, batch_norm=True), "other shapes than those of vgg11"),
        ({"layer1.0.weight": torch.ones(1)}, "0 convolutions"),
        ({"features.0.denselayer.weight": torch.ones(1)}, "'features.0.denselayer.weight' is not a weight"),
        ({"features.0.weight": torch.ones(1, 1, 3, 3)}, "features.0 is not a module"),
        ({**_small_state(8), "features.4.bias": torch.ones(1, dtype=torch.int64)}, "features.4 is not a module"),
    ],
)
def test_what_does_not_fit_is_named_with_its_remedy(
    tmp_path: Path, vgg11: GenreClassifier, state: dict[str, torch.Tensor], reason: str
) -> None:
    torch.save(state, tmp_path / "s.pth")
    with pytest.raises(FormatError, match=reason):
        load_imagenet_start(vgg11, tmp_path / "s.pth")


def test_batch_normalisation_that_the_model_lacks(tmp_path: Path) -> None:
    torch.save(_small_state(8, batch_norm=True), tmp_path / "s.pth")
    with pytest.raises(FormatError, match=r"the model has none.*--set model.batch_norm=true"):
        load_imagenet_start(model_of("vgg11"), tmp_path / "s.pth")


def test_only_full_width_fits(tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match=r"width=0.125.*--set model.width=1"):
        load_imagenet_start(model_of("vgg11", width=0.125), tmp_path / "none.pth")


def test_numbers_that_are_not_finite_are_refused_and_change_nothing(tmp_path: Path) -> None:
    features = torch_features("alexnet", False)
    with torch.no_grad():
        list(features.parameters())[-1][0] = float("nan")
    model = model_of("alexnet")
    model.build()
    before = model.features[1].kernel.numpy()
    with pytest.raises(FormatError, match="finite"):
        load_imagenet_start(model, save(features, tmp_path / "s.pth"))
    np.testing.assert_array_equal(model.features[1].kernel.numpy(), before)


def test_missing_files_and_others(tmp_path: Path, vgg11: GenreClassifier) -> None:
    path = tmp_path / "m.h5"
    with pytest.raises(FormatError, match="cannot be read"):
        load_imagenet_start(vgg11, path)
    for data, reason in ((b"text", "not a state dict"), (b"\x89HDF\r\n\x1a\n" + bytes(99), "not an HDF5 file")):
        path.write_bytes(data)
        with pytest.raises(FormatError, match=reason):
            load_imagenet_start(vgg11, path)


def test_values_in_other_files_are_not_followed(tmp_path: Path, vgg11: GenreClassifier) -> None:
    with h5py.File(tmp_path / "other.h5", "w") as other:
        other["bias"] = np.ones(64, np.float32)
    (tmp_path / "secret").write_bytes(bytes(4 * 3 * 3 * 3 * 64))
    with h5py.File(tmp_path / "m.h5", "w") as file:
        file.create_dataset("a/kernel", (3, 3, 3, 64), "f4", external=[(str(tmp_path / "secret"), 0, 6912)])
        file["a/bias"] = h5py.ExternalLink(str(tmp_path / "other.h5"), "bias")
        layout = h5py.VirtualLayout((64,), "f4")
        layout[:] = h5py.VirtualSource(str(tmp_path / "other.h5"), "bias", (64,))
        file.create_virtual_dataset("b/bias", layout)
        file["b/kernel"] = np.ones((3, 3, 3, 64), np.float32)
    with pytest.raises(FormatError, match="0 convolutions"):
        load_imagenet_start(vgg11, tmp_path / "m.h5")


def test_damaged_hdf5_files_are_refused(tmp_path: Path, vgg11: GenreClassifier) -> None:
    path = tmp_path / "m.h5"
    with h5py.File(path, "w") as file:
        for name in _block_names()[:8]:
            file[f"{name}/kernel"], file[f"{name}/bias"] = np.ones((3, 3, 1, 1), np.float32), np.ones(1, np.float32)
    seeds = [path.read_bytes()]
    for number in range(200):
        path.write_bytes(mutant(mutate_bytes, seeds, number))
        with pytest.raises(FormatError) as refused:
            load_imagenet_start(vgg11, path)
        assert "\n" not in str(refused.value)
