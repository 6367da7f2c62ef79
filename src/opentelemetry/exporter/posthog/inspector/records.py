"""What the double and an exporter say, as the records that the page and tests read. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..model import GROUP_IDENTIFY
from ..testing.instants import iso
from ..translate.privacy import key_pattern, value_pattern
from .masking import Mask

if TYPE_CHECKING:
    from ..testing import Change, Exchange, Finding, IngestionWarning, Refusal, StoredEvent

_BECOMES = re.compile(r"becomes property (?P<name>.+)")


def event(row: StoredEvent, mask: Mask) -> dict[str, Any]:
    """A stored event or group update. ``t`` is when it arrived, in milliseconds since the epoch."""
    return {
        "event": row.name,
        "update": row.name == GROUP_IDENTIFY,
        "uuid": row.uuid,
        "distinct_id": mask.id(row.distinct_id),
        "time": row.time,
        "t": row.received_ns / 1e6,
        "groups": mask.groups(row.groups),
        "personless": row.personless,
        "properties": mask.properties(row.properties),
        "looks": looks(row.properties),
        "protocol": row.protocol,
        "request": row.request,
        "repeats": row.repeats,
    }


def looks(properties: Mapping[str, Any]) -> dict[str, str]:
    """Properties that look personal, and like what: by the words of the key or the shape of the value."""
    found: dict[str, str] = {}
    for name, value in properties.items():
        if isinstance(value, str) and not name.startswith("$"):
            pattern = value_pattern(value) or key_pattern(name)
            if pattern is not None:
                found[name] = pattern
    return found


def change(kind: str, key: str, said: Change, request: int, t: float, mask: Mask) -> dict[str, Any]:
    """A property of a group as PostHog took it."""
    return {
        "type": kind,
        "key": mask.id(key),
        "name": said.name,
        "value": mask.value(said.value),
        "time": said.time,
        "t": t,
        "arrival": said.arrival,
        "uuid": said.uuid,
        "changed": said.changed,
        "request": request,
    }


def request(exchange: Exchange, findings: int, refusals: int) -> dict[str, Any]:
    asked = exchange.request
    return {
        "number": exchange.number,
        "method": asked.method,
        "path": asked.path,
        "status": exchange.status,
        "attempt": exchange.attempt,
        "bytes": exchange.encoded_bytes,
        "encoding": asked.headers.get("content-encoding", ""),
        "user_agent": asked.headers.get("user-agent", ""),
        "request_id": asked.headers.get("posthog-request-id", ""),
        "t": asked.received_ns / 1e6,
        "events": len(exchange.uuids),
        "uuids": list(exchange.uuids[:500]),
        "fault": exchange.fault,
        "findings": findings,
        "refusals": refusals,
    }


def finding(said: Finding) -> dict[str, Any]:
    return {
        "name": said.name,
        "rule": said.rule,
        "sentence": said.sentence,
        "request": said.request,
        "event": said.event,
        "uuid": said.uuid,
        "detail": said.detail,
    }


def refusal(said: Refusal) -> dict[str, Any]:
    return {
        "name": said.name,
        "rule": said.rule,
        "status": said.status,
        "request": said.request,
        "event": said.event,
        "uuid": said.uuid,
        "detail": said.detail,
    }


def warning(said: IngestionWarning, number: int) -> dict[str, Any]:
    return {"name": said.name, "event": said.event, "uuid": said.uuid, "request": number}


# -- what an exporter says of itself --------------------------------------------------------------------


def exporter(report: Mapping[str, Any], t: float) -> dict[str, Any]:
    """An exporter's own figures, the newest word."""
    return {
        "pid": int(report["pid"]),
        "version": str(report.get("version", "")),
        "t": t,
        "stats": dict(report["stats"]),
        "untold": int(report.get("untold", 0)),
    }


def described(said: Mapping[str, Any]) -> dict[str, Any]:
    """A signal: what it is called, where it is from, and the steps of its decision."""
    steps: Sequence[Sequence[str]] = said.get("steps") or ()
    return {
        "signal": str(said.get("signal", "")),
        "name": str(said.get("name", "")),
        "signal_kind": str(said.get("kind", "")),
        "scope": str(said.get("scope", "")),
        "trace_id": str(said.get("trace_id", "")),
        "span_id": str(said.get("span_id", "")),
        "service": str(said.get("service", "")),
        "time": iso(int(said.get("time_ns") or 0)),
        "steps": [[str(part) for part in step[:3]] for step in steps],
    }


def sources(steps: Sequence[Sequence[str]]) -> dict[str, str]:
    """Property → the attribute that it came from, as the translation's own explanation says."""
    found: dict[str, str] = {}
    for name, decision, *_ in steps:
        match = _BECOMES.fullmatch(decision)
        if match is not None and name.startswith("attribute "):
            found[match["name"]] = name.removeprefix("attribute ")
    return found


def decision(said: Mapping[str, Any], t: float, mask: Mask) -> dict[str, Any]:
    """What the ledger made of one property that a signal spoke of."""
    return {
        "type": str(said["type"]),
        "key": mask.id(str(said["key"])),
        "name": str(said["name"]),
        "value": mask.value(said.get("value")),
        "time": iso(int(said["time_ns"])),
        "seen": iso(int(said["seen_ns"])),
        "t": t,
        "verdict": str(said["verdict"]),
        "uuid": str(said.get("update", "")),
        "signal": str(said.get("signal", "")),
        "speaker": str(said.get("speaker", "")),
        "count": 1,
    }
