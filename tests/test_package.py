"""The wheel, installed outside the checkout and used in an empty folder."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import urllib.request
import zipfile
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from tests.commands import REPOSITORY, shipped
from tests.conftest import RATE_HZ, music
from tfdeepviz.provenance import code_digest

_CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")
_STATIC = REPOSITORY / "webapp" / "static"
_SPEED = "milliseconds for a second of audio"
_DATA = ("static", "registry", "tracks")

needs_front_end = pytest.mark.skipif(not (_STATIC / "index.html").exists(), reason="needs the built front end")


def _copy_sources(to: Path) -> Path:
    """Copy what a wheel is built from, so that nothing of an earlier build is in the way."""
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(REPOSITORY / "tfdeepviz", to / "tfdeepviz", ignore=ignored)
    for name in ("setup.py", "setup.cfg", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(REPOSITORY / name, to)
    (to / "webapp").mkdir()
    for path in (REPOSITORY / "webapp").glob("*.py"):
        shutil.copy(path, to / "webapp")
    return to


def _build(source: Path, to: Path) -> subprocess.CompletedProcess[str]:
    command: list[str | Path] = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--no-deps",
        "--no-build-isolation",
        "--wheel-dir",
        to,
        source,
    ]
    return subprocess.run(command, capture_output=True, text=True, check=False)


_WITHOUT_POSIX = """
import errno, importlib, os, pkgutil, select, signal, sys

for name in ("fcntl", "grp", "pwd", "resource", "termios", "tensorflow", "keras"):
    sys.modules[name] = None
for module, names in (
    (os, ("O_DIRECTORY", "fork", "geteuid", "getuid")),
    (select, ("poll",)),
    (signal, ("SIGKILL", "SIGPIPE")),
    (errno, ("EDQUOT",)),
):
    for name in names:
        delattr(module, name)

import tfdeepviz

for module in pkgutil.walk_packages(tfdeepviz.__path__, "tfdeepviz."):
    try:
        importlib.import_module(module.name)
        print(module.name)
    except ImportError as error:
        if (error.name or "").partition(".")[0] not in ("tensorflow", "keras"):
            raise
"""


def test_it_is_imported_where_there_is_no_posix() -> None:
    """All modules that need no TensorFlow, and those that open inputs are among them."""
    result = subprocess.run([sys.executable, "-c", _WITHOUT_POSIX], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    opened = ("data.metadata", "data.prepared", "models.presets", "models.run", "export.exporter", "export.extract")
    assert {"tfdeepviz.cli", *(f"tfdeepviz.{name}" for name in opened)} <= set(result.stdout.split())


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    source = _copy_sources(folder)
    for name in _DATA:
        shutil.copytree(REPOSITORY / "webapp" / name, source / "webapp" / name)
    result = _build(source, folder)
    assert result.returncode == 0, result.stderr
    (path,) = folder.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a fresh environment's programs; the wheel's dependencies are those of this environment."""
    environment = tmp_path_factory.mktemp("environment")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", environment], check=True)
    python = environment / "bin" / "python"
    command: list[str | Path] = [sys.executable, "-m", "pip", "--python", python, "install", "--quiet"]
    subprocess.run([*command, "--disable-pip-version-check", "--no-deps", "--no-index", wheel], check=True)
    (packages,) = environment.glob("lib/python*/site-packages")
    ours = [path for path in sys.path if path.endswith("site-packages")]
    (packages / "dependencies.pth").write_text("\n".join(ours))
    return python.parent


