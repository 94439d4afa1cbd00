"""The file server of the playground."""

from __future__ import annotations

import ast
import gzip
import http.client
import io
import json
import os
import re
import socket
import subprocess
import sys
from contextlib import suppress
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
    allowed = set(headers["Permissions-Policy"].split(", "))
    for feature in ("microphone", "display-capture", "picture-in-picture", "screen-wake-lock"):
        assert f"{feature}=(self)" in allowed
    assert "geolocation=()" in allowed
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


@pytest.mark.parametrize(
    "asked",
    [
        f"bytes={len(AUDIO)}-",
        "bytes=99999999999999999999999999-",
        "bytes=20-10",
        "bytes=-0",
        "bytes=--5",
        "bytes=5",
        "bytes=",
        "bytes=a-b",
        "bytes=0x10-0x20",
        "bytes=" + "9" * 5000 + "-",
    ],
)
def test_ranges_that_cannot_be(client: Client, asked: str) -> None:
    response = client.get("/tracks/electronic.mp3", headers={"Range": asked})
    assert response.status_code == 416
    assert response.headers["Content-Range"] == f"bytes */{len(AUDIO)}"
    assert AUDIO not in response.data


@pytest.mark.parametrize(
    "asked",
    [
        *(
            "seconds=0-9",
            "none",
            "bytes=0-9,20-29",
            "bytes=" + ",".join(f"{i}-{i}" for i in range(5000)),
            "bytes=0-,0-",
        ),
        *(f"bytes=-{len(AUDIO)}", "bytes=-" + "9" * 30, "bytes=-" + "9" * 5000),
    ],
)
def test_ranges_that_are_not_for_us_give_the_whole(client: Client, asked: str) -> None:
    response = client.get("/tracks/electronic.mp3", headers={"Range": asked})
    assert (response.status_code, response.data) == (200, AUDIO)
    assert response.headers["Accept-Ranges"] == "bytes"


@pytest.mark.parametrize(
    ("asked", "first", "last"),
    [
        ("bytes=0-99999999999999999999999999", 0, len(AUDIO) - 1),
        (" BYTES = 5-5", 5, 5),
    ],
)
def test_ranges_are_cut_to_what_there_is(client: Client, asked: str, first: int, last: int) -> None:
    response = client.get("/tracks/electronic.mp3", headers={"Range": asked})
    assert (response.status_code, response.data) == (206, AUDIO[first : last + 1])
    assert response.headers["Content-Range"] == f"bytes {first}-{last}/{len(AUDIO)}"


def test_a_range_of_what_was_replaced_is_the_whole(client: Client) -> None:
    etag = client.head("/tracks/electronic.mp3").headers["ETag"]
    headers = {"Range": "bytes=0-9", "If-Range": etag}
    assert client.get("/tracks/electronic.mp3", headers=headers).status_code == 206
    response = client.get("/tracks/electronic.mp3", headers={**headers, "If-Range": '"another"'})
    assert (response.status_code, response.data) == (200, AUDIO)


def test_heads_have_no_ranges(client: Client) -> None:
    response = client.head("/tracks/electronic.mp3", headers={"Range": "bytes=0-9"})
    assert (response.status_code, response.content_length, response.data) == (200, len(AUDIO), b"")


def test_empty_files(client: Client, site: Path) -> None:
    (site / "tracks" / "empty.mp3").write_bytes(b"")
    for headers in ({}, {"Range": "bytes=0-9"}):
        response = client.get("/tracks/empty.mp3", headers=headers)
        assert (response.status_code, response.data) == (200, b"")


