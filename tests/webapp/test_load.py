"""The real server under load: 200 clients at once, and slow ones beside them."""

from __future__ import annotations

import contextlib
import http.client
import random
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import pytest

pytest.importorskip("waitress")

REPOSITORY = Path(__file__).resolve().parents[2]
N_CLIENTS = 200
MEBIBYTE = 1 << 20
# Long enough for any machine; no test waits for it to pass.
PATIENCE_SECONDS = 600
# The server, whose own patience is what the last line of its standard input says, in seconds.
OBEDIENT = """
import sys, threading
from webapp import connections
from webapp.server import main

def obey():
    for line in sys.stdin:
        connections.REQUEST_SECONDS = connections.STALL_SECONDS = float(line)

threading.Thread(target=obey, daemon=True).start()
sys.exit(main())
"""


@dataclass(frozen=True)
class Server:
    address: tuple[str, int]
    pid: int
    #: Content by address.
    files: dict[str, bytes]
    stdin: IO[str]

    def memory(self) -> int:
        """Bytes that it has in memory now."""
        found = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{self.pid}/status").read_text())
        assert found
        return int(found[1]) * 1024

    def n_open_files(self) -> int:
        return len(list(Path(f"/proc/{self.pid}/fd").iterdir()))

    def be_patient(self, seconds: float) -> None:
        """Tell it how long to put up with a client; for `OBEDIENT` only, and not at once."""
        print(seconds, file=self.stdin, flush=True)


@pytest.fixture
def server(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Server]:
    """The server as people start it, or as the parameter's code does."""
    noise = random.Random(0)
    files = {
        "/fma/2.mp3": noise.randbytes(MEBIBYTE + 17),
        "/tracks/electronic.mp3": noise.randbytes(MEBIBYTE // 2),
        "/registry/ae/1/encoder/group1-shard1of1.bin": noise.randbytes(4 * MEBIBYTE),
        "/registry/ae/1/manifest.json": b'{"schema_version": 3}',
        "/tracks/large.wav": noise.randbytes(64 * MEBIBYTE),
    }
    for address, content in files.items():
        path = tmp_path / address.removeprefix("/").replace("fma/2.mp3", "fma/fma_small/000/000002.mp3")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    (tmp_path / "outside.bin").write_bytes(b"secret")
    command = [sys.executable, *getattr(request, "param", ("-m", "webapp.server"))]
    command += ["--port", "0", "--fma-root", str(tmp_path / "fma")]
    command += ["--registry", str(tmp_path / "registry"), "--tracks", str(tmp_path / "tracks")]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, cwd=REPOSITORY, stdin=pipe, stdout=pipe, stderr=pipe, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        found = re.match(r"tfdeepviz playground: http://(127\.0\.0\.1):(\d+)/ ", process.stdout.readline())
        assert found
        yield Server((found[1], int(found[2])), process.pid, files, process.stdin)
        assert process.poll() is None
        process.terminate()
        assert process.stderr.read() == ""


def ask(server: Server, address: str, headers: dict[str, str] | None = None) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection(*server.address, timeout=PATIENCE_SECONDS)
    try:
        connection.request("GET", address, headers=headers or {})
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def be_a_client(server: Server, number: int, together: threading.Barrier) -> None:
    """Ask for whole files and parts of them on one connection, as a page does."""
    chance = random.Random(number)
    connection = http.client.HTTPConnection(*server.address, timeout=PATIENCE_SECONDS)
    connection.connect()
    together.wait(PATIENCE_SECONDS)
    for address in ("/registry/ae/1/manifest.json", "/tracks/electronic.mp3"):
        connection.request("GET", address)
        assert connection.getresponse().read() == server.files[address]
    for address in ("/fma/2.mp3", "/registry/ae/1/encoder/group1-shard1of1.bin", "/tracks/large.wav"):
        content = server.files[address]
        first = chance.randrange(len(content) - 1)
        last = min(len(content), first + chance.randrange(1, 200_000)) - 1
        connection.request("GET", address, headers={"Range": f"bytes={first}-{last}"})
        response = connection.getresponse()
        body = response.read()
        assert response.status == 206
        assert response.getheader("Content-Range") == f"bytes {first}-{last}/{len(content)}"
        assert body == content[first : last + 1]
    connection.request("GET", "/tracks/../outside.bin")
    response = connection.getresponse()
    assert (response.status, b"secret" in response.read()) == (404, False)
    connection.close()


def be_many(server: Server) -> None:
    together = threading.Barrier(N_CLIENTS)
    with ThreadPoolExecutor(N_CLIENTS) as pool:
        for done in [pool.submit(be_a_client, server, number, together) for number in range(N_CLIENTS)]:
            done.result()


def be_slow(server: Server) -> list[socket.socket]:
    """Hold connections: requests that do not end, bodies that do not come, answers that nobody takes."""
    large = b"GET /tracks/large.wav HTTP/1.1\r\nHost: x\r\n\r\n"
    part = b"GET /tracks/large.wav HTTP/1.1\r\nHost: x\r\nRange: bytes=1000-60000000\r\n\r\n"
    lines = []
    for sent in 10 * (
        b"GET /tracks/large.wav HTT",
        b"GET / HTTP/1.1\r\nHost: x\r\nX-Slow:",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n",
        large,
        part,
        60 * large,
        60 * part,
    ):
        line = socket.create_connection(server.address, timeout=PATIENCE_SECONDS)
        line.sendall(sent)
        lines.append(line)
    return lines


def is_hung_up(line: socket.socket) -> bool:
    """Whether the other side has closed it; takes what it sent before."""
    line.setblocking(False)
    try:
        while line.recv(MEBIBYTE):
            pass
    except BlockingIOError:
        return False
    except OSError:
        pass
    return True


needs_proc = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads memory and open files from /proc")


@needs_proc
def test_200_clients_at_once(server: Server) -> None:
    """Right bytes for everybody, beside 70 slow clients, and memory does not grow."""
    with contextlib.ExitStack() as slow:
        for line in be_slow(server):
            slow.enter_context(line)
        be_many(server)
        # A thread stack, an arena: what the first load needs once.
        after_one = server.memory()
        for _ in range(3):
            be_many(server)
        assert server.memory() - after_one < 8 * MEBIBYTE
        assert after_one < 160 * MEBIBYTE
    assert ask(server, "/fma/2.mp3") == (200, server.files["/fma/2.mp3"])


def wait_until(state: Callable[[], bool]) -> None:
    """Look until it has come about, which the machine's load may delay."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not state():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


@needs_proc
@pytest.mark.parametrize("server", [("-c", OBEDIENT)], indirect=True)
def test_slow_clients_are_hung_up_on(server: Server) -> None:
    ask(server, "/registry/ae/1/manifest.json")  # by then it has opened what it keeps open
    n_idle = server.n_open_files()
    with contextlib.ExitStack() as stack:
        slow = [stack.enter_context(line) for line in be_slow(server)]
        wait_until(lambda: server.n_open_files() >= n_idle + len(slow))
        assert not any(is_hung_up(line) for line in slow[:2])  # who asks for nothing is sent nothing to take
        server.be_patient(0)

        def is_rid_of_them() -> bool:
            for line in slow:
                with contextlib.suppress(OSError):  # the server has hung up, as it shall
                    line.sendall(b"a")  # a byte now and then is no request
            return server.n_open_files() <= n_idle and all(is_hung_up(line) for line in slow)

        wait_until(is_rid_of_them)
    server.be_patient(PATIENCE_SECONDS)
    assert ask(server, "/fma/2.mp3") == (200, server.files["/fma/2.mp3"])
