"""Runs a bundle in real Chromium: opens the check page, which runs every stage on every backend and reports back."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from queue import Empty, Queue
from threading import Thread
from typing import Literal
from urllib.parse import urlencode, urlsplit

import msgspec
from msgspec import Struct

from tfdeepviz.errors import TfdeepvizError
from tfdeepviz.export.bundle import FRONTEND, FRONTENDS, MANIFEST, Bundle
from tfdeepviz.files import FormatError, inside

BACKENDS = ("wasm", "webgl", "webgpu")

_PAGE = "check/index.html"
_MAX_REPORT_BYTES = 1 << 20
_PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_FLAGS = (
    "--headless",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    # The page measures its memory; without this, the measurement waits for the next garbage collection.
    "--enable-blink-features=ForceEagerMeasureMemory",
    # The same software renderer everywhere: the check compares numbers, not drivers.
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--enable-unsafe-webgpu",
    "--enable-features=Vulkan",
    "--use-webgpu-adapter=swiftshader",
)
_HEADERS = {
    # Both together isolate the page; without isolation there are no threads.
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
}
_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript",
    ".css": "text/css",
    ".json": "application/json",
    ".wasm": "application/wasm",
}


class BrowserError(TfdeepvizError, RuntimeError):
    """Chromium or the built page is missing, or the page did not report."""


class Differences(Struct):
    """Largest absolute differences from the goldens; None if they are not finite."""

    mfcc: float | None
    encodings: dict[str, float | None]
    genres: dict[str, float | None]
    parameters: float | None


class Backend(Struct):
    """What the check page measured on one backend (`webapp/frontend/src/check/report.ts`)."""

    name: str
    status: Literal["ok", "unsupported", "failed"]
    reason: str = ""
    differences: Differences | None = None
    ms_per_second: float | None = None


class Report(Struct):
    """The check page's report, with one backend for each in `BACKENDS`, in that order."""

    user_agent: str
    backends: list[Backend]

    def __post_init__(self) -> None:
        if tuple(backend.name for backend in self.backends) != BACKENDS:
            raise ValueError(f"backends: {', '.join(BACKENDS)} are expected")


def check_in_browser(bundle: Bundle, *, static: Path, timeout_seconds: float = 300.0) -> Report:
    """Run a bundle in headless Chromium.

    Parameters
    ----------
    bundle
        The bundle, served as it is on disk.
    static
        Build of the front end (`make build`).
    timeout_seconds
        Time limit for all backends together.

    Raises
    ------
    BrowserError
        If the bundle could not be run.
    """
    program = find_browser(static)
    reports: Queue[bytes] = Queue()
    with ThreadingHTTPServer(("127.0.0.1", 0), _handler(static, _files(bundle), reports)) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        home = f"/bundles/{bundle.name}/1/"
        query = urlencode({"bundle": home, "backends": ",".join(BACKENDS), "report": "/report"})
        address = f"http://127.0.0.1:{server.server_port}/{_PAGE}?{query}"
        try:
            return msgspec.json.decode(_open(program, address, reports, timeout_seconds), type=Report)
        except msgspec.MsgspecError as error:
            raise BrowserError(f"the check page sent an unreadable report ({error}); run `make build`") from error
        finally:
            server.shutdown()


def find_browser(static: Path) -> str:
    """Return the path of Chromium; raises BrowserError if that or the built page is missing."""
    if not (static / _PAGE).is_file():
        raise BrowserError(f"{static}: holds no built front end ({_PAGE} is missing); run `make build`")
    named = os.environ.get("CHROMIUM")
    found = [path for path in map(shutil.which, (named,) if named else _PROGRAMS) if path]
    if not found:
        what = f"CHROMIUM={named}: no such program" if named else "no Chromium found"
        raise BrowserError(f"{what}; install it (Debian: apt-get install chromium) or name it with CHROMIUM")
    return found[0]


def _files(bundle: Bundle) -> dict[str, Path]:
    """Map each address that the page may request to its file; the layout is that of a registry."""
    home = f"/bundles/{bundle.name}/1/"
    frontend = bundle.manifest["frontend"]
    is_own = frontend["path"] == FRONTEND
    shared = home + FRONTEND if is_own else f"/bundles/{FRONTENDS}/{frontend['digest']}/"
    return {
        home + MANIFEST: bundle.path / MANIFEST,
        **{home + name: bundle.path / name for name in bundle.manifest["files"]},
        **{shared + name: bundle.frontend / name for name in frontend["files"]},
    }


def _handler(static: Path, files: Mapping[str, Path], reports: Queue[bytes]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            path = urlsplit(self.path).path
            try:
                file = files.get(path) or inside(static, path.removeprefix("/"))
                content = file.read_bytes()
            except (FormatError, OSError):
                self._answer(HTTPStatus.NOT_FOUND, b"", "text/plain")
                return
            self._answer(HTTPStatus.OK, content, _TYPES.get(file.suffix, "application/octet-stream"))

        def do_POST(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            if urlsplit(self.path).path != "/report" or not 0 < length <= _MAX_REPORT_BYTES:
                self._answer(HTTPStatus.BAD_REQUEST, b"", "text/plain")
                return
            reports.put(self.rfile.read(length))
            self._answer(HTTPStatus.NO_CONTENT, b"", "text/plain")

        def _answer(self, status: HTTPStatus, content: bytes, content_type: str) -> None:
            self.send_response(status)
            for name, value in _HEADERS.items():
                self.send_header(name, value)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            """Log nothing: the report tells what went wrong."""

    return Handler


def _open(program: str, address: str, reports: Queue[bytes], timeout_seconds: float) -> bytes:
    # Chromium's sandbox refuses to start as root, and containers usually run as root.
    sandbox = ["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
    with tempfile.TemporaryDirectory(prefix="tfdeepviz-chromium-", ignore_cleanup_errors=True) as profile:
        process = subprocess.Popen(
            [program, *_FLAGS, *sandbox, f"--user-data-dir={profile}", address],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            waited = 0.0
            while waited < timeout_seconds:
                try:
                    return reports.get(timeout=0.5)
                except Empty:
                    waited += 0.5
                if process.poll() is not None:
                    raise BrowserError(f"{program} ended by itself with status {process.returncode}; does it start?")
            raise BrowserError(f"{program} did not report within {timeout_seconds:g} s")
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
