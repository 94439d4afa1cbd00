from __future__ import annotations

import os
import shutil
from hashlib import sha1
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

import tfdeepviz.data.index as index_module
from tests.conftest import RATE_HZ, make_fma
from tfdeepviz.data.decode import AudioError, AudioTooShortError, decode_file
from tfdeepviz.data.index import STATUSES, FileEntry, FileIndex, index_files
from tfdeepviz.data.metadata import Metadata
from tfdeepviz.files import FormatError


@pytest.fixture
def corpus(tmp_path: Path, fma_root: Path) -> Path:
    """A corpus of eight tracks, to be broken."""
    return Path(shutil.copytree(fma_root, tmp_path / "corpus"))


def index(root: Path, *, known: FileIndex | None = None, n_workers: int = 2) -> FileIndex:
    return index_files(Metadata.load(root), subset="small", n_workers=n_workers, known=known)


def problem(root: Path) -> FileEntry:
    (entry,) = index(root).problems()
    return entry


def audio(root: Path, track_id: int = 3) -> Path:
    return root / f"fma_small/000/{track_id:06d}.mp3"


def write_checksums(root: Path) -> Path:
    folder = root / "fma_small"
    files = sorted(folder.glob("*/*.mp3"))
    lines = [f"{sha1(file.read_bytes()).hexdigest()}  {file.relative_to(folder).as_posix()}\n" for file in files]
    (folder / "checksums").write_text("".join(lines))
    return folder / "checksums"


def test_every_reason_to_refuse_a_file_is_a_status() -> None:
    assert {error.reason for error in AudioError.__subclasses__()} - {AudioTooShortError.reason} <= set(STATUSES)


def test_a_whole_corpus(corpus: Path) -> None:
    write_checksums(corpus)
    (corpus / "fma_small" / "README.txt").touch()
    done: list[tuple[int, int]] = []
    result = index_files(Metadata.load(corpus), subset="small", n_workers=2, progress=lambda *count: done.append(count))
    assert result.counts() == {"ok": 8}
    assert result.problems() == ()
    assert done == [(i, 8) for i in range(1, 9)]
    entry = result.entries[1]
    status = audio(corpus).stat()
    assert (entry.path, entry.track_id, entry.message) == ("fma_small/000/000003.mp3", 3, "")
    assert (entry.n_bytes, entry.modified_ns) == (status.st_size, status.st_mtime_ns)
    assert entry.sha1 == sha1(audio(corpus).read_bytes()).hexdigest()
    assert (entry.rate_hz, entry.n_channels) == (RATE_HZ, 1)
    assert entry.seconds == pytest.approx(4.0, abs=0.1)
    assert index(corpus, n_workers=1) == result


def test_every_flaw_becomes_a_status(corpus: Path) -> None:
    audio(corpus, 2).unlink()
    audio(corpus, 3).write_bytes(b"")
    audio(corpus, 4).write_bytes(b"<html>not found</html>" * 99)
    audio(corpus, 5).unlink()
    audio(corpus, 5).mkdir()
    (corpus / "fma_small/000/000099.mp3").write_bytes(b"x")
    (corpus / "fma_small/000/README.txt").write_bytes(b"x")
    result = index(corpus)
    assert result.counts() == {"ok": 4, "missing": 2, "unexpected": 2, "empty": 1, "unsupported": 1}
    assert [Path(entry.path).name for entry in result.problems()] == [
        *("000002.mp3", "000003.mp3", "000004.mp3", "000005.mp3", "000099.mp3", "README.txt")
    ]
    assert all(entry.message.startswith(f"{entry.path}: ") for entry in result.problems())
    assert str(corpus) not in "".join(entry.message for entry in result.entries)
    assert result.entries == tuple(sorted(result.entries, key=lambda entry: entry.path))


def test_no_folder_of_audio_at_all(corpus: Path) -> None:
    shutil.rmtree(corpus / "fma_small")
    assert index(corpus).counts() == {"missing": 8}
    (corpus / "fma_small").touch()
    assert index(corpus).counts() == {"missing": 8, "unreadable": 1}


def test_unknown_subset(corpus: Path) -> None:
    with pytest.raises(ValueError, match="tiny"):
        index_files(Metadata.load(corpus), subset="tiny", n_workers=1)


@pytest.mark.parametrize("error", [PermissionError(13, "Permission denied"), OSError(5, "Input/output error")])
def test_unreadable_files(corpus: Path, monkeypatch: pytest.MonkeyPatch, error: OSError) -> None:
    def fail(path: Path, **_: object) -> None:
        raise error

    monkeypatch.setattr(index_module, "decode_file", fail)
    entry = index(corpus).entries[0]
    assert (entry.status, entry.message) == ("unreadable", f"fma_small/000/000002.mp3: {error.strerror}")


