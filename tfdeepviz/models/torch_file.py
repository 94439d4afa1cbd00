"""Reads state dicts that `torch.save` wrote, without PyTorch; nothing that such a file holds is executed.

Both formats are a pickle that names tensors and the storages of their values. The zip (PyTorch 1.6 and later) keeps
every storage in a member of its own; the legacy format is a row of pickles, followed by all storages.
"""

from __future__ import annotations

import math
import pickle
import struct
import zipfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from io import BufferedReader, BytesIO
from pathlib import Path
from textwrap import shorten
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from tfdeepviz.files import FormatError

_MAX_BYTES = 2 << 30
_MAX_PICKLE_BYTES = 1 << 20
_MAX_TENSORS = 10_000
_MAX_DIMENSIONS = 8

_LEGACY_MAGIC = pickle.dumps(0x1950A86A20F9469CFC6C, protocol=2)

# NumPy has no bfloat16: its bytes are read as integers, of a type that state dicts lack, and widened.
_BFLOAT16 = "<u2"
_DTYPES = {
    **{"Double": "<f8", "Float": "<f4", "Half": "<f2", "BFloat16": _BFLOAT16},
    **{"Long": "<i8", "Int": "<i4", "Short": "<i2", "Char": "i1", "Byte": "u1"},
}

# What zipfile raises for broken fields and unknown methods, and the unpickler for opcodes that do not fit its stack.
_ERRORS = (
    *(OSError, ValueError, EOFError, RuntimeError, zipfile.BadZipFile, struct.error),
    *(pickle.UnpicklingError, LookupError, TypeError, AttributeError),
)


def read_state_dict(path: Path) -> dict[str, npt.NDArray[Any]]:
    """Read a `.pth` or `.pt` file into C-contiguous arrays of their own dtypes, but bfloat16 as float32.

    Raises FormatError if the file is missing, too large or broken, or holds anything but a flat dict of tensors.
    """
    try:
        n_bytes = path.stat().st_size
        if n_bytes > _MAX_BYTES:
            raise ValueError(f"it is larger than {_MAX_BYTES} bytes")
        with path.open("rb") as file:
            magic = file.read(len(_LEGACY_MAGIC))
            if magic.startswith(b"PK\3\4"):
                return _arrays(_read_zip(file, n_bytes))
            if magic == _LEGACY_MAGIC:
                return _arrays(_read_legacy(file, n_bytes))
            raise ValueError("it begins with neither a zip nor PyTorch's magic number")
    except FileNotFoundError as error:
        raise FormatError(f"{path}: missing") from error
    except _ERRORS as error:
        text = str(error) if isinstance(error, ValueError) else f"its pickle or zip is broken: {error!r}"
        raise FormatError(
            f"{path}: not a state dict that can be read ({shorten(text, 200, placeholder='...')}); "
            "write it again with torch.save(model.state_dict())"
        ) from error


def _read_zip(file: BufferedReader, n_bytes: int) -> object:
    with zipfile.ZipFile(file) as archive:
        members = {entry.filename: entry for entry in archive.infolist()}
        pickles = [name for name in members if name.count("/") == 1 and name.endswith("/data.pkl")]
        if len(pickles) != 1:
            raise ValueError("the zip holds no data.pkl, or several")

        def read(name: str, max_bytes: int) -> bytes:
            entry = members.get(pickles[0].removesuffix("data.pkl") + name)
            # torch.save does not compress: no member is larger than the file, whatever the zip claims.
            if entry is None or entry.compress_type != zipfile.ZIP_STORED or entry.file_size > max_bytes:
                raise ValueError(f"{name!r} is missing, compressed or too large")
            return archive.read(entry)

        if pickles[0].replace("data.pkl", "byteorder") in members and read("byteorder", 16) != b"little":
            raise ValueError("its byte order is not little-endian")
        unpickler = _Unpickler(BytesIO(read("data.pkl", _MAX_PICKLE_BYTES)), n_bytes)
        state = unpickler.load()
        for key, storage in unpickler.storages.items():
            data = read(f"data/{key}", storage.nbytes)
            if len(data) != storage.nbytes:
                raise ValueError(f"storage {key!r} has {len(data)} bytes instead of {storage.nbytes}")
            storage[:] = np.frombuffer(data, storage.dtype)
        return state


