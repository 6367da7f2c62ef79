"""The double as a transport: a request is a function call."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from opentelemetry.exporter.posthog.testing import Fault, PostHogDouble
from opentelemetry.exporter.posthog.testing.transport import InMemoryTransport
from opentelemetry.exporter.posthog.wire.exchange import NoAnswer, Request, Response
from tests.unit.testing.sending import double, event

if TYPE_CHECKING:
    from opentelemetry.exporter.posthog.delivery.transport import Transport


@pytest.fixture
def to() -> PostHogDouble:
    return double()


def transport_to(to: PostHogDouble) -> Transport:
    return InMemoryTransport(to, answered=Response, unanswered=NoAnswer)


def request(*, number: int = 1) -> Request:
    import json

    body = json.dumps({"api_key": "phc_test", "batch": [event(number)]}).encode()
    return Request("http://127.0.0.1:9/batch/?compression=", (("Content-Type", "application/json"),), body)


def test_an_answer_has_lower_case_headers_and_the_same_bytes(to: PostHogDouble) -> None:
    answer = transport_to(to).send(request(), timeout=1.0)

    assert isinstance(answer, Response)
    assert (answer.status, answer.body, answer.cut) == (200, b'{"status":"Ok"}', False)
    assert answer.headers["content-type"] == "application/json"


@pytest.mark.parametrize(
    ("fault", "reason", "stored"),
    [
        pytest.param(Fault(reset="before"), "connection_lost", 0, id="a reset before storing"),
        pytest.param(Fault(reset="after"), "connection_lost", 1, id="a reset after storing"),
        pytest.param(Fault(cut=5), "connection_lost", 1, id="an answer that is cut off"),
        pytest.param(Fault(stall=2.0), "timeout", 1, id="a stall longer than the timeout"),
        pytest.param(Fault(drip=0.5), "timeout", 1, id="an answer that drips beyond the timeout"),
    ],
)
def test_a_fault_of_the_network_is_no_answer(
    fault: Fault, reason: str, stored: int, to: PostHogDouble
) -> None:
    to.fail(fault)

    answer = transport_to(to).send(request(), timeout=1.0)

    assert answer == NoAnswer(reason, True)
    assert len(to.events) == stored


def test_a_stall_within_the_timeout_is_an_answer_at_once(to: PostHogDouble) -> None:
    to.fail(Fault(stall=0.9))

    assert isinstance(transport_to(to).send(request(), timeout=1.0), Response)


def test_a_long_answer_is_cut_and_says_so(to: PostHogDouble) -> None:
    to.fail(Fault(status=200, body="x" * 2_000_000))

    answer = transport_to(to).send(request(), timeout=1.0)

    assert isinstance(answer, Response)
    assert answer.cut
    assert len(answer.body) == 1024 * 1024


def test_nothing_can_arrive_after_a_call_has_returned(to: PostHogDouble) -> None:
    assert transport_to(to).request_life == 0.0


def test_after_an_abort_nothing_is_sent(to: PostHogDouble) -> None:
    transport = transport_to(to)

    transport.abort()

    assert transport.send(request(), timeout=1.0) == NoAnswer("no_connection", False)
    assert to.requests == []
    transport.close()