def _command(installed: Path, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the installed command in a folder that knows nothing of the checkout."""
    command: list[str | Path] = [installed / "tfdeepviz", *arguments]
    return subprocess.run(command, cwd=folder, env=_environment(), capture_output=True, text=True, check=False)


def _run(installed: Path, folder: Path, *arguments: str) -> str:
    result = _command(installed, folder, *arguments)
    assert result.returncode == 0, result.stderr
    return result.stdout


def _environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}


@needs_front_end
def test_the_wheel_holds_the_package_and_what_it_serves(wheel: Path) -> None:
    names = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    expected = {
        f"tfdeepviz/{path.relative_to(REPOSITORY / 'tfdeepviz').as_posix()}"
        for path in (REPOSITORY / "tfdeepviz").rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    }
    served = [path for name in _DATA for path in (REPOSITORY / "webapp" / name).rglob("*") if path.is_file()]
    for path in (*served, *(REPOSITORY / "webapp").glob("*.py")):
        if not path.name.startswith("."):
            expected.add(f"tfdeepviz/{path.relative_to(REPOSITORY).as_posix()}")
    assert names == expected


@needs_front_end
def test_records_do_not_tell_a_wheel_from_its_checkout(installed: Path, tmp_path: Path) -> None:
    command: list[str | Path] = [installed / "python", "-c"]
    command.append("from tfdeepviz.provenance import code_digest; print(code_digest())")
    result = subprocess.run(command, cwd=tmp_path, env=_environment(), capture_output=True, text=True, check=True)
    assert result.stdout.strip() == code_digest()


def test_no_wheel_is_built_without_the_front_end(tmp_path: Path) -> None:
    result = _build(_copy_sources(tmp_path), tmp_path)
    assert result.returncode == 1
    assert "the front end is not built; run `make wheel`" in result.stderr
    assert not list(tmp_path.glob("*.whl"))


@needs_front_end
def test_the_registry_is_listed_and_a_bundle_found_by_its_name(installed: Path, tmp_path: Path) -> None:
    assert "two-scale" in _run(installed, tmp_path, "registry", "list")
    sf.write(tmp_path / "song.wav", music(3.0), RATE_HZ)
    _run(installed, tmp_path, "extract", "song.wav", "--bundle", "two-scale", "--out", "song.npz")
    with np.load(tmp_path / "song.npz") as values:
        assert values["parameters"].shape[1] == 10
    refused = _command(installed, tmp_path, "registry", "prune")
    assert refused.returncode == 2
    assert "--registry is missing" in refused.stderr


@needs_front_end
def test_a_site_is_written(installed: Path, tmp_path: Path) -> None:
    _run(installed, tmp_path, "site", "site")
    assert (tmp_path / "site" / "index.html").is_file()
    assert list((tmp_path / "site" / "registry" / "two-scale").glob("*/manifest.json"))
    assert len(list((tmp_path / "site" / "tracks").glob("*.mp3"))) == 8


@needs_front_end
def test_the_playground_is_served(installed: Path, tmp_path: Path) -> None:
    command: list[str | Path] = [installed / "tfdeepviz", "serve", "--port", "0"]
    with subprocess.Popen(command, cwd=tmp_path, env=_environment(), stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            address = next(word for word in server.stdout.readline().split() if word.startswith("http:"))
            manifest = (shipped("two-scale") / "manifest.json").relative_to(REPOSITORY / "webapp").as_posix()
            for name in ("static/index.html", manifest, "tracks/rock.mp3"):
                with urllib.request.urlopen(address + name.removeprefix("static/")) as response:
                    assert response.read() == (REPOSITORY / "webapp" / name).read_bytes()
        finally:
            server.terminate()


@pytest.mark.browser
@pytest.mark.skipif(not Path(_CHROMIUM).exists(), reason=f"needs Chromium at {_CHROMIUM}")
@needs_front_end
def test_a_bundle_is_validated(installed: Path, tmp_path: Path) -> None:
    (registry,) = installed.parent.glob("lib/python*/site-packages/tfdeepviz/webapp/registry")
    bundle = f"ae-time/{shipped('ae-time').name}"
    for name in (bundle, "frontends"):
        shutil.copytree(registry / name, tmp_path / name)
    result = _command(installed, tmp_path, "validate", bundle)
    assert "Chromium, wasm: encodings of ae-time" in result.stdout, result.stderr
    # A busy machine may miss the speed, and nothing else.
    judgement = json.loads(next((tmp_path / bundle).glob("*BLESSED")).read_text())
    assert {check["name"] for check in judgement["checks"] if not check["passed"]} <= {_SPEED}
