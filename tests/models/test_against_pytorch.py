"""All three autoencoders beside an implementation in PyTorch that shares no code with ours."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import pytest
import torch
import torch.nn.functional as F

from tfdeepviz.models.autoencoder import Autoencoder


class Reference:
    """The paper's autoencoder from functions of PyTorch, with max_pool2d's indices and max_unpool2d.

    Weights come as PyTorch keeps them: convolutions (out, in, k, k), transposed ones (in, out, k, k), dense (out, in).
    """

    def __init__(self, weights: dict[str, torch.Tensor], *, shared: bool, skip: bool) -> None:
        self.w = weights
        self.n_convolutions = sum(name.startswith("conv") and name.endswith("kernel") for name in weights)
        self.n_dense = sum(name.startswith("dense") and name.endswith("kernel") for name in weights)
        self.shared, self.skip = shared, skip

    def __call__(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        skipped, indices = [], []
        for i in range(self.n_convolutions):
            x = F.relu(F.conv2d(x, self.w[f"conv{i}.kernel"], self.w[f"conv{i}.bias"], padding="same"))
            skipped.append(x)
            if i % 2:
                x, index = F.max_pool2d(x, 2, return_indices=True)
                indices.append(index)
        bottom = x.shape
        x = x.flatten(1)
        for i in range(self.n_dense):
            x = F.linear(x, self.w[f"dense{i}.kernel"], self.w[f"dense{i}.bias"])
            x = torch.sigmoid(x) if i == self.n_dense - 1 else F.relu(x)
        encoding = x
        for i in reversed(range(self.n_dense)):
            kernel = self.w[f"dense{i}.kernel"].T if self.shared else self.w[f"out_dense{i}.kernel"]
            x = F.relu(F.linear(x, kernel, self.w[f"out_dense{i}.bias"]))
        x = x.reshape(bottom)
        for i in reversed(range(self.n_convolutions)):
            if i % 2:
                x = F.max_unpool2d(x, indices.pop(), 2)
            if self.skip:
                x = x + skipped[i]
            x = F.relu(x)
            kernel = self.w[f"conv{i}.kernel"] if self.shared else self.w[f"out_conv{i}.kernel"]
            x = F.conv_transpose2d(x, kernel, self.w[f"out_conv{i}.bias"], padding=kernel.shape[-1] // 2)
        return encoding, torch.sigmoid(x)


def as_pytorch(model: Autoencoder) -> dict[str, torch.Tensor]:
    """Weights of ours in PyTorch's layout, whose flattened pictures have their channels first."""
    height, width = (n // 2**model.n_pools for n in model.input_size)
    channels = model.convolutions[-1].filters
    order = np.arange(height * width * channels).reshape(height, width, channels).transpose(2, 0, 1).ravel()
    weights: dict[str, npt.NDArray[Any]] = {}
    for i, (conv, mirrored) in enumerate(zip(model.convolutions, model.mirrored_convolutions, strict=True)):
        weights[f"conv{i}.kernel"] = np.asarray(conv.kernel).transpose(3, 2, 0, 1)
        weights[f"conv{i}.bias"] = np.asarray(conv.bias)
        weights[f"out_conv{i}.bias"] = np.asarray(mirrored.bias)
        if model.decoder == "own":
            weights[f"out_conv{i}.kernel"] = np.asarray(mirrored.kernel).transpose(3, 2, 0, 1)
    for i, (dense, mirrored) in enumerate(zip(model.dense, model.mirrored_dense, strict=True)):
        weights[f"dense{i}.kernel"] = np.asarray(dense.kernel).T[:, order if i == 0 else slice(None)]
        weights[f"dense{i}.bias"] = np.asarray(dense.bias)
        weights[f"out_dense{i}.bias"] = np.asarray(mirrored.bias)[order if i == 0 else slice(None)]
        if model.decoder == "own":
            weights[f"out_dense{i}.kernel"] = np.asarray(mirrored.kernel).T[order if i == 0 else slice(None)]
    return {name: torch.from_numpy(np.ascontiguousarray(value)) for name, value in weights.items()}


@pytest.mark.parametrize(
    ("decoder", "skip"), [("own", False), ("shared", False), ("shared", True)], ids=["ae", "ae-shared", "ae-skip"]
)
@pytest.mark.parametrize("sizes", [{"n_dense": 2}, {"n_dense": 3, "kernel_size": 5, "n_pools": 3}])
def test_forward_pass_equals_pytorchs(decoder: str, skip: bool, sizes: dict[str, Any]) -> None:
    keras.utils.set_random_seed(1)
    options: dict[str, Any] = {"n_initial_filters": 4, "n_pools": 2, "dense_initial_std": None, **sizes}
    model = Autoencoder(input_size=(32, 48), decoder=decoder, skip=skip, **options)
    model.build()
    rng = np.random.default_rng(0)
    for variable in model.trainable_variables:
        if variable.path.endswith("bias"):
            variable.assign(rng.normal(0, 0.3, variable.shape))
    x = rng.uniform(size=(3, 32, 48, 1)).astype(np.float32)

    encoding, output = Reference(as_pytorch(model), shared=decoder == "shared", skip=skip)(
        torch.from_numpy(x.transpose(0, 3, 1, 2))
    )
    np.testing.assert_allclose(np.asarray(model.encode(x)[0]), encoding.numpy(), atol=1e-5)
    mine = np.asarray(model(x))
    assert mine.std() > 0.01
    np.testing.assert_allclose(mine, output.numpy().transpose(0, 2, 3, 1), atol=1e-5)
