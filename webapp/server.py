"""Serve the playground: the built page, the embeddable library, the registry and the tracks.

All computation happens in the browser, so this is a file server with the headers that a page with WASM threads needs.
It only requires Flask and imports nothing from tfdeepviz; if waitress is installed, it is used to serve.
"""

from __future__ import annotations

import argparse
import errno
import gzip
import io
import mimetypes
import os
import re
import sys
from contextlib import suppress
from datetime import datetime, timezone
from http import HTTPStatus
from pathlib import Path
from typing import IO, TYPE_CHECKING, cast

from flask import Flask, Response, abort, request
from werkzeug.exceptions import HTTPException
from werkzeug.wsgi import wrap_file

from .connections import FileSlice, listen, run
from .fma import Index, build_index, empty_index, find_audio

if TYPE_CHECKING:
    from collections.abc import Sequence

HERE = Path(__file__).resolve().parent
ONE_YEAR_SECONDS = 365 * 24 * 3600

# Top-level paths that pages from other origins may embed.
SHARED = ("lib", "registry", "tracks")

# Pushed versions and files named by their own hash never change; the index above them does.
PUSHED = re.compile(r"(?:[^/]+/[0-9]+|frontends/[0-9a-f]{64})/")

ONE_RANGE = re.compile(r"\s*bytes\s*=\s*(?:-(?P<last>[0-9]+)\s*|[^,]*)", re.IGNORECASE)

# Due to nosniff, browsers reject scripts, WebAssembly and sound if the machine's own table is wrong or empty.
MEDIA_TYPES = {
    ".js": "text/javascript",
    ".wasm": "application/wasm",
    ".json": "application/json",
    ".webmanifest": "application/manifest+json",
    ".svg": "image/svg+xml",
    ".woff2": "font/woff2",
    ".bin": "application/octet-stream",
    ".mp3": "audio/mpeg",
    ".ogg": "audio/ogg",
    ".opus": "audio/ogg",
    ".flac": "audio/flac",
    ".m4a": "audio/mp4",
    ".wav": "audio/wav",
}

CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self' 'wasm-unsafe-eval'",  # compiling WebAssembly counts as eval
        "worker-src 'self' blob:",  # TensorFlow.js starts its threads from a blob
        "connect-src 'self'",
        "img-src 'self' blob: data:",
        "media-src 'self' blob:",
        "style-src 'self'",
        "font-src 'self'",
        "manifest-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)

HEADERS = {
    # Both together isolate the page, which browsers require before they allow shared memory (WASM threads).
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Permissions-Policy": (
        "accelerometer=(), geolocation=(), gyroscope=(), magnetometer=(), midi=(), payment=(), usb=(), "
        "autoplay=(self), display-capture=(self), fullscreen=(self), microphone=(self), picture-in-picture=(self), "
        "screen-wake-lock=(self)"
    ),
}

