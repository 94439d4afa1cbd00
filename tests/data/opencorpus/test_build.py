"""Open corpora from packages of our own: shaped like FMA, credited, resumable."""

from __future__ import annotations

import csv
import io
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
import soundfile

from tests.data.metadata import write_metadata
from tests.data.opencorpus.debs import write_deb
from tfdeepviz.data.metadata import ARTIST, LICENCE, SPLIT, TITLE, Metadata
from tfdeepviz.data.opencorpus import OpenCorpusSummary, build_open_corpus
from tfdeepviz.data.opencorpus import build as module
from tfdeepviz.data.opencorpus.debian import NoPackageError
from tfdeepviz.data.opencorpus.plan import Clip
from tfdeepviz.data.opencorpus.sources import Music, Package, Sources, TopGenre
from tfdeepviz.errors import InputError
from tfdeepviz.files import TEMPORARY, FormatError

pytestmark = pytest.mark.skipif(shutil.which("dpkg-deb") is None, reason="needs Debian's dpkg-deb, as the command does")

TABLE = Sources(
    reserved_packages=("kept-apart*",),
    reserved_titles=("Kept apart",),
    artists={"another": "Other"},
    genres={"Electronic": TopGenre(id=15, below=("Techno",))},
    packages=(
        Package(name="gone", music=(Music(files=("*",), licence="CC0-1.0", artist="Nobody", stated_in="copyright"),)),
        Package(
            name="songs",
            music=(
                Music(files=("*/by-first/*",), licence="CC0-1.0", artist="First", stated_in="copyright"),
                Music(files=("*/music/*",), licence="GPL-2.0-only", stated_in="copyright; audio tags"),
            ),
        ),
    ),
)


def sound(seconds: float, *, rate_hz: int = 22_050, seed: int = 0, level: float = 0.3, **tags: str) -> bytes:
    rng = np.random.default_rng(seed)
    samples = level * rng.standard_normal((round(seconds * rate_hz), 2)).clip(-1, 1)
    buffer = io.BytesIO()
    with soundfile.SoundFile(buffer, "w", rate_hz, channels=2, format="FLAC") as file:
        for name, text in tags.items():
            setattr(file, name, text)
        file.write(samples)
    return buffer.getvalue()


FILES = {
    "usr/music/by-first/one_two.flac": sound(8.0, seed=1, genre="Techno"),
    "usr/music/by-first/long.flac": sound(13.0, seed=2, title="Long One"),
    "usr/music/tagged.flac": sound(5.0, seed=3, artist="Another", title="Tagged"),
    "usr/music/anonymous.flac": sound(5.0, seed=4),
    "usr/music/unfree.flac": sound(5.0, seed=5, artist="Other", license="CC-BY-NC-4.0"),
    "usr/music/kept.flac": sound(5.0, seed=6, artist="Other", title="Kept Apart"),
    "usr/music/short.flac": sound(2.5, seed=7, artist="Other"),
    "usr/music/silent.flac": sound(5.0, seed=8, level=2e-4, artist="Quiet"),
    "usr/music/broken.flac": b"fLaC" + bytes(200_000),
    "usr/music/by-first/copy.flac": sound(8.0, seed=1, genre="Techno"),
    "usr/effects/bang.flac": sound(5.0, seed=9),
}


@pytest.fixture(scope="module", autouse=True)
def table() -> Iterator[None]:
    patch = pytest.MonkeyPatch()
    patch.setattr(Sources, "load", classmethod(lambda cls: TABLE))
    patch.setattr(module, "fetch", fake_fetch)
    yield
    patch.undo()


def fake_fetch(name: str, folder: Path) -> Path:
    if name == "gone":
        raise NoPackageError("gone: apt's archive has no such package")
    return write_deb(folder, name, FILES)


def build(out: Path, *, hours: float = 1.0, seconds: float | None = 3.0, **options: Any) -> OpenCorpusSummary:
    return build_open_corpus(out, hours=hours, seconds=seconds, n_workers=1, **options)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("open") / "corpus"
    build(root)
    return root


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_layout_is_fma(corpus: Path) -> None:
    metadata = Metadata.load(corpus)
    tracks = metadata.tracks
    assert list(tracks.index) == [*range(1_000_000, 1_000_006), 1_000_007]  # one clip is silent
    assert set(tracks[ARTIST]) == {"First", "Other"}
    assert "Long One (clip 2/4)" in set(tracks[TITLE]) and "copy (clip 1/2)" in set(tracks[TITLE])
    assert tracks.groupby(ARTIST, observed=True)[[SPLIT]].nunique().eq(1).all(axis=None)
    assert set(tracks[LICENCE]) == {"CC0-1.0", "GPL-2.0-only"}
    assert metadata.genres is not None and [genre.title for genre in metadata.genres.genres] == ["Electronic"]
    for track_id in tracks.index:
        info = soundfile.info(corpus / "fma_small" / "100" / f"{track_id}.mp3")
        assert (info.samplerate, info.channels, info.format) == (44_100, 1, "MP3")
        assert info.duration == pytest.approx(3.0, abs=0.06)
    assert sorted(path.name for path in corpus.iterdir()) == [
        *(".tfdeepviz.lock", "SOURCES.csv", "artifact.json", "fma_metadata", "fma_small", "left_out.csv")
    ]
    assert not list(corpus.rglob(f"{TEMPORARY}*"))


