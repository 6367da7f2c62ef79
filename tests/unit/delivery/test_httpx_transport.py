"""The real transport with well-behaved counterparts: TLS, proxies, forks, and no telemetry of its own."""

from __future__ import annotations

import base64
import logging
import os
import socket
import ssl
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from opentelemetry import context
from opentelemetry.exporter.posthog.delivery.httpx_transport import HttpxTransport
from opentelemetry.exporter.posthog.delivery.suppression import PLAIN_KEY, suppressed
from opentelemetry.exporter.posthog.wire.exchange import NoAnswer, Request, Response
from tests import hostile_server as server
from tests.hostile_server import GOOD, hostile, read_request

TLS = Path(__file__).parents[2] / "faults/tls"
CERTIFICATE, KEY = str(TLS / "loopback.pem"), str(TLS / "loopback.key")


@pytest.fixture
def make() -> Iterator[Callable[..., HttpxTransport]]:
    made: list[HttpxTransport] = []

    def make(**options: Any) -> HttpxTransport:
        made.append(HttpxTransport(**options))
        return made[-1]

    yield make
    for transport in made:
        transport.close()


def post(url: str, body: bytes = b"{}") -> Request:
    return Request(url + "/batch/", (("Content-Type", "application/json"), ("User-Agent", "us/1")), body)


def over_tls(connection: socket.socket, stop: threading.Event) -> None:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(CERTIFICATE, KEY)
    with suppress(OSError), tls.wrap_socket(connection, server_side=True) as secured:
        while read_request(secured):
            secured.sendall(GOOD)
    raise OSError


# -- one request ------------------------------------------------------------------------------------------


def test_the_request_arrives_as_it_was_made(make: Callable[..., HttpxTransport]) -> None:
    arrived: list[bytes] = []

    def record(connection: socket.socket, stop: threading.Event) -> None:
        arrived.append(read_request(connection))
        if arrived[-1]:
            connection.sendall(GOOD)
        else:
            raise OSError

    with hostile(record, read_first=False) as there:
        answer = make().send(post(there.url, b"\x00\xffbody"), timeout=5.0)
        make_closed = there.url
    assert answer == Response(
        200, {"content-type": "application/json", "content-length": "15"}, b'{"status":"Ok"}'
    )
    head, _, body = arrived[0].partition(b"\r\n\r\n")
    assert body == b"\x00\xffbody"
    assert head.split(b"\r\n") == [
        b"POST /batch/ HTTP/1.1",
        f"Host: {make_closed.removeprefix('http://')}".encode(),
        b"Accept: application/json",
        b"Accept-Encoding: identity",
        b"Content-Length: 6",
        b"Content-Type: application/json",
        b"User-Agent: us/1",
    ]


@pytest.mark.parametrize("text", ["a\r\nX-Injected: 1", "a\0b", "ü"], ids=["line break", "NUL", "not ASCII"])
def test_a_header_that_is_none_never_leaves(make: Callable[..., HttpxTransport], text: str) -> None:
    with hostile(server.well) as there:
        request = Request(there.url + "/batch/", (("Authorization", f"Bearer {text}"),), b"{}")
        answer = make().send(request, timeout=5.0)
    assert isinstance(answer, NoAnswer)
    assert not answer.sent
    assert text not in repr(answer)


# -- TLS --------------------------------------------------------------------------------------------------


def test_a_certificate_that_nobody_vouches_for_is_refused(make: Callable[..., HttpxTransport]) -> None:
    with hostile(over_tls, read_first=False) as there:
        answer = make().send(post(there.url.replace("http:", "https:")), timeout=5.0)
    assert answer == NoAnswer("no_connection", sent=False, detail="ConnectError")


def test_a_ca_bundle_is_trusted_and_the_connection_kept(make: Callable[..., HttpxTransport]) -> None:
    transport = make(ca_bundle=CERTIFICATE)
    with hostile(over_tls, read_first=False) as there:
        for _ in range(3):
            answer = transport.send(post(there.url.replace("http:", "https:")), timeout=5.0)
            assert isinstance(answer, Response), answer
        assert there.connections == 1
        transport.close()


def test_a_certificate_for_another_name_is_refused(make: Callable[..., HttpxTransport]) -> None:
    with hostile(over_tls, read_first=False) as there:
        url = f"https://127.0.0.2:{there.port}"
        answer = make(ca_bundle=CERTIFICATE).send(post(url), timeout=2.0)
    assert isinstance(answer, NoAnswer)
    assert not answer.sent


def test_a_ca_bundle_that_is_not_there_is_no_connection(make: Callable[..., HttpxTransport]) -> None:
    with hostile(over_tls, read_first=False) as there:
        answer = make(ca_bundle="/nowhere.pem").send(post(there.url.replace("http:", "https:")), timeout=2.0)
    assert answer == NoAnswer("no_connection", sent=False, detail="FileNotFoundError")


# -- proxies ----------------------------------------------------------------------------------------------


