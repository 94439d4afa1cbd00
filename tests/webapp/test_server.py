"""The file server of the playground."""

from __future__ import annotations

import ast
import http.client
import os
import re
import socket
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from flask.testing import FlaskClient

from webapp.server import CONTENT_SECURITY_POLICY, create_app, find_file, main

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flask import Flask
    from werkzeug.test import TestResponse

REPOSITORY = Path(__file__).resolve().parents[2]
AUDIO = bytes(range(256)) * 8
DIGEST = "0123456789abcdef" * 4


@pytest.fixture
def site(tmp_path: Path) -> Path:
    files = {
        "static/index.html": b"<!doctype html><title>playground</title>",
        "static/icon.svg": b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        "static/assets/index-3f2a.js": b"export {};",
        "static/lib/tfdeepviz.js": b"export {};",
        "static/lib/tfjs-backend-wasm-simd.wasm": b"\0asm",
        "static/.env": b"secret",
        "static/.git/config": b"secret",
        "registry/index.json": b'{"schema_version": 1, "bundles": []}',
        "registry/ae/1/manifest.json": b"{}",
        "registry/ae/1/encoder/group1-shard1of1.bin": AUDIO,
        f"registry/frontends/{DIGEST}/model.json": b"{}",
        "registry/frontends/newest/model.json": b"{}",
        "tracks/index.json": b'{"schema_version": 1, "tracks": []}',
        "tracks/electronic.mp3": AUDIO,
        "fma/fma_small/000/000002.mp3": AUDIO,
        "fma/fma_medium/155/155066.mp3": AUDIO,
        "fma/fma_metadata/tracks.csv": b"secret",
        "outside.txt": b"secret",
    }
    for name, content in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return tmp_path


class Client(FlaskClient):
    """Reads every answer to its end, so that no file stays open."""

    def open(self, *args: Any, **kwargs: Any) -> TestResponse:
        return super().open(*args, **{"buffered": True, **kwargs})


def client_of(app: Flask) -> Client:
    return Client(app, app.response_class)


@pytest.fixture
def client(site: Path) -> Client:
    app = create_app(registry=site / "registry", tracks=site / "tracks", static=site / "static", fma_root=site / "fma")
    return client_of(app)


def policy(text: str) -> dict[str, list[str]]:
    return {part.split()[0]: part.split()[1:] for part in text.split(";")}


@pytest.mark.parametrize(
    ("address", "media_type"),
    [
        ("/", "text/html"),
        ("/index.html", "text/html"),
        ("/icon.svg", "image/svg+xml"),
        ("/assets/index-3f2a.js", "text/javascript"),
        ("/lib/tfdeepviz.js", "text/javascript"),
        ("/lib/tfjs-backend-wasm-simd.wasm", "application/wasm"),
        ("/registry/index.json", "application/json"),
        ("/registry/ae/1/manifest.json", "application/json"),
        ("/registry/ae/1/encoder/group1-shard1of1.bin", "application/octet-stream"),
        ("/tracks/electronic.mp3", "audio/mpeg"),
        ("/fma/2.mp3", "audio/mpeg"),
        ("/fma/155066.mp3", "audio/mpeg"),
    ],
)
def test_serves(client: Client, address: str, media_type: str) -> None:
    response = client.get(address)
    assert response.status_code == 200
    assert response.mimetype == media_type
    assert response.content_length == len(response.data) > 0
    assert response.headers["ETag"]
    head = client.head(address)
    assert (head.status_code, head.data, head.content_length) == (200, b"", response.content_length)


@pytest.mark.parametrize("address", ["/", "/assets/index-3f2a.js", "/missing", "/registry/index.json", "/fma/2.mp3"])
def test_every_answer_isolates_the_page(client: Client, address: str) -> None:
    headers = client.get(address).headers
    assert headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert headers["Cross-Origin-Embedder-Policy"] == "require-corp"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert "camera=()" in headers["Permissions-Policy"]
    assert headers["Content-Security-Policy"] == CONTENT_SECURITY_POLICY


def test_content_security_policy_is_strict() -> None:
    directives = policy(CONTENT_SECURITY_POLICY)
    assert directives["default-src"] == ["'none'"]
    assert directives["script-src"] == ["'self'", "'wasm-unsafe-eval'"]
    assert directives["connect-src"] == ["'self'"]
    assert directives["frame-ancestors"] == directives["base-uri"] == directives["form-action"] == ["'none'"]
    assert "unsafe-inline" not in CONTENT_SECURITY_POLICY
    assert "'unsafe-eval'" not in CONTENT_SECURITY_POLICY


