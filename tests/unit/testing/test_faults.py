"""Faults to order."""

from __future__ import annotations

import gzip
from typing import Any

import pytest

from opentelemetry.exporter.posthog.testing import Fault, Verdict
from tests.unit.testing.sending import double, event, head, legacy, result, uuid7, v1


def test_a_script_is_worked_off_in_order_and_then_all_is_well() -> None:
    to = double()
    to.fail(Fault(status=503, times=2), Fault(status=429, retry_after="7"))

    replies = [legacy(to, event()) for _ in range(4)]

    assert [reply.status for reply in replies] == [503, 503, 429, 200]
    assert replies[2].headers["Retry-After"] == "7"


def test_a_fault_without_a_way_to_fail_lets_requests_pass() -> None:
    to = double()
    to.fail(Fault(times=2), Fault(status=500))

    assert [legacy(to, event()).status for _ in range(4)] == [200, 200, 500, 200]


def test_a_fault_for_ever_ends_when_it_is_healed() -> None:
    to = double()
    to.fail(Fault(status=500, times=None))

    assert [legacy(to, event()).status for _ in range(5)] == [500] * 5
    to.heal()
    assert legacy(to, event()).status == 200


@pytest.mark.parametrize(
    "aimed",
    [
        pytest.param({"event": "other"}, id="at an event's name"),
        pytest.param({"at_least": 2}, id="at a size"),
        pytest.param({"path": "/i/v1"}, id="at a path"),
        pytest.param({"attempt": 2}, id="at an attempt"),
        pytest.param({"when": lambda request: b"other" in request.body}, id="at anything"),
    ],
)
def test_a_fault_waits_for_the_request_it_is_aimed_at(aimed: dict[str, Any]) -> None:
    to = double()
    to.fail(Fault(status=500, **aimed))

    assert legacy(to, event(1)).status == 200
    meant = v1(to, event(2), event(3, event="other"), headers=head(PostHog_Attempt="2"))

    assert meant.status == 500
    assert legacy(to, event(1)).status == 200


def test_a_page_for_people_comes_with_a_200() -> None:
    to = double()
    to.fail(Fault(html=True))

    reply = v1(to, event())

    assert reply.status == 200
    assert reply.headers["Content-Type"].startswith("text/html")
    assert b"<html>" in reply.body
    assert to.rows == []


def test_a_redirect_names_where_to() -> None:
    to = double()
    to.fail(Fault(redirect="https://elsewhere.example/batch/"))

    reply = legacy(to, event())

    assert (reply.status, reply.headers["Location"]) == (307, "https://elsewhere.example/batch/")
    assert to.rows == []


def test_a_bomb_is_small_and_unpacks_to_what_was_asked() -> None:
    to = double()
    to.fail(Fault(bomb=10_000_000))

    reply = legacy(to, event())

    assert reply.headers["Content-Encoding"] == "gzip"
    assert len(reply.body) < 20_000
    assert len(gzip.decompress(reply.body)) == 10_000_000


def test_v1_can_be_missing_for_a_while() -> None:
    to = double()
    to.fail(Fault(v1_off=True))

    assert v1(to, event()).status == 404
    assert v1(to, event()).status == 200


def test_a_key_can_be_unknown_for_a_while() -> None:
    to = double()
    to.fail(Fault(unknown_key=True))

    assert legacy(to, event()).status == 401
    assert legacy(to, event()).status == 200


@pytest.mark.parametrize(("protocol", "status"), [("legacy", 200), ("v1", 402)])
def test_a_quota_is_silent_on_legacy_and_402_on_v1(protocol: str, status: int) -> None:
    to = double()
    to.fail(Fault(quota="events"))

    reply = legacy(to, event()) if protocol == "legacy" else v1(to, event())

    assert reply.status == status
    assert to.rows == []


def test_results_can_be_ordered_by_event_name_and_for_all() -> None:
    to = double()
    to.fail(Fault(results={"other": Verdict("drop", "rejected"), "*": "retry"}))

    reply = v1(to, event(1), event(2, event="other"))

    assert result(reply, 1) == {"result": "retry", "details": "not_persisted"}
    assert result(reply, 2) == {"result": "drop", "details": "rejected"}


def test_a_200_can_ask_for_a_pause_too() -> None:
    to = double()
    to.fail(Fault(results={"*": "retry"}, retry_after="9"))

    assert v1(to, event()).headers["Retry-After"] == "9"


def test_a_body_can_be_anything() -> None:
    to = double()
    to.fail(Fault(status=200, body='{"results":', content_type="application/json"))

    reply = v1(to, event())

    assert (reply.status, reply.body) == (200, b'{"results":')
    assert to.rows == []


def test_a_status_that_posthog_never_gives_comes_as_plain_text() -> None:
    to = double()
    to.fail(Fault(status=502), Fault(status=599))

    assert v1(to, event()).headers["Content-Type"].startswith("text/plain")
    assert v1(to, event()).status == 599


@pytest.mark.parametrize("wrong", [{"reset": "during"}, {"quota": "all"}])
def test_a_fault_that_means_nothing_is_refused(wrong: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=r"reset|quota"):
        Fault(**wrong)


@pytest.mark.parametrize(
    "fault",
    [
        Fault(status=503, retry_after="3", times=None),
        Fault(reset="after", event="checkout", at_least=2),
        Fault(results={uuid7(): ["drop", "rejected"]}, drip=0.5, stall=1.0),
        Fault(html=True, v1_off=True, unknown_key=True, redirect="x", bomb=5, cut=3, quota="ai", attempt=2),
    ],
    ids=repr,
)
def test_a_fault_survives_its_way_as_json(fault: Fault) -> None:
    assert Fault.from_json(fault.to_json()) == fault
