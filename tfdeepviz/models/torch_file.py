"""State dicts that `torch.save` wrote, without PyTorch: nothing that such a file holds is executed.

Both formats are a pickle that names tensors and where their values lie. The zip (PyTorch 1.6 and later) keeps every
storage in a member of its own; the legacy format is a row of pickles with all storages behind them. The pickle is
walked opcode by opcode: only the few that `torch.save` needs are known, and classes and functions are mere names.
"""

from __future__ import annotations

import math
import pickletools
import struct
import zipfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from textwrap import shorten
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from tfdeepviz.files import FormatError

_MAX_BYTES = 2 << 30
_MAX_PICKLE_BYTES = 1 << 20
_MAX_OPCODES = 200_000
_MAX_TENSORS = 10_000
_MAX_DIMENSIONS = 8

_LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
_LEGACY_PROTOCOL = 1001

# NumPy has no bfloat16: its two bytes are read as an integer and widened.
_BFLOAT16 = "bfloat16"
_DTYPES = {
    **{"DoubleStorage": "<f8", "FloatStorage": "<f4", "HalfStorage": "<f2", "BFloat16Storage": _BFLOAT16},
    **{"LongStorage": "<i8", "IntStorage": "<i4", "ShortStorage": "<i2", "CharStorage": "i1", "ByteStorage": "u1"},
}

_GLOBALS = {
    *("collections OrderedDict", "torch._utils _rebuild_tensor", "torch._utils _rebuild_tensor_v2"),
    *("torch._utils _rebuild_parameter", "torch.nn.parameter Parameter"),
    *(f"torch {name}" for name in _DTYPES),
    *(f"torch {name.replace('Storage', 'Tensor')}" for name in _DTYPES),
}

_OPCODES = {
    opcode.code.encode("latin-1"): opcode
    for opcode in pickletools.opcodes
    if opcode.name
    in {
        *("PROTO", "STOP", "MARK", "GLOBAL", "REDUCE", "NEWOBJ", "BUILD", "BINPERSID"),
        *("BINPUT", "LONG_BINPUT", "BINGET", "LONG_BINGET", "EMPTY_DICT", "SETITEM", "SETITEMS"),
        *("EMPTY_LIST", "APPEND", "APPENDS", "EMPTY_TUPLE", "TUPLE", "TUPLE1", "TUPLE2", "TUPLE3"),
        *("NONE", "NEWTRUE", "NEWFALSE", "BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT", "BINUNICODE"),
        *("SHORT_BINSTRING", "BINSTRING"),  # Python 2
    }
}


@dataclass(frozen=True)
class _Global:
    name: str


@dataclass(frozen=True)
class _Storage:
    key: str
    dtype: str
    size: int

    @property
    def itemsize(self) -> int:
        return 2 if self.dtype == _BFLOAT16 else np.dtype(self.dtype).itemsize

    @property
    def n_bytes(self) -> int:
        return self.size * self.itemsize


@dataclass(frozen=True)
class _View:
    """Part of a storage, in elements."""

    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


@dataclass
class _Tensor:
    # None until BUILD, which is how PyTorch 0.1 fills tensors and parameters.
    view: _View | None = None


def read_state_dict(path: Path, *, prefix: str = "") -> dict[str, npt.NDArray[Any]]:
    """Read a state dict as `torch.save` writes it, in the format of PyTorch 1.6 and later or in the legacy one.

    Parameters
    ----------
    path
        A `.pth` or `.pt` file.
    prefix
        Only tensors whose name begins so are read.

    Returns
    -------
    dict of str to np.ndarray
        In the file's order, each C-contiguous and in its own dtype, but bfloat16 as float32.

    Raises
    ------
    FormatError
        If the file is missing, too large or broken, or holds anything but a flat dict of tensors.
    """
    try:
        n_bytes = path.stat().st_size
        if n_bytes > _MAX_BYTES:
            raise FormatError(f"{path}: larger than {_MAX_BYTES} bytes; this is not a state dict of a known network")
        with path.open("rb") as file:
            if file.read(4) == b"PK\3\4":
                with zipfile.ZipFile(file) as archive:
                    state, read = _open_zip(archive)
                    return _arrays(state, read, prefix=prefix, n_bytes=n_bytes)
            file.seek(0)
            state, read = _open_legacy(file, n_bytes)
            return _arrays(state, read, prefix=prefix, n_bytes=n_bytes)
    except FileNotFoundError as error:
        raise FormatError(f"{path}: missing") from error
    except _ERRORS as error:
        if isinstance(error, FormatError):
            raise
        reason = shorten(str(error), 200, placeholder="...")
        raise FormatError(
            f"{path}: no state dict that can be read ({reason}); write it again with torch.save(model.state_dict())"
        ) from error