@pytest.mark.parametrize(
    ("address", "shared"),
    [
        ("/lib/tfdeepviz.js", True),
        ("/registry/ae/1/manifest.json", True),
        ("/registry/none", True),  # a foreign page shall see 404, not a network error
        ("/tracks/electronic.mp3", True),
        ("/", False),
        ("/assets/index-3f2a.js", False),
        ("/fma/2.mp3", False),
        ("/library", False),
    ],
)
def test_only_what_is_meant_for_others_can_be_embedded(client: Client, address: str, shared: bool) -> None:
    headers = client.get(address).headers
    assert headers["Cross-Origin-Resource-Policy"] == ("cross-origin" if shared else "same-origin")
    assert headers.get("Access-Control-Allow-Origin") == ("*" if shared else None)


@pytest.mark.parametrize(
    ("address", "immutable"),
    [
        ("/", False),
        ("/icon.svg", False),
        ("/assets/index-3f2a.js", True),
        ("/lib/tfdeepviz.js", False),
        ("/registry/index.json", False),
        ("/registry/ae/1/manifest.json", True),
        (f"/registry/frontends/{DIGEST}/model.json", True),
        ("/registry/frontends/newest/model.json", False),
        ("/tracks/index.json", False),
        ("/tracks/electronic.mp3", False),
        ("/fma/2.mp3", False),
    ],
)
def test_caching(client: Client, address: str, immutable: bool) -> None:
    response = client.get(address)
    expected = "public, max-age=31536000, immutable" if immutable else "no-cache"
    assert response.headers["Cache-Control"] == expected
    again = client.get(address, headers={"If-None-Match": response.headers["ETag"]})
    assert again.status_code == 304
    assert again.data == b""


@pytest.mark.parametrize(
    "address", ["/tracks/electronic.mp3", "/fma/2.mp3", "/registry/ae/1/encoder/group1-shard1of1.bin"]
)
@pytest.mark.parametrize(
    ("asked", "first", "last"),
    [("bytes=0-99", 0, 99), ("bytes=100-", 100, len(AUDIO) - 1), ("bytes=-10", len(AUDIO) - 10, len(AUDIO) - 1)],
)
def test_ranges(client: Client, address: str, asked: str, first: int, last: int) -> None:
    response = client.get(address, headers={"Range": asked})
    assert response.status_code == 206
    assert response.headers["Content-Range"] == f"bytes {first}-{last}/{len(AUDIO)}"
    assert response.data == AUDIO[first : last + 1]


def test_range_outside_of_the_file(client: Client) -> None:
    response = client.get("/tracks/electronic.mp3", headers={"Range": f"bytes={len(AUDIO)}-"})
    assert response.status_code == 416
    assert response.headers["Content-Range"] == f"bytes */{len(AUDIO)}"


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
@pytest.mark.parametrize("address", ["/", "/assets/index-3f2a.js", "/registry/index.json", "/fma/2.mp3"])
def test_only_get_and_head(client: Client, address: str, method: str) -> None:
    response = client.open(address, method=method)
    assert response.status_code == 405
    assert response.headers["Allow"] == "GET, HEAD"


@pytest.mark.parametrize(
    "address",
    [
        "/../outside.txt",
        "/assets/../../outside.txt",
        "/%2e%2e/outside.txt",
        "/assets/%2e%2e/%2e%2e/outside.txt",
        "/..%2foutside.txt",
        "/..%5coutside.txt",
        "/registry/../outside.txt",
        "/registry/..%2f..%2foutside.txt",
        "/tracks//../../outside.txt",
        "//etc/passwd",
        "/registry//etc/passwd",
        "/registry/%00",
        "/registry/" + "a" * 5000,
        "/.env",
        "/.git/config",
        "/assets",
        "/assets/",
        "/registry/ae/1/",
        "/registry/",
        "/tracks/",
        "/fma/",
        "/fma/3.mp3",
        "/fma/-2.mp3",
        "/fma/2",
        "/fma/2.ogg",
        "/fma/1000002.mp3",
        "/fma/..%2ffma_metadata%2ftracks.csv",
        "/fma/fma_metadata/tracks.csv",
        "/nothing-here",
    ],
)
def test_not_found(client: Client, address: str) -> None:
    response = client.get(address)
    assert response.status_code == 404
    assert response.mimetype == "text/plain"
    assert response.headers["Cache-Control"] == "no-store"
    assert b"secret" not in response.data


