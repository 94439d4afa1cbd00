"""Runs a bundle in real Chromium: opens the check page, which runs every stage on every backend and reports back."""

from __future__ import annotations

import math
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from posixpath import normpath
from queue import Empty, Queue
from threading import Thread
from typing import Literal
from urllib.parse import urlencode, urlsplit

import msgspec
from msgspec import Struct

from tfdeepviz.errors import TfdeepvizError
from tfdeepviz.export.bundle import Bundle
from tfdeepviz.export.goldens import Stages

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
# As a system's own table of types may have them otherwise.
_TYPES = {".js": "text/javascript", ".wasm": "application/wasm"}


class BrowserError(TfdeepvizError, RuntimeError):
    """Chromium or the built page is missing, or the page did not report."""


class Backend(Struct):
    """What the check page measured on one backend (`webapp/frontend/src/check/report.ts`)."""

    name: str
    status: Literal["ok", "unsupported", "failed"]
    reason: str = ""
    differences: Stages[float | None] | None = None  # the largest from the goldens; None if not finite
    #: Measured by runs of its own on WebAssembly only: a budget limits that, and software renders the others here.
    ms_per_second: float | None = None


class Report(Struct):
    """The check page's report, with one backend for each in `BACKENDS`, in that order."""

    user_agent: str
    backends: list[Backend]

    def __post_init__(self) -> None:
        if tuple(backend.name for backend in self.backends) != BACKENDS:
            raise ValueError(f"backends: {', '.join(BACKENDS)} are expected")


def check_in_browser(bundle: Bundle, *, static: Path, timeout_seconds: float = 300.0) -> Report:
    """Run a bundle in headless Chromium, or raise BrowserError.

    `static` is a build of the front end (`make build`); the time limit is for all backends together.
    """
    program = find_browser(static)
    reports: Queue[bytes] = Queue()
    home = f"/bundles/{bundle.name}/1/"
    files = {normpath(home + name): path for name, path in bundle.files.items()}
    with ThreadingHTTPServer(("127.0.0.1", 0), _handler(static, files, reports)) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        query = urlencode({"bundle": home, "backends": ",".join(BACKENDS), "timed": "wasm", "report": "/report"})
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


def _handler(static: Path, files: Mapping[str, Path], reports: Queue[bytes]) -> Callable[..., BaseHTTPRequestHandler]:
    class Handler(SimpleHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        extensions_map = SimpleHTTPRequestHandler.extensions_map | _TYPES

        def translate_path(self, path: str) -> str:
            return str(files.get(urlsplit(path).path) or super().translate_path(path))

        def end_headers(self) -> None:
            for name, value in _HEADERS.items():
                self.send_header(name, value)
            super().end_headers()

        def do_POST(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            is_report = urlsplit(self.path).path == "/report" and 0 < length <= _MAX_REPORT_BYTES
            if is_report:
                reports.put(self.rfile.read(length))
            self.send_response(HTTPStatus.NO_CONTENT if is_report else HTTPStatus.BAD_REQUEST)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Log nothing: the report tells what went wrong."""

    return partial(Handler, directory=str(static))


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
            for _ in range(math.ceil(timeout_seconds / 0.5)):
                with suppress(Empty):
                    return reports.get(timeout=0.5)
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