# EOFError, RuntimeError and struct.error are zipfile's, for broken fields and for methods that it lacks.
_ERRORS = (OSError, ValueError, EOFError, RuntimeError, zipfile.BadZipFile, struct.error)

_Read = Callable[[_Storage], bytes]


def _open_zip(archive: zipfile.ZipFile) -> tuple[object, _Read]:
    members = {entry.filename: entry for entry in archive.infolist()}
    roots = [name.removesuffix("data.pkl") for name in members if name.count("/") == 1 and name.endswith("/data.pkl")]
    if len(roots) != 1:
        raise ValueError("the zip holds no data.pkl, or several")
    (root,) = roots

    def member(name: str, max_bytes: int) -> bytes:
        entry = members.get(root + name)
        # torch.save does not compress: no member is larger than the file, whatever the zip claims.
        if entry is None or entry.compress_type != zipfile.ZIP_STORED or entry.file_size > max_bytes:
            raise ValueError(f"{name!r} is missing, compressed or too large")
        return archive.read(entry)

    if root + "byteorder" in members and member("byteorder", 16) != b"little":
        raise ValueError("its byte order is not little-endian")
    pickle = BytesIO(member("data.pkl", _MAX_PICKLE_BYTES))
    return _Unpickler().run(pickle), lambda storage: member(f"data/{storage.key}", storage.n_bytes)


def _open_legacy(file: BinaryIO, n_bytes: int) -> tuple[object, _Read]:
    # All pickles lie at the start; what they claim to hold must not be allocated unless it is there.
    head = BytesIO(file.read(_MAX_PICKLE_BYTES))
    unpickler = _Unpickler()
    if unpickler.run(head) != _LEGACY_MAGIC or unpickler.run(head) != _LEGACY_PROTOCOL:
        raise ValueError("it begins with no zip and no magic number of PyTorch's")
    system = unpickler.run(head)
    if not isinstance(system, dict) or system.get("little_endian") is not True:
        raise ValueError("its byte order is not little-endian")
    state, keys = unpickler.run(head), unpickler.run(head)
    if not isinstance(keys, list) or len(keys) > _MAX_TENSORS:
        raise ValueError("its list of storages is broken")
    starts: dict[str, int] = {}
    position = head.tell()
    for key in keys:
        storage = unpickler.storages.get(key) if isinstance(key, str) else None
        file.seek(position)
        if storage is None or file.read(8) != storage.size.to_bytes(8, "little"):
            raise ValueError("its list of storages does not fit its tensors")
        starts[storage.key] = position + 8
        position += 8 + storage.n_bytes
        if position > n_bytes:
            raise ValueError("it ends before its storages do")

    def read(storage: _Storage) -> bytes:
        if storage.key not in starts:
            raise ValueError(f"storage {storage.key!r} is missing")
        file.seek(starts[storage.key])
        return file.read(storage.n_bytes)

    return state, read