def test_links_out_of_the_folder_are_not_followed(client: Client, site: Path) -> None:
    (site / "static" / "leak.txt").symlink_to(site / "outside.txt")
    (site / "static" / "assets" / "up").symlink_to(site)
    (site / "registry" / "hidden").symlink_to(site / "registry" / ".hidden")
    (site / "registry" / ".hidden").write_bytes(b"secret")
    (site / "static" / "loop").symlink_to(site / "static" / "loop")
    (site / "fma" / "fma_small" / "000" / "000003.mp3").symlink_to(site / "outside.txt")
    for address in ("/leak.txt", "/assets/up/outside.txt", "/registry/hidden", "/loop", "/fma/3.mp3"):
        assert client.get(address).status_code == 404


def test_links_inside_of_the_folder_are(client: Client, site: Path) -> None:
    (site / "registry" / "latest.json").symlink_to("index.json")
    assert client.get("/registry/latest.json").status_code == 200
    moved = site / "elsewhere"
    (site / "registry").rename(moved)
    (site / "registry").symlink_to(moved)
    assert client.get("/registry/index.json").status_code == 200


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_only_regular_files(client: Client, site: Path) -> None:
    os.mkfifo(site / "static" / "pipe")
    assert client.get("/pipe").status_code == 404


def test_find_file_refuses_backslashes(site: Path) -> None:
    (site / "static" / "a\\b").write_bytes(b"")
    assert find_file(site / "static", "a\\b") is None
    assert find_file(site / "none", "index.html") is None


def test_a_page_that_is_not_built_says_how(site: Path) -> None:
    client = client_of(create_app(registry=site / "registry", tracks=site / "tracks", static=site / "none"))
    response = client.get("/")
    assert response.status_code == 503
    assert "make play" in response.text
    assert "npm run build" in response.text
    assert response.headers["Cache-Control"] == "no-store"
    assert client.get("/registry/index.json").status_code == 200


def test_without_fma_there_is_none(site: Path) -> None:
    client = client_of(create_app(registry=site / "registry", tracks=site / "tracks", static=site / "static"))
    assert client.get("/fma/2.mp3").status_code == 404


WITHOUT_WAITRESS = "import sys; sys.modules['waitress'] = None; from webapp.server import main; sys.exit(main())"


@pytest.fixture(params=["waitress", "werkzeug"])
def address(request: pytest.FixtureRequest, site: Path) -> Iterator[tuple[str, int]]:
    """The server as a process of its own, on either of the two that can carry it."""
    if request.param == "waitress":
        pytest.importorskip("waitress")
        command = [sys.executable, "-m", "webapp.server"]
    else:
        command = [sys.executable, "-c", WITHOUT_WAITRESS]
    command += ["--port", "0", "--static", str(site / "static"), "--tracks", str(site / "tracks")]
    with subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        found = re.match(r"tfdeepviz playground: http://(127\.0\.0\.1):(\d+)/ ", line)
        assert found, line
        yield found[1], int(found[2])
        process.terminate()


def test_over_the_wire(address: tuple[str, int]) -> None:
    """One connection, several answers: ranges, empty bodies and errors keep it usable."""
    connection = http.client.HTTPConnection(*address, timeout=10)
    for headers, status, length in (
        ({"Range": "bytes=10-19"}, 206, 10),
        ({}, 200, len(AUDIO)),
        ({"Range": "bytes=99999-"}, 416, None),
    ):
        connection.request("GET", "/tracks/electronic.mp3", headers=headers)
        response = connection.getresponse()
        body = response.read()
        assert response.status == status
        assert length is None or len(body) == length
    connection.request("HEAD", "/tracks/electronic.mp3")
    response = connection.getresponse()
    assert (response.read(), response.getheader("Content-Length")) == (b"", str(len(AUDIO)))
    connection.close()


def test_port_in_use(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert main(["--port", str(port)]) == 2
    error = capsys.readouterr().err
    assert f"port {port} is in use" in error
    assert "--port" in error


def test_cannot_listen(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--host", "203.0.113.1"]) == 2
    assert "cannot listen" in capsys.readouterr().err


def test_no_such_port(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["--port", "99999"])
    assert "99999 is not in 0 ... 65535" in capsys.readouterr().err


def test_fma_root_must_exist(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--fma-root", str(tmp_path / "none")]) == 2
    assert "is not a folder" in capsys.readouterr().err


def test_imports_nothing_but_flask() -> None:
    tree = ast.parse((REPOSITORY / "webapp" / "server.py").read_text("utf-8"))
    imported = {
        name.split(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in ([node.module or ""] if isinstance(node, ast.ImportFrom) else [n.name for n in node.names])
    }
    assert imported - set(sys.stdlib_module_names) == {"flask", "werkzeug"}
