"""Damaged copies of valid files, each from a number alone, so that any of them can be made again."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

Rng = np.random.Generator
Mutate = Callable[[Rng, Sequence[bytes]], bytes]

# Values at which sizes, counts and signs tip over.
_EXTREMES = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFF0, 0xFFFFFFFF)
_EXTREMES_64 = (1 << 40, (1 << 63) - 1, 1 << 63, (1 << 64) - 1)

_TOKENS = (
    *(b"", b"0", b"-1", b"-0.0", b"1.5", b"1e999", b"nan", b"NaN", b"-inf", b"1e-400", b"null", b"true", b"\0"),
    *(b'"', b'""', b",", b",,,,,,,,", b"\n", b"\r", b"\n\n", b"\xff\xfe", b"\xed\xa0\x80", b"\xef\xbb\xbf", b"\\ud800"),
    *(b"9" * 18, b"9" * 19, b"9" * 400, b"9" * 5_000, b"[" * 3_000, b"(" * 300, b"[-" * 90, b"{'a': 1}", b"['a']"),
    *(b"[1, 2", b"[1,1e999]", b"../../x", b"/", b"A" * 70_000, b"2020-99-99", b"0001-01-01", b"999999-01-01", b"0x10"),
)

_JUNK: tuple[Any, ...] = (
    *(None, True, False, 0, 1, -1, 2, 1 << 31, (1 << 40) - 1, 1 << 63, 10**400, 0.5, -0.0, 1e308, math.nan, math.inf),
    *(
        "",
        "a",
        "0",
        "..",
        "/",
        "\0",
        "\ud800",
        "x" * 5_000,
        [],
        {},
        [[]],
        [None],
        ["a"],
        ["ab"],
        [1, 2],
        {"a": 1},
        {"": {}},
    ),
)


def mutant(mutate: Mutate, seeds: Sequence[bytes], number: int) -> bytes:
    """The mutant with a number."""
    return mutate(np.random.default_rng(number), seeds)


def mutate_bytes(rng: Rng, seeds: Sequence[bytes]) -> bytes:
    """One seed after a few changes, mostly one; a third of them near its start, where headers are."""
    data = bytearray(seeds[rng.integers(len(seeds))])
    for _ in range(_n_changes(rng)):
        _change(rng, data, seeds)
    return bytes(data)


def _n_changes(rng: Rng) -> int:
    # Most have one flaw only, as what is behind the first check has to be reached as well.
    return int(min(rng.geometric(0.6), 5))


def _change(rng: Rng, data: bytearray, seeds: Sequence[bytes]) -> None:
    at = int(rng.integers(1 + (len(data) if rng.random() < 0.67 else min(len(data), 256))))
    n = int(2 ** rng.uniform(0, 10))
    match rng.integers(8):
        case 0:
            for position in (at + rng.integers(0, 64, n % 16 + 1)).tolist():
                if position < len(data):
                    data[position] ^= 1 << int(rng.integers(8))
        case 1:
            # No longer than what is there: the length stays.
            n = min(n, len(data) - at)
            data[at : at + n] = bytes([int(rng.choice([0, 0xFF, rng.integers(256)]))]) * n
        case 2:
            del data[at:]
        case 3:
            data[at:at] = rng.bytes(n)
        case 4:
            del data[at : at + n]
        case 5:
            data[at:at] = data[at : at + n] * int(rng.integers(1, 9))
        case 6:
            other = seeds[rng.integers(len(seeds))]
            data[at:] = other[int(rng.integers(len(other) + 1)) :]
        case _:
            _set_extreme(rng, data, at)


def _set_extreme(rng: Rng, data: bytearray, at: int) -> None:
    size = int(rng.choice([1, 2, 4, 8]))
    value = int(rng.choice(np.array([*_EXTREMES, *_EXTREMES_64], np.uint64))) % (1 << 8 * size)
    order: Any = rng.choice(["little", "big"])
    data[at : at + size] = value.to_bytes(size, order)


def mutate_sound(rng: Rng, seeds: Sequence[bytes]) -> bytes:
    """Claims of sizes, counts and rates where formats have them, or changes as of any bytes."""
    if rng.random() < 0.6:
        return mutate_bytes(rng, seeds)
    data = bytearray(seeds[rng.integers(len(seeds))])
    ends = [match.end() for match in re.finditer(rb"Xing|Info|RIFF|RF64|ds64|fmt |fact|data|fLaC|OggS", data)]
    for _ in range(_n_changes(rng)):
        _set_extreme(rng, data, int(rng.choice(ends)) + int(rng.integers(24)))
    return bytes(data)


def mutate_text(rng: Rng, seeds: Sequence[bytes]) -> bytes:
    """Fields replaced by what readers of text stumble over, or changes as of any bytes."""
    if rng.random() < 0.4:
        return mutate_bytes(rng, seeds)
    data = seeds[rng.integers(len(seeds))]
    for _ in range(_n_changes(rng)):
        fields = list(re.finditer(rb"[^,\n:\[\]{} ]+|(?<=,)(?=[,\n])", data))
        if not fields:
            break
        field, token = fields[rng.integers(len(fields))], _TOKENS[rng.integers(len(_TOKENS))]
        data = data[: field.start()] + token + data[field.end() :]
    return data


def mutate_json(rng: Rng, seeds: Sequence[bytes]) -> bytes:
    """Values and keys of another kind, missing or doubled, in an intact JSON text; sometimes a broken text."""
    if rng.random() < 0.3:
        return mutate_text(rng, seeds)
    document = json.loads(seeds[rng.integers(len(seeds))])
    for _ in range(_n_changes(rng)):
        places = list(_places(document))
        if not places:
            break
        parent, key = places[rng.integers(len(places))]
        junk, (other, other_key) = _JUNK[rng.integers(len(_JUNK))], places[rng.integers(len(places))]
        match rng.integers(5):
            case 0:
                del parent[key]
            case 1:
                # Through text, as a value inside itself would never end.
                parent[key] = json.loads(json.dumps(other[other_key]))
            case 2 if isinstance(parent, dict):
                parent[str(junk) if isinstance(junk, str) else "more"] = parent.pop(key)
            case 2:
                parent += [parent[key]] * 3
            case _:
                parent[key] = junk
    return json.dumps(document).encode()


def _places(value: Any) -> list[tuple[Any, Any]]:
    """Every (container, key) of a document."""
    keys = list(value) if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    return [place for key in keys for place in ((value, key), *_places(value[key]))]


def _crc_table(polynomial: int, *, reflected: bool) -> list[int]:
    table = []
    for byte in range(256):
        crc = byte if reflected else byte << 24
        for _ in range(8):
            if reflected:
                crc = crc >> 1 ^ (polynomial if crc & 1 else 0)
            else:
                crc = (crc << 1 ^ (polynomial if crc >> 31 else 0)) & 0xFFFFFFFF
        table.append(crc)
    return table


_OGG_TABLE = _crc_table(0x04C11DB7, reflected=False)
_CRC32C_TABLE = _crc_table(0x82F63B78, reflected=True)


def with_ogg_checksums(data: bytes) -> bytes:
    """An ogg stream with right checksums, and a serial number that does not change from run to run."""
    result = bytearray(data)
    for match in re.finditer(rb"OggS", data):
        at = match.start()
        segments = data[at + 27 : at + 27 + data[at + 26]] if at + 26 < len(data) else b""
        end = at + 27 + len(segments) + sum(segments)
        if at + 27 > len(data) or end > len(data):
            continue
        result[at + 14 : at + 18] = b"fuzz"
        result[at + 22 : at + 26] = bytes(4)
        crc = 0
        for byte in result[at:end]:
            crc = crc << 8 & 0xFFFFFFFF ^ _OGG_TABLE[crc >> 24 ^ byte]
        result[at + 22 : at + 26] = crc.to_bytes(4, "little")
    return bytes(result)


def tfrecord(payload: bytes, *, length: int | None = None) -> bytes:
    """One record with right checksums, even where it claims another length than it has."""
    header = (len(payload) if length is None else length).to_bytes(8, "little")
    return header + _masked_crc32c(header) + payload + _masked_crc32c(payload)


def _masked_crc32c(data: bytes) -> bytes:
    crc = 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ _CRC32C_TABLE[(crc ^ byte) & 0xFF]
    crc ^= 0xFFFFFFFF
    return (((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF).to_bytes(4, "little")
