"""The real transport against a server that means harm: in time, in bounded memory, and truthful."""

from __future__ import annotations

import os
import socket
import threading
import time
import tracemalloc
import warnings
from collections.abc import Iterator
from random import Random
from typing import Any

import pytest

from opentelemetry.exporter.posthog import name_lookup
from opentelemetry.exporter.posthog.clock import SystemClock
from opentelemetry.exporter.posthog.delivery.courier import Courier
from opentelemetry.exporter.posthog.delivery.httpx_transport import MAX_ANSWER_BYTES, HttpxTransport
from opentelemetry.exporter.posthog.model import OutcomeKind
from opentelemetry.exporter.posthog.name_lookup import Lookup
from opentelemetry.exporter.posthog.settings.model import CaptureMode, Compression, Settings
from opentelemetry.exporter.posthog.wire.exchange import NoAnswer, Request, Response
from tests import hostile_server as server
from tests.envelopes import an_envelope
from tests.hostile_server import GOOD, Behaviour, hostile

DEADLINE = 0.3
GRACE = 0.1
"""Seconds an export may take longer than its deadline; the promise is 0.1 s."""


@pytest.fixture
def transport() -> Iterator[HttpxTransport]:
    transport = HttpxTransport()
    transport.send(Request("http://127.0.0.1:9/", (), b""), timeout=5.0)  # imports are not what is measured
    yield transport
    transport.close()


def post(url: str, body: bytes = b'{"batch":[]}') -> Request:
    return Request(url + "/batch/", (("Content-Type", "application/json"),), body)


def timed(transport: HttpxTransport, request: Request, timeout: float = DEADLINE) -> tuple[Any, float]:
    start = time.monotonic()
    answer = transport.send(request, timeout=timeout)
    return answer, time.monotonic() - start