def _read_legacy(file: BufferedReader, n_bytes: int) -> object:
    head = BytesIO(file.read(_MAX_PICKLE_BYTES))
    unpickler = _Unpickler(head, n_bytes)
    _, system, state, keys = (unpickler.load() for _ in ("version", "system", "state", "keys"))
    if not isinstance(system, dict) or system.get("little_endian") is not True:
        raise ValueError("its byte order is not little-endian")
    if not isinstance(keys, list) or not all(isinstance(key, str) for key in keys) or {*keys} != {*unpickler.storages}:
        raise ValueError("its list of storages does not fit its tensors")
    file.seek(len(_LEGACY_MAGIC) + head.tell())
    for key in keys:
        storage = unpickler.storages[key]
        if file.read(8) != storage.size.to_bytes(8, "little") or file.readinto(storage.data) != storage.nbytes:
            raise ValueError(f"it ends before its storages do, or storage {key!r} has another size")
    return state


@dataclass
class _Tensor:
    # A view of a storage. None until BUILD, which is how PyTorch 0.1 fills tensors and parameters.
    values: npt.NDArray[Any] | None = None


def _ordered_dict(pairs: Any = None) -> dict[str, Any]:
    result: dict[str, Any] = {}
    if pairs is not None:  # Python 2
        _update(result, pairs)
        # Each list makes one dict, so that a short file cannot ask for long work.
        pairs.clear()
    return result


def _update(target: object, items: Iterable[tuple[Any, Any]]) -> None:
    if not isinstance(target, dict):
        raise ValueError("its pickle sets items of what is not a dict")
    for key, value in items:
        # Hashing nested tuples can take forever.
        if not isinstance(key, str):
            raise ValueError(f"a key is not a string but of type {type(key).__name__}")
        target[key] = value


def _rebuild_tensor(storage: Any, offset: Any, shape: Any, strides: Any, *_: object) -> _Tensor:
    """Check everything that a tensor claims against its storage."""
    if not (isinstance(storage, np.ndarray) and isinstance(shape, tuple) and isinstance(strides, tuple)):
        raise ValueError("its pickle describes a tensor in an unknown way")
    if len(shape) != len(strides) or len(shape) > _MAX_DIMENSIONS:
        raise ValueError(f"a tensor has {len(shape)} dimensions and {len(strides)} strides")
    if not all(type(n) is int and 0 <= n < 1 << 63 for n in (offset, *shape, *strides)):
        raise ValueError("a tensor's offset, shape or strides are not whole numbers of at least 0")
    last = offset + sum((n - 1) * stride for n, stride in zip(shape, strides, strict=True))
    if not 0 < math.prod(shape) <= storage.size or last >= storage.size:
        raise ValueError(f"a tensor is empty or lies outside its storage of {storage.size} values")
    # Where a size is 1, any stride is right; NumPy must not see a huge one.
    steps = [stride * storage.itemsize if n > 1 else 0 for n, stride in zip(shape, strides, strict=True)]
    return _Tensor(np.lib.stride_tricks.as_strided(storage[offset:], shape, steps))


def _parameter(tensor: Any = None, *_: object) -> _Tensor:
    return tensor if isinstance(tensor, _Tensor) else _Tensor()


# What stands for the classes and functions that state dicts name.
_GLOBALS: dict[str, Callable[..., Any] | np.dtype[Any]] = {
    **{"collections.OrderedDict": _ordered_dict, "torch._utils._rebuild_parameter": _parameter},
    **{f"torch._utils.{name}": _rebuild_tensor for name in ("_rebuild_tensor", "_rebuild_tensor_v2")},
    **{f"torch.{name}Storage": np.dtype(dtype) for name, dtype in _DTYPES.items()},
    **{f"torch.{name}": _parameter for name in ("nn.parameter.Parameter", *(f"{name}Tensor" for name in _DTYPES))},
}

_OPCODES = (
    *(pickle.PROTO, pickle.STOP, pickle.MARK, pickle.GLOBAL, pickle.BINPERSID),
    *(pickle.BINPUT, pickle.LONG_BINPUT, pickle.BINGET, pickle.LONG_BINGET, pickle.EMPTY_DICT, pickle.EMPTY_LIST),
    *(pickle.APPEND, pickle.APPENDS, pickle.EMPTY_TUPLE, pickle.TUPLE, pickle.TUPLE1, pickle.TUPLE2, pickle.TUPLE3),
    *(pickle.NONE, pickle.NEWTRUE, pickle.NEWFALSE, pickle.BININT, pickle.BININT1, pickle.BININT2, pickle.LONG1),
    *(pickle.BINFLOAT, pickle.BINUNICODE, pickle.SHORT_BINSTRING, pickle.BINSTRING),  # strings of bytes: Python 2
)


