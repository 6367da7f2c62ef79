"""What both protocols send alike, in the bytes of an envelope."""

from __future__ import annotations

import json
from typing import Any

from opentelemetry.exporter.posthog.wire.encoding import Encoder
from tests.envelopes import a_capture, a_group_update


class Explosive:
    def __str__(self) -> str:
        raise RuntimeError


def properties_of(envelope: Any) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(envelope.properties)
    return found


def test_a_capture_keeps_its_id_and_its_time_to_the_microsecond() -> None:
    capture = a_capture(time_ns=1_790_000_000_123_456_789)
    envelope = Encoder().capture(capture)
    assert envelope is not None
    assert (envelope.uuid, envelope.timestamp) == (capture.uuid, "2026-09-21T14:13:20.123456Z")


def test_a_capture_names_its_groups_and_that_a_server_sent_it() -> None:
    envelope = Encoder().capture(a_capture(groups={"organization": "org_42"}, properties={"plan": "pro"}))
    assert properties_of(envelope) == {
        "plan": "pro",
        "$groups": {"organization": "org_42"},
        "$is_server": True,
        "$geoip_disable": True,
    }


def test_no_groups_no_groups_property() -> None:
    assert "$groups" not in properties_of(Encoder().capture(a_capture(groups={})))


def test_geoip_is_switched_off_unless_asked_for() -> None:
    assert "$geoip_disable" not in properties_of(Encoder(geoip=True).capture(a_capture()))


def test_person_properties_become_set() -> None:
    assert properties_of(Encoder().capture(a_capture(person={"name": "Ada"})))["$set"] == {"name": "Ada"}


def test_a_property_never_takes_the_place_of_what_the_exporter_says_itself() -> None:
    hostile = {"$groups": {"organization": "other"}, "$is_server": False, "$geoip_disable": False}
    properties = properties_of(Encoder().capture(a_capture(properties=hostile)))
    assert properties["$groups"] == {"organization": "org_42"}
    assert properties["$is_server"] is properties["$geoip_disable"] is True


def test_a_group_update_is_a_groupidentify_without_groups_or_person() -> None:
    envelope = Encoder().group_update(a_group_update({"seats": 5, "note": None}))
    assert envelope is not None
    assert (envelope.event, envelope.distinct_id) == ("$groupidentify", "$organization_org_42")
    assert not envelope.personless, "PostHog writes no group without person processing"
    assert properties_of(envelope) == {
        "$group_type": "organization",
        "$group_key": "org_42",
        "$group_set": {"seats": 5, "note": None},
        "$is_server": True,
        "$geoip_disable": True,
    }


def test_an_event_that_can_not_be_encoded_costs_itself_and_raises_nothing() -> None:
    odd: Any = {"odd": Explosive()}
    assert Encoder().capture(a_capture(properties=odd)) is None
    assert Encoder().group_update(a_group_update(odd)) is None


def test_encoding_does_not_change_its_input() -> None:
    given = {"a": float("nan"), "b": "x"}
    capture = a_capture(properties=given)
    Encoder().capture(capture)
    assert capture.properties is given
    assert list(given) == ["a", "b"]
