from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tfdeepviz import __version__, provenance
from tfdeepviz.provenance import code_version, command


@pytest.fixture(autouse=True)
def forget() -> Iterator[None]:
    """Versions are asked for once a process."""
    code_version.cache_clear()
    yield
    code_version.cache_clear()


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout of its own, with the package committed."""
    # Whatever the user's own configuration says.
    monkeypatch.setenv("HOME", str(tmp_path))
    root = tmp_path / "checkout"
    (root / "tfdeepviz").mkdir(parents=True)
    (root / "tfdeepviz" / "code.py").write_text("x = 1\n")
    monkeypatch.setattr(provenance, "_PACKAGE", root / "tfdeepviz")
    git(root, "init", "--quiet")
    git(root, "add", ".")
    git(root, "-c", "user.name=A", "-c", "user.email=a@example.org", "commit", "--quiet", "-m", "First")
    return root


def git(root: Path, *arguments: str) -> str:
    # A hook that runs these tests has variables of its own checkout.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    ran = subprocess.run(["git", *arguments], cwd=root, env=environment, capture_output=True, text=True, check=True)
    return ran.stdout.strip()


def test_a_checkout_tells_its_commit_and_whether_the_package_differs(checkout: Path) -> None:
    commit = git(checkout, "rev-parse", "HEAD")
    (checkout / "notes.txt").write_text("no part of the package")
    version = code_version()
    assert re.fullmatch(re.escape(__version__) + r"\+g[0-9a-f]{7,40}", version)
    assert commit.startswith(version.partition("+g")[2])
    for change in ("changed", "new"):
        code_version.cache_clear()
        (checkout / "tfdeepviz" / ("code.py" if change == "changed" else "more.py")).write_text("x = 2\n")
        assert code_version() == f"{version}.dirty"
        git(checkout, "checkout", "--quiet", ".")


def test_it_is_asked_once_and_not_led_astray_by_a_hook(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_DIR", str(checkout / "nowhere"))
    version = code_version()
    assert "+g" in version
    (checkout / "tfdeepviz" / "code.py").write_text("x = 3\n")
    assert code_version() == version


@pytest.mark.parametrize("trouble", ["no checkout", "no commit", "no git", "slow git", "inside another's checkout"])
def test_without_a_commit_the_version_is_that_of_the_package(
    trouble: str, checkout: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    if trouble == "no checkout":
        (checkout / ".git").rename(checkout / "git")
    elif trouble == "no commit":
        git(checkout, "update-ref", "-d", "HEAD")
    elif trouble == "no git":
        monkeypatch.setenv("PATH", "")
    elif trouble == "slow git":
        monkeypatch.setattr(provenance, "_GIT_SECONDS", 0.0)
    else:
        (checkout / "site-packages" / "tfdeepviz").mkdir(parents=True)
        monkeypatch.setattr(provenance, "_PACKAGE", checkout / "site-packages" / "tfdeepviz")
    assert code_version() == __version__
    assert capfd.readouterr() == ("", "")


def test_a_library_has_no_command(monkeypatch: pytest.MonkeyPatch) -> None:
    for argv in ([], [""], ["-c"], ["/usr/bin/pytest", "tfdeepviz"], ["other/cli.py", "train"]):
        monkeypatch.setattr(sys, "argv", argv)
        assert command() is None


@pytest.mark.parametrize(
    "program", ["/opt/bin/tfdeepviz", "tfdeepviz", str(Path(provenance.__file__).parent / "cli.py")]
)
def test_a_command_can_be_run_again(program: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", [program, "train", "ae", "--out", "my runs/ae", "--set", "epochs=3"])
    assert command() == "tfdeepviz train ae --out 'my runs/ae' --set epochs=3"


SECRET = st.text(st.characters(codec="ascii", categories=("L", "N", "P", "S")), min_size=1, max_size=12).map(
    "k3y".__add__
)


@given(
    secret=SECRET,
    option=st.sampled_from(("--notify", "--s3_secret_access_key", "--azure_connection_string", "--api-token")),
    is_joined=st.booleans(),
)
def test_no_secret_gets_into_a_manifest(secret: str, option: str, is_joined: bool) -> None:
    given_as = [f"{option}={secret}"] if is_joined else [option, secret]
    url = f"s3://me:{secret}@example.org/fma"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["tfdeepviz", "train", *given_as, "--fma-root", url, *given_as, "--seed", "7"])
        shown = command()
    assert shown is not None
    assert secret not in shown
    hidden = [f"{option}=..."] if is_joined else [option, "..."]
    assert shlex.split(shown) == [
        *("tfdeepviz", "train", *hidden, "--fma-root", "s3://...@example.org/fma", *hidden, "--seed", "7")
    ]