NOT_BUILT = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>tfdeepviz: not built yet</title>
<h1>The playground has not been built yet</h1>
<p>Stop this server and run <code>make play</code>, or build the page by itself with
<code>npm ci &amp;&amp; npm run build</code> in <code>webapp/frontend</code> and load this page again.</p>
</html>
"""


def create_app(
    *,
    registry: Path | str = HERE / "registry",
    tracks: Path | str = HERE / "tracks",
    static: Path | str = HERE / "static",
    fma_root: Path | str | None = None,
) -> Flask:
    """Build the application.

    Parameters
    ----------
    registry
        Folder of pushed bundles, served under ``/registry/``.
    tracks
        Folder of demo tracks, served under ``/tracks/``.
    static
        Build of the front end: ``index.html``, ``assets/``, ``lib/``.
    fma_root
        Folder with ``fma_metadata/tracks.csv`` and ``fma_<subset>/NNN/NNNNNN.mp3``; links are followed. Without it,
        the index of ``/fma/`` is empty. The index is built here and stored in the application's configuration as
        ``FMA_INDEX``.
    """
    app = Flask(__name__, static_folder=None)
    app.url_map.merge_slashes = False
    roots = {"registry": Path(registry), "tracks": Path(tracks), "static": Path(static)}
    fma = None if fma_root is None else Path(fma_root)
    fma_index = empty_index() if fma is None else build_index(fma)
    app.config["FMA_INDEX"] = fma_index

    def serve(root: Path, name: str, *, immutable: bool = False) -> Response:
        return send(find_file(root, name), immutable=immutable)

    def send(path: Path | None, *, immutable: bool = False) -> Response:
        if path is None:
            abort(HTTPStatus.NOT_FOUND)
        response = file_response(path)
        if immutable:
            response.headers["Cache-Control"] = f"public, max-age={ONE_YEAR_SECONDS}, immutable"
        else:
            response.headers["Cache-Control"] = "no-cache"
        return response

    def index() -> Response:
        if find_file(roots["static"], "index.html") is None:
            return Response(NOT_BUILT, HTTPStatus.SERVICE_UNAVAILABLE, {"Cache-Control": "no-store"})
        return serve(roots["static"], "index.html")

    def static_file(name: str) -> Response:
        # Vite adds a hash to the name of every file in assets/.
        return serve(roots["static"], name, immutable=name.startswith("assets/"))

    def registry_file(name: str) -> Response:
        return serve(roots["registry"], name, immutable=PUSHED.match(name) is not None)

    def track_file(name: str) -> Response:
        return serve(roots["tracks"], name)

    def fma_file(track_id: int) -> Response:
        return send(None if fma is None or track_id > 999_999 else find_audio(fma, track_id))

    def fma_list() -> Response:
        return index_response(fma_index)

    for rule, view in (
        ("/", index),
        ("/<path:name>", static_file),
        ("/registry/<path:name>", registry_file),
        ("/tracks/<path:name>", track_file),
        ("/fma/<int:track_id>.mp3", fma_file),
        ("/fma/index.json", fma_list),
    ):
        app.add_url_rule(rule, view.__name__, view, methods=["GET"], provide_automatic_options=False)

    @app.errorhandler(HTTPException)
    def plain_error(error: HTTPException) -> Response:
        response = Response(f"{error.code} {error.name}\n", error.code, {"Cache-Control": "no-store"}, "text/plain")
        allowed = getattr(error, "valid_methods", None)
        if allowed:
            response.headers["Allow"] = ", ".join(sorted(allowed))
        range_header = dict(error.get_headers()).get("Content-Range")
        if range_header:
            response.headers["Content-Range"] = range_header
        return response

    @app.after_request
    def add_headers(response: Response) -> Response:
        response.headers.update(HEADERS)
        if request.path.split("/")[1] in SHARED:
            response.headers["Cross-Origin-Resource-Policy"] = "cross-origin"
            response.headers["Access-Control-Allow-Origin"] = "*"
        else:
            response.headers["Cross-Origin-Resource-Policy"] = "same-origin"
        return response

    return app


def find_file(root: Path, name: str) -> Path | None:
    """Find a regular file below a folder.

    Parameters
    ----------
    root
        The folder, which may itself be a symbolic link.
    name
        Path below the folder as the client requested it, with slashes.

    Returns
    -------
    Path or None
        The file with all links resolved; None if there is no readable file, if it turns out to be outside the folder,
        or if a part of its name begins with a dot.
    """
    parts = name.split("/")
    if any(part == "" or part.startswith(".") or "\\" in part or "\0" in part for part in parts):
        return None
    try:
        resolved_root = root.resolve(strict=True)
        path = resolved_root.joinpath(*parts).resolve(strict=True)
        if not path.is_relative_to(resolved_root) or not path.is_file() or not os.access(path, os.R_OK):
            return None
    except (OSError, RuntimeError, ValueError):  # missing, a loop of links, or an impossible file name
        return None
    if any(part.startswith(".") for part in path.relative_to(resolved_root).parts):
        return None
    return path


def file_response(path: Path) -> Response:
    """Answer the current request with a file, or with the requested part of it."""
    try:
        found = path.stat()
    except OSError:  # deleted since it was found
        abort(HTTPStatus.NOT_FOUND)
    media_type = MEDIA_TYPES.get(path.suffix.lower()) or mimetypes.guess_type(path.name)[0]
    response = Response(mimetype=media_type or "application/octet-stream", direct_passthrough=True)
    response.content_length = found.st_size
    response.last_modified = datetime.fromtimestamp(found.st_mtime, timezone.utc)
    response.set_etag(f"{found.st_mtime_ns:x}-{found.st_size:x}")
    length = found.st_size if _asks_for_part(found.st_size) else None
    response.make_conditional(request, accept_ranges=True, complete_length=length)
    start, stop = response.content_range.start, response.content_range.stop
    if response.status_code != HTTPStatus.PARTIAL_CONTENT or start is None or stop is None:
        start, stop = 0, found.st_size
    response.response = wrap_file(request.environ, cast("IO[bytes]", FileSlice(path, start, stop)))
    return response


def _asks_for_part(size: int) -> bool:
    """Tell whether the current request asks for a part of a file with `size` bytes.

    The whole file is a correct response to other units, to several ranges and to ranges in requests other than GET,
    which must or may be ignored; and to a request for the last bytes of a file that is not longer (RFC 9110, 14.1 and
    14.2).
    """
    asked = ONE_RANGE.fullmatch(request.headers.get("Range", ""))
    if asked is None or request.method != "GET":
        return False
    last = asked["last"]
    return last is None or (len(last) < 19 and int(last) < size)


def index_response(index: Index) -> Response:
    """Answer the current request with FMA's index, compressed if the client accepts gzip."""
    compressed = request.accept_encodings.quality("gzip") > 0
    content = index.compressed if compressed else gzip.decompress(index.compressed)
    response = Response(mimetype="application/json", direct_passthrough=True)
    response.content_length = len(content)
    response.headers["Cache-Control"] = "no-cache"
    response.vary.add("Accept-Encoding")
    if compressed:
        response.headers["Content-Encoding"] = "gzip"
    response.set_etag(f"{index.etag}-gzip" if compressed else index.etag)
    response.make_conditional(request)
    response.response = wrap_file(request.environ, io.BytesIO(content))
    return response


