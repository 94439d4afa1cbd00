from __future__ import annotations

import copyreg
import io
import os
import pickle
import struct
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.data.mutants import mutant, mutate_bytes
from tfdeepviz.files import FormatError
from tfdeepviz.models.torch_file import read_state_dict

_FORMATS = pytest.mark.parametrize("in_zip", [True, False], ids=["zip", "legacy"])


def save(state: object, path: Path, *, in_zip: bool) -> Path:
    torch.save(state, path, _use_new_zipfile_serialization=in_zip)
    return path


def some_state() -> dict[str, torch.Tensor]:
    """Every kind of tensor: views, shared storages, parameters, scalars and all types."""
    values = torch.arange(24, dtype=torch.float32).reshape(2, 3, 4)
    types = (torch.float64, torch.float16, torch.bfloat16, torch.int64, torch.int32, torch.int16, torch.int8)
    return {
        "whole": values,
        "transposed": values.permute(2, 0, 1),
        "part": values[1, 1:, ::2],
        "parameter": torch.nn.Parameter(torch.tensor([[1.5, -2.0]])),
        "scalar": torch.tensor(7),
        "expanded": torch.tensor([3.0, 4.0])[:1].expand(2),
        "uint8": torch.tensor([255], dtype=torch.uint8),
        **{str(dtype): torch.tensor([-1.5, 3.25, 100.0]).to(dtype) for dtype in types},
    }


def assert_read(path: Path, state: dict[str, torch.Tensor]) -> None:
    arrays = read_state_dict(path)
    assert list(arrays) == list(state)
    for name, tensor in state.items():
        expected = (tensor.float() if tensor.dtype == torch.bfloat16 else tensor).detach().numpy()
        assert arrays[name].dtype == expected.dtype
        assert arrays[name].flags.c_contiguous and arrays[name].flags.writeable
        np.testing.assert_array_equal(arrays[name], expected)


@_FORMATS
def test_everything_is_read_as_pytorch_reads_it(tmp_path: Path, in_zip: bool) -> None:
    assert_read(save(some_state(), tmp_path / "s.pth", in_zip=in_zip), some_state())


@_FORMATS
def test_a_modules_own_state_dict(tmp_path: Path, in_zip: bool) -> None:
    module = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4))
    path = save(module.state_dict(), tmp_path / "s.pth", in_zip=in_zip)
    assert_read(path, module.state_dict())