def test_files_that_vanish_meanwhile(corpus: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def vanish(path: Path, *, sample_rate_hz: int) -> None:
        path.unlink()
        raise FileNotFoundError(path)

    monkeypatch.setattr(index_module, "decode_file", vanish)
    result = index(corpus)
    assert result.counts() == {"missing": 8}
    assert result.entries[0].n_bytes is None


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_unreadable_folders(corpus: Path) -> None:
    folder = corpus / "fma_small" / "001"
    folder.chmod(0)
    try:
        assert index(corpus).counts() == {"ok": 7, "unreadable": 2}
    finally:
        folder.chmod(0o755)


def test_folders_that_cannot_be_listed(corpus: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scandir = os.scandir

    def refuse(path: str) -> object:
        if str(path).endswith("001"):
            raise PermissionError(13, "Permission denied", path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    assert problem(corpus) == FileEntry(
        path="fma_small/001", status="unreadable", message="fma_small/001: Permission denied"
    )


def test_links_are_not_followed(corpus: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret.mp3").touch()
    (corpus / "fma_small" / "loop").symlink_to(corpus / "fma_small")
    (corpus / "fma_small" / "out").symlink_to(outside)
    assert index(corpus).problems() == ()
    (corpus / "fma_small" / "file").symlink_to(outside / "secret.mp3")
    entry = problem(corpus)
    assert (entry.path, entry.status) == ("fma_small/file", "unexpected")
    assert entry.n_bytes != 0  # that of the link


def test_changed_files(corpus: Path) -> None:
    checksums = write_checksums(corpus)
    shutil.copy(audio(corpus, 4), audio(corpus, 3))
    entry = problem(corpus)
    assert (entry.track_id, entry.status) == (3, "changed")
    assert entry.seconds is not None
    checksums.write_text("".join(line for line in checksums.read_text().splitlines(True) if "000003" not in line))
    assert index(corpus).problems() == ()


@pytest.mark.parametrize(
    "line", ["abc", "", f"{'0' * 39}  a.mp3", f"{'0' * 40} a.mp3", f"{'g' * 40}  a.mp3", f"{'0' * 40}  000/000002.mp3"]
)
def test_broken_checksums_are_refused(corpus: Path, line: str) -> None:
    checksums = write_checksums(corpus)
    checksums.write_text(checksums.read_text() + line + "\n")
    with pytest.raises(FormatError, match="checksums: line 9"):
        index(corpus)


def test_oversized_and_unreadable_checksums(corpus: Path) -> None:
    checksums = write_checksums(corpus)
    os.truncate(checksums, 1 << 30)  # sparse
    with pytest.raises(FormatError, match="larger"):
        index(corpus)
    checksums.unlink()
    checksums.mkdir()
    with pytest.raises(FormatError, match="cannot be read"):
        index(corpus)


def test_published_bad_files(tmp_path: Path) -> None:
    make_fma(tmp_path, {98_558: "training", 99_134: "training", 2: "training"}, seconds=1.0)
    (tmp_path / "fma_small/099/099134.mp3").write_bytes(b"no sound" * 9)
    result = index(tmp_path)
    assert [entry.status for entry in result.entries] == ["ok", "known-bad", "known-bad"]
    assert ["too short" in entry.message for entry in result.entries] == [False, True, False]
    assert "no audio" in result.entries[2].message


def test_published_bad_files_that_are_mended(tmp_path: Path) -> None:
    make_fma(tmp_path, {98_558: "training"}, seconds=29.5)
    assert index(tmp_path).counts() == {"ok": 1}


def test_known_files_are_not_read_again(corpus: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    audio(corpus, 2).write_bytes(b"broken")
    before = index(corpus)
    decoded: list[str] = []

    def count(path: Path, *, sample_rate_hz: int) -> object:
        decoded.append(path.name)
        return decode_file(path, sample_rate_hz=sample_rate_hz)

    monkeypatch.setattr(index_module, "decode_file", count)
    assert index(corpus, known=before) == before
    assert decoded == []

    # Same size, other time; other size, same time.
    os.utime(audio(corpus, 3), ns=(0, 0))
    status = audio(corpus, 4).stat()
    audio(corpus, 4).write_bytes(audio(corpus, 4).read_bytes() + b"x")
    os.utime(audio(corpus, 4), ns=(status.st_atime_ns, status.st_mtime_ns))
    audio(corpus, 5).unlink()
    after = index(corpus, known=before, n_workers=1)
    assert decoded == ["000003.mp3", "000004.mp3"]
    assert after == index(corpus)


def test_known_files_are_still_compared_with_checksums(corpus: Path) -> None:
    before = index(corpus)
    checksums = write_checksums(corpus)
    checksums.write_text(checksums.read_text().replace(before.entries[0].sha1, "0" * 40))
    changed = index(corpus, known=before)
    assert changed.counts() == {"ok": 7, "changed": 1}
    write_checksums(corpus)
    assert index(corpus, known=changed) == before


_INTEGERS = st.none() | st.integers(-(10**18), 10**18)
_ENTRIES = st.builds(
    FileEntry,
    path=st.text(max_size=9) | st.binary(max_size=9).map(lambda name: name.decode(errors="surrogateescape")),
    track_id=_INTEGERS,
    status=st.sampled_from(STATUSES),
    n_bytes=_INTEGERS,
    modified_ns=_INTEGERS,
    sha1=st.sampled_from(["", "0f" * 20]),
    seconds=st.none() | st.integers(0, 10**8).map(lambda milliseconds: milliseconds / 1000),
    rate_hz=_INTEGERS,
    n_channels=_INTEGERS,
    message=st.text(),
)


@given(st.lists(_ENTRIES, max_size=5, unique_by=lambda entry: entry.path))
def test_an_index_survives_its_file(tmp_path_factory: pytest.TempPathFactory, entries: list[FileEntry]) -> None:
    path = tmp_path_factory.getbasetemp() / "index.jsonl"
    original = FileIndex(tuple(sorted(entries, key=lambda entry: entry.path)))
    original.save(path)
    assert FileIndex.load(path) == original


_OK = FileEntry(path="a", track_id=2, n_bytes=1, modified_ns=2, sha1="0" * 40, seconds=1.5, rate_hz=8, n_channels=1)


@pytest.mark.parametrize(
    "change",
    [
        *(('"path"', '"name"'), ('"empty"', '"fine"'), ('"track_id": 2', '"track_id": "2"'), (": 1.5", ": NaN")),
        *((": 1.5", ": 1e9"), (": 1.5", ": -1.0"), ("0" * 40, "0" * 39), ('"b"', '"a"'), ('"b"', '"A"')),
        *(('"track_id"', '"track"'), ('"a"', '"a'), ("{", "["), ("{", "[" * 100_000)),
    ],
)
def test_broken_indexes_are_refused(tmp_path: Path, change: tuple[str, str]) -> None:
    path = tmp_path / "index.jsonl"
    FileIndex((_OK, replace(_OK, path="b", status="empty"))).save(path)
    text = path.read_text()
    assert change[0] in text
    path.write_text(text.replace(*change))
    with pytest.raises(FormatError, match=r"index\.jsonl: .*`tfdeepviz index` makes it again"):
        FileIndex.load(path)


def test_an_index_of_version_0_1_is_made_again(tmp_path: Path) -> None:
    path = tmp_path / "index.csv"
    path.write_text("path,track_id,status,n_bytes,modified_ns,sha1,seconds,rate_hz,n_channels,message\n")
    with pytest.raises(FormatError, match=r"index\.csv: line 1: .*`tfdeepviz index` makes it again"):
        FileIndex.load(path)


def test_missing_and_oversized_indexes_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "index.jsonl"
    with pytest.raises(FormatError, match="missing"):
        FileIndex.load(path)
    path.touch()
    os.truncate(path, 1 << 30)  # sparse
    with pytest.raises(FormatError, match="larger"):
        FileIndex.load(path)


def test_a_failed_save_leaves_the_old_index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "index.jsonl"
    FileIndex((_OK,)).save(path)

    def fail(entry: FileEntry) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(msgspec, "to_builtins", fail)
    with pytest.raises(KeyboardInterrupt):
        FileIndex((replace(_OK, path="b"),)).save(path)
    assert FileIndex.load(path).entries == (_OK,)
    assert list(tmp_path.iterdir()) == [path]


def test_an_interrupt_does_not_wait_for_the_rest(corpus: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    decoded: list[Path] = []

    def count(path: Path, *, sample_rate_hz: int) -> object:
        decoded.append(path)
        return decode_file(path, sample_rate_hz=sample_rate_hz)

    def interrupt(done: int, total: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(index_module, "decode_file", count)
    with pytest.raises(KeyboardInterrupt):
        index_files(Metadata.load(corpus), subset="small", n_workers=1, progress=interrupt)
    assert len(decoded) < 8
