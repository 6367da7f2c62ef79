"""Does PostHog hold what the story must give? Every difference as one line a person can act on."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta
from typing import Any

from examples.b2b_saas.stored import Stored
from examples.b2b_saas.story import Counts, Expected

CONTROLS = {
    "$set",
    "$set_once",
    "$group_set",
    "$group_key",
    "$group_type",
    "$process_person_profile",
    "distinct_id",
}
"""Names that would make PostHog do something, were they properties of an ordinary event."""

CLOCKS = timedelta(seconds=1)
"""How far a stored time may be from the told one: PostHog takes the skew between two clocks off."""


def differences(expected: Expected, stored: Stored) -> list[str]:
    """All of them; empty when the store is exactly what the story must give."""
    return [
        *_events(expected.events, stored),
        *_users(expected.users, stored),
        *_profiles(expected.profiles, stored),
        *_group_identifies(expected.group_identifies, stored),
        *_controls(stored),
        *stored.complaints,
        *_addresses(stored),
    ]


def missing(expected: Counts, stored: Stored) -> Counts:
    """Events that are expected by now and not stored yet."""
    return expected - stored.counts()


def _events(expected: Counts, stored: Stored) -> list[str]:
    found = stored.counts()
    return [
        f"event {name!r} of {organization or 'no organization'}: {found[name, organization]} stored, "
        f"{expected[name, organization]} expected"
        for name, organization in sorted(expected | found, key=str)
        if found[name, organization] != expected[name, organization]
    ]


def _users(expected: dict[str, set[str]], stored: Stored) -> list[str]:
    return [
        f"event {event.name!r} belongs to {event.distinct_id!r}, not to one of {sorted(expected[event.name])}"
        for event in stored.events
        if event.distinct_id not in expected.get(event.name, {event.distinct_id})
    ]


def _profiles(expected: dict[str, dict[str, tuple[Any, datetime | None]]], stored: Stored) -> list[str]:
    lines = [
        f"organization {key!r} exists and should not"
        for key in sorted(stored.profiles.keys() - expected.keys())
    ]
    for key, properties in expected.items():
        found = stored.profiles.get(key, {})
        lines += [
            f"{key}.{name} is in the profile and should not"
            for name in sorted(found.keys() - properties.keys())
        ]
        for name, (value, time) in properties.items():
            if name not in found:
                lines.append(f"{key}.{name} is missing")
            elif found[name].value != value:
                lines.append(f"{key}.{name} is {found[name].value!r}, expected {value!r}")
            elif time is not None and abs(found[name].time - time) > CLOCKS:
                lines.append(f"{key}.{name} was true at {found[name].time}, expected {time}")
    return lines


def _group_identifies(expected: dict[str, int], stored: Stored) -> list[str]:
    return [
        f"{stored.group_identifies[key]} $groupidentify calls for {key}, expected {expected.get(key, 0)}"
        for key in sorted(stored.group_identifies | Counter(expected))
        if stored.group_identifies[key] != expected.get(key, 0)
    ]


def _controls(stored: Stored) -> list[str]:
    return [
        f"event {event.name!r} carries the control name {name!r}"
        for event in stored.events
        for name in sorted(CONTROLS & event.properties.keys())
    ]


def _addresses(stored: Stored) -> list[str]:
    return ["an e-mail address reached PostHog"] if "@" in stored.raw else []