class _Unpickler:
    """Walks pickles; all it makes is plain values, `_Global`, `_Storage` and `_Tensor`."""

    def __init__(self) -> None:
        self.storages: dict[str, _Storage] = {}
        self._n_opcodes = 0

    def run(self, file: BytesIO) -> object:
        """Read one pickle up to its end."""
        self._stack: list[Any] = []
        self._marks: list[int] = []
        self._memo: dict[int, Any] = {}
        while True:
            self._n_opcodes += 1
            code = file.read(1)
            opcode = _OPCODES.get(code)
            if opcode is None or self._n_opcodes > _MAX_OPCODES:
                raise ValueError(f"its pickle has an end, a length or an opcode ({code!r}) that no state dict has")
            if opcode.name == "STOP":
                return self._pop()
            if opcode.name == "GLOBAL":
                self._stack.append(_global(file))
            else:
                self._step(opcode.name, opcode.arg.reader(file) if opcode.arg else None)

    def _step(self, name: str, argument: Any) -> None:
        stack = self._stack
        match name:
            case "PROTO":
                pass
            case "MARK":
                self._marks.append(len(stack))
            case "NONE":
                stack.append(None)
            case "NEWTRUE" | "NEWFALSE":
                stack.append(name == "NEWTRUE")
            case "EMPTY_DICT":
                stack.append({})
            case "EMPTY_LIST":
                stack.append([])
            case "EMPTY_TUPLE":
                stack.append(())
            case "TUPLE":
                stack.append(tuple(self._pop_to_mark()))
            case "TUPLE1" | "TUPLE2" | "TUPLE3":
                stack.append(tuple(reversed([self._pop() for _ in range(int(name[-1]))])))
            case "APPEND":
                self._extend([self._pop()])
            case "APPENDS":
                self._extend(self._pop_to_mark())
            case "SETITEM":
                value, key = self._pop(), self._pop()
                self._update([(key, value)])
            case "SETITEMS":
                items = self._pop_to_mark()
                if len(items) % 2:
                    raise ValueError("its pickle has a key without a value")
                self._update(zip(items[::2], items[1::2], strict=True))
            case "BINPUT" | "LONG_BINPUT":
                self._memo[argument] = self._top()
            case "BINGET" | "LONG_BINGET":
                if argument not in self._memo:
                    raise ValueError("its pickle refers to what is not there")
                stack.append(self._memo[argument])
            case "BINPERSID":
                stack.append(self._storage(self._pop()))
            case "REDUCE" | "NEWOBJ":
                arguments, function = self._pop(), self._pop()
                stack.append(_call(function, arguments))
            case "BUILD":
                state = self._pop()
                _set_state(self._top(), state)
            case _:  # numbers and strings
                stack.append(argument)

    def _top(self) -> Any:
        if not self._stack or (self._marks and len(self._stack) <= self._marks[-1]):
            raise ValueError("its pickle takes what is not there")
        return self._stack[-1]

    def _pop(self) -> Any:
        self._top()
        return self._stack.pop()

    def _pop_to_mark(self) -> list[Any]:
        if not self._marks:
            raise ValueError("its pickle takes what is not there")
        mark = self._marks.pop()
        items = self._stack[mark:]
        del self._stack[mark:]
        return items

    def _extend(self, items: list[Any]) -> None:
        target = self._top()
        if not isinstance(target, list):
            raise ValueError("its pickle appends to what is no list")
        target.extend(items)

    def _update(self, items: Iterable[tuple[Any, Any]]) -> None:
        _update(self._top(), items)

    def _storage(self, identifier: Any) -> _Storage:
        # Legacy storages may be views of others, which the optional last item tells; state dicts have none.
        match identifier:
            case ("storage", _Global(kind), str() as key, str(), int() as size) | (
                "storage",
                _Global(kind),
                str() as key,
                str(),
                int() as size,
                None,
            ) if kind.endswith("Storage") and 0 <= size <= _MAX_BYTES:
                storage = _Storage(key, _DTYPES[kind.removeprefix("torch ")], size)
            case _:
                raise ValueError("its pickle names a storage in a way that is not known")
        if self.storages.setdefault(key, storage) != storage:
            raise ValueError(f"storage {key!r} has two types or sizes")
        return storage


def _global(file: BytesIO) -> _Global:
    # pickletools would interpret escapes here, and warn of wrong ones.
    name = " ".join(file.readline().removesuffix(b"\n").decode("ascii", "backslashreplace") for _ in range(2))
    if name not in _GLOBALS:
        raise ValueError(f"its pickle wants to use {name.replace(' ', '.')!r}, which no state dict needs")
    return _Global(name)


def _update(target: Any, items: Iterable[tuple[Any, Any]]) -> None:
    if not isinstance(target, dict):
        raise ValueError("its pickle sets items of what is no dict")
    for key, value in items:
        if not isinstance(key, str):
            raise ValueError(f"a key is no string but of type {type(key).__name__}")
        target[key] = value


def _call(function: Any, arguments: Any) -> Any:
    match function, arguments:
        case _Global("collections OrderedDict"), ():
            return {}
        case _Global("collections OrderedDict"), (list() as items,):  # Python 2
            result: dict[str, Any] = {}
            for item in items:
                if not isinstance(item, list | tuple) or len(item) != 2:
                    raise ValueError("its pickle makes a dict of what are no pairs")
                _update(result, [(item[0], item[1])])
            return result
        case _Global("torch._utils _rebuild_tensor" | "torch._utils _rebuild_tensor_v2"), (
            _Storage() as storage,
            offset,
            shape,
            strides,
            *_,
        ):
            return _Tensor(_view(storage, offset, shape, strides))
        case _Global("torch._utils _rebuild_parameter"), (_Tensor() as tensor, *_):
            return tensor
        case _Global("torch.nn.parameter Parameter"), (_Tensor() as tensor,):
            return tensor
        case _Global(name), () if name == "torch.nn.parameter Parameter" or name.endswith("Tensor"):
            return _Tensor()
        case _:
            raise ValueError("its pickle makes an object in a way that no state dict needs")