class _Pickler(pickle.Pickler):
    """As PyTorch 0.1 pickled: tensors and parameters are made empty and filled by their state."""

    def persistent_id(self, value: Any) -> Any:
        if isinstance(value, torch.UntypedStorage):
            return ("storage", torch.FloatStorage, str(value.data_ptr()), "cpu", value.nbytes() // 4, None)
        return None

    def reducer_override(self, value: Any) -> Any:
        if isinstance(value, torch.nn.Parameter):
            hooks: OrderedDict[str, object] = OrderedDict()
            new: Any = copyreg.__newobj__  # type: ignore[attr-defined]  # no type stub knows it
            return new, (torch.nn.Parameter,), (value.data, None, hooks, True, False)
        if isinstance(value, torch.Tensor):
            place = (value.untyped_storage(), value.storage_offset(), tuple(value.shape), value.stride())
            return _EmptyTensor, (), place
        return NotImplemented


def _EmptyTensor() -> None:
    """Stands for `torch.FloatTensor`."""


def _legacy(state: Any, tensors: list[torch.Tensor]) -> bytes:
    file = io.BytesIO()
    sizes = {"short": 2, "int": 4, "long": 4}
    for value in (0x1950A86A20F9469CFC6C, 1001, {"protocol_version": 1001, "little_endian": True, "type_sizes": sizes}):
        pickle.dump(value, file, protocol=2)
    _Pickler(file, protocol=2).dump(state)
    pickle.dump([str(tensor.untyped_storage().data_ptr()) for tensor in tensors], file, protocol=2)
    for tensor in tensors:
        file.write(struct.pack("<q", tensor.numel()) + tensor.contiguous().numpy().tobytes())
    name = f"{_EmptyTensor.__module__}\n{_EmptyTensor.__name__}\n".encode()
    assert name in file.getvalue()
    return file.getvalue().replace(name, b"torch\nFloatTensor\n")


def test_files_of_pytorch_01(tmp_path: Path) -> None:
    tensors = [torch.tensor([[1.0, 2.0, 3.0]]), torch.tensor([4.0])]
    state = OrderedDict([("w", torch.nn.Parameter(tensors[0])), ("b", tensors[1])])
    path = tmp_path / "s.pth"
    path.write_bytes(_legacy(state, tensors))
    assert_read(path, {"w": tensors[0], "b": tensors[1]})


def test_files_of_python_2(tmp_path: Path) -> None:
    """Strings of bytes, and ordered dicts that are made of a list of pairs."""
    path = save({"w": torch.tensor([1.0, 2.0])}, tmp_path / "s.pth", in_zip=False)
    data = path.read_bytes()
    # "}q\x00X\x01\x00\x00\x00wq\x01 ... s." to "OrderedDict([['w', ...]])"
    start = data.index(b"}q\x00X\x01\x00\x00\x00wq\x01")
    end = data.index(b"s.", start)
    pairs = b"ccollections\nOrderedDict\n]](U\x01wq\x01" + data[start + 11 : end] + b"ea\x85R."
    path.write_bytes(data[:start] + pairs + data[end + 2 :])
    assert_read(path, {"w": torch.tensor([1.0, 2.0])})


class _Malicious:
    def __init__(self, function: Callable[..., object], *arguments: object) -> None:
        self.call = (function, arguments)

    def __reduce__(self) -> Any:
        return self.call


@_FORMATS
def test_nothing_that_a_file_holds_is_executed(tmp_path: Path, in_zip: bool) -> None:
    proof = tmp_path / "proof"
    for evil in (_Malicious(os.system, f"touch {proof}"), _Malicious(eval, f"open({str(proof)!r}, 'w').close()")):
        path = save({"w": torch.tensor([1.0]), "x": evil}, tmp_path / "s.pth", in_zip=in_zip)
        with pytest.raises(FormatError, match=r"wants to use '(posix\.system|builtins\.eval|__builtin__\.eval)'"):
            read_state_dict(path)
        assert not proof.exists()
        torch.load(path, weights_only=False)  # the file would have done it
        assert proof.exists()
        proof.unlink()


@_FORMATS
@pytest.mark.parametrize(
    ("state", "reason"),
    [
        ({"state_dict": {"w": torch.ones(1)}, "epoch": 3}, "'state_dict' is not a tensor"),
        ({"w": torch.ones(1), "lr": 0.5}, "'lr' is not a tensor"),
        ([torch.ones(1)], "no dict of tensors"),
        ({}, "no dict of tensors"),
        ({3: torch.ones(1)}, "a key is not a string"),
        ({"w": torch.ones(0)}, "is empty"),
        ({"w": torch.ones(1).expand(1_000_000)}, "outside its storage"),
        ({"w": torch.ones(1, dtype=torch.complex64)}, "ComplexFloatStorage"),
        ({"w": torch.nn.Linear(1, 1)}, "Linear"),
    ],
)
def test_other_things_are_refused(tmp_path: Path, in_zip: bool, state: object, reason: str) -> None:
    path = save(state, tmp_path / "s.pth", in_zip=in_zip)
    with pytest.raises(FormatError, match=reason):
        read_state_dict(path)


def _repacked(path: Path, change: Callable[[str, bytes], bytes], method: int = zipfile.ZIP_STORED) -> Path:
    changed = path.with_name("changed.pth")
    with zipfile.ZipFile(path) as archive, zipfile.ZipFile(changed, "w", method) as result:
        for name in archive.namelist():
            result.writestr(name, change(name, archive.read(name)))
    return changed


def _one_tensor(folder: Path) -> Path:
    return save({"w": torch.arange(6.0).reshape(2, 3)}, folder / "s.pth", in_zip=True)


def test_compressed_members_are_refused(tmp_path: Path) -> None:
    path = _repacked(_one_tensor(tmp_path), lambda _, data: data, zipfile.ZIP_DEFLATED)
    with pytest.raises(FormatError, match="compressed"):
        read_state_dict(path)


@pytest.mark.parametrize(
    ("member", "old", "new", "reason"),
    [
        ("byteorder", b"little", b"big", "byte order"),
        ("data/0", bytes(4), b"", "has 20 bytes instead of 24"),
        ("data/0", bytes(4), bytes(8), "too large"),
        ("data.pkl", b"K\x06tq", b"J\xff\xff\xff\x7ftq", "larger than the file"),
        ("data.pkl", b"K\x06tq", b"J\xff\xff\xff\xfftq", "larger than the file"),
        ("data.pkl", b"K\x02K\x03\x86", b"K\x02K\x04\x86", "outside its storage of 6"),
        ("data.pkl", b"K\x02K\x03\x86", b"K\x02\x8a\x02\x00\xff\x86", "not whole numbers"),
        ("data.pkl", b"K\x02K\x03\x86", b"K\x02K\x03K\x01\x87", "3 dimensions and 2 strides"),
        ("data.pkl", b"K\x03K\x01\x86", b"K\x04K\x01\x86", "outside its storage of 6"),
        ("data.pkl", b"K\x03K\x01\x86", b"K\x03J\xff\xff\xff\xff\x86", "not whole numbers"),
        ("data.pkl", b"cpu", b"cpu" + b"K\x00" * 3, "pickle"),
        ("data.pkl", b"FloatStorage", b"FloatTensor", "names a storage"),
        ("data.pkl", b".", b"", "pickle"),
    ],
)
def test_false_claims_are_refused(tmp_path: Path, member: str, old: bytes, new: bytes, reason: str) -> None:
    def change(name: str, data: bytes) -> bytes:
        if name != f"s/{member}":
            return data
        assert old in data
        start, _, end = data.rpartition(old)
        return start + new + end

    with pytest.raises(FormatError, match=reason):
        read_state_dict(_repacked(_one_tensor(tmp_path), change))


def test_a_pickle_without_end_is_refused(tmp_path: Path) -> None:
    path = _repacked(_one_tensor(tmp_path), lambda name, data: b"N" * 900_000 if name.endswith(".pkl") else data)
    with pytest.raises(FormatError, match="EOFError"):
        read_state_dict(path)


# Tuples of twice the same tuple: 2**30 items if anything walked through them.
_NESTED = b")" + b"q\x00h\x00\x86" * 30

# A dict of 100,000 pairs. Another 100,000 of the same list would take hours.
_ONE_LIST = b"ccollections\nOrderedDict\nq\0](X\0\0\0\0N\x86q\1" + b"h\1" * 100_000 + b"e\x85q\2R"


@pytest.mark.parametrize(
    ("commands", "reason"),
    [
        (_NESTED, "no dict of tensors"),
        (b"}" + _NESTED + b"Ns", "a key is not a string but of type tuple"),
        (b"}(" + _NESTED + b"Nu", "a key is not a string but of type tuple"),
        (b"ccollections\nOrderedDict\n](" + _NESTED + b"N\x86e\x85R", "a key is not a string but of type tuple"),
        (b"}" + _NESTED[:-1] * 2 + b"b", "sets an object's state"),
        (b"(" + _NESTED + b"NNNNtQ", "names a storage"),
        (b"N" + b"\x85" * 900_000, "no dict of tensors"),
        (b"]" * 300_000 + b"a" * 299_999, "no dict of tensors"),
        (b"Nr\xff\xff\xff\xff", "no dict of tensors"),
        (b"X\xff\xff\xff\xff", "EOFError"),
        (b"\x8b\xff\xff\xff\x7f", "KeyError"),
        (_ONE_LIST + b"h\0h\2R" * 100_000, "no dict of tensors"),
        (b"ctorch._utils\n_rebuild_tensor\nN}X\x0c\0\0\0__defaults__)s\x86b", "sets an object's state"),
        (b"X\1\0\0\0a)R", "TypeError"),
        (b"ccollections\nOrderedDict\n(X\7\0\0\0storagectorch\nByteStorage\nU\1kU\3cpuK\xfftQR", "calls a function"),
    ],
    ids=lambda value: value[:40] if isinstance(value, str) else len(value),
)
def test_short_pickles_cannot_ask_for_much(tmp_path: Path, commands: bytes, reason: str) -> None:
    hostile = b"\x80\x02" + commands + b"."
    path = _repacked(_one_tensor(tmp_path), lambda name, data: hostile if name.endswith(".pkl") else data)
    with pytest.raises(FormatError, match=reason):
        read_state_dict(path)


def test_missing_files_and_others(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match="missing"):
        read_state_dict(tmp_path / "none.pth")
    path = tmp_path / "other.pth"
    for data in (b"", b"text", b"PK\3\4", pickle.dumps({"w": 1}, protocol=2), pickle.dumps([1] * 99)):
        path.write_bytes(data)
        with pytest.raises(FormatError, match=r"other\.pth: not a state dict"):
            read_state_dict(path)


@_FORMATS
def test_damaged_files_are_read_or_refused(tmp_path: Path, in_zip: bool) -> None:
    path = tmp_path / "s.pth"
    seeds = []
    for state in (some_state(), OrderedDict(w=torch.ones(2, 3), b=torch.ones(2))):
        seeds.append(save(state, path, in_zip=in_zip).read_bytes())
    if not in_zip:
        tensors = [torch.ones(1, 3)]
        seeds.append(_legacy(OrderedDict(w=torch.nn.Parameter(tensors[0])), tensors))
    n_refused = 0
    for number in range(1_500):
        path.write_bytes(mutant(mutate_bytes, seeds, number))
        try:
            read_state_dict(path)
        except FormatError as error:
            n_refused += 1
            assert "\n" not in str(error)
    assert n_refused > 500


def test_damaged_pickles_are_read_or_refused(tmp_path: Path) -> None:
    """Behind the zip's checksums."""
    path = save(some_state(), tmp_path / "s.pth", in_zip=True)
    with zipfile.ZipFile(path) as archive:
        seeds = [archive.read("s/data.pkl")]
    n_refused = 0
    for number in range(700):
        pickles = {"s/data.pkl": mutant(mutate_bytes, seeds, number)}
        changed = _repacked(path, pickles.get)
        try:
            read_state_dict(changed)
        except FormatError as error:
            n_refused += 1
            assert "\n" not in str(error)
    assert n_refused > 200
