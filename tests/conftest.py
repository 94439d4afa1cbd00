"""Small sounds and trees that the tests make themselves."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
if "PYTEST_XDIST_WORKER" in os.environ:
    # The workers keep all cores busy; threads that wait for work inside of each would take time from them.
    for _library in ("TF_NUM_INTRAOP", "OMP_NUM", "OPENBLAS_NUM"):
        os.environ.setdefault(f"{_library}_THREADS", "1")

import numpy as np
import numpy.typing as npt
import pytest
import soundfile as sf
from hypothesis import settings

if TYPE_CHECKING:
    from tfdeepviz.data.prepared import PreparedDataset

# The same examples every time, however busy the machine is.
settings.register_profile("repeatable", deadline=None, derandomize=True)
settings.load_profile("repeatable")

RATE_HZ = 44_100

_HERE = Path(__file__).parent

#: What takes longest: it begins first, so that no worker waits for another one at the end.
_LONGEST = ("test_walk.py", "export", "test_pipeline.py", "test_package.py", "models", "data", "analysis")
#: Folders whose files share what takes long to make.
_TOGETHER = ("export",)


Sound = npt.NDArray[np.float32]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--update-goldens", action="store_true", help="write tests/mapping/goldens.json anew instead of comparing"
    )


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep a file's tests on one worker, where there are several, and begin with what takes longest."""

    def turn(item: pytest.Item) -> int:
        top = item.path.relative_to(_HERE).parts[0]
        return _LONGEST.index(top) if top in _LONGEST else len(_LONGEST)

    items.sort(key=turn)
    for item in items:
        folder = item.path.parent
        item.add_marker(pytest.mark.xdist_group(str(folder if folder.name in _TOGETHER else item.path)))


def music(seconds: float, *, seed: int = 0, rate_hz: int = RATE_HZ) -> Sound:
    """Beats, a chord and some noise [shape=(n_samples,)], peak below 0.9."""
    rng = np.random.default_rng(seed)
    t = np.arange(round(seconds * rate_hz)) / rate_hz
    beat = np.exp(-12 * (t % 0.5)) * rng.normal(0, 0.25, t.size)
    chord = sum(0.12 * np.sin(2 * np.pi * f * t) for f in rng.uniform(80, 2_000, 3))
    sound: Sound = np.clip(beat + chord * (0.6 + 0.4 * np.sin(t)), -0.9, 0.9).astype(np.float32)
    return sound


@pytest.fixture
def write_sound(tmp_path: Path) -> Callable[..., Path]:
    """Write samples to a file in the test's folder; the extension chooses the format."""

    def write(name: str, samples: Sound, rate_hz: int = RATE_HZ) -> Path:
        path = tmp_path / name
        sf.write(path, samples, rate_hz)
        return path

    return write


_HEADER = ",set,set,track,track,artist,artist\n,split,subset,genre_top,title,id,name\ntrack_id,,,,,,\n"


def make_fma(
    root: Path,
    splits: dict[int, str],
    *,
    seconds: float = 4.0,
    subset: str = "small",
    genres: tuple[str, str] = ("", "Rock"),
) -> Path:
    """Make a corpus in FMA's layout: one mp3 for each id, with the split given for it; even and odd ids' genres."""
    rows = []
    for track_id, split in splits.items():
        genre = genres[track_id % 2]
        rows.append(f"{track_id},{split},{subset},{genre},Title {track_id},{track_id + 100},Artist {track_id}\n")
        path = root / "fma_small" / f"{track_id:06d}"[:3] / f"{track_id:06d}.mp3"
        path.parent.mkdir(parents=True, exist_ok=True)
        sf.write(path, music(seconds, seed=track_id), RATE_HZ, format="MP3")
    metadata = root / "fma_metadata"
    metadata.mkdir(exist_ok=True)
    (metadata / "tracks.csv").write_text(_HEADER + "".join(rows))
    return root


@pytest.fixture(scope="session")
def fma_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight short tracks: five for training, two for validation, one for test."""
    splits = {**dict.fromkeys(range(2, 7), "training"), 7: "validation", 1008: "validation", 9: "test"}
    return make_fma(tmp_path_factory.mktemp("fma"), splits)


@pytest.fixture(scope="session")
def two_genres(tmp_path_factory: pytest.TempPathFactory) -> PreparedDataset:
    """Fourteen short tracks of two genres, prepared: ten for training, two for validation and test each."""
    from tfdeepviz.data.features import Features
    from tfdeepviz.data.prepare import prepare
    from tfdeepviz.data.selection import Selection
    from tfdeepviz.params import LIVE

    splits = {**dict.fromkeys(range(2, 12), "training"), **dict.fromkeys((12, 13), "validation")}
    splits |= dict.fromkeys((14, 15), "test")
    folder = tmp_path_factory.mktemp("two-genres")
    root = make_fma(folder, splits, genres=("Folk", "Rock"))
    return prepare(root, folder / "ds", selection=Selection(), features=Features(LIVE))
