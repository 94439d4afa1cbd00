from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import make_fma
from tfdeepviz.cli import main
from tfdeepviz.data.prepared import PreparedDataset
from tfdeepviz.locks import BusyError, locked


def test_a_lock_goes_with_its_process_however_that_ends(tmp_path: Path) -> None:
    code = (
        "import sys, time\nfrom pathlib import Path\nfrom tfdeepviz.locks import locked\n"
        "with locked(Path(sys.argv[1])):\n    print('held', flush=True)\n    sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, tmp_path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        with pytest.raises(BusyError, match=f"{tmp_path}: another"), locked(tmp_path):
            pass
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    with locked(tmp_path):
        pass


def test_the_second_in_a_folder_says_that_the_first_is_at_work(
    two_genres: PreparedDataset, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The first of each begins and ends; while somebody holds its folder, the same command is refused."""
    root = make_fma(tmp_path / "fma", {2: "training"}, seconds=1.5)
    dataset = ["--dataset", str(two_genres.path)]
    small = ["--epochs", "1", "--set", "model.n_initial_filters=1", "--set", "batch_size=8"]
    for name, arguments in {
        "prepared": ["prepare", "--fma-root", str(root), "--out"],
        "run": ["train", "ae-compact", *dataset, *small, "--out"],
        "runs": ["batch", "ae-compact", *dataset, *small, "--out"],
        "demo": ["demo-corpus", "--tracks", "1", "--seconds", "1"],
    }.items():
        out = tmp_path / name
        out.mkdir()
        with locked(out):
            assert main([*arguments, str(out)]) == 2
        assert f"{out}: another tfdeepviz process is at work here" in capsys.readouterr().err
