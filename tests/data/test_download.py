"""Downloads from a host of our own on 127.0.0.1 that cuts, changes, refuses and lies as told."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import socket
import stat
import struct
import threading
import zipfile
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tfdeepviz.data import download as module
from tfdeepviz.data.download import (
    ARCHIVES,
    Archive,
    ArchiveError,
    ChecksumError,
    DiskSpaceError,
    DownloadError,
    download,
)
from tfdeepviz.data.fma import SUBSETS

SMALL = "/fma_small.zip"


def noise(n_bytes: int, seed: int = 0) -> bytes:
    return np.random.default_rng(seed).bytes(n_bytes)


CONTENT = {
    "fma_metadata": {"fma_metadata/tracks.csv": b"track_id\n" * 100, "fma_metadata/genres.csv": b"genre_id\n"},
    "fma_small": {f"fma_small/{i:03d}/{i:03d}00{i}.mp3": noise(60_000 + i, i) for i in range(5)},
}


def make_zip(content: dict[str, bytes], *, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as file:
        for folder in sorted({name.split("/")[0] for name in content}):
            file.mkdir(folder)
        for name, data in content.items():
            file.writestr(name, data)
    return buffer.getvalue()


@dataclass(frozen=True)
class Reply:
    """How to answer one request; by default as a good host does."""

    status: int | None = None
    headers: dict[str, str] = field(default_factory=dict)
    cut_after: int | None = None
    reset: bool = False
    hang: bool = False
    ranges: bool = True
    content_range: str | None = None
    no_length: bool = False
    extra: bytes = b""


@dataclass(frozen=True)
class Seen:
    """One request for the small archive, and how many bytes of body it was given."""

    range: str | None
    if_range: str | None
    status: int
    n_bytes: int


class Host(ThreadingHTTPServer):
    """FMA's host in small; `script` holds the next answers for the small archive, `always` all further ones."""

    daemon_threads = False

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.files = {f"/{name}.zip": make_zip(content) for name, content in CONTENT.items()}
        self.etag: str | None = '"one"'
        self.last_modified: str | None = None
        self.script: deque[Reply] = deque()
        self.always = Reply()
        self.seen: list[Seen] = []
        self.released = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: clients that hang up are what is tested."""


class Handler(BaseHTTPRequestHandler):
    server: Host

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def do_GET(self) -> None:
        host, wanted, if_range = self.server, self.headers["Range"], self.headers["If-Range"]
        if self.path not in host.files:
            self.send_error(404)
            return
        is_small = self.path == SMALL
        reply = (host.script.popleft() if host.script else host.always) if is_small else Reply()
        whole = host.files[self.path]
        first = 0
        if wanted and reply.ranges and if_range in (host.etag, host.last_modified):
            first = int(wanted.removeprefix("bytes=").removesuffix("-"))
        status = reply.status or (206 if first else 200)
        body = whole[first:] if status in (200, 206) else b""
        self.send_response(status)
        headers = {"ETag": host.etag, "Last-Modified": host.last_modified, "Content-Length": str(len(body))}
        if status == 206:
            content_range = reply.content_range or f"bytes {first}-{{last}}/{{n_bytes}}"
            headers["Content-Range"] = content_range.format(last=len(whole) - 1, n_bytes=len(whole))
        if reply.no_length:
            del headers["Content-Length"]
        for name, value in {**headers, **reply.headers}.items():
            if value is not None:
                self.send_header(name, value)
        body = (body + reply.extra)[: reply.cut_after]
        if is_small:
            # Before anything is sent: a client that dislikes the headers has asked again before the next line runs.
            host.seen.append(Seen(wanted, if_range, status, len(body)))
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()
        if reply.hang:
            host.released.wait(5)
        if reply.reset:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()


@pytest.fixture
def host() -> Iterator[Host]:
    with Host() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.released.set()
        server.shutdown()
        thread.join()


class Client:
    """`download` with the host's sums and without its waits, which are kept in `waits`."""

    def __init__(self, host: Host, out: Path) -> None:
        self.host, self.out = host, out
        self.waits: list[float] = []
        self.part, self.note = out / "fma_small.zip.part", out / "fma_small.zip.part.json"
        self.archive = out / "fma_small.zip"

    def archives(self) -> dict[str, Archive]:
        return {
            name.strip("/").removesuffix(".zip"): Archive(hashlib.sha1(data).hexdigest(), len(data), 400_000)
            for name, data in self.host.files.items()
        }

    def __call__(self, **options: Any) -> None:
        defaults: dict[str, Any] = {
            "base_url": self.host.url,
            "archives": self.archives(),
            "sleep": self.waits.append,
        }
        download("small", self.out, **(defaults | options))

    def check(self) -> None:
        for content in CONTENT.values():
            for name, data in content.items():
                assert (self.out / name).read_bytes() == data
        files = {str(path.relative_to(self.out)) for path in self.out.rglob("*") if path.is_file()}
        assert files == {name for content in CONTENT.values() for name in content} | {
            ".fma_metadata.json",
            ".fma_small.json",
        }

    def interrupt(self, at: Callable[[str, int], bool]) -> None:
        """Press Ctrl-C when `at(what, done_bytes)`."""

        def progress(what: str, n_done: int, n_bytes: int) -> None:
            if at(what, n_done):
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            self(progress=progress)


