"""The double behind a real HTTP server: keep-alive, chunked bodies, and faults at the socket.

Only the standard library, one thread a connection. Everything that PostHog would say is said by the double;
here are bytes, pauses and resets.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from collections.abc import Callable
from email.utils import formatdate
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, TypeAlias

from .exchange import Answer
from .faults import Fault

if TYPE_CHECKING:
    from .double import PostHogDouble

IDLE_SECONDS = 75.0
"""A connection on which nothing comes for so long is closed."""

MAX_BODY = 64 * 1024 * 1024
"""Bytes of a body that are read at all: three times the most that any rule lets through."""

MAX_LINE = 65_536

RESET = struct.pack("ii", 1, 0)
"""SO_LINGER with no time: closing sends RST instead of FIN."""


MakeHandler: TypeAlias = "Callable[[Any, Any, DoubleHttpServer], DoubleHandler]"


class Server:
    """Serves one double until it is stopped."""

    def __init__(
        self, double: PostHogDouble, host: str, port: int, handler: MakeHandler | None = None
    ) -> None:
        self.closing = threading.Event()  # ends stalls and drips
        self._http = DoubleHttpServer((host, port), double, self.closing, handler or DoubleHandler)
        self._thread = threading.Thread(
            target=self._http.serve_forever,
            kwargs={"poll_interval": 0.02},
            name="posthog-double",
            daemon=True,
        )

    @property
    def url(self) -> str:
        host, port = self._http.server_address[:2]
        name = host if isinstance(host, str) else host.decode()
        return f"http://[{name}]:{port}" if ":" in name else f"http://{name}:{port}"

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Close the port and every connection; returns when both are closed."""
        self.closing.set()
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()
        self._http.close_connections()


class DoubleHttpServer(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128  # bursts of connections of load tests

    def __init__(
        self,
        address: tuple[str, int],
        double: PostHogDouble,
        closing: threading.Event,
        handler: MakeHandler,
    ) -> None:
        self.double = double
        self.closing = closing
        self._connections: set[socket.socket] = set()
        self._connections_lock = threading.Lock()  # guards _connections
        if ":" in address[0]:
            self.address_family = socket.AF_INET6
        super().__init__(address, handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._connections_lock:
            self._connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        with self._connections_lock:
            self._connections.discard(request)
        super().shutdown_request(request)

    def close_connections(self) -> None:
        with self._connections_lock:
            connections = list(self._connections)
        for connection in connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up is no error of the double's."""


class DoubleHandler(BaseHTTPRequestHandler):
    server: DoubleHttpServer  # pyright: ignore[reportIncompatibleVariableOverride] - what makes handlers
    protocol_version = "HTTP/1.1"
    timeout = IDLE_SECONDS
    disable_nagle_algorithm = True

    def log_message(self, format: str, *args: Any) -> None:
        """Stay quiet: the recorder knows everything, and request lines may hold a key."""

    def handle_one_request(self) -> None:
        try:
            self.raw_requestline = self.rfile.readline(MAX_LINE + 1)
            if not self.raw_requestline:
                self.close_connection = True
                return
            if not self.parse_request():
                return
            self.answer()
        except (OSError, ValueError):
            self.close_connection = True

    def answer(self) -> None:
        """Answer the request whose head was just read."""
        body = self.body()
        if body is None:
            self.close_connection = True
            self.write(Answer(413, (("Connection", "close"),)))
            return
        host, port = self.client_address[:2]
        answer, fault = self.server.double.handle(
            self.command,
            self.path,
            list(self.headers.items()),
            body,
            client=f"{host}:{port}",
            peer_ip=str(host),
        )
        if fault is not None and fault.stall:
            self.server.closing.wait(fault.stall)
        if fault is not None and (fault.reset or fault.cut):
            self._reset(answer, fault)
        else:
            self.write(answer, drip=fault.drip if fault is not None else 0.0)

    # -- reading --------------------------------------------------------------------------------------

    def body(self) -> bytes | None:
        """The body; None when it is longer than anything PostHog would read."""
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            return self._chunks()
        length = int(self.headers.get("Content-Length") or 0)
        if length < 0 or length > MAX_BODY:
            return None
        body = self.rfile.read(length)
        if len(body) < length:  # the client hung up half-way: PostHog never gets to see such a request
            raise ConnectionAbortedError("the client hung up")
        return body

    def _chunks(self) -> bytes | None:
        body = bytearray()
        while size := int(self.rfile.readline(MAX_LINE).partition(b";")[0], 16):
            if len(body) + size > MAX_BODY:
                return None
            body += self.rfile.read(size)
            self.rfile.readline(MAX_LINE)
        while self.rfile.readline(MAX_LINE).strip():
            pass  # trailers
        return bytes(body)

    # -- writing --------------------------------------------------------------------------------------

    def write(self, answer: Answer, *, drip: float = 0.0) -> None:
        """Send an answer; ``drip`` is seconds between its bytes."""
        raw = _bytes_of(answer)
        if not drip:
            self.wfile.write(raw)
            return
        for position in range(len(raw)):
            if self.server.closing.wait(drip):
                self.close_connection = True
                return
            self.wfile.write(raw[position : position + 1])

    def _reset(self, answer: Answer, fault: Fault) -> None:
        """Send RST, after the first ``cut`` bytes of the answer."""
        if fault.cut and not fault.reset:
            self.wfile.write(_bytes_of(answer)[: fault.cut])
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        self.connection.close()


def _bytes_of(answer: Answer) -> bytes:
    headers = list(answer.headers)
    names = {name.lower() for name, _ in headers}
    if "date" not in names:
        headers.append(("Date", formatdate(usegmt=True)))
    if answer.status != HTTPStatus.NO_CONTENT:
        headers.append(("Content-Length", str(len(answer.body))))
    try:
        phrase = HTTPStatus(answer.status).phrase
    except ValueError:
        phrase = ""
    lines = [f"HTTP/1.1 {answer.status} {phrase}", *(f"{name}: {value}" for name, value in headers)]
    return "\r\n".join(lines).encode("latin-1", "replace") + b"\r\n\r\n" + answer.body