def _set_state(target: Any, state: Any) -> None:
    # Of dicts this is the `_metadata` of a state dict, of parameters their gradient's settings: neither is needed.
    match target, state:
        case dict(), dict():
            pass
        case _Tensor(), (_, _, _):
            pass
        case _Tensor(), (_Storage() as storage, offset, shape, strides):
            target.view = _view(storage, offset, shape, strides)
        case _Tensor(), (_Tensor() as data, _, _, _, _):
            target.view = data.view
        case _:
            raise ValueError("its pickle sets an object's state in a way that no state dict needs")


def _view(storage: _Storage, offset: Any, shape: Any, strides: Any) -> _View:
    """Check all that a tensor claims against its storage."""
    if not isinstance(shape, tuple) or not isinstance(strides, tuple):
        raise ValueError("a tensor is described in a way that is not known")
    if len(shape) != len(strides) or len(shape) > _MAX_DIMENSIONS:
        raise ValueError(f"a tensor has {len(shape)} dimensions and {len(strides)} strides")
    if not all(type(n) is int and n >= 0 for n in (offset, *shape, *strides)):
        raise ValueError("a tensor's offset, shape or strides are no whole numbers of at least 0")
    # The product of the sizes, given up where it leaves the storage: sizes may have any number of digits.
    n_values = 1
    for n in shape:
        n_values = min(n_values * n, storage.size + 1)
    last = offset + sum((n - 1) * stride for n, stride in zip(shape, strides, strict=True))
    if n_values == 0 or n_values > storage.size or last >= storage.size:
        raise ValueError(f"a tensor is empty or lies outside its storage of {storage.size} values")
    # Where a size is 1, any stride is right; NumPy must not see a huge one.
    strides = tuple(stride if n > 1 else 0 for n, stride in zip(shape, strides, strict=True))
    return _View(storage, offset, shape, strides)


def _arrays(state: object, read: _Read, *, prefix: str, n_bytes: int) -> dict[str, npt.NDArray[Any]]:
    if not isinstance(state, dict) or not 0 < len(state) <= _MAX_TENSORS:
        raise ValueError("it holds no dict of tensors, or an empty one")
    views: dict[str, _View] = {}
    for name, tensor in state.items():
        if not isinstance(tensor, _Tensor) or tensor.view is None:
            raise ValueError(f"{shorten(repr(name), 60)} is no tensor; save the state dict alone")
        if name.startswith(prefix):
            views[name] = tensor.view
    by_storage: dict[_Storage, list[str]] = {}
    for name, view in views.items():
        by_storage.setdefault(view.storage, []).append(name)
    if sum(storage.n_bytes for storage in by_storage) > n_bytes:
        raise ValueError("its tensors are larger than the file")
    # Several tensors may share a storage (tied weights), but not so often that memory runs out.
    if sum(math.prod(view.shape) * view.storage.itemsize for view in views.values()) > _MAX_BYTES:
        raise ValueError("too many of its tensors share a storage")
    arrays: dict[str, npt.NDArray[Any]] = {}
    for storage, names in by_storage.items():
        data = read(storage)
        if len(data) != storage.n_bytes:
            raise ValueError(f"storage {storage.key!r} has {len(data)} bytes instead of {storage.n_bytes}")
        values = _values(storage, data)
        for name in names:
            view = views[name]
            strides = [stride * values.itemsize for stride in view.strides]
            start = values[view.offset :]
            arrays[name] = np.lib.stride_tricks.as_strided(start, view.shape, strides, writeable=False).copy()
    return {name: arrays[name] for name in views}


def _values(storage: _Storage, data: bytes) -> npt.NDArray[Any]:
    if storage.dtype == _BFLOAT16:
        return (np.frombuffer(data, "<u2").astype("<u4") << 16).view("<f4")
    return np.frombuffer(data, storage.dtype)
