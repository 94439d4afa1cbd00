"""Initialise a genre classifier's convolutions with ImageNet weights from a local file."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np
import numpy.typing as npt

from tfdeepviz.files import FormatError
from tfdeepviz.models.classifier import GenreClassifier
from tfdeepviz.models.torch_file import read_state_dict
from tfdeepviz.params import ParameterError

_N_CONVOLUTIONS = {5: "alexnet", 8: "vgg11", 10: "vgg13", 13: "vgg16"}

# torchvision's weight names per module, in Keras' order.
_CONVOLUTION = ("weight", "bias")
_NORMALIZATION = ("weight", "bias", "running_mean", "running_var")

_HDF5_MAGIC = b"\x89HDF\r\n\x1a\n"
_MAX_HDF5_BYTES = 2 << 30

# The VGG-16 of keras.applications was trained on pixel values that were centred but not scaled. This is their standard
# deviation: the mean of torchvision's three (0.229, 0.224, 0.225), times 255.
_PIXEL_STD = 57.6

_Array = npt.NDArray[Any]
_Shapes = list[list[tuple[int, ...]]]


def load_imagenet_start(model: GenreClassifier, path: Path) -> None:
    """Initialise a classifier's convolutions with weights trained on ImageNet.

    The first convolution's kernel is summed over its three input channels, which is equivalent to feeding the one
    channel to all three. The head keeps its initial weights, and so does the normalisation of a normalised encoding. An
    error leaves the model unchanged.

    The file is one of

    - torchvision's `.pth` of AlexNet or VGG-11, -13, -16, with or without batch normalisation;
    - the `.h5` of VGG-16 that keras.applications downloads, with or without top. Its first kernel is multiplied by the
      standard deviation of pixel values, because our input has unit variance;
    - the `.weights.h5` of one of KerasHub's VGG backbones.

    Raises FormatError if the file is missing or broken, or holds another architecture (the message states what would
    fit), and ParameterError if the model's width is not 1.
    """
    if model.width != 1:
        raise ParameterError(f"width={model.width}: weights from ImageNet have full width; give --set model.width=1")
    if not model.built:
        model.build()
    try:
        with path.open("rb") as file:
            is_hdf5 = file.read(len(_HDF5_MAGIC)) == _HDF5_MAGIC
    except OSError as error:
        raise FormatError(f"{path}: cannot be read ({error.strerror})") from error
    weights = _read_keras(model, path) if is_hdf5 else _read_torchvision(model, path)
    for arrays in weights:
        if not all(np.isfinite(array).all() for array in arrays):
            raise FormatError(f"{path}: holds values that are not finite; get the file again")
    weights[0][0] = weights[0][0].sum(axis=2, keepdims=True)
    for layer, arrays in zip(_layers(model), weights, strict=True):
        layer.set_weights(arrays)


def _layers(model: GenreClassifier) -> list[keras.layers.Layer]:
    # The normalisation of an encoding has no trainable weights and is not part of the architecture.
    return [layer for layer in model.features if layer.trainable_weights]


def _read_torchvision(model: GenreClassifier, path: Path) -> list[list[_Array]]:
    modules: dict[int, dict[str, _Array]] = {}
    for name, array in read_state_dict(path).items():
        if not name.startswith("features."):
            continue
        if (match := re.fullmatch(r"features\.([0-9]{1,3})\.([a-z_]{1,20})", name)) is None:
            raise FormatError(f"{path}: {name[:60]!r} is not a weight of torchvision's AlexNet or VGG")
        if match[2] != "num_batches_tracked":
            modules.setdefault(int(match[1]), {})[match[2]] = array
    weights: list[list[_Array]] = []
    for index, module in sorted(modules.items()):
        names = _NORMALIZATION if "running_mean" in module else _CONVOLUTION
        if set(module) != set(names) or any(array.dtype.kind != "f" for array in module.values()):
            raise FormatError(f"{path}: features.{index} is not a module of torchvision's AlexNet or VGG")
        weights.append([_from_torch(module[name]) for name in names])
    if model.normalize_encoding and weights and len(weights[-1]) == len(_NORMALIZATION):
        weights.pop()
    _check(model, path, [[array.shape for array in arrays] for arrays in weights])
    return weights


def _from_torch(array: _Array) -> _Array:
    # PyTorch kernels are (filters, channels, height, width), Keras kernels (height, width, channels, filters).
    axes = (2, 3, 1, 0) if array.ndim == 4 else None
    return np.ascontiguousarray(array.transpose(axes), dtype=np.float32)


def _read_keras(model: GenreClassifier, path: Path) -> list[list[_Array]]:
    try:
        if path.stat().st_size > _MAX_HDF5_BYTES:
            raise FormatError(f"{path}: larger than {_MAX_HDF5_BYTES} bytes; VGG-16 has a quarter of that")
        with h5py.File(path, "r") as file:
            groups = _convolution_groups(file)
            _check(model, path, [[dataset.shape for dataset in group] for group in groups])
            weights = [[dataset[()].astype(np.float32) for dataset in group] for group in groups]
            if "layer_names" in file.attrs or "model_weights" in file:
                weights[0][0] *= _PIXEL_STD
            return weights
    # All exceptions that h5py raises for broken files
    except (OSError, KeyError, RuntimeError, TypeError, ValueError) as error:
        if isinstance(error, FormatError):
            raise
        reason = re.sub(r"\s+", " ", str(error))[:200]
        raise FormatError(f"{path}: not an HDF5 file that can be read ({reason}); get the file again") from error


def _convolution_groups(file: h5py.File) -> list[tuple[h5py.Dataset, h5py.Dataset]]:
    """Find the kernel and bias of every convolution; each pair has its own group in every version of Keras."""
    found: dict[str, list[h5py.Dataset]] = {}

    def visit(name: str, item: h5py.HLObject) -> None:
        # Links are not followed, and datasets must not read their values from other files.
        if isinstance(item, h5py.Dataset) and not item.is_virtual and not item.external and item.dtype.kind == "f":
            found.setdefault(name.rpartition("/")[0], []).append(item)

    file.visititems(visit)
    pairs = {}
    for name, datasets in found.items():
        kernel, bias = ([item for item in datasets if item.ndim == ndim] for ndim in (4, 1))
        if len(datasets) == 2 and len(kernel) == len(bias) == 1:
            pairs[name] = (kernel[0], bias[0])
    # Natural sort order: conv2d_10 comes after conv2d_9.
    return [pairs[name] for name in sorted(pairs, key=_numbered)]


def _numbered(name: str) -> list[tuple[str, int]]:
    return [(text, int(number or 0)) for text, number in re.findall(r"(\D*)(\d{0,9})", name)]


def _check(model: GenreClassifier, path: Path, shapes: _Shapes) -> None:
    """Raise a FormatError that names the remedy, unless the file has the shapes of the model."""
    wanted: _Shapes = [[tuple(weight.shape) for weight in layer.weights] for layer in _layers(model)]
    wanted[0][0] = (*wanted[0][0][:2], 3, wanted[0][0][3])
    if shapes == wanted:
        return
    n_convolutions = sum(len(group[0]) == 4 for group in shapes)
    batch_norm = any(len(group) == len(_NORMALIZATION) for group in shapes)
    if (architecture := _N_CONVOLUTIONS.get(n_convolutions)) is None:
        names = ", ".join(_N_CONVOLUTIONS.values())
        raise FormatError(f"{path}: has {n_convolutions} convolutions; {names} have others")
    if architecture != model.architecture:
        raise FormatError(
            f"{path}: holds {architecture}, the model is {model.architecture}; give the file of {model.architecture} "
            f"or --set model.architecture={architecture}"
        )
    if batch_norm != model.batch_norm:
        held, has = ("", "has none") if batch_norm else ("no ", "has it")
        raise FormatError(
            f"{path}: holds {held}batch normalisation, the model {has}; give the other file of {architecture} or "
            f"--set model.batch_norm={str(batch_norm).lower()}"
        )
    raise FormatError(f"{path}: its weights have other shapes than those of {architecture}; get the file again")
