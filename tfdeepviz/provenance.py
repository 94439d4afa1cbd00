"""What made a result, for its record: the version of the code, and the command line without secrets."""

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

# Options whose values may be secret: our notification URLs, and options of Beam's file systems and runners.
_SECRET = re.compile(
    r"(--?[\w-]*(?:notify|secret|token|passw|credential|key|connection[_-]string)[\w-]*)(=.*)?",
    re.IGNORECASE | re.DOTALL,
)
# Greedy, because passwords may contain `@`.
_USER_OF_URL = re.compile(r"(?<=://)\S*@")


@cache
def code_version() -> str:
    """Return the package version, such as `0.1.0`, or `0.1.0+g24bb88b.dirty` in a git checkout.

    `.dirty` means that the package's files differ from the commit. Without git, only the version is returned.
    """
    checkout = _PACKAGE.parent
    if not (checkout / ".git").exists():
        return __version__
    try:
        commit = _git(checkout, "rev-parse", "--short", "HEAD")
        changes = _git(checkout, "status", "--porcelain", "--untracked-files=normal", "--", _PACKAGE.name)
    except (OSError, subprocess.SubprocessError):
        # No git, another user's checkout, no commit yet, or a slow disk: none of these should make a command fail.
        return __version__
    return f"{__version__}+g{commit}{'.dirty' if changes else ''}"


@cache
def code_digest() -> str:
    """Return the SHA-256 of the package's files, which tells states of the code apart even without a commit.

    It excludes `webapp`, which an installed package holds and a checkout has beside the package.
    """
    digest = hashlib.sha256()
    for path in sorted(_PACKAGE.rglob("*")):
        name = path.relative_to(_PACKAGE).as_posix()
        if path.is_file() and path.suffix != ".pyc" and not name.startswith("webapp/"):
            content = path.read_bytes()
            digest.update(f"{name} {len(content)}\n".encode())
            digest.update(content)
    return digest.hexdigest()


def command() -> str | None:
    """Return the command line if this process is the `tfdeepviz` command; None if the package is used as a library.

    Records are published, so values of options that may be secret, and users and passwords in URLs, are replaced by
    `...`.
    """
    program = Path(sys.argv[0] if sys.argv else "")
    # The installed command, or `python -m tfdeepviz.cli`.
    if program.name not in ("tfdeepviz", "tfdeepviz.exe") and program.resolve() != _PACKAGE / "cli.py":
        return None
    shown, is_value = ["tfdeepviz"], False
    for argument in sys.argv[1:]:
        secret = _SECRET.fullmatch(argument)
        hidden = f"{secret[1]}=..." if secret and secret[2] else without_user(argument)
        shown.append("..." if is_value else hidden)
        is_value = secret is not None and secret[2] is None
    return shlex.join(shown)


def without_user(text: str) -> str:
    """Replace users and passwords in URLs by `...`."""
    return _USER_OF_URL.sub("...@", text)


def _git(checkout: Path, *arguments: str) -> str:
    # Git hooks set variables such as GIT_DIR, which would point elsewhere.
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
