"""Requests to the double, with sensible defaults and the one thing that matters."""

from __future__ import annotations

import gzip
import json
from typing import Any, NamedTuple

from opentelemetry.exporter.posthog.testing import PostHogDouble
from tests.manual_clock import EPOCH_NS, ManualClock

KEY = "phc_test"
AGENT = "opentelemetry-exporter-posthog/0.1.0"
NOW = "2026-09-21T14:13:20.000000Z"
"""``EPOCH_NS``, the time at which every manual clock starts."""

DAY_NS = 86_400_000_000_000


class Reply(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def text(self) -> str:
        return self.body.decode()


def double(**options: Any) -> PostHogDouble:
    """A double whose clock stands still at ``NOW``."""
    return PostHogDouble(**{"clock": ManualClock(), **options})


def uuid7(number: int = 1, time_ns: int = EPOCH_NS) -> str:
    text = f"{time_ns // 1_000_000:012x}7000{0x8000000000000000 + number:016x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def event(number: int = 1, **parts: Any) -> dict[str, Any]:
    """A faultless event; ``parts`` replace its fields, ``...`` removes one."""
    whole = {
        "event": "checkout",
        "uuid": uuid7(number),
        "distinct_id": "u_1",
        "timestamp": NOW,
        "properties": {"$geoip_disable": True, "$is_server": True, "plan": "pro"},
        **parts,
    }
    return {name: value for name, value in whole.items() if value is not ...}


def update(
    number: int = 1, *, key: str = "org_42", kind: str = "organization", **parts: Any
) -> dict[str, Any]:
    """A faultless group update; ``group_set`` is what it sets."""
    group_set = parts.pop("group_set", {"plan": "pro"})
    properties = {
        "$group_type": kind,
        "$group_key": key,
        "$group_set": group_set,
        "$geoip_disable": True,
        "$is_server": True,
        **parts.pop("properties", {}),
    }
    parts = {"event": "$groupidentify", "distinct_id": f"${kind}_{key}", "properties": properties, **parts}
    return event(number, **parts)


def props(**more: Any) -> dict[str, Any]:
    return {"$geoip_disable": True, "$is_server": True, **more}


def post(to: PostHogDouble, target: str, body: bytes, headers: dict[str, str] | None = None) -> Reply:
    return Reply(*to.answer("POST", target, headers or {}, body))


def legacy(to: PostHogDouble, *events: dict[str, Any], **body: Any) -> Reply:
    """Send a legacy batch."""
    whole = {"api_key": KEY, "batch": list(events), **body}
    raw = json.dumps({name: value for name, value in whole.items() if value is not ...}).encode()
    return post(to, "/batch/", raw, {"Content-Type": "application/json"})


def head(**changes: Any) -> dict[str, str]:
    """Headers of a v1 request; names with ``_`` for ``-``, ``...`` removes one."""
    whole: dict[str, Any] = {
        "Authorization": f"Bearer {KEY}",
        "Content-Type": "application/json",
        "User-Agent": AGENT,
        "PostHog-Sdk-Info": AGENT,
        "PostHog-Attempt": "1",
        "PostHog-Request-Id": "0e36b1a5-5072-436a-a9eb-ea46a2918e41",
        "PostHog-Request-Timestamp": NOW,
    }
    for name, value in changes.items():
        whole[name.replace("_", "-")] = value
    return {name: value for name, value in whole.items() if value is not ...}


V1 = "/i/v1/analytics/events"


def v1(
    to: PostHogDouble,
    *events: dict[str, Any],
    headers: dict[str, str] | None = None,
    compress: bool = False,
    **body: Any,
) -> Reply:
    """Send a v1 batch."""
    whole = {"created_at": NOW, "batch": list(events), **body}
    raw = json.dumps({name: value for name, value in whole.items() if value is not ...}).encode()
    sent = head() if headers is None else headers
    if compress:
        raw, sent = gzip.compress(raw), {**sent, "Content-Encoding": "gzip"}
    return post(to, V1, raw, sent)


def result(reply: Reply, number: int = 1) -> dict[str, str]:
    """The v1 result of the event with that number."""
    entry: dict[str, str] = reply.json["results"][uuid7(number)]
    return entry


def names(to: PostHogDouble) -> list[str]:
    """Names of all findings, sorted."""
    return sorted(finding.name for finding in to.findings)


def groups(**keys: Any) -> dict[str, Any]:
    """Properties with groups."""
    return props(**{"$groups": keys})