def test_every_track_has_its_credits(corpus: Path) -> None:
    sources = rows(corpus / "SOURCES.csv")
    assert len(sources) == 7
    first = sources[0]
    assert first["package"] == "songs" and first["file"] == "usr/music/by-first/copy.flac"
    assert (first["artist"], first["licence"], first["stated_in"]) == ("First", "CC0-1.0", "copyright")
    assert (first["genre"], first["start_seconds"], first["seconds"]) == ("Electronic", "0.5", "3.0")


def test_what_is_left_out_is_listed_with_the_reason(corpus: Path) -> None:
    reasons = {Path(row["path"]).stem: row["reason"] for row in rows(corpus / "left_out.csv")}
    assert reasons == {
        "": "gone: apt's archive has no such package",
        "anonymous": "no author stated",
        "unfree": "its tag states a licence that is not free",
        "kept": "also in a package that is reserved for evaluation",
        "silent": "from 1 s: silent",
        "broken": "cannot be decoded",
        "one_two": "a copy of another song here",
        "bang": "the table names no author and licence",
    }


def test_the_sound_is_that_of_the_song(corpus: Path) -> None:
    heard, _ = soundfile.read(corpus / "fma_small" / "100" / "1000000.mp3")
    song, song_rate_hz = soundfile.read(io.BytesIO(FILES["usr/music/by-first/copy.flac"]))
    wanted = song[round(0.5 * song_rate_hz) :][: 3 * song_rate_hz].mean(axis=1)
    rms = [float(np.sqrt(np.mean(one[len(one) // 4 : len(one) // 2] ** 2))) for one in (heard, wanted)]
    assert rms[0] == pytest.approx(rms[1], rel=0.15)
    assert np.abs(heard).max() < 0.98


def test_an_interrupted_run_resumes(corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    n_written = 0
    encode = module._encode

    def fail(job: tuple[Clip, Path]) -> str:
        nonlocal n_written
        if n_written == 3:
            raise KeyboardInterrupt
        n_written += 1
        return encode(job)

    monkeypatch.setattr(module, "_encode", fail)
    with pytest.raises(KeyboardInterrupt):
        build(tmp_path / "corpus")
    leftover = tmp_path / "corpus" / "fma_small" / "100" / f"{TEMPORARY}0.mp3"
    leftover.touch()  # of a killed process
    monkeypatch.setattr(module, "_encode", encode)
    calls: list[tuple[str, int, int]] = []
    build(tmp_path / "corpus", progress=lambda *call: calls.append(call))
    assert next(call for call in calls if call[0] == "encoding") == ("encoding", 4, 8)
    for name in ("SOURCES.csv", "left_out.csv", "fma_metadata/tracks.csv", "fma_small/100/1000003.mp3"):
        assert (tmp_path / "corpus" / name).read_bytes() == (corpus / name).read_bytes(), name
    assert not leftover.exists()


def test_a_complete_corpus_is_left_alone(corpus: Path) -> None:
    calls: list[object] = []
    summary = build(corpus, progress=lambda *call: calls.append(call))
    assert summary == OpenCorpusSummary(n_tracks=7, n_artists=2, hours=7 * 3 / 3600, n_left_out=8)
    assert calls == []


def test_other_settings_are_refused(corpus: Path) -> None:
    with pytest.raises(FormatError, match="another hours; give another folder"):
        build(corpus, hours=2.0)


def test_another_table_is_refused(corpus: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    changed = msgspec.structs.replace(TABLE, genres={})
    monkeypatch.setattr(Sources, "load", classmethod(lambda cls: changed))
    with pytest.raises(FormatError, match="another table; give another folder"):
        build(corpus)


def test_without_any_package_there_is_no_corpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        Sources, "load", classmethod(lambda cls: msgspec.structs.replace(TABLE, packages=TABLE.packages[:1]))
    )
    with pytest.raises(InputError, match=r"no package with music was found \(gone: .*; run `apt-get update`"):
        build(tmp_path / "corpus")


def test_whole_songs_and_packages_that_are_kept(tmp_path: Path) -> None:
    summary = build(tmp_path / "corpus", seconds=None, packages_dir=tmp_path / "debs")
    assert summary.n_tracks == 1 and rows(tmp_path / "corpus" / "SOURCES.csv")[0]["seconds"] == "13.0"
    assert [path.name for path in (tmp_path / "debs").iterdir()] == ["songs_1.0-1_all.deb"]


def test_artists_of_a_corpus_beside_keep_their_splits(tmp_path: Path) -> None:
    beside = tmp_path / "beside"
    beside.mkdir()
    write_metadata(beside, [{"artist.name": name, "set.split": "validation"} for name in ("FIRST", "Another")])
    build(tmp_path / "corpus", beside=beside)
    tracks = Metadata.load(tmp_path / "corpus").tracks
    assert set(tracks[ARTIST]) == {"First", "Other"} and set(tracks[SPLIT]) == {"validation"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"hours": 0}, "hours=0: give more than 0"),
        ({"seconds": 0.5}, "seconds=0.5: give 1 to 600"),
        ({"n_clips": 0}, "n_clips=0: give at least 1"),
    ],
)
def test_arguments_out_of_range(tmp_path: Path, options: dict[str, float], message: str) -> None:
    with pytest.raises(InputError, match=message):
        build(tmp_path / "corpus", **options)
    assert not (tmp_path / "corpus").exists()
