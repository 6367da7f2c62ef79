"""Sockets under a true deadline, for httpcore (the engine of httpx).

httpx and httpcore count time anew for every single read, write and connect, so a server that sends a byte
now and then holds a request for ever. Here every operation gets what is *left*: httpcore hands the number
from a request's ``timeout`` extension through to the backend without looking at it, and we put the monotonic
time of the deadline there (see :func:`until`). So no state is shared between a request and its sockets.

Every operation can be cut off from another thread (:meth:`DeadlineBackend.abort`).
"""

from __future__ import annotations

import select
import socket
import ssl
import threading
import time
from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager, suppress
from typing import Any

import httpcore

from ..name_lookup import Address, Lookup

PIECE = 16 * 1024
"""Bytes of one read: between two the deadline is looked at, however long a flood of crumbs takes to parse."""

TLS_INSIDE_TLS = "an https:// proxy can't carry https: name the proxy with http://"


def until(deadline: float, now: float) -> dict[str, float]:
    """The ``timeout`` extension of a request: monotonic deadline for sockets, plain seconds for the pool."""
    return {"connect": deadline, "read": deadline, "write": deadline, "pool": max(0.0, deadline - now)}


class DeadlineBackend(httpcore.NetworkBackend):
    """Opens connections whose ``timeout`` arguments are deadlines."""

    def __init__(self) -> None:
        self._lock = threading.Lock()  # guards what follows
        self._cuts: set[Callable[[], None]] = set()
        self._sockets: set[socket.socket] = set()
        self.aborted = False

    # -- httpcore's interface -----------------------------------------------------------------------

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        lookup = Lookup(host, port)
        with _connecting(), self.cuttable(lookup.cut):
            addresses = lookup.addresses(left(timeout))
        trouble: Exception = httpcore.ConnectError("the name has no address")
        for position, address in enumerate(addresses):
            # A share of the time each, so that a dead first address leaves some for the next one.
            try:
                with _connecting():
                    return self._connect(address, left(timeout) / (len(addresses) - position))
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:  # noqa: PERF203 - two or three
                trouble = error
        raise trouble

    def connect_unix_socket(
        self, path: str, timeout: float | None = None, socket_options: Iterable[Any] | None = None
    ) -> httpcore.NetworkStream:
        raise httpcore.UnsupportedProtocol("PostHog is not behind a Unix socket")

    def sleep(self, seconds: float) -> None:
        raise httpcore.ConnectError("retries are the courier's")

    # -- cutting off --------------------------------------------------------------------------------

    @contextmanager
    def cuttable(self, cut: Callable[[], None]) -> Generator[None]:
        """While inside, :meth:`abort` calls ``cut``, which must wake whoever blocks."""
        with self._lock:
            if self.aborted:
                raise httpcore.ConnectError("cut off")
            self._cuts.add(cut)
        try:
            yield
        finally:
            with self._lock:
                self._cuts.discard(cut)

    def abort(self) -> None:
        """Wake every operation under way; it and all later ones fail."""
        with self._lock:
            self.aborted = True
            for cut in self._cuts:
                with suppress(OSError):
                    cut()

    def forget_sockets(self) -> None:
        """Give inherited sockets' descriptors back without a word on the wire: they are its parent's."""
        for sock in self._sockets:
            with suppress(OSError):
                descriptor = sock.detach()
                if descriptor >= 0:
                    socket.close(descriptor)

    def opened(self, sock: socket.socket, instead_of: socket.socket | None = None) -> None:
        with self._lock:
            if instead_of is not None:
                self._sockets.discard(instead_of)
            self._sockets.add(sock)

    def closed(self, sock: socket.socket) -> None:
        with self._lock:
            self._sockets.discard(sock)

    def _connect(self, address: Address, seconds: float) -> httpcore.NetworkStream:
        sock = socket.socket(address.family, socket.SOCK_STREAM)
        try:
            sock.settimeout(seconds)
            with self.cuttable(lambda: sock.shutdown(socket.SHUT_RDWR)):
                sock.connect(address.sockaddr)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except BaseException:
            sock.close()
            raise
        self.opened(sock)
        return DeadlineStream(sock, self)


class DeadlineStream(httpcore.NetworkStream):
    """One connection. Each ``timeout`` is the deadline on the monotonic clock."""

    def __init__(self, sock: socket.socket, backend: DeadlineBackend) -> None:
        self._sock = sock
        self._backend = backend

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        with _mapped(httpcore.ReadTimeout, httpcore.ReadError), self._backend.cuttable(self._cut):
            self._sock.settimeout(left(timeout))
            return self._sock.recv(min(max_bytes, PIECE))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        rest = memoryview(buffer)
        with _mapped(httpcore.WriteTimeout, httpcore.WriteError), self._backend.cuttable(self._cut):
            while rest:
                self._sock.settimeout(left(timeout))
                rest = rest[self._sock.send(rest) :]

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.NetworkStream:
        if isinstance(self._sock, ssl.SSLSocket):
            self.close()
            raise httpcore.ConnectError(TLS_INSIDE_TLS)
        plain = self._sock
        try:
            with _connecting(), self._backend.cuttable(self._cut):
                plain.settimeout(left(timeout))
                secured = ssl_context.wrap_socket(
                    plain, server_hostname=server_hostname, do_handshake_on_connect=False
                )
                self._sock = secured
                self._backend.opened(secured, instead_of=plain)
                secured.settimeout(left(timeout))
                secured.do_handshake()
        except BaseException:
            self.close()
            raise
        return self

    def close(self) -> None:
        self._backend.closed(self._sock)
        self._sock.close()

    def get_extra_info(self, info: str) -> Any:
        match info:
            case "ssl_object":
                # httpcore asks it for the negotiated protocol, which an SSLSocket knows as well.
                return self._sock if isinstance(self._sock, ssl.SSLSocket) else None
            case "socket":
                return self._sock
            case "client_addr":
                return self._sock.getsockname()
            case "server_addr":
                return self._sock.getpeername()
            case "is_readable":
                return _is_readable(self._sock)
            case _:
                return None

    def _cut(self) -> None:
        # Not SSLSocket.shutdown, which throws its TLS state away first: the reader would go on in plain text.
        socket.socket.shutdown(self._sock, socket.SHUT_RDWR)


def left(deadline: float | None) -> float:
    """Seconds until ``deadline``. ``TimeoutError`` when it is over: zero would mean "do not block"."""
    if deadline is None:
        raise RuntimeError("an operation without a deadline")
    seconds = deadline - time.monotonic()
    if seconds <= 0.0:
        raise TimeoutError("the deadline is over")
    return seconds


@contextmanager
def _mapped(timeout: type[Exception], other: type[Exception]) -> Generator[None]:
    try:
        yield
    except TimeoutError as error:
        raise timeout(str(error)) from error
    except OSError as error:
        raise other(str(error)) from error


def _connecting() -> Any:
    return _mapped(httpcore.ConnectTimeout, httpcore.ConnectError)


def _is_readable(sock: socket.socket) -> bool:
    """Is something there to read on an idle connection? Then the other side has closed it."""
    descriptor = sock.fileno()
    if descriptor < 0:
        return True
    if hasattr(select, "poll"):  # select() can't take descriptors above 1023
        poll = select.poll()
        poll.register(descriptor, select.POLLIN)
        return bool(poll.poll(0))
    return bool(select.select([descriptor], [], [], 0)[0])