def test_answers_without_bytes_open_no_file(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    etag = client.head("/tracks/electronic.mp3").headers["ETag"]

    def refuse(*_: object) -> None:
        raise AssertionError("opened")

    monkeypatch.setattr(io, "FileIO", refuse)
    assert client.head("/tracks/electronic.mp3").status_code == 200
    assert client.get("/tracks/electronic.mp3", headers={"If-None-Match": etag}).status_code == 304
    assert client.get("/tracks/electronic.mp3", headers={"Range": "bytes=9-1"}).status_code == 416
    with pytest.raises(AssertionError, match="opened"):
        client.get("/tracks/electronic.mp3")


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
    for address in ("/leak.txt", "/assets/up/outside.txt", "/registry/hidden", "/loop"):
        assert client.get(address).status_code == 404


def test_music_may_lie_on_another_disk(site: Path) -> None:
    disk = site / "disk"
    (site / "fma" / "fma_small").rename(disk)
    (site / "fma" / "fma_small").symlink_to(disk)
    folder = site / "fma" / "fma_medium" / "155"
    (disk / "000" / "song").write_bytes(b"song")
    (folder / "155003.mp3").symlink_to(disk / "000" / "song")
    (folder / "155004.mp3").symlink_to("155004.mp3")
    (folder / "155005.mp3").symlink_to(disk / "000")
    (folder / "155006.mp3").symlink_to(disk / "nothing")
    app = create_app(fma_root=site / "fma")
    client = client_of(app)
    offered = [track[0] for track in json.loads(client.get("/fma/index.json").data)["tracks"]]
    assert sorted(offered) == [2, 155003, 155066]
    for track_id, content in ((2, AUDIO), (155003, b"song"), (155066, AUDIO)):
        response = client.get(f"/fma/{track_id}.mp3")
        assert (response.status_code, response.mimetype, response.data) == (200, "audio/mpeg", content)
    for track_id in (155004, 155005, 155006):
        assert client.get(f"/fma/{track_id}.mp3").status_code == 404
    assert app.config["FMA_INDEX"].text().startswith("3 tracks; left out: 3 whose file cannot be read; by number only")


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
    index = client.get("/fma/index.json")
    assert (index.status_code, json.loads(index.data)["tracks"]) == (200, [])


def test_index_of_fma(client: Client) -> None:
    plain = client.get("/fma/index.json")
    assert (plain.status_code, plain.mimetype) == (200, "application/json")
    assert "Content-Encoding" not in plain.headers
    assert [track[0] for track in json.loads(plain.data)["tracks"]] == [2, 155066]
    packed = client.get("/fma/index.json", headers={"Accept-Encoding": "br, gzip;q=0.5"})
    assert (packed.headers["Content-Encoding"], packed.content_length) == ("gzip", len(packed.data))
    assert gzip.decompress(packed.data) == plain.data
    for response in (plain, packed):
        assert response.headers["Vary"] == "Accept-Encoding"
        assert response.headers["Cache-Control"] == "no-cache"
        assert response.headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert packed.headers["ETag"] != plain.headers["ETag"]


@pytest.mark.parametrize("encoding", ["gzip", "identity", "gzip;q=0"])
def test_the_index_of_fma_is_sent_once(client: Client, encoding: str) -> None:
    headers = {"Accept-Encoding": encoding}
    first = client.get("/fma/index.json", headers=headers)
    assert first.headers.get("Content-Encoding") == ("gzip" if encoding == "gzip" else None)
    again = client.get("/fma/index.json", headers={**headers, "If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")
    head = client.head("/fma/index.json", headers=headers)
    assert (head.status_code, head.content_length, head.data) == (200, len(first.data), b"")


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


def raw(address: tuple[str, int], request: bytes) -> bytes:
    """Send bytes as they are; returns all that comes back before the server hangs up."""
    with socket.create_connection(address, timeout=10) as connection:
        connection.sendall(request)
        connection.shutdown(socket.SHUT_WR)
        answer = b""
        try:
            while part := connection.recv(65536):
                answer += part
        except ConnectionResetError:  # it does not read what it has refused
            pass
    return answer


@pytest.mark.parametrize(
    ("request_head", "statuses"),
    [
        (b"GET /../outside.txt HTTP/1.1", {404}),
        (b"GET /tracks/../../outside.txt HTTP/1.1", {404}),
        (b"GET /%2e%2e/%2e%2e/outside.txt HTTP/1.1", {404}),
        (b"GET http://elsewhere/../outside.txt HTTP/1.1", {404}),
        (b"GET //tracks/..//../outside.txt HTTP/1.1", {404}),
        (b"GET /%ff%fe HTTP/1.1", {404}),
        (b"GET /" + b"a" * 8000 + b" HTTP/1.1", {404}),
        (b"GET /" + b"a" * 70_000 + b" HTTP/1.1", {414, 431}),
        (b"GET /tracks/electronic.mp3 HTTP/1.1\r\nX: " + b"a" * 70_000, {431}),
        (b"GET /tracks/electronic.mp3 HTTP/1.1\r\n" + b"X: a\r\n" * 9000 + b"Y: b", {431}),
        (b"POST /tracks/electronic.mp3 HTTP/1.1\r\nContent-Length: 999999999999", {405, 413}),
        (b"POST /tracks/electronic.mp3 HTTP/1.1\r\nContent-Length: -1", {400, 405}),
        (b"nonsense", {400}),
        (b"GET /tracks/electronic.mp3 HTTP/9.9", {400, 505, 200}),
    ],
)
def test_odd_requests_over_the_wire(address: tuple[str, int], request_head: bytes, statuses: set[int]) -> None:
    answer = raw(address, request_head + b"\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert b"secret" not in answer
    assert b"Traceback" not in answer
    # Whoever sends more than is read may find the connection reset before the answer.
    if answer or len(request_head) < 60_000:
        # To a line that is no HTTP the answer is a body alone.
        status = re.match(rb"HTTP/1\.[01] (\d+) |.*Error code: (\d+)", answer, re.DOTALL)
        assert status, answer
        assert int(status[1] or status[2]) in statuses
    connection = http.client.HTTPConnection(*address, timeout=10)
    connection.request("GET", "/tracks/electronic.mp3")
    assert connection.getresponse().read() == AUDIO
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


def test_the_start_says_what_is_in_fma(
    site: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("webapp.server.run", lambda app, listener: None)
    assert main(["--port", "0", "--fma-root", str(site / "fma")]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("tfdeepviz playground: http://127.0.0.1:")
    assert lines[1].startswith("FMA: 2 tracks; by number only: fma_metadata/tracks.csv")


def test_it_serves_though_nobody_reads_where(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    served: list[object] = []
    monkeypatch.setattr("webapp.server.run", lambda app, listener: served.append(app))
    reader, writer = os.pipe()
    os.close(reader)
    # What is left in the buffer cannot be written when it is closed, either.
    with suppress(BrokenPipeError), os.fdopen(writer, "w") as output, monkeypatch.context() as patched:
        patched.setattr(sys, "stdout", output)
        assert main(["--port", "0", "--static", str(site / "static")]) == 0
    assert len(served) == 1


@pytest.mark.parametrize("option", ["--registry", "--tracks", "--static", "--fma-root"])
def test_folders_must_exist(option: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([option, str(tmp_path / "none")]) == 2
    assert f"{option} {tmp_path / 'none'} is not a folder" in capsys.readouterr().err


def test_imports_nothing_but_flask() -> None:
    imported = {
        name.split(".")[0]
        for path in (REPOSITORY / "webapp").glob("*.py")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Import) or (isinstance(node, ast.ImportFrom) and node.level == 0)
        for name in ([node.module or ""] if isinstance(node, ast.ImportFrom) else [n.name for n in node.names])
    }
    assert imported - set(sys.stdlib_module_names) == {"flask", "werkzeug"}
