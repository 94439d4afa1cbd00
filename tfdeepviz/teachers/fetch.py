"""Fetch the published wheel of musicnn, by pip's own client."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tfdeepviz.errors import TfdeepvizError
from tfdeepviz.files import temporary_folder
from tfdeepviz.teachers.musicnn import WHEEL, WHEEL_SHA256, check_wheel


class FetchError(TfdeepvizError):
    """The wheel cannot be fetched; the message says why, and what to do."""


def usual_place() -> Path:
    """Where the wheel is kept if no other place is given: the user's folder for what can be fetched again."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "tfdeepviz" / WHEEL


def fetch(out: Path) -> None:
    """Fetch the wheel to a path, unless it is there; nothing is installed. Raises a FetchError if pip cannot."""
    if out.exists():
        check_wheel(out)
        return
    name, version = WHEEL.split("-")[:2]
    with temporary_folder(out.parent) as folder:
        # pip takes hashes from files only.
        (folder / "wanted.txt").write_text(f"{name}=={version} --hash=sha256:{WHEEL_SHA256}\n", encoding="utf-8")
        options = ["--no-deps", "--only-binary=:all:", "--require-hashes", "--disable-pip-version-check", "--quiet"]
        place = ["--dest", str(folder), "--requirement", str(folder / "wanted.txt")]
        done = subprocess.run(
            [sys.executable, "-m", "pip", "download", *options, *place],
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )
        if done.returncode or not (folder / WHEEL).is_file():
            lines = [line for line in done.stderr.splitlines() if line.strip()] or ["it gave no reason"]
            raise FetchError(
                f"pip cannot fetch {name} {version}: {lines[-1][:300]}; without network, copy {WHEEL} from "
                f"another machine to {out}"
            )
        check_wheel(folder / WHEEL)
        (folder / WHEEL).replace(out)
