"""The one place with a socket: requests over HTTP/1.1 with a true deadline, and nothing else.

Built on httpx's own engine, below ``httpx.Client``: what the client adds (redirects, cookies, decompression
without bound, a log line a request, proxies from the environment) would have to be switched off again, and
its time limits hold for single operations only.

Nothing is opened before the first request, so a preloading server forks an empty transport.
"""

from __future__ import annotations

import os
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .. import name_lookup
from ..wire.exchange import NoAnswer, Request, Response
from .suppression import suppressed

if TYPE_CHECKING:
    import httpcore

    from .deadline_backend import DeadlineBackend

REQUEST_LIFE = 60.0
"""Seconds a request may live on after we hung up, in proxies and in PostHog's own producer queue."""

MAX_ANSWER_BYTES = 64 * 1024
"""Enough for 512 results; what is longer is no answer of PostHog's."""

KEEP_ALIVE = 15.0
"""Seconds an idle connection is kept: below what servers and load balancers commonly allow."""

MAX_CONNECTIONS = 4
"""Span and log worker, a flushing thread, the outbox's."""


@dataclass(frozen=True, slots=True)
class _Engine:
    pool: httpcore.ConnectionPool
    backend: DeadlineBackend


class HttpxTransport:
    """Implements :class:`~.transport.Transport`.

    ``proxy``: a URL, which may carry user and password. ``ca_bundle``: a file of certificates to trust
    instead of the public ones. ``trust_env``: let ``HTTPS_PROXY`` and kin decide where no proxy is named.
    Certificates are always verified, redirects never followed.
    """

    def __init__(
        self,
        *,
        proxy: str | None = None,
        ca_bundle: str | None = None,
        trust_env: bool = False,
        request_life: float = REQUEST_LIFE,
    ) -> None:
        self._proxy = proxy
        self._ca_bundle = ca_bundle
        self._trust_env = trust_env
        self.request_life = request_life
        self._start_afresh()

    def _start_afresh(self) -> None:
        self._lock = threading.Lock()  # guards what follows
        self._engine: _Engine | None = None
        self._aborted = False
        self._pid = os.getpid()

    # -- one exchange -------------------------------------------------------------------------------

    def send(self, request: Request, *, timeout: float) -> Response | NoAnswer:
        deadline = time.monotonic() + timeout
        if self._pid != os.getpid():  # forked behind Python's back
            self.after_fork_in_child()
        body = _Body(request.body)
        with suppressed():
            try:
                engine = self._open(request.url)
                return _exchange(engine, request, body, deadline)
            except Exception as error:  # noqa: BLE001 - whatever the network or a library does is an answer
                return self._no_answer(error, body)

    def _no_answer(self, error: Exception, body: _Body) -> NoAnswer:
        kind = type(error).__name__
        if self._aborted:
            return NoAnswer("shut_down", sent=body.begun, detail=kind)
        if not body.begun:
            return NoAnswer("timeout" if "Timeout" in kind else "no_connection", sent=False, detail=kind)
        if "Timeout" in kind:
            return NoAnswer("timeout", sent=True, detail=kind)
        if kind in {"RemoteProtocolError", "LocalProtocolError"}:
            return NoAnswer("bad_answer", sent=True, detail=kind)
        return NoAnswer("connection_lost", sent=True, detail=kind)

    # -- connections --------------------------------------------------------------------------------

    def _open(self, url: str) -> _Engine:
        engine = self._engine
        if engine is not None:
            return engine
        with self._lock:
            if self._engine is None:
                self._engine = self._build(url)
                if self._aborted:
                    self._engine.backend.abort()
            return self._engine

    def _build(self, url: str) -> _Engine:
        # Imported here: the application's start should not pay for it, the first export may.
        from .deadline_backend import DeadlineBackend
        from .http_pool import build_pool

        backend = DeadlineBackend()
        pool = build_pool(
            url,
            backend=backend,
            proxy=self._proxy,
            ssl_context=self._ssl_context() if "https://" in (url[:8], (self._proxy or "")[:8]) else None,
            trust_env=self._trust_env,
            max_connections=MAX_CONNECTIONS,
            keep_alive=KEEP_ALIVE,
        )
        return _Engine(pool, backend)

    def _ssl_context(self) -> ssl.SSLContext:
        if self._ca_bundle is not None:
            return ssl.create_default_context(cafile=self._ca_bundle)
        import certifi

        return ssl.create_default_context(cafile=certifi.where())

    # -- life ---------------------------------------------------------------------------------------

    def abort(self) -> None:
        self._aborted = True
        engine = self._engine
        if engine is not None:
            engine.backend.abort()

    def close(self) -> None:
        with self._lock:
            engine, self._engine = self._engine, None
        if engine is not None:
            with suppress(Exception):
                engine.pool.close()

    def after_fork_in_child(self) -> None:
        engine = self._engine
        self._start_afresh()
        if engine is not None:
            engine.backend.forget_sockets()
            name_lookup.after_fork_in_child()


class _Body:
    """The body as the engine asks for it, which it does once the head has left: so ``begun`` tells afterwards
    whether PostHog can have got the request at all."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self.begun = False

    def __iter__(self) -> Iterator[bytes]:
        self.begun = True
        yield self._content


def _exchange(engine: _Engine, request: Request, body: _Body, deadline: float) -> Response:
    import httpcore

    from .deadline_backend import until

    now = time.monotonic()
    if now >= deadline:
        raise TimeoutError
    url = httpcore.URL(request.url)
    head = [
        (b"Host", _host_header(url)),
        (b"Accept", b"application/json"),
        (b"Accept-Encoding", b"identity"),  # an answer that unpacks to gigabytes is not asked for
        (b"Content-Length", str(len(request.body)).encode()),
        *((name.encode("ascii"), value.encode("ascii")) for name, value in request.headers),
    ]
    response = engine.pool.handle_request(
        httpcore.Request(
            b"POST", url, headers=head, content=body, extensions={"timeout": until(deadline, now)}
        )
    )
    try:
        content, cut = _bounded(response)
    finally:
        response.close()
    headers = {
        name.decode("latin-1").lower(): value.decode("latin-1").strip() for name, value in response.headers
    }
    return Response(response.status, headers, content, cut)


def _bounded(response: httpcore.Response) -> tuple[bytes, bool]:
    """At most ``MAX_ANSWER_BYTES`` of the body, and whether there was more."""
    content = bytearray()
    for chunk in response.iter_stream():
        content += chunk
        if len(content) > MAX_ANSWER_BYTES:
            return bytes(content[:MAX_ANSWER_BYTES]), True
    return bytes(content), False


def _host_header(url: httpcore.URL) -> bytes:
    default = {b"http": 80, b"https": 443}.get(url.scheme)
    host = b"[%b]" % url.host if b":" in url.host else url.host
    return host if url.port in (None, default) else b"%b:%d" % (host, url.port)
