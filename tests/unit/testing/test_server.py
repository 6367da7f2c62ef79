"""The double as a real HTTP server: what a client on the other side of a socket sees."""

from __future__ import annotations

import http.client
import json
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from opentelemetry.exporter.posthog.testing import Fault, PostHogDouble
from tests.unit.testing.sending import KEY, event, update, uuid7

pytestmark = pytest.mark.timeout(30)


@pytest.fixture
def double() -> Iterator[PostHogDouble]:
    with PostHogDouble.listening() as listening:
        yield listening


def body(*events: dict[str, Any]) -> bytes:
    return json.dumps({"api_key": KEY, "batch": list(events)}).encode()


def address(double: PostHogDouble) -> tuple[str, int]:
    host, port = double.url.removeprefix("http://").split(":")
    return host, int(port)


def connect(double: PostHogDouble) -> http.client.HTTPConnection:
    return http.client.HTTPConnection(*address(double), timeout=10)


def read_until_reset(connection: socket.socket) -> bytes:
    got = b""
    while True:
        try:
            piece = connection.recv(100)
        except ConnectionResetError:
            return got
        assert piece, "the connection was closed in order"
        got += piece


def once(double: PostHogDouble, *events: dict[str, Any]) -> tuple[int, bytes]:
    """Send over a connection of its own."""
    connection = connect(double)
    try:
        return send(connection, *events)
    finally:
        connection.close()


def send(connection: http.client.HTTPConnection, *events: dict[str, Any]) -> tuple[int, bytes]:
    connection.request("POST", "/batch/", body(*(events or (event(),))))
    answer = connection.getresponse()
    return answer.status, answer.read()


def call(double: PostHogDouble, method: str, path: str, sent: Any = None) -> tuple[int, Any]:
    connection = connect(double)
    connection.request(method, path, None if sent is None else json.dumps(sent))
    answer = connection.getresponse()
    text = answer.read()
    connection.close()
    return answer.status, json.loads(text) if text else None


def test_a_connection_is_kept_for_the_next_request(double: PostHogDouble) -> None:
    connection = connect(double)

    assert send(connection, event(1)) == (200, b'{"status":"Ok"}')
    used = connection.sock
    assert send(connection, event(2))[0] == 200

    assert connection.sock is used
    assert len({exchange.request.client for exchange in double.requests}) == 1
    connection.close()


def test_a_chunked_body_is_read(double: PostHogDouble) -> None:
    connection = connect(double)
    whole = body(event())

    connection.request(
        "POST",
        "/batch/",
        iter([whole[:10], whole[10:]]),
        {"Transfer-Encoding": "chunked"},
        encode_chunked=True,
    )

    assert connection.getresponse().status == 200
    assert len(double.events) == 1
    connection.close()


def test_a_request_that_breaks_off_half_way_is_never_judged(double: PostHogDouble) -> None:
    with socket.create_connection(address(double), timeout=10) as connection:
        connection.sendall(b'POST /batch/ HTTP/1.1\r\nHost: h\r\nContent-Length: 500\r\n\r\n{"api_key"')
        connection.shutdown(socket.SHUT_WR)
        assert connection.recv(1024) == b""
    assert not double.requests
    assert not double.refused