@pytest.fixture
def client(host: Host, tmp_path: Path) -> Client:
    return Client(host, tmp_path / "fma")


def test_the_table_knows_every_subset() -> None:
    assert set(ARCHIVES) == {"fma_metadata", *(f"fma_{subset}" for subset in SUBSETS)}
    assert all(len(bytes.fromhex(archive.sha1)) == 20 for archive in ARCHIVES.values())


def test_download_makes_both_folders_and_tells_its_progress(client: Client) -> None:
    calls: list[tuple[str, int, int]] = []
    client(progress=lambda *call: calls.append(call))
    client.check()
    assert list(dict.fromkeys(what for what, _, _ in calls)) == [
        f"{doing} fma_{name}.zip"
        for name in ("metadata", "small")
        for doing in ("downloading", "checking", "unpacking")
    ]
    for doing in {what for what, _, _ in calls}:
        done = [n_done for what, n_done, _ in calls if what == doing]
        assert done == sorted(done)
        assert {n_bytes for what, _, n_bytes in calls if what == doing} == {done[-1]}


def test_second_call_does_nothing(client: Client) -> None:
    client()
    client(base_url="http://127.0.0.1:9/", progress=lambda *_: pytest.fail("nothing is left to do"))


def test_a_folder_that_was_removed_is_made_again(client: Client) -> None:
    client()
    shutil.rmtree(client.out / "fma_small")
    client()
    client.check()


def test_archives_are_kept_on_request(client: Client) -> None:
    client(keep_archives=True)
    assert client.archive.read_bytes() == client.host.files[SMALL]


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_methods_of_packing(client: Client, method: int) -> None:
    client.host.files[SMALL] = make_zip(CONTENT["fma_small"], method=method)
    client()
    client.check()


def test_cuts_resume_without_fetching_a_byte_twice(client: Client) -> None:
    n_bytes = len(client.host.files[SMALL])
    client.host.script.extend(Reply(cut_after=n) for n in (0, 1, 70_000, 100_000, 5))
    client()
    client.check()
    seen = client.host.seen
    assert [request.range for request in seen] == [
        None,
        None,
        "bytes=1-",
        "bytes=70001-",
        "bytes=170001-",
        "bytes=170006-",
    ]
    assert {request.if_range for request in seen[2:]} == {'"one"'}
    assert sum(request.n_bytes for request in seen) == n_bytes
    # Progress takes the backoff back to its start.
    assert client.waits == [1, 1, 1, 1, 1]


def test_resets_are_retried(client: Client) -> None:
    client.host.script.extend([Reply(cut_after=50_000, reset=True), Reply(cut_after=50_000, reset=True)])
    client()
    client.check()
    assert len(client.waits) == 2


