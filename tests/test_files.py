"""Atomic writing: permissions, threads, names; records."""

from __future__ import annotations

import os
import stat
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tfdeepviz.files import (
    Finite,
    FormatError,
    atomic_path,
    convert,
    read_record,
    remove_leftovers,
    temporary_folder,
    write_json,
)


@pytest.mark.parametrize("umask", [0o022, 0o027, 0o077])
def test_the_umask_decides_the_permissions(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        write_json(tmp_path / "a.json", {})
        with temporary_folder(tmp_path) as folder:
            folder.rename(tmp_path / "a")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "a.json").stat().st_mode) == 0o666 & ~umask
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o777 & ~umask


def test_a_temporary_folder_goes_unless_it_is_renamed(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), temporary_folder(tmp_path / "new") as folder:
        (folder / "a").touch()
        raise ZeroDivisionError
    assert list((tmp_path / "new").iterdir()) == []


def test_the_umask_is_never_touched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Threads share it: one that sets it to 0 for a moment gives others' files away, or leaves it at 0.
    monkeypatch.setattr(os, "umask", lambda mask: pytest.fail(f"the umask was set to {mask:o}"))
    with ThreadPoolExecutor(4) as pool:
        for _ in pool.map(lambda i: write_json(tmp_path / f"{i % 3}.json", {"i": i}), range(40)):
            pass
    assert sorted(path.name for path in tmp_path.iterdir()) == ["0.json", "1.json", "2.json"]


def test_what_fails_leaves_nothing_and_what_was_killed_is_removed(tmp_path: Path) -> None:
    target = tmp_path / "shard.tfrecord-00000-of-00001"
    target.write_text("old")
    with pytest.raises(ZeroDivisionError), atomic_path(target) as temporary:
        temporary.write_text("new")
        _ = 1 / 0
    assert [path.read_text() for path in tmp_path.iterdir()] == ["old"]
    with atomic_path(target) as temporary:
        leftover = tmp_path / f"{temporary.name}-0"
        leftover.write_text("of a killed process")
    remove_leftovers(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [target.name]


class Inner(msgspec.Struct, frozen=True):
    size: Annotated[int, msgspec.Meta(ge=1, le=9)]
    weights: tuple[Finite, ...] = ()

    def __post_init__(self) -> None:
        if len(self.weights) > self.size:
            raise ValueError(f"weights: at most {self.size}")


class Outer(msgspec.Struct, frozen=True):
    name: str
    inner: list[Inner]
    by_name: dict[str, Inner] = {}


def test_a_record_is_read_as_its_type(tmp_path: Path) -> None:
    record = Outer("a", [Inner(2, (1.0, 2.5))], {"b": Inner(1)})
    write_json(tmp_path / "a.json", msgspec.to_builtins(record))
    assert read_record(tmp_path / "a.json", Outer) == record


NAMES = st.sampled_from(["a", "name", "inner", "size"])
TEXTS = st.text(st.characters(categories=["L", "Cs"]), max_size=3)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXTS,
    lambda inside: st.lists(inside, max_size=3) | st.dictionaries(NAMES, inside),
)


@given(JSON, JSON, JSON)
def test_whatever_a_file_holds_is_read_or_refused(name: object, inner: object, by_name: object) -> None:
    for values in (name, {"name": name, "inner": inner, "by_name": by_name}, {"name": "a", "inner": [inner, by_name]}):
        with suppress(FormatError):
            assert isinstance(convert(values, Outer, "a.json"), Outer)


@pytest.mark.parametrize(
    ("values", "flaw"),
    [
        ([], "must be an object, but is a list of 0"),
        ({"inner": []}, "name is missing"),
        ({"name": 3, "inner": []}, "name must be text, but is 3"),
        ({"name": "a", "inner": [{"size": 3}, {}]}, "inner[1].size is missing"),
        (
            {"name": "a", "inner": [{"size": 0}]},
            "inner[0].size must be a whole number, at least 1 and at most 9, but is 0",
        ),
        (
            {"name": "a", "inner": [{"size": True}]},
            "inner[0].size must be a whole number, at least 1 and at most 9, but is true",
        ),
        (
            {"name": "a", "inner": [{"size": 2, "weights": [1, float("nan")]}]},
            "inner[0].weights[1] must be a number, at least -1e+38 and at most 1e+38, but is NaN",
        ),
        (
            {"name": "a", "inner": [{"size": 2, "weights": [10**400]}]},
            "inner[0].weights[0] must be a number, at least -1e+38 and at most 1e+38, but is 1" + 99 * "0" + "...",
        ),
        ({"name": "a", "inner": [{"size": 1, "weights": [1, 2]}]}, "inner[0]: weights: at most 1"),
        ({"name": "a", "inner": [], "by_name": {"b": 3}}, "by_name[...] must be an object"),
        ({"name": "a", "inner": [], "\ud800": 1}, "'\\ud800' is not a name that is known here"),
        ({"name": "a", "inner": [], "by_name": {3: 3}}, "by_name: each name must be text"),
    ],
)
def test_a_wrong_record_is_refused_by_field_and_flaw(values: object, flaw: str) -> None:
    with pytest.raises(FormatError) as caught:
        convert(values, Outer, "a.json")
    assert str(caught.value) == f"a.json: {flaw}"
