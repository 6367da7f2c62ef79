"""Rule 35 of the double: retries on v1 are what PostHog asks for."""

from __future__ import annotations

from typing import Any

import pytest

from opentelemetry.exporter.posthog.testing import Fault, PostHogDouble
from tests.manual_clock import ManualClock
from tests.unit.testing.sending import double, event, head, names, uuid7, v1


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def to(clock: ManualClock) -> PostHogDouble:
    return double(clock=clock)


def again(attempt: int, **changes: Any) -> dict[str, str]:
    headers = {
        "PostHog_Attempt": str(attempt),
        "PostHog_Request_Timestamp": f"2026-09-21T14:13:{20 + attempt}Z",
        **changes,
    }
    return head(**headers)


def test_rule_35_a_faithful_retry_has_no_finding(to: PostHogDouble, clock: ManualClock) -> None:
    to.fail(Fault(status=503), Fault(results={uuid7(2): "retry"}))

    v1(to, event(1), event(2))
    clock.advance(1.0)
    v1(to, event(1), event(2), headers=again(2))
    clock.advance(1.0)
    v1(to, event(2), headers=again(3))

    assert names(to) == []
    assert len(to.rows) == 2


def test_rule_35_after_no_answer_the_same_batch_is_owed(to: PostHogDouble, clock: ManualClock) -> None:
    to.fail(Fault(reset="after"))

    with pytest.raises(ConnectionResetError):
        v1(to, event(1), event(2))
    clock.advance(1.0)
    v1(to, event(1), event(2), headers=again(2))

    assert names(to) == []
    assert [repeat.count for repeat in to.repeats] == [1, 1]


BREACHES = [
    pytest.param("503", {"headers": again(3)}, ["attempt_not_next"], id="an attempt is skipped"),
    pytest.param("503", {"headers": again(1)}, ["attempt_not_next"], id="the attempt does not rise"),
    pytest.param(
        "503", {"created_at": "2026-09-21T14:13:21Z"}, ["created_at_changed"], id="created_at changes"
    ),
    pytest.param(
        "503",
        {"headers": head(PostHog_Attempt="2")},
        ["request_timestamp_not_newer"],
        id="the request's timestamp stays",
    ),
    pytest.param("503", {"events": [event(1)]}, ["batch_changed"], id="an event is forgotten"),
    pytest.param("503", {"events": [event(1), event(2), event(3)]}, ["batch_changed"], id="an event joins"),
    pytest.param(
        "503", {"events": [event(1), event(2, event="other")]}, ["event_changed"], id="a name changes"
    ),
    pytest.param(
        "503",
        {"events": [event(1), event(2, timestamp="2026-09-21T14:13:21Z")]},
        ["event_changed"],
        id="a time changes",
    ),
    pytest.param("503", {"after": 0.9}, ["retry_too_soon"], id="Retry-After is not waited for"),
    pytest.param("retry", {}, ["settled_event_resent"], id="a stored event is sent again"),
    pytest.param(
        "drop", {"events": [event(2)]}, ["batch_changed", "settled_event_resent"], id="a dropped one is"
    ),
    pytest.param(
        "absent", {"events": [event(2)]}, ["batch_changed", "settled_event_resent"], id="an absent one is"
    ),
    pytest.param("400", {}, ["retry_after_final"], id="a 400 is tried again"),
    pytest.param("401", {}, ["retry_after_final"], id="a 401 is tried again"),
    pytest.param("402", {}, ["retry_after_final"], id="a 402 is tried again"),
    pytest.param("403", {}, ["retry_after_final"], id="a 403 is tried again"),
    pytest.param("415", {}, ["retry_after_final"], id="a 415 is tried again"),
    pytest.param(
        "413",
        {"events": [event(1)]},
        ["batch_changed", "retry_after_final"],
        id="half of a batch goes under the old request id",
    ),
]


@pytest.mark.parametrize(("first", "second", "found"), BREACHES)
def test_rule_35_a_breach_is_a_finding(
    first: str, second: dict[str, Any], found: list[str], to: PostHogDouble, clock: ManualClock
) -> None:
    if first.isdigit():
        to.fail(Fault(status=int(first)))
    else:
        to.fail(Fault(results={uuid7(2): first}))
    v1(to, event(1), event(2))
    clock.advance(second.get("after", 1.0))
    body = {"created_at": second["created_at"]} if "created_at" in second else {}

    v1(to, *second.get("events", [event(1), event(2)]), headers=second.get("headers", again(2)), **body)

    if first in ("drop", "absent"):  # nothing at all was owed
        found = ["settled_event_resent"]
    assert names(to) == found


def test_rule_35_a_single_event_is_not_tried_again_after_413(to: PostHogDouble, clock: ManualClock) -> None:
    to.fail(Fault(status=413))

    v1(to, event(1))
    clock.advance(1.0)
    v1(to, event(1), headers=again(2))

    assert names(to) == ["retry_after_final"]


def test_rule_35_a_split_under_new_request_ids_is_right(to: PostHogDouble) -> None:
    to.fail(Fault(status=413))

    v1(to, event(1), event(2))
    v1(to, event(1), headers=head(PostHog_Request_Id=uuid7(8)))
    v1(to, event(2), headers=head(PostHog_Request_Id=uuid7(9)))

    assert names(to) == []


def test_rule_35_without_retry_after_the_first_delay_is_a_tenth_of_a_second(
    to: PostHogDouble, clock: ManualClock
) -> None:
    to.fail(Fault(status=429), Fault(status=429))

    v1(to, event(1))
    clock.advance(0.1)
    v1(to, event(1), headers=again(2))
    assert names(to) == []

    clock.advance(0.05)
    v1(to, event(1), headers=again(3))
    assert names(to) == ["retry_too_soon"]


def test_rule_35_a_first_sight_of_a_later_attempt_is_a_finding(to: PostHogDouble) -> None:
    v1(to, event(1), headers=again(2))

    assert names(to) == ["attempt_not_next"]


def test_rule_35_a_new_request_begins_anew(to: PostHogDouble) -> None:
    v1(to, event(1))
    v1(to, event(2), headers=head(PostHog_Request_Id=uuid7(9)))

    assert names(to) == []
