"""Carry the application over sockets: many clients at once, slow ones among them, in bounded memory."""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import io
import logging
import os
import socket
import sys
from typing import TYPE_CHECKING

from werkzeug.serving import WSGIRequestHandler, make_server

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from typing import Protocol

    from flask import Flask

    class Channel(Protocol):
        """What we read of a connection of waitress."""

        request: object | None
        total_outbufs_len: int
        last_activity: float
        socket: socket.socket | None


#: Each has a socket and, while it is sent one, a file.
MAX_CONNECTIONS = 400
MAX_OPEN_FILES = 2 * MAX_CONNECTIONS + 200
#: No address takes a body, and no browser sends more of headers.
MAX_BODY_BYTES = 16 * 1024
MAX_HEADER_BYTES = 32 * 1024

#: A request that takes longer to arrive is not one.
REQUEST_SECONDS = 20.0
#: A client that takes nothing of its answer for so long has gone, or holds the connection for its own sake.
STALL_SECONDS = 60.0
_WATCH_SECONDS = 2

_READ_BYTES = 256 * 1024


class FileSlice(io.RawIOBase):
    """Part of a file, opened when it is first read.

    A server streams what it can seek in and copies everything else, to memory and then to temporary files: so ranges
    are seekable files, too. Answers that wait for their turn on a connection hold no file open.

    Parameters
    ----------
    path
        The file.
    start, stop
        Bytes of it, as in Python.
    """

    def __init__(self, path: Path, start: int, stop: int) -> None:
        self._path = path
        self._start = start
        self._size = stop - start
        self._position = 0
        self._file: io.FileIO | None = None

    def readable(self) -> bool:
        """It can be read."""
        return True

    def seekable(self) -> bool:
        """It can be sought in."""
        return True

    def tell(self) -> int:
        """Position in the part."""
        return self._position

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Move in the part."""
        origin = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._size}[whence]
        self._position = origin + offset
        return self._position

    def read(self, size: int = -1) -> bytes:
        """Read at most 256 KiB, however much is asked for.

        Raises
        ------
        OSError
            If the file is gone or has become shorter: what was promised cannot be sent any more.
        """
        wanted = min(max(0, self._size - self._position), _READ_BYTES)
        if size >= 0:
            wanted = min(wanted, size)
        if wanted == 0:
            return b""
        if self._file is None:
            self._file = io.FileIO(self._path)
        self._file.seek(self._start + self._position)
        data = self._file.read(wanted)
        if not data:
            raise OSError(f"{self._path} has become shorter while it was sent")
        self._position += len(data)
        return data

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()
        super().close()


def listen(host: str, port: int) -> socket.socket:
    """Open the listening socket, for IPv4 or IPv6."""
    family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    listener = socket.socket(family, kind, protocol)
    try:
        if sys.platform != "win32":  # there it would let two servers share a port
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(1024)
    except OSError:
        listener.close()
        raise
    return listener


def run(app: Flask, listener: socket.socket) -> None:
    """Serve until interrupted; by waitress where it is installed."""
    _allow_open_files()
    if importlib.util.find_spec("waitress"):
        _run_waitress(app, listener)
    else:
        host, port = listener.getsockname()[:2]
        make_server(host, port, app, threaded=True, request_handler=_Handler, fd=listener.fileno()).serve_forever()


def _run_waitress(app: Flask, listener: socket.socket) -> None:
    # It warns whenever requests wait for one of its threads, which ours do not do for long.
    logging.getLogger("waitress.queue").setLevel(logging.ERROR)
    server = importlib.import_module("waitress").create_server(
        app,
        sockets=[listener],
        threads=8,
        ident=None,
        connection_limit=MAX_CONNECTIONS,
        max_request_body_size=MAX_BODY_BYTES,
        max_request_header_size=MAX_HEADER_BYTES,
        channel_timeout=60,
        cleanup_interval=_WATCH_SECONDS,
        # Answers are files, which wait on disk: no thread has to wait until a client has taken one.
        outbuf_high_watermark=sys.maxsize,
        asyncore_use_poll=True,
        log_socket_errors=False,
    )
    watch = Watch(server.active_channels)
    close_idle = server.maintenance

    def maintain(now: float) -> None:
        close_idle(now)
        watch.look(now)

    # Called by the thread that opens and closes the connections: none of them changes while we look.
    server.maintenance = maintain
    server.run()


class Watch:
    """Hang up on clients that hold a connection without using it.

    Waitress closes connections on which nothing happens. One byte of a request now and then is something, and a client
    that does not take its answer is never ready to be closed; 400 of either would keep everybody else out.

    Parameters
    ----------
    channels
        The server's connections.
    """

    def __init__(self, channels: Mapping[int, Channel]) -> None:
        self._channels = channels
        #: Requests that have begun to arrive, by identity, and when each was first seen.
        self._arriving: dict[int, tuple[object, float]] = {}

    def look(self, now: float) -> None:
        """Hang up where it is time; the server finds the connection closed and tidies up."""
        arriving: dict[int, tuple[object, float]] = {}
        for channel in self._channels.values():
            if channel.socket is None:  # closed
                continue
            request = channel.request
            since = now
            if request is not None:
                since = self._arriving.get(id(request), (request, now))[1]
                arriving[id(request)] = (request, since)
            stalled = channel.total_outbufs_len > 0 and now - channel.last_activity > STALL_SECONDS
            if stalled or now - since > REQUEST_SECONDS:
                with contextlib.suppress(OSError):  # it has gone by itself
                    channel.socket.shutdown(socket.SHUT_RDWR)
        self._arriving = arriving


def _allow_open_files() -> None:
    """Raise the process's own limit as far as all connections may need."""
    if sys.platform == "win32":
        return
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MAX_OPEN_FILES if hard == resource.RLIM_INFINITY else min(hard, MAX_OPEN_FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


class _Handler(WSGIRequestHandler):
    """Give up on silent clients and log in one plain line."""

    protocol_version = "HTTP/1.1"
    timeout = 30

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Log only what went wrong."""
        if not str(code).startswith(("2", "3")):
            super().log_request(code, size)