@pytest.mark.parametrize(
    ("behaviour", "reason"),
    [
        pytest.param(server.silent, "timeout", id="a server that says nothing"),
        pytest.param(server.drip_head, "timeout", id="a header that drips"),
        pytest.param(server.drip_body, "timeout", id="a body that drips"),
        pytest.param(server.endless_early_hints, "timeout", id="interim answers without end"),
        pytest.param(server.endless_headers, "bad_answer", id="headers without end"),
        pytest.param(server.says(b"\x00\xffgarbage\r\n\r\n"), "bad_answer", id="garbage"),
        pytest.param(server.says(b"<html>HTTP/0.9</html>\r\n\r\n"), "bad_answer", id="HTTP/0.9"),
        pytest.param(
            server.says(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 9\r\n\r\n"),
            "bad_answer",
            id="two lengths",
        ),
    ],
)
def test_a_hostile_answer_is_no_answer_and_ends_in_time(
    transport: HttpxTransport, behaviour: Behaviour, reason: str
) -> None:
    with hostile(behaviour) as there:
        answer, seconds = timed(transport, post(there.url))
    assert isinstance(answer, NoAnswer), answer
    assert (answer.reason, answer.sent) == (reason, True)
    assert seconds <= DEADLINE + GRACE


@pytest.mark.parametrize("position", range(0, len(GOOD), 4))
@pytest.mark.parametrize("end", [server.resets_at, server.ends_at], ids=["reset", "closed"])
def test_an_answer_that_breaks_off_at_any_byte_is_unknown(
    transport: HttpxTransport, end: Any, position: int
) -> None:
    with hostile(end(position)) as there:
        answer, seconds = timed(transport, post(there.url), timeout=5.0)
    assert isinstance(answer, NoAnswer), answer
    assert answer.sent
    assert seconds < 5.0


@pytest.mark.parametrize(
    "behaviour",
    [
        pytest.param(server.endless_chunks, id="chunks without end"),
        pytest.param(server.endless_body, id="a body without end"),
        pytest.param(server.says(server.a_bomb(50)), id="a small answer that unpacks to 50 MB"),
    ],
)
def test_of_an_answer_without_bounds_only_a_bounded_part_is_read(
    transport: HttpxTransport, behaviour: Behaviour
) -> None:
    with hostile(behaviour) as there:
        tracemalloc.start()
        answer, seconds = timed(transport, post(there.url), timeout=5.0)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert isinstance(answer, Response)
    assert len(answer.body) <= MAX_ANSWER_BYTES
    assert seconds < 5.0
    assert peak < 4 * 1024 * 1024


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_reaches_nobody(transport: HttpxTransport, status: int) -> None:
    with hostile(server.well) as elsewhere, hostile(server.redirects_to(elsewhere.url, status)) as there:
        answer, _ = timed(transport, post(there.url), timeout=5.0)
        assert isinstance(answer, Response)
        assert answer.status == status
        assert elsewhere.connections == 0


def test_a_server_that_reads_nothing_holds_nobody(transport: HttpxTransport) -> None:
    with hostile(server.reads_nothing, read_first=False) as there:
        answer, seconds = timed(transport, post(there.url, b"a" * 50_000_000))
    assert isinstance(answer, NoAnswer)
    assert seconds <= DEADLINE + 2 * GRACE


def test_what_never_connected_was_surely_not_sent(transport: HttpxTransport) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    answer, _ = timed(transport, post(f"http://127.0.0.1:{port}"))
    assert answer == NoAnswer("no_connection", sent=False, detail="ConnectError")


def test_a_host_that_swallows_connections_ends_in_time(transport: HttpxTransport) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        fillers = [socket.socket() for _ in range(4)]
        for filler in fillers:  # a full backlog drops what knocks
            filler.setblocking(False)
            filler.connect_ex(listener.getsockname())
        answer, seconds = timed(transport, post(f"http://127.0.0.1:{listener.getsockname()[1]}"))
        for filler in fillers:
            filler.close()
    assert answer == NoAnswer("timeout", sent=False, detail="ConnectTimeout")
    assert seconds <= DEADLINE + GRACE


def test_a_name_server_that_never_answers_ends_in_time() -> None:
    released = threading.Event()

    def resolve(*_: object, **__: object) -> Any:
        released.wait(20.0)
        return []

    start = time.monotonic()
    with pytest.raises(TimeoutError):
        Lookup("posthog.example", 443, resolve).addresses(0.2)
    assert time.monotonic() - start <= 0.2 + GRACE
    released.set()


def test_a_child_does_not_inherit_look_ups_that_nobody_will_end() -> None:
    released = threading.Event()

    def resolve(*_: object, **__: object) -> Any:
        released.wait(20.0)
        return []

    for _ in range(name_lookup.MAX_LOOKUPS):
        with pytest.raises(TimeoutError):
            Lookup("posthog.example", 443, resolve).addresses(0.01)
    with pytest.raises(TimeoutError):
        Lookup("posthog.example", 443, lambda *_, **__: []).addresses(0.01)
    with hostile(server.well) as there:
        transport = HttpxTransport()
        transport.send(post(there.url), timeout=5.0)
        child = fork()
        if child == 0:
            code = 1
            try:
                transport.after_fork_in_child()
                code = len(Lookup("posthog.example", 443, lambda *_, **__: []).addresses(1.0))
            finally:
                os._exit(code)
        _, status = os.waitpid(child, 0)
        transport.close()
    released.set()
    assert os.waitstatus_to_exitcode(status) == 0


def fork() -> int:
    with warnings.catch_warnings():  # newer Pythons warn of threads, which are the point here
        warnings.simplefilter("ignore", DeprecationWarning)
        return os.fork()


def test_plain_http_is_not_tls(transport: HttpxTransport) -> None:
    with hostile(server.silent, read_first=False) as there:
        answer, seconds = timed(transport, post(there.url.replace("http:", "https:")))
    assert isinstance(answer, NoAnswer)
    assert not answer.sent
    assert seconds <= DEADLINE + GRACE


@pytest.mark.parametrize(
    "behaviour",
    [pytest.param(server.silent, id="while it waits"), pytest.param(server.drip_body, id="while it reads")],
)
def test_a_running_request_is_cut_off_at_once(transport: HttpxTransport, behaviour: Behaviour) -> None:
    with hostile(behaviour) as there:
        threading.Timer(0.1, transport.abort).start()
        answer, seconds = timed(transport, post(there.url), timeout=10.0)
    assert answer == NoAnswer("shut_down", sent=True, detail=answer.detail)
    assert seconds <= 0.1 + 2 * GRACE
    assert timed(transport, post(there.url))[0].reason == "shut_down", "and no later one starts"


def test_a_connection_is_kept_and_used_again(transport: HttpxTransport) -> None:
    with hostile(server.well) as there:
        for _ in range(20):
            answer, _ = timed(transport, post(there.url), timeout=5.0)
            assert isinstance(answer, Response)
            assert answer.body == b'{"status":"Ok"}'
        assert there.connections == 1


def test_a_kept_connection_that_the_server_closed_is_not_used(transport: HttpxTransport) -> None:
    closing = server.says(GOOD.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n", 1))

    def once(connection: socket.socket, stop: threading.Event) -> None:
        closing(connection, stop)
        raise OSError

    with hostile(once) as there:
        for _ in range(3):
            assert isinstance(timed(transport, post(there.url), timeout=5.0)[0], Response)
        assert there.connections == 3


@pytest.mark.parametrize(
    "behaviour",
    [
        pytest.param(server.silent, id="silence"),
        pytest.param(server.drip_head, id="drips"),
        pytest.param(server.resets_at(40), id="resets"),
        pytest.param(
            server.says(b"HTTP/1.1 503 No\r\nRetry-After: 0\r\nContent-Length: 0\r\n\r\n"), id="refusals"
        ),
        pytest.param(server.endless_chunks, id="floods"),
    ],
)
@pytest.mark.parametrize("mode", [CaptureMode.AUTO, CaptureMode.LEGACY])
def test_a_delivery_ends_by_its_deadline_and_keeps_everything(
    transport: HttpxTransport, behaviour: Behaviour, mode: CaptureMode
) -> None:
    with hostile(behaviour) as there:
        courier = Courier(
            transport=transport,
            settings=Settings(
                api_key="phc_test",
                host=there.url,
                capture_mode=mode,
                compression=Compression.NONE,
                timeout=0.6,
            ),
            clock=SystemClock(),
            random=Random(1),
        )
        start = time.monotonic()
        outcomes = courier.deliver([an_envelope() for _ in range(20)], deadline=start + 0.6)
        seconds = time.monotonic() - start
    assert seconds <= 0.6 + GRACE
    assert {outcome.kind for outcome in outcomes} == {OutcomeKind.RETRY}


def test_shutdown_wakes_a_pause_within_a_tenth_of_a_second(transport: HttpxTransport) -> None:
    with hostile(server.says(b"HTTP/1.1 503 No\r\nRetry-After: 5\r\nContent-Length: 0\r\n\r\n")) as there:
        courier = Courier(
            transport=transport,
            settings=Settings(api_key="phc_test", host=there.url, capture_mode=CaptureMode.LEGACY),
            clock=SystemClock(),
            random=Random(1),
        )
        threading.Timer(0.2, courier.interrupt).start()
        start = time.monotonic()
        courier.deliver([an_envelope()], deadline=start + 10.0)
        assert time.monotonic() - start <= 0.2 + 2 * GRACE