def test_many_clients_at_once_lose_nothing(double: PostHogDouble) -> None:
    def client(number: int) -> None:
        connection = connect(double)
        for position in range(20):
            assert send(connection, event(number * 100 + position))[0] == 200
        connection.close()

    threads = [threading.Thread(target=client, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(double.events) == 160
    assert sorted(exchange.number for exchange in double.requests) == list(range(1, 161))


@pytest.mark.parametrize(("when", "stored"), [("before", 0), ("after", 1)])
def test_a_reset_is_a_real_one_before_or_after_the_events_are_stored(
    when: str, stored: int, double: PostHogDouble
) -> None:
    double.fail(Fault(reset=when))

    with pytest.raises(ConnectionResetError):
        once(double)

    assert len(double.events) == stored
    assert double.requests[0].status == 0
    assert once(double)[0] == 200


def test_an_answer_can_be_cut_off_after_some_bytes(double: PostHogDouble) -> None:
    double.fail(Fault(cut=9))

    with socket.create_connection(address(double), timeout=10) as raw:
        whole = body(event())
        raw.sendall(b"POST /batch/ HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s" % (len(whole), whole))
        got = read_until_reset(raw)

    assert b"HTTP/1.1 ".startswith(got)  # a reset may overtake what was sent before it
    assert len(double.events) == 1


def test_a_stalled_answer_comes_late(double: PostHogDouble) -> None:
    double.fail(Fault(stall=0.2))
    started = time.monotonic()

    assert once(double)[0] == 200

    assert time.monotonic() - started >= 0.2


def test_a_dripping_answer_comes_byte_by_byte(double: PostHogDouble) -> None:
    double.fail(Fault(drip=0.001))
    started = time.monotonic()

    assert once(double) == (200, b'{"status":"Ok"}')

    assert time.monotonic() - started >= 0.1


def test_stopping_ends_stalls_and_idle_connections_at_once() -> None:
    answers: list[object] = []

    def wait_for_answer(connection: http.client.HTTPConnection) -> None:
        try:
            answers.append(send(connection))
        except (OSError, http.client.HTTPException) as error:
            answers.append(error)
        finally:
            connection.close()

    with PostHogDouble.listening() as double:
        double.fail(Fault(stall=60))
        idle = connect(double)
        idle.connect()
        waiting = threading.Thread(target=wait_for_answer, args=(connect(double),))
        waiting.start()
        assert double.wait_for("checkout", timeout=10)
        started = time.monotonic()
    waiting.join()

    assert time.monotonic() - started < 5
    assert len(answers) == 1
    idle.close()


def test_a_body_beyond_any_limit_is_413(double: PostHogDouble) -> None:
    connection = connect(double)

    connection.putrequest("POST", "/batch/")
    connection.putheader("Content-Length", str(65 * 1024 * 1024))
    connection.endheaders()

    assert connection.getresponse().status == 413
    connection.close()


def test_what_is_no_http_is_answered_and_does_not_end_the_server(double: PostHogDouble) -> None:
    with socket.create_connection(address(double), timeout=10) as raw:
        raw.sendall(b"\x16\x03\x01\x00\xff nonsense\r\n\r\n")
        raw.recv(1000)

    assert once(double)[0] == 200


def test_without_a_server_there_is_no_url() -> None:
    with pytest.raises(RuntimeError, match=r"PostHogDouble\.listening"):
        _ = PostHogDouble().url


# -- the API for other processes ----------------------------------------------------------------------


def test_the_state_tells_everything_but_the_key(double: PostHogDouble) -> None:
    once(double, event(1), update(2))
    once(double, event(1), event(3, event=""))

    status, state = call(double, "GET", "/_double/state")

    assert status == 200
    assert [row["event"] for row in state["events"]] == ["checkout", "$groupidentify"]
    [group] = state["groups"]
    assert (group["type"], group["key"], group["properties"]) == ("organization", "org_42", {"plan": "pro"})
    assert group["timeline"][0]["uuid"] == uuid7(2)
    assert [request["status"] for request in state["requests"]] == [200, 400]
    assert state["refused"][0]["name"] == "missing_event_name"
    assert state["findings"] == []
    assert KEY not in json.dumps(state)


def test_events_can_be_waited_for(double: PostHogDouble) -> None:
    later = threading.Timer(0.1, lambda: once(double))
    later.start()

    status, found = call(double, "GET", "/_double/events?name=checkout&wait=10")

    assert (status, len(found)) == (200, 1)
    assert call(double, "GET", "/_double/events?name=other")[1] == []
    assert call(double, "GET", "/_double/events?wait=x")[0] == 400
    later.join()


def test_faults_can_be_ordered_listed_and_taken_back(double: PostHogDouble) -> None:
    faults = [
        {"status": 503, "retry_after": "2", "times": 2},
        {"results": {"checkout": "retry"}, "event": "checkout"},
    ]

    assert call(double, "POST", "/_double/faults", faults)[0] == 204
    assert call(double, "GET", "/_double/faults")[1][0] == {"status": 503, "retry_after": "2", "times": 2}
    assert once(double)[0] == 503
    assert call(double, "DELETE", "/_double/faults")[0] == 204
    assert once(double)[0] == 200


def test_a_fault_that_does_not_exist_is_refused_with_the_known_ones(double: PostHogDouble) -> None:
    status, answer = call(double, "POST", "/_double/faults", {"explode": True})

    assert status == 400
    assert "explode" in answer["error"]
    assert "retry_after" in answer["error"]
    assert call(double, "POST", "/_double/nothing", {})[0] == 404


def test_clear_begins_a_fresh_project(double: PostHogDouble) -> None:
    once(double)
    call(double, "POST", "/_double/faults", {"status": 500})

    assert call(double, "POST", "/_double/clear")[0] == 204

    assert (double.rows, double.requests, double.waiting_faults) == ([], [], ())
    assert once(double)[0] == 200
