"""Envelopes, captures and updates with sensible defaults and the one field that matters."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import count

from opentelemetry.exporter.posthog.model import (
    GROUP_IDENTIFY,
    Capture,
    Envelope,
    Group,
    GroupUpdate,
    JsonValue,
)
from opentelemetry.exporter.posthog.timestamp import rfc3339
from opentelemetry.exporter.posthog.uuid7 import uuid7
from tests.manual_clock import EPOCH_NS

_numbers = count(1)


def an_uuid(time_ns: int = EPOCH_NS) -> str:
    """A new one at each call."""
    return uuid7(time_ns, next(_numbers))


def an_envelope(
    event: str = "member invited",
    *,
    uuid: str | None = None,
    distinct_id: str = "user-1",
    properties: bytes = b'{"plan":"pro"}',
    personless: bool = False,
    session_id: str | None = None,
) -> Envelope:
    return Envelope(
        event=event,
        uuid=uuid if uuid is not None else an_uuid(),
        distinct_id=distinct_id,
        timestamp=rfc3339(EPOCH_NS),
        properties=properties,
        personless=personless,
        session_id=session_id,
    )


def an_update_envelope(key: str = "org_42") -> Envelope:
    return an_envelope(
        GROUP_IDENTIFY,
        distinct_id=f"$organization_{key}",
        properties=b'{"$group_type":"organization","$group_key":"%b","$group_set":{}}' % key.encode(),
    )


def a_capture(
    name: str = "member invited",
    *,
    distinct_id: str = "user-1",
    time_ns: int = EPOCH_NS,
    groups: Mapping[str, str] | None = None,
    properties: Mapping[str, JsonValue] | None = None,
    personless: bool = False,
    session_id: str | None = None,
    person: Mapping[str, JsonValue] | None = None,
) -> Capture:
    return Capture(
        name=name,
        distinct_id=distinct_id,
        time_ns=time_ns,
        uuid=an_uuid(time_ns),
        groups=groups if groups is not None else {"organization": "org_42"},
        properties=properties if properties is not None else {"plan": "pro"},
        personless=personless,
        session_id=session_id,
        person=person,
    )


def a_group_update(
    properties: Mapping[str, JsonValue] | None = None, *, key: str = "org_42", time_ns: int = EPOCH_NS
) -> GroupUpdate:
    return GroupUpdate(
        group=Group("organization", key),
        properties=properties if properties is not None else {"plan_name": "team"},
        time_ns=time_ns,
        uuid=an_uuid(time_ns),
        distinct_id=f"$organization_{key}",
        first_sight=False,
        claim=None,
    )
