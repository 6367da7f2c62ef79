"""The double's own HTTP API under ``/_double/``: for tests in another process, in any language.

========================================  ==========================================================
``GET /_double/state``                    everything: events, groups, persons, findings, refusals, requests
``GET /_double/events?name=…&wait=…``     events (of one name); ``wait`` seconds for ``count`` (1) of them
``POST /_double/faults``                  one fault or a list of them (see ``faults.Fault``), appended
``DELETE /_double/faults``                forget waiting faults
``POST /_double/clear``                   a fresh project
========================================  ==========================================================
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from .exchange import Answer
from .faults import Fault
from .findings import Finding, Refusal
from .recorder import Exchange, Recorder
from .stored import GroupProfile, StoredEvent
from .strict_json import is_list

if TYPE_CHECKING:
    from .double import PostHogDouble

MAX_WAIT = 60.0
"""Seconds that one call may wait for events; a caller that wants more asks again."""


def administer(
    double: PostHogDouble, method: str, path: str, query: Mapping[str, str], body: bytes
) -> Answer:
    """Answer a call of the double's own API."""
    match method, path.removeprefix("/_double/").rstrip("/"):
        case "GET", "state":
            return _json(state(double))
        case "GET", "events":
            return _events(double, query)
        case "POST", "faults":
            return _add_faults(double, body)
        case "GET", "faults":
            return _json([fault.to_json() for fault in double.waiting_faults])
        case "DELETE", "faults":
            double.heal()
            return Answer(204)
        case "POST", "clear":
            double.clear()
            double.heal()
            return Answer(204)
        case _:
            return _json({"error": "no such call", "calls": __doc__}, status=404)


def _json(value: Any, *, status: int = 200) -> Answer:
    body = json.dumps(value, ensure_ascii=False).encode("utf-8", "replace")
    return Answer(status, (("Content-Type", "application/json; charset=utf-8"),), body)


def _events(double: PostHogDouble, query: Mapping[str, str]) -> Answer:
    try:
        wait, count = float(query.get("wait") or 0), int(query.get("count") or 1)
    except ValueError:
        return _json({"error": "wait is seconds, count is a whole number"}, status=400)
    name = query.get("name")
    if not name:
        return _json([event_json(row) for row in double.rows])
    found = double.wait_for(name, timeout=min(wait, MAX_WAIT), count=count)
    return _json([event_json(row) for row in found])


def _add_faults(double: PostHogDouble, body: bytes) -> Answer:
    try:
        asked = json.loads(body)
        faults = [Fault.from_json(values) for values in (asked if is_list(asked) else [asked])]
    except (ValueError, TypeError) as error:
        return _json({"error": str(error)}, status=400)
    double.fail(*faults)
    return Answer(204)


# -- values as JSON -----------------------------------------------------------------------------------


def state(recorder: Recorder) -> dict[str, Any]:
    """All that a recorder knows, as JSON; keys and header values of requests stay out."""
    return {
        "events": [event_json(row) for row in recorder.rows],
        "groups": [group_json(profile) for profile in recorder.groups.values()],
        "group_types": recorder.group_types,
        "persons": [
            {"distinct_id": distinct_id, "properties": person.properties}
            for distinct_id, person in recorder.persons.items()
        ],
        "warnings": [
            {"name": warning.name, "event": warning.event, "uuid": warning.uuid}
            for warning in recorder.warnings
        ],
        "repeats": [
            {"event": repeat.event, "uuid": repeat.uuid, "count": repeat.count} for repeat in recorder.repeats
        ],
        "findings": [finding_json(finding) for finding in recorder.findings],
        "refused": [refusal_json(refusal) for refusal in recorder.refused],
        "requests": [exchange_json(exchange) for exchange in recorder.requests],
    }


def event_json(row: StoredEvent) -> dict[str, Any]:
    return {
        "event": row.name,
        "uuid": row.uuid,
        "distinct_id": row.distinct_id,
        "time": row.time,
        "time_ns": row.time_ns,
        "stored_ns": row.stored_ns,
        "groups": dict(row.groups),
        "personless": row.personless,
        "properties": dict(row.properties),
        "protocol": row.protocol,
        "request": row.request,
        "arrival": row.arrival,
        "received_ns": row.received_ns,
        "repeats": row.repeats,
    }


def group_json(profile: GroupProfile) -> dict[str, Any]:
    return {
        "type": profile.type,
        "key": profile.key,
        "index": profile.index,
        "properties": dict(profile.properties),
        "updates": profile.updates,
        "timeline": [
            {
                "name": change.name,
                "value": change.value,
                "time": change.time,
                "time_ns": change.time_ns,
                "arrival": change.arrival,
                "uuid": change.uuid,
                "changed": change.changed,
            }
            for change in profile.timeline
        ],
    }


def finding_json(finding: Finding) -> dict[str, Any]:
    return {
        "name": finding.name,
        "rule": finding.rule,
        "sentence": finding.sentence,
        "request": finding.request,
        "event": finding.event,
        "uuid": finding.uuid,
        "detail": finding.detail,
    }


def refusal_json(refusal: Refusal) -> dict[str, Any]:
    return {
        "name": refusal.name,
        "rule": refusal.rule,
        "status": refusal.status,
        "request": refusal.request,
        "event": refusal.event,
        "uuid": refusal.uuid,
        "detail": refusal.detail,
    }


def exchange_json(exchange: Exchange) -> dict[str, Any]:
    return {
        "number": exchange.number,
        "method": exchange.request.method,
        "path": exchange.request.path,
        "status": exchange.status,
        "attempt": exchange.attempt,
        "bytes": exchange.encoded_bytes,
        "encoding": exchange.request.headers.get("content-encoding", ""),
        "user_agent": exchange.request.headers.get("user-agent", ""),
        "request_id": exchange.request.headers.get("posthog-request-id", ""),
        "received_ns": exchange.request.received_ns,
        "events": list(exchange.uuids),
        "fault": exchange.fault,
    }
