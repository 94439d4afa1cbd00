from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tfdeepviz.export.browser import BrowserError, check_in_browser
from tfdeepviz.export.bundle import Bundle

# Stands for Chromium: looks at the page and at the bundle that its address names, and reports what it found.
_BROWSER = """\
#!{python}
import json, sys
from urllib.error import HTTPError
from urllib.parse import parse_qs, urljoin, urlsplit
from urllib.request import Request, urlopen

address = sys.argv[-1]
query = {{name: value for name, (value,) in parse_qs(urlsplit(address).query).items()}}
page = urlopen(address)
assert page.read() == b"the page"
assert page.headers["Cross-Origin-Embedder-Policy"] == "require-corp"
home = urljoin(address, query["bundle"])
manifest = json.load(urlopen(home + "manifest.json"))
frontend = urljoin(home, manifest["frontend"]["path"])
for folder, files in ((home, manifest["files"]), (frontend, manifest["frontend"]["files"])):
    for name, entry in files.items():
        assert len(urlopen(folder + name).read()) == entry["bytes"], name
for path in ("/bundles/other", "/../secret", "/%2e%2e/secret", "/report"):
    try:
        urlopen(urljoin(address, path))
    except HTTPError as error:
        assert error.code == 404
    else:
        raise AssertionError(path)
backends = [{{"name": name, "status": "ok"}} for name in query["backends"].split(",")]
report = {report}
urlopen(Request(urljoin(address, query["report"]), json.dumps(report).encode()))
import time; time.sleep(60)
"""


@pytest.fixture
def static(tmp_path: Path) -> Path:
    (tmp_path / "static" / "check").mkdir(parents=True)
    (tmp_path / "static" / "check" / "index.html").write_text("the page")
    (tmp_path / "secret").write_text("not for browsers")
    return tmp_path / "static"


def chromium(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    program = tmp_path / "chromium"
    program.write_text(text)
    program.chmod(0o755)
    monkeypatch.setenv("CHROMIUM", str(program))


def test_the_page_gets_the_bundle_and_its_report_is_taken(
    bundle: Bundle, static: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    report = '{"user_agent": "a stand-in", "backends": backends}'
    chromium(tmp_path, monkeypatch, _BROWSER.format(python=sys.executable, report=report))
    found = check_in_browser(bundle, static=static, timeout_seconds=60)
    assert found.user_agent == "a stand-in"
    assert [backend.name for backend in found.backends] == ["wasm", "webgl", "webgpu"]


@pytest.mark.parametrize("report", ['{"backends": backends}', '{"user_agent": "x", "backends": backends[:1]}', "[3]"])
def test_an_unreadable_report_is_refused(
    report: str, bundle: Bundle, static: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chromium(tmp_path, monkeypatch, _BROWSER.format(python=sys.executable, report=report))
    with pytest.raises(BrowserError, match=r"sent an unreadable report .*; run `make build`"):
        check_in_browser(bundle, static=static, timeout_seconds=60)


def test_a_browser_that_does_not_report_is_named(
    bundle: Bundle, static: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chromium(tmp_path, monkeypatch, "#!/bin/sh\nexit 3\n")
    with pytest.raises(BrowserError, match="status 3"):
        check_in_browser(bundle, static=static)
    chromium(tmp_path, monkeypatch, "#!/bin/sh\nexec sleep 60\n")
    with pytest.raises(BrowserError, match="within 1 s"):
        check_in_browser(bundle, static=static, timeout_seconds=1)
    monkeypatch.setenv("CHROMIUM", "/nowhere/chromium")
    with pytest.raises(BrowserError, match="CHROMIUM=/nowhere/chromium"):
        check_in_browser(bundle, static=static)
    with pytest.raises(BrowserError, match="make build"):
        check_in_browser(bundle, static=tmp_path)