def test_a_host_that_falls_silent_is_asked_again(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_TIMEOUT_SECONDS", (5, 0.2))
    client.host.script.append(Reply(cut_after=50_000, hang=True))
    client()
    client.check()
    assert [request.range for request in client.host.seen] == [None, "bytes=50000-"]


@pytest.mark.parametrize("ranges", [True, False])
def test_a_host_that_always_cuts_is_given_up_and_the_part_kept(client: Client, ranges: bool) -> None:
    client.host.script.append(Reply(cut_after=70_000))
    client.host.always = Reply(cut_after=0 if ranges else 70_000, ranges=ranges)
    with pytest.raises(DownloadError, match=r"8 failures in a row .*broke off .* keeps 0\.07 MiB; run the same"):
        client()
    assert client.part.stat().st_size == 70_000
    assert client.waits == [1, 2, 4, 8, 16, 32, 60]
    client.host.always = Reply()
    client()
    client.check()
    assert client.host.seen[-1].range == "bytes=70000-"


def test_nobody_listens(client: Client) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        with pytest.raises(DownloadError, match="8 failures in a row"):
            client(base_url=f"http://127.0.0.1:{taken.getsockname()[1]}")


def test_ctrl_c_resumes(client: Client) -> None:
    client.host.script.append(Reply(cut_after=70_000))
    with pytest.raises(KeyboardInterrupt):
        client(sleep=interrupted_sleep)
    assert client.part.stat().st_size == 70_000
    client()
    client.check()
    assert [request.range for request in client.host.seen] == [None, "bytes=70000-"]


def interrupted_sleep(seconds: float) -> None:
    raise KeyboardInterrupt


def test_ctrl_c_while_bytes_come_in(client: Client) -> None:
    client.interrupt(lambda what, n_done: what == "downloading fma_small.zip" and n_done > 0)
    n_have = client.part.stat().st_size
    assert n_have > 0
    client()
    client.check()


def test_a_whole_part_is_only_checked(client: Client) -> None:
    client.interrupt(lambda what, n_done: what == "checking fma_small.zip")
    client()
    client.check()
    assert len(client.host.seen) == 1


def test_without_range_support_it_starts_over(client: Client) -> None:
    client.host.script.extend([Reply(cut_after=200_000), Reply(ranges=False)])
    client()
    client.check()
    assert [(request.range, request.status) for request in client.host.seen] == [(None, 200), ("bytes=200000-", 200)]


def test_without_a_validator_it_starts_over(client: Client) -> None:
    client.host.etag = 'W/"weak"'
    client.host.script.append(Reply(cut_after=200_000))
    client()
    client.check()
    assert [request.range for request in client.host.seen] == [None, None]


def test_last_modified_serves_where_there_is_no_etag(client: Client) -> None:
    client.host.etag, client.host.last_modified = None, "Tue, 09 May 2017 10:00:00 GMT"
    client.host.script.append(Reply(cut_after=200_000))
    client()
    client.check()
    assert client.host.seen[1].if_range == client.host.last_modified


def test_a_file_that_changed_is_fetched_anew(client: Client) -> None:
    new = client.host.files[SMALL]
    client.host.files[SMALL] = noise(len(new))
    client.host.script.append(Reply(cut_after=100_000))
    with pytest.raises(KeyboardInterrupt):
        client(sleep=interrupted_sleep)
    client.host.files[SMALL], client.host.etag = new, '"two"'
    client()
    client.check()
    assert [(request.if_range, request.status) for request in client.host.seen] == [(None, 200), ('"one"', 200)]


@pytest.mark.parametrize("note", ["", "[]", '{"n_bytes": "9", "validator": 3}', "\x00", None])
def test_a_part_without_a_usable_note_is_fetched_anew(client: Client, note: str | None) -> None:
    client.out.mkdir()
    client.part.write_bytes(b"of unknown origin")
    if note is not None:
        client.note.write_text(note)
    client()
    client.check()


@pytest.mark.parametrize(
    "reply",
    [
        Reply(status=416),
        Reply(content_range="bytes 69999-{last}/{n_bytes}"),
        Reply(content_range="bytes 70000-{last}/{n_bytes}0"),
        Reply(content_range="bytes 70000-{n_bytes}/{n_bytes}"),
        Reply(content_range="bytes 70000-80000/*"),
        Reply(content_range=f"bytes 70000-{'9' * 5000}/1"),
    ],
)
def test_ranges_that_do_not_fit_start_over(client: Client, reply: Reply) -> None:
    client.host.script.extend([Reply(cut_after=70_000), reply])
    client()
    client.check()
    assert [request.range for request in client.host.seen] == [None, "bytes=70000-", None]


def test_hosts_may_send_less_than_asked(client: Client) -> None:
    piece = Reply(content_range="bytes 70000-70099/{n_bytes}", headers={"Content-Length": "100"}, cut_after=100)
    client.host.script.extend([Reply(cut_after=70_000), piece])
    client()
    client.check()
    assert client.host.seen[-1].range == "bytes=70100-"


def test_more_bytes_than_promised_are_refused(client: Client) -> None:
    calls: list[tuple[str, int, int]] = []
    client.host.script.extend([Reply(cut_after=70_000), Reply(no_length=True, extra=noise(1 << 20))])
    with pytest.raises(DownloadError, match=r"sends more than the .* bytes that it promised; try another mirror"):
        client(progress=lambda *call: calls.append(call))
    assert all(n_done <= n_bytes for _, n_done, n_bytes in calls)
    assert not client.part.exists()
    client()
    client.check()


@pytest.mark.parametrize(
    ("reply", "message"),
    [
        (Reply(no_length=True), r"does not say how long the file is \(''\)"),
        (
            Reply(headers={"Content-Length": "99999999999"}, cut_after=0),
            "the file has 93.13 GiB, FMA's has about 0.29 MiB",
        ),
        (Reply(status=404), "answered 404; check the address"),
        (Reply(status=403), "answered 403"),
        (Reply(status=206), "answered 206"),
        (Reply(status=302, headers={"Location": "file:///etc/passwd"}), "file:///etc/passwd.*; check the address"),
        (Reply(status=302, headers={"Location": SMALL}), "redirects"),
    ],
)
def test_answers_that_asking_again_does_not_mend(client: Client, reply: Reply, message: str) -> None:
    client.host.always = reply
    with pytest.raises(DownloadError, match=message):
        client()
    assert client.waits == []
    assert not client.part.exists()


def test_redirects_are_followed(client: Client) -> None:
    client.host.files["/elsewhere"] = client.host.files[SMALL]
    client.host.script.append(Reply(status=302, headers={"Location": f"{client.host.url}elsewhere"}))
    client()
    client.check()


@pytest.mark.parametrize(
    ("retry_after", "wait_seconds"),
    [
        *(("7", 7), ("0", 0), ("99999999", 600), ("9" * 5000, 1), ("soon", 1), ("Tue, 09 May 2017 10:00:00 GMT", 0)),
        *(("Fri, 31 Dec 9999 23:59:59 GMT", 600), (None, 1)),
    ],
)
@pytest.mark.parametrize("status", [429, 503])
def test_busy_hosts_are_asked_again_when_they_say(
    client: Client, status: int, retry_after: str | None, wait_seconds: float
) -> None:
    client.host.script.append(Reply(status=status, headers={"Retry-After": retry_after} if retry_after else {}))
    client()
    client.check()
    assert client.waits == [wait_seconds]


def test_a_wrong_sum_removes_the_part(client: Client) -> None:
    archives = client.archives()
    good = client.host.files[SMALL]
    client.host.files[SMALL] = good[:-1] + b"!"
    wrong = hashlib.sha1(client.host.files[SMALL]).hexdigest()
    with pytest.raises(ChecksumError, match=f"is {wrong} and FMA's is {archives['fma_small'].sha1}; run the same"):
        client(archives=archives)
    assert not client.part.exists()
    assert not client.note.exists()
    assert not (client.out / "fma_small").exists()
    client.host.files[SMALL] = good
    client()
    client.check()


def test_an_archive_that_is_there_is_used_if_it_is_right(client: Client) -> None:
    client.out.mkdir()
    client.archive.write_bytes(b"of the user's")
    with pytest.raises(ChecksumError, match=r"remove .*fma_small\.zip and run"):
        client()
    client.archive.write_bytes(client.host.files[SMALL])
    client()
    client.check()
    assert client.host.seen == []


def test_a_full_disk_keeps_the_part(client: Client) -> None:
    client.out.mkdir()
    client.part.symlink_to("/dev/full")
    with pytest.raises(DiskSpaceError, match="the disk is full; free space and run the same command"):
        client()
    client.part.unlink()
    client()
    client.check()


def test_a_disk_that_fills_while_unpacking_keeps_the_archive(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def into_the_full_disk(source: io.BufferedIOBase, sink: io.BufferedIOBase, length: int) -> None:
        with Path("/dev/full").open("wb", buffering=0) as full:
            full.write(source.read(length))

    with monkeypatch.context() as patch, pytest.raises(DiskSpaceError, match="the disk is full"):
        patch.setattr(shutil, "copyfileobj", into_the_full_disk)
        client()
    assert (client.out / "fma_metadata.zip").exists()
    assert [path for path in (client.out / "fma_metadata").rglob("*") if path.is_file()] == []
    client()
    client.check()


def test_too_small_a_disk_is_noticed_beforehand(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    free = shutil.disk_usage(client.out.parent)._replace(free=2 << 20)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: free)
    with pytest.raises(
        DiskSpaceError, match=r"about 16\.59 GiB are needed and 2\.00 MiB are free; free 16\.59 GiB more"
    ):
        client(archives=ARCHIVES)
    assert client.host.seen == []
    client()
    client.check()


def test_a_part_needs_space_for_the_rest_only(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    client.host.script.append(Reply(cut_after=200_000))
    with pytest.raises(KeyboardInterrupt):
        client(sleep=interrupted_sleep)
    archive = client.archives()["fma_small"]
    free = shutil.disk_usage(client.out)._replace(free=archive.n_bytes - 200_000 + archive.n_unpacked_bytes)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: free)
    client()
    client.check()


def test_unpacked_files_need_no_space(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    client.interrupt(lambda what, n_done: what == "unpacking fma_small.zip" and n_done > 150_000)
    free = shutil.disk_usage(client.out)._replace(free=250_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: free)
    client()
    client.check()


def test_an_interrupted_unpacking_resumes(client: Client) -> None:
    client.interrupt(lambda what, n_done: what == "unpacking fma_small.zip" and n_done > 150_000)
    whole, short, spoilt = (client.out / f"fma_small/00{i}/00{i}00{i}.mp3" for i in range(3))
    assert not (client.out / "fma_small/004").exists()
    inode = whole.stat().st_ino
    short.write_bytes(short.read_bytes()[:-1])
    spoilt.write_bytes(b"?" + spoilt.read_bytes()[1:])
    client()
    client.check()
    assert whole.stat().st_ino == inode
    assert len(client.host.seen) == 1


def test_an_interrupted_unpacking_of_what_was_removed_resumes(client: Client) -> None:
    client()
    shutil.rmtree(client.out / "fma_small")
    client.interrupt(lambda what, n_done: what == "unpacking fma_small.zip" and n_done > 150_000)
    assert (client.out / "fma_small/000/000000.mp3").exists()
    client()
    client.check()


def link(name: str) -> zipfile.ZipInfo:
    member = zipfile.ZipInfo(name)
    member.create_system = 3
    member.external_attr = (stat.S_IFLNK | 0o777) << 16
    return member


@pytest.mark.parametrize(
    ("member", "message"),
    [
        ("../evil.mp3", "does not lie below fma_small/"),
        ("fma_small/../../evil.mp3", "does not lie below"),
        ("/evil.mp3", "does not lie below"),
        ("fma_small//evil.mp3", "does not lie below"),
        ("fma_small/..\\evil.mp3", "does not lie below"),
        ("fma_small", "does not lie below"),
        ("fma_small_too/evil.mp3", "does not lie below"),
        ("fma_metadata/tracks.csv", "does not lie below"),
        (link("fma_small/evil"), "is neither file nor folder"),
        ("fma_small/000/000000.MP3", "is in the archive twice"),
    ],
)
def test_members_that_are_refused(client: Client, member: str | zipfile.ZipInfo, message: str) -> None:
    buffer = io.BytesIO(client.host.files[SMALL])
    with zipfile.ZipFile(buffer, "a") as file:
        file.writestr(member, b"/etc/passwd")
    client.host.files[SMALL] = buffer.getvalue()
    with pytest.raises(ArchiveError, match=message):
        client()
    assert not (client.out / "fma_small").exists()
    assert not list(client.out.parent.rglob("*evil*"))


def test_a_bomb_is_refused(client: Client) -> None:
    client.host.files[SMALL] = make_zip({"fma_small/000/000002.mp3": bytes(1_000_000)})
    with pytest.raises(ArchiveError, match=r"unpacks to 0\.95 MiB, FMA's to about 0\.38 MiB; remove the archive"):
        client()
    assert not (client.out / "fma_small").exists()


def test_a_bomb_that_lies_about_its_size_is_bounded(client: Client) -> None:
    data = make_zip({"fma_small/000/000002.mp3": bytes(1_000_000)})
    client.host.files[SMALL] = data.replace(struct.pack("<I", 1_000_000), struct.pack("<I", 1_000))
    with pytest.raises(ArchiveError, match=r"'fma_small/000/000002\.mp3' cannot be unpacked \(Bad CRC-32"):
        client()
    assert not list((client.out / "fma_small").rglob("*.mp3"))


def test_a_member_shorter_than_declared_is_refused(client: Client) -> None:
    data = make_zip({"fma_small/000/000002.mp3": bytes(1_000)})
    client.host.files[SMALL] = data.replace(struct.pack("<I", 1_000), struct.pack("<I", 2_000))
    with pytest.raises(ArchiveError, match="shorter than 2000 bytes"):
        client()
    assert not list((client.out / "fma_small").rglob("*.mp3"))


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_corrupt_member_is_named(client: Client, method: int) -> None:
    data = bytearray(make_zip(CONTENT["fma_small"], method=method))
    middle = len(data) // 2
    data[middle : middle + 100] = bytes(100)
    client.host.files[SMALL] = bytes(data)
    with pytest.raises(ArchiveError, match=r"'fma_small/002/002002\.mp3' cannot be unpacked .*; remove the archive"):
        client()
    files = [path for path in (client.out / "fma_small").rglob("*") if path.is_file()]
    assert sorted(path.name for path in files) == ["000000.mp3", "001001.mp3"]


def test_what_is_no_zip_is_refused(client: Client) -> None:
    client.host.files[SMALL] = b"<html>moved</html>"
    with pytest.raises(ArchiveError, match="not a zip archive that can be read"):
        client()


def test_encrypted_members_are_refused(client: Client) -> None:
    data = bytearray(make_zip({"fma_small/a.mp3": b"secret"}))
    # Bit 0 of the general flags, in the last local header and in the last entry of the central directory.
    data[data.rindex(b"PK\x03\x04") + 6] |= 1
    data[data.rindex(b"PK\x01\x02") + 8] |= 1
    client.host.files[SMALL] = bytes(data)
    with pytest.raises(ArchiveError, match="encrypted"):
        client()


@pytest.mark.parametrize("base_url", ["file:///etc/", "ftp://127.0.0.1/", "127.0.0.1", "", "https://", "//127.0.0.1/"])
def test_other_addresses_are_refused(client: Client, base_url: str) -> None:
    with pytest.raises(ValueError, match="give an http:// or https:// address"):
        client(base_url=base_url)
    assert not client.out.exists()


@pytest.mark.parametrize("subset", ["metadata", "", "../small"])
def test_other_subsets_are_refused(tmp_path: Path, subset: str) -> None:
    with pytest.raises(ValueError, match="choose one of small, medium, large, full"):
        download(subset, tmp_path / "fma")


def test_the_marker_names_the_archive(client: Client) -> None:
    client()
    marker = json.loads((client.out / ".fma_small.json").read_text())
    assert marker == {"sha1": client.archives()["fma_small"].sha1}
