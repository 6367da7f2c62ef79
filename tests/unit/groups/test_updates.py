"""From a grant to the update that is sent."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from opentelemetry.exporter.posthog.groups.stamp import canonical_json
from opentelemetry.exporter.posthog.groups.state import Grant, Sent
from opentelemetry.exporter.posthog.groups.updates import Claim, Updates, first_sight_uuid
from opentelemetry.exporter.posthog.model import Group
from opentelemetry.exporter.posthog.testing.instants import uuid7_time_ms
from tests.ledger_kit import ORG, presence, stamp
from tests.manual_clock import EPOCH_NS

DAY_NS = 86_400_000_000_000


def grant(first: bool, **seen: tuple[int, Any]) -> Grant:
    content = {name: Sent(stamp(at, value), canonical_json(value), "") for name, (at, value) in seen.items()}
    return Grant(7, {"": Sent(presence(3).stamp, presence(3).value, ""), **content}, first, True)


def updates() -> Updates:
    numbers = iter(range(1_000_000))
    return Updates(lambda bits: next(numbers))


def test_it_carries_the_values_and_the_time_of_the_newest_change() -> None:
    update = updates().of(ORG, grant(False, plan=(5, "team"), seats=(9, 3)), 0)
    assert update.properties == {"plan": "team", "seats": 3}
    assert update.time_ns == EPOCH_NS + 9_000_000_000
    assert update.distinct_id == "$organization_org_42"


def test_of_a_group_of_which_only_the_key_is_known_it_is_empty_and_of_when_it_was_seen() -> None:
    update = updates().of(ORG, grant(True), 0)
    assert update.properties == {}
    assert update.time_ns == EPOCH_NS + 3_000_000_000


def test_its_claim_remembers_what_settling_needs() -> None:
    granted = grant(False, plan=(5, "team"))
    claim = updates().of(ORG, granted, 0).claim
    assert claim == Claim(7, {n: s.stamp for n, s in granted.content.items()}, {"": "", "plan": ""}, True)


@given(first=st.integers(0, 23), second=st.integers(0, 23))
def test_first_sights_of_one_day_are_one_event_for_posthog(first: int, second: int) -> None:
    midnight = EPOCH_NS - EPOCH_NS % DAY_NS
    uuids = {
        first_sight_uuid(ORG, {"plan": "team", "seats": 3}, midnight + hour * 3_600_000_000_000)
        for hour in (first, second)
    }
    assert len(uuids) == 1
    assert uuid7_time_ms(uuids.pop()) == midnight // 1_000_000


def test_first_sights_that_say_something_else_are_other_events() -> None:
    one = first_sight_uuid(ORG, {"seats": 1}, EPOCH_NS)
    assert one != first_sight_uuid(ORG, {"seats": True}, EPOCH_NS)
    assert one != first_sight_uuid(Group("organization", "org_43"), {"seats": 1}, EPOCH_NS)
    assert one != first_sight_uuid(ORG, {"seats": 1}, EPOCH_NS + DAY_NS)


def test_a_change_is_an_event_of_its_own_each_time() -> None:
    make = updates()
    assert len({make.of(ORG, grant(False, plan=(5, "team")), 0).uuid for _ in range(20)}) == 20
