"""What made a thing: the version of the code and the command line, for the manifests that tell it."""

from __future__ import annotations

import hashlib
import os
import re
import shlex
import subprocess
import sys
from functools import cache
from pathlib import Path

from tfdeepviz import __version__

_PACKAGE = Path(__file__).resolve().parent
_GIT_SECONDS = 2.0

# Options whose values may be secret: ours for notifications, and those of Beam's file systems and runners.
_SECRET = re.compile(r"--?[\w-]*(notify|secret|token|passw|credential|key|connection[_-]string)[\w-]*", re.IGNORECASE)
# Greedy, because passwords may hold an `@` themselves.
_USER_OF_URL = re.compile(r"(?<=://)\S*@")


@cache
def code_version() -> str:
    """Version of the package, such as `0.1.0`, or `0.1.0+g24bb88b.dirty` where it lies in a git checkout of its own.

    `.dirty` tells that the package's files are not those of the commit. Without git it is the version alone.
    """
    checkout = _PACKAGE.parent
    if not (checkout / ".git").exists():
        return __version__
    try:
        commit = _git(checkout, "rev-parse", "--short", "HEAD")
        changes = _git(checkout, "status", "--porcelain", "--untracked-files=normal", "--", _PACKAGE.name)
    except (OSError, subprocess.SubprocessError):
        # No git, not our user's checkout, no commit yet, a disk that is too slow: nothing that work should fail for.
        return __version__
    return f"{__version__}+g{commit}{'.dirty' if changes else ''}"


@cache
def code_digest() -> str:
    """SHA-256 of the package's files: tells any two states of the code apart, also where no commit does."""
    digest = hashlib.sha256()
    for path in sorted(_PACKAGE.rglob("*")):
        if path.is_file() and path.suffix != ".pyc":
            content = path.read_bytes()
            digest.update(f"{path.relative_to(_PACKAGE).as_posix()} {len(content)}\n".encode())
            digest.update(content)
    return digest.hexdigest()


def command() -> str | None:
    """The command line, if this process is the `tfdeepviz` command; None where the package is used as a library.

    It goes into manifests that are published, so values of options that may be secret, and users and passwords in
    URLs, are replaced by `...`.
    """
    if not sys.argv or not _is_ours(sys.argv[0]):
        return None
    return shlex.join(["tfdeepviz", *_without_secrets(sys.argv[1:])])


def _is_ours(program: str) -> bool:
    # The installed command, or `python -m tfdeepviz.cli`.
    path = Path(program)
    return path.name in ("tfdeepviz", "tfdeepviz.exe") or path.resolve() == _PACKAGE / "cli.py"


def _without_secrets(arguments: list[str]) -> list[str]:
    shown: list[str] = []
    is_value = False
    for argument in arguments:
        name, equals, _ = argument.partition("=")
        is_secret = _SECRET.fullmatch(name) is not None
        if is_value:
            argument = "..."
        elif is_secret and equals:
            argument = f"{name}=..."
        shown.append(_USER_OF_URL.sub("...@", argument))
        is_value = is_secret and not equals
    return shown


def _git(checkout: Path, *arguments: str) -> str:
    # Hooks set GIT_DIR and its like, which would point elsewhere.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    return subprocess.run(
        ["git", "--no-optional-locks", *arguments],
        cwd=checkout,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=_GIT_SECONDS,
        check=True,
    ).stdout.strip()
