"""A server on a loopback port that does to a client what servers on the internet do."""

from __future__ import annotations

import socket
import struct
import threading
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

Behaviour = Callable[[socket.socket, threading.Event], None]

GOOD = b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 15\r\n\r\n{"status":"Ok"}'


@dataclass
class HostileServer:
    """Reads one whole request a connection (unless told otherwise), then behaves."""

    behaviour: Behaviour
    read_first: bool = True
    connections: int = 0
    _stop: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list[threading.Thread])
    _open: list[socket.socket] = field(default_factory=list[socket.socket])

    def __post_init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._start(self._accept)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def _start(self, run: Callable[..., None], *arguments: object) -> None:
        thread = threading.Thread(target=run, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            self._open.append(connection)
            self._start(self._serve, connection)

    def _serve(self, connection: socket.socket) -> None:
        with connection, suppress(OSError):
            connection.settimeout(10.0)
            while not self._stop.is_set():
                if self.read_first and not read_request(connection):
                    return
                self.behaviour(connection, self._stop)

    def close(self) -> None:
        self._stop.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection in self._open:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(5.0)


@contextmanager
def hostile(behaviour: Behaviour, *, read_first: bool = True) -> Iterator[HostileServer]:
    server = HostileServer(behaviour, read_first)
    try:
        yield server
    finally:
        server.close()


def read_request(connection: socket.socket) -> bytes:
    """One whole request; empty when the client hung up."""
    got = b""
    while b"\r\n\r\n" not in got:
        more = connection.recv(65536)
        if not more:
            return b""
        got += more
    head, _, body = got.partition(b"\r\n\r\n")
    length = next(
        int(line.split(b":")[1])
        for line in head.split(b"\r\n")
        if line.lower().startswith(b"content-length:")
    )
    while len(body) < length:
        more = connection.recv(65536)
        if not more:
            return b""
        body += more
    return head + b"\r\n\r\n" + body


def gone(connection: socket.socket) -> None:
    """End it with a reset, as a crashed process or an angry load balancer does."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()
    raise OSError


# -- behaviours -------------------------------------------------------------------------------------------


def well(connection: socket.socket, stop: threading.Event) -> None:
    connection.sendall(GOOD)


def silent(connection: socket.socket, stop: threading.Event) -> None:
    stop.wait(20.0)


def dripping(text: bytes, pause: float = 0.02) -> Behaviour:
    def behave(connection: socket.socket, stop: threading.Event) -> None:
        for byte in text:
            connection.sendall(bytes([byte]))
            if stop.wait(pause):
                return
        stop.wait(20.0)

    return behave


drip_head = dripping(b"HTTP/1.1 200 OK\r\nX-Long: " + b"a" * 10_000)
drip_body = dripping(b"HTTP/1.1 200 OK\r\nContent-Length: 10000\r\n\r\n" + b"{" * 10_000)


def resets_at(position: int) -> Behaviour:
    def behave(connection: socket.socket, stop: threading.Event) -> None:
        connection.sendall(GOOD[:position])
        gone(connection)

    return behave


def ends_at(position: int) -> Behaviour:
    def behave(connection: socket.socket, stop: threading.Event) -> None:
        connection.sendall(GOOD[:position])
        connection.close()
        raise OSError

    return behave


def says(text: bytes) -> Behaviour:
    def behave(connection: socket.socket, stop: threading.Event) -> None:
        connection.sendall(text)

    return behave


def floods(start: bytes, piece: bytes) -> Behaviour:
    """``start``, then ``piece`` for ever."""

    def behave(connection: socket.socket, stop: threading.Event) -> None:
        connection.sendall(start)
        while not stop.is_set():
            connection.sendall(piece)

    return behave


endless_chunks = floods(
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"400\r\n" + b"a" * 1024 + b"\r\n"
)
endless_body = floods(b"HTTP/1.1 200 OK\r\n\r\n", b"a" * 65536)
endless_headers = floods(b"HTTP/1.1 200 OK\r\n", b"X-A: " + b"a" * 1000 + b"\r\n")
endless_early_hints = floods(b"", b"HTTP/1.1 103 Early Hints\r\n\r\n" * 100)


def a_bomb(megabytes: int) -> bytes:
    """A small gzip answer that unpacks to so much."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    packed = b"".join([packer.compress(bytes(1_000_000)) for _ in range(megabytes)]) + packer.flush()
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(packed)
    return head + packed


def redirects_to(url: str, status: int) -> Behaviour:
    return says(
        b"HTTP/1.1 %d Elsewhere\r\nLocation: %b\r\nContent-Length: 0\r\n\r\n" % (status, url.encode())
    )


def reads_nothing(connection: socket.socket, stop: threading.Event) -> None:
    stop.wait(20.0)