def test_a_proxy_is_asked_with_its_credentials(make: Callable[..., HttpxTransport]) -> None:
    asked: list[bytes] = []

    def proxy(connection: socket.socket, stop: threading.Event) -> None:
        asked.append(read_request(connection))
        if not asked[-1]:
            raise OSError
        connection.sendall(GOOD)

    with hostile(proxy, read_first=False) as there:
        transport = make(proxy=there.url.replace("//", "//me:p%40ss@"))
        assert isinstance(transport.send(post("http://posthog.example"), timeout=5.0), Response)
    assert asked[0].startswith(b"POST http://posthog.example/batch/ HTTP/1.1\r\n")
    assert b"Proxy-Authorization: Basic " + base64.b64encode(b"me:p@ss") in asked[0]


def test_https_goes_through_a_tunnel_that_sees_no_key(make: Callable[..., HttpxTransport]) -> None:
    seen: list[bytes] = []

    with hostile(over_tls, read_first=False) as there:

        def tunnel(connection: socket.socket, stop: threading.Event) -> None:
            seen.append(connection.recv(65536))
            connection.sendall(b"HTTP/1.1 200 Connected\r\n\r\n")
            with socket.create_connection(("127.0.0.1", there.port)) as onward:
                back = threading.Thread(target=pump, args=(onward, connection), daemon=True)
                back.start()
                pump(connection, onward)
                back.join()
            raise OSError

        with hostile(tunnel, read_first=False) as proxy:
            transport = make(proxy=proxy.url, ca_bundle=CERTIFICATE)
            answer = transport.send(post(there.url.replace("http:", "https:"), b"secret"), timeout=5.0)
            transport.close()
    assert isinstance(answer, Response), answer
    assert seen[0].startswith(b"CONNECT 127.0.0.1:")
    assert b"secret" not in seen[0]


def pump(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)


@pytest.mark.parametrize(
    ("trust_env", "through"), [(False, 0), (True, 1)], ids=["unless asked", "when asked"]
)
def test_the_environment_names_no_proxy(
    make: Callable[..., HttpxTransport], monkeypatch: pytest.MonkeyPatch, trust_env: bool, through: int
) -> None:
    with hostile(server.well) as there, hostile(server.well) as proxy:
        monkeypatch.setenv("http_proxy", proxy.url)
        monkeypatch.delenv("no_proxy", raising=False)
        monkeypatch.delenv("NO_PROXY", raising=False)
        make(trust_env=trust_env).send(post(there.url), timeout=5.0)
        assert (proxy.connections, there.connections) == (through, 1 - through)


# -- fork and close ---------------------------------------------------------------------------------------


def fork() -> int:
    with warnings.catch_warnings():  # newer Pythons warn of threads, which are the point here
        warnings.simplefilter("ignore", DeprecationWarning)
        return os.fork()


def test_a_child_makes_its_own_connection_and_leaves_the_parents_alone(
    make: Callable[..., HttpxTransport],
) -> None:
    transport = make()
    with hostile(server.well) as there:
        assert isinstance(transport.send(post(there.url), timeout=5.0), Response)
        child = fork()
        if child == 0:
            code = 1
            try:
                transport.after_fork_in_child()
                code = 0 if isinstance(transport.send(post(there.url), timeout=5.0), Response) else 2
                transport.close()
            finally:
                os._exit(code)
        _, status = os.waitpid(child, 0)
        assert os.waitstatus_to_exitcode(status) == 0
        assert isinstance(transport.send(post(there.url), timeout=5.0), Response)
        assert there.connections == 2, "the parent's connection is still its own"


def test_a_child_that_nobody_told_notices_by_itself(make: Callable[..., HttpxTransport]) -> None:
    transport = make()
    with hostile(server.well) as there:
        assert isinstance(transport.send(post(there.url), timeout=5.0), Response)
        child = fork()
        if child == 0:
            code = 1
            try:
                code = 0 if isinstance(transport.send(post(there.url), timeout=5.0), Response) else 2
            finally:
                os._exit(code)
        _, status = os.waitpid(child, 0)
        assert os.waitstatus_to_exitcode(status) == 0
        assert there.connections == 2


def test_nothing_is_opened_before_the_first_request(make: Callable[..., HttpxTransport]) -> None:
    transport = make(ca_bundle="/nowhere.pem", proxy="http://nowhere.invalid:1")
    transport.close()
    transport.abort()


# -- no telemetry of our own --------------------------------------------------------------------------------


def test_while_we_send_both_marks_are_set_and_afterwards_neither() -> None:
    keys = (PLAIN_KEY, context._SUPPRESS_INSTRUMENTATION_KEY)  # type: ignore[attr-defined]
    with suppressed():
        assert [context.get_value(key) for key in keys] == [True, True]
    assert [context.get_value(key) for key in keys] == [None, None]


def test_the_http_librarys_loggers_say_nothing_while_we_send(
    make: Callable[..., HttpxTransport], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with hostile(server.well) as there:
        assert isinstance(make().send(post(there.url), timeout=5.0), Response)
    assert [record.name for record in caplog.records if record.name.startswith("http")] == []


def test_the_applications_own_requests_are_logged_as_ever(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with suppressed():
        pass
    logging.getLogger("httpcore.connection").debug("connect_tcp.started")
    assert [record.name for record in caplog.records] == ["httpcore.connection"]
