"""Serve the application over sockets: many clients at once, including slow ones, in bounded memory."""

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
        """The attributes that are read from a waitress connection."""

        request: object | None
        total_outbufs_len: int
        last_activity: float
        socket: socket.socket | None


#: Each connection needs a socket, and a file while one is being sent.
MAX_CONNECTIONS = 400
MAX_OPEN_FILES = 2 * MAX_CONNECTIONS + 200
#: No URL accepts a body, and no browser sends more headers than this.
MAX_BODY_BYTES = 16 * 1024
MAX_HEADER_BYTES = 32 * 1024

#: A request that takes longer than this to arrive is dropped.
REQUEST_SECONDS = 20.0
#: A client that reads nothing of its response for this long has gone, or only holds the connection open.
STALL_SECONDS = 60.0
_WATCH_SECONDS = 2

_READ_BYTES = 256 * 1024


class FileSlice(io.RawIOBase):
    """Part of a file, opened when it is first read.

    A server streams seekable files and copies everything else to memory and then to temporary files, so ranges have to
    be seekable files as well. Responses that wait for their turn on a connection do not hold a file open.

    Parameters
    ----------
    path
        The file.
    start, stop
        Byte positions in the file, as in a Python slice.
    """

    def __init__(self, path: Path, start: int, stop: int) -> None:
        self._path = path
        self._start = start
        self._size = stop - start
        self._position = 0
        self._file: io.FileIO | None = None

    def readable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True."""
        return True

    def tell(self) -> int:
        """Return the position within the part."""
        return self._position

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Move to a position within the part."""
        origin = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._size}[whence]
        self._position = origin + offset
        return self._position

    def read(self, size: int = -1) -> bytes:
        """Read at most 256 KiB, even if more is requested.

        Raises
        ------
        OSError
            If the file is gone or has become shorter, so the promised length can no longer be sent.
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
        if sys.platform != "win32":  # on Windows, this would let two servers share a port
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(1024)
    except OSError:
        listener.close()
        raise
    return listener


def run(app: Flask, listener: socket.socket) -> None:
    """Serve until interrupted, with waitress if it is installed."""
    _allow_open_files()
    if importlib.util.find_spec("waitress"):
        _run_waitress(app, listener)
    else:
        host, port = listener.getsockname()[:2]
        make_server(host, port, app, threaded=True, request_handler=_Handler, fd=listener.fileno()).serve_forever()


def _run_waitress(app: Flask, listener: socket.socket) -> None:
    # waitress warns whenever a request waits for a thread, but ours only wait briefly.
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
        # Responses are files and wait on disk: no thread has to wait until a client has read one.
        outbuf_high_watermark=sys.maxsize,
        asyncore_use_poll=True,
        log_socket_errors=False,
    )
    watch = Watch(server.active_channels)
    close_idle = server.maintenance

    def maintain(now: float) -> None:
        close_idle(now)
        watch.look(now)

    # Called by the thread that opens and closes connections, so none of them changes during the check.
    server.maintenance = maintain
    server.run()


class Watch:
    """Hang up on clients that hold a connection without using it.

    Waitress closes idle connections. But a connection is not idle if it sends a byte of its request now and then, and a
    client that does not read its response never becomes ready to be closed; 400 of either would lock everybody out.

    Parameters
    ----------
    channels
        Connections of the server.
    """

    def __init__(self, channels: Mapping[int, Channel]) -> None:
        self._channels = channels
        #: Partly received requests by identity, and the time when each was first seen.
        self._arriving: dict[int, tuple[object, float]] = {}

    def look(self, now: float) -> None:
        """Hang up on overdue connections; the server notices that they are closed and cleans up."""
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
                with contextlib.suppress(OSError):  # the client has already gone
                    channel.socket.shutdown(socket.SHUT_RDWR)
        self._arriving = arriving


def _allow_open_files() -> None:
    """Raise the process's limit on open files to what all connections may need."""
    if sys.platform == "win32":
        return
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MAX_OPEN_FILES if hard == resource.RLIM_INFINITY else min(hard, MAX_OPEN_FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


class _Handler(WSGIRequestHandler):
    """Time out silent clients and log errors in one plain line."""

    protocol_version = "HTTP/1.1"
    timeout = 30

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Log errors only."""
        if not str(code).startswith(("2", "3")):
            super().log_request(code, size)