class _Unpickler(pickle._Unpickler):
    """The standard library's unpickler in Python, with only the opcodes and names that a state dict needs."""

    stack: list[Any]
    pop_mark: Callable[[], list[Any]]

    def __init__(self, file: BytesIO, n_bytes: int) -> None:
        super().__init__(file)
        self.storages: dict[str, npt.NDArray[Any]] = {}
        self._n_bytes = n_bytes

    def find_class(self, module: str, name: str) -> Any:
        if (full_name := f"{module}.{name}") not in _GLOBALS:
            raise ValueError(f"its pickle wants to use {full_name!r}, which no state dict needs")
        return _GLOBALS[full_name]

    def persistent_load(self, pid: Any) -> npt.NDArray[Any]:
        match pid:
            # The optional last item would make a legacy storage a view of another; those of state dicts are not.
            case ("storage", np.dtype() as dtype, str() as key, str(), int() as size, *rest) if rest in ([], [None]):
                pass
            case _:
                raise ValueError("its pickle names a storage in an unknown way")
        if key not in self.storages:
            self._n_bytes -= size * dtype.itemsize
            if size < 0 or self._n_bytes < 0 or len(self.storages) == _MAX_TENSORS:
                raise ValueError("its storages are larger than the file, or too many")
            self.storages[key] = np.zeros(size, dtype)
        if (self.storages[key].dtype, self.storages[key].size) != (dtype, size):
            raise ValueError(f"storage {shorten(key, 60)!r} has two types or sizes")
        return self.storages[key]

    def _reduce(self) -> None:
        arguments, function = self.stack.pop(), self.stack.pop()
        if not isinstance(arguments, tuple):
            raise ValueError("its pickle calls a function in a way that no state dict needs")
        self.stack.append(function(*arguments))

    def _set_item(self) -> None:
        value, key = self.stack.pop(), self.stack.pop()
        _update(self.stack[-1], [(key, value)])

    def _set_items(self) -> None:
        items = self.pop_mark()
        _update(self.stack[-1], zip(items[::2], items[1::2], strict=True))

    def _build(self) -> None:
        # A dict's state (the version numbers of modules) and a gradient's settings are not needed.
        state, target = self.stack.pop(), self.stack[-1]
        match target, state:
            case (dict(), dict()) | (_Tensor(), (_, _, _)):
                pass
            case _Tensor(), (_Tensor() as data, _, _, _, _):
                target.values = data.values
            case _Tensor(), (_, _, _, _):
                target.values = _rebuild_tensor(*state).values
            case _:
                raise ValueError("its pickle sets an object's state in a way that no state dict needs")

    dispatch: ClassVar[dict[int, Any]] = {
        **{opcode[0]: pickle._Unpickler.dispatch[opcode[0]] for opcode in _OPCODES},
        **{pickle.SETITEM[0]: _set_item, pickle.SETITEMS[0]: _set_items, pickle.BUILD[0]: _build},
        # Classes have stand-ins that are called, too.
        **{pickle.REDUCE[0]: _reduce, pickle.NEWOBJ[0]: _reduce},
    }


def _arrays(state: object) -> dict[str, npt.NDArray[Any]]:
    if not isinstance(state, dict) or not 0 < len(state) <= _MAX_TENSORS:
        raise ValueError("it holds no dict of tensors, or an empty one")
    arrays, n_bytes = {}, 0
    for name, tensor in state.items():
        if not isinstance(tensor, _Tensor) or tensor.values is None:
            raise ValueError(f"{shorten(repr(name), 60)} is not a tensor; save the state dict alone")
        # Several tensors may share a storage (tied weights), but not so often that memory runs out.
        n_bytes += tensor.values.nbytes
        if n_bytes > _MAX_BYTES:
            raise ValueError("too many of its tensors share a storage")
        values = np.ascontiguousarray(tensor.values).reshape(tensor.values.shape)
        arrays[name] = (values.astype("<u4") << 16).view("<f4") if values.dtype == _BFLOAT16 else values
    return arrays
