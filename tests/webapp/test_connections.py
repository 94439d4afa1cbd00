"""How the file server treats files and connections."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import pytest

from webapp import connections
from webapp.connections import REQUEST_SECONDS, STALL_SECONDS, FileSlice, Watch

if TYPE_CHECKING:
    from webapp.connections import Channel

CONTENT = bytes(range(256)) * 4


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "file.bin"
    path.write_bytes(CONTENT)
    return path


@pytest.mark.parametrize(("start", "stop"), [(0, 1024), (10, 20), (1000, 1024), (5, 5)])
def test_a_part_of_a_file(path: Path, start: int, stop: int) -> None:
    with FileSlice(path, start, stop) as part:
        assert b"".join(iter(lambda: part.read(7), b"")) == CONTENT[start:stop]
        assert part.tell() == stop - start
        assert part.seek(0) == 0
        assert part.read() == CONTENT[start:stop]
        assert part.seek(-1, os.SEEK_END) == stop - start - 1
        assert part.seek(1, os.SEEK_CUR) == stop - start
        assert part.read(99) == b""


def test_a_part_is_opened_when_it_is_read(path: Path) -> None:
    part = FileSlice(path, 0, 10)
    path.write_bytes(b"something else")
    assert part.read() == b"something "
    part.close()
    path.unlink()
    with FileSlice(path, 0, 10) as gone, pytest.raises(FileNotFoundError):
        gone.read()


def test_a_file_that_became_shorter_does_not_end_quietly(path: Path) -> None:
    with FileSlice(path, 0, 1024) as part:
        part.read(100)
        path.write_bytes(b"short")
        with pytest.raises(OSError, match=r"file\.bin has become shorter"):
            part.read(100)


def test_reads_are_bounded(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "_READ_BYTES", 100)
    with FileSlice(path, 0, 1024) as part:
        assert part.read() == part.read(0) + CONTENT[:100]
        assert len(part.read(500)) == 100


class Line:
    """A connection, and whether it was cut."""

    def __init__(self, *, request: object = None, unsent: int = 0, last_activity: float = 0.0) -> None:
        self.ours, self.theirs = socket.socketpair()
        self.theirs.setblocking(False)
        self.channel = cast(
            "Channel",
            SimpleNamespace(request=request, total_outbufs_len=unsent, last_activity=last_activity, socket=self.ours),
        )

    @property
    def cut(self) -> bool:
        try:
            return self.theirs.recv(1) == b""
        except BlockingIOError:
            return False

    def close(self) -> None:
        self.ours.close()
        self.theirs.close()


def test_hangs_up_on_those_who_hold_a_connection() -> None:
    idle, arriving, stalled = Line(), Line(request=object()), Line(unsent=5, last_activity=100.0)
    lines = (idle, arriving, stalled)
    watch = Watch({i: line.channel for i, line in enumerate(lines)})
    watch.look(100.0)
    watch.look(100.0 + REQUEST_SECONDS)
    assert [line.cut for line in lines] == [False, False, False]
    watch.look(100.1 + REQUEST_SECONDS)
    assert [line.cut for line in lines] == [False, True, False]
    arriving.channel.request = None
    watch.look(100.0 + STALL_SECONDS)
    assert not stalled.cut
    watch.look(100.1 + STALL_SECONDS)
    assert [idle.cut, stalled.cut] == [False, True]
    for line in lines:
        line.close()
    watch.look(300.0)  # what is closed already is nothing to fail over


def test_a_connection_that_closes_is_passed_over() -> None:
    closed, stalled = Line(request=object(), unsent=5), Line(unsent=5)
    closed.channel.socket = None
    Watch({0: closed.channel, 1: stalled.channel}).look(STALL_SECONDS + 1)
    assert stalled.cut
    for line in (closed, stalled):
        line.close()


def test_each_request_has_its_own_time() -> None:
    line = Line(request=object())
    watch = Watch({0: line.channel})
    for second in range(0, 10 * int(REQUEST_SECONDS), 10):
        watch.look(float(second))
        line.channel.request = object()  # the next one on the same connection
    assert not line.cut
    line.close()