def _port(text: str) -> int:
    """Parse a port and check its range, because the resolver would silently take it modulo 65536."""
    port = int(text)
    if not 0 <= port <= 65535:
        raise argparse.ArgumentTypeError(f"{port} is not in 0 ... 65535")
    return port


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the server.

    Returns
    -------
    int
        Exit status: 0 after an interrupt, 2 if the server cannot start.
    """
    parser = argparse.ArgumentParser(prog="python -m webapp.server", description="Serve the tfdeepviz playground.")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: this machine only)")
    parser.add_argument("--port", type=_port, default=8000, help="port to listen on (default: 8000)")
    for name, text in {
        "registry": "registry folder",
        "tracks": "folder of demo tracks",
        "static": "built page",
    }.items():
        shown = f"{text} (default: as shipped)"
        parser.add_argument(f"--{name}", type=Path, default=HERE / name, metavar="DIR", help=shown)
    fma = "FMA folder to search and play: fma_metadata/tracks.csv and fma_<subset>/NNN/NNNNNN.mp3"
    parser.add_argument("--fma-root", type=Path, metavar="DIR", help=fma)
    options = parser.parse_args(arguments)
    for name in ("registry", "tracks", "static", "fma_root"):
        path = getattr(options, name)
        if path not in (None, HERE / name) and not path.is_dir():
            print(f"error: --{name.replace('_', '-')} {path} is not a folder", file=sys.stderr)
            return 2
    try:
        listener = listen(options.host, options.port)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            problem = f"port {options.port} is in use; choose another one with --port"
        else:
            problem = f"cannot listen on {options.host}, port {options.port}: {error}"
        print(f"error: {problem}", file=sys.stderr)
        return 2
    app = create_app(registry=options.registry, tracks=options.tracks, static=options.static, fma_root=options.fma_root)
    host, port = listener.getsockname()[:2]
    shown = f"[{host}]" if ":" in host else host
    lines = [f"tfdeepviz playground: http://{shown}:{port}/  (stop with Ctrl+C)"]
    if options.fma_root is not None:
        lines.append(f"FMA: {app.config['FMA_INDEX'].text()}")
    # The reader may have closed the pipe, as `| head` does; the page is served all the same.
    with suppress(BrokenPipeError):
        print(*lines, sep="\n", flush=True)
    try:
        with listener:
            run(app, listener)
    except KeyboardInterrupt:
        print()
    return 0


if __name__ == "__main__":
    sys.exit(main())
