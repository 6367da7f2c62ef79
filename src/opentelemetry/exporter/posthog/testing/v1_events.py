"""The v1 protocol's judgement of each event by itself (rules 28 to 32, 34 and 36)."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from .exchange import Request
from .instants import canonical_uuid, is_strict_utc, rfc3339_ns
from .judgement import PLAIN_LIMIT, AcceptedEvent, Notes, Project, Verdict, quota_of, stored_time
from .lint import lint_event
from .names import ILLEGAL_IDS
from .strict_json import JsonObject, compact, escaped_size, is_object

MAX_NAME_BYTES = 200
MAX_ID_BYTES = 200

OPTIONS = {
    "cookieless_mode": "$cookieless_mode",
    "disable_skew_correction": "$ignore_sent_at",
    "process_person_profile": "$process_person_profile",
    "product_tour_id": "$product_tour_id",
}
"""Options and the properties that PostHog writes for them, over those of the same name."""

MISPLACED = frozenset({"$lib", "$lib_version", "$session_id", "$window_id", "distinct_id", *OPTIONS.values()})
"""Properties that have a place of their own on v1."""

SCOPED_QUOTAS = {
    "exceptions": "exceptions_over_quota",
    "surveys": "survey_responses_over_quota",
    "ai": "llm_events_over_quota",
}

OK = Verdict("ok")
STORED_WITHOUT_PERSON = Verdict("ok", "person_processing_disabled")
KEPT = frozenset({"ok", "warning", "absent"})
"""Results that leave the event stored. An unknown word may mean anything; it is stored as well."""


@dataclass(slots=True)
class JudgedEvents:
    """Verdicts by canonical uuid, in batch order, and the events that are taken."""

    results: dict[str, Verdict] = field(default_factory=dict[str, Verdict])
    accepted: list[AcceptedEvent] = field(default_factory=list[AcceptedEvent])
    out_of_quota: bool = False

    def entries(self) -> dict[str, dict[str, str]]:
        """The ``results`` object of the answer; an ``absent`` verdict has no entry."""
        return {
            uuid: {"result": verdict.result, **({"details": verdict.details} if verdict.details else {})}
            for uuid, verdict in self.results.items()
            if verdict.result != "absent"
        }


def judge_events(body: JsonObject, request: Request, project: Project, notes: Notes) -> JudgedEvents:
    """Judge every event of a body whose envelope is in order."""
    judged = JudgedEvents()
    over_quota = 0
    valid = 0
    for event in body["batch"]:
        uuid = canonical_uuid(event["uuid"]) or ""
        verdict = _invalid(event)
        if verdict is None:
            valid += 1
            scoped = SCOPED_QUOTAS.get(quota_of(event["event"]))
            if scoped is not None and quota_of(event["event"]) in project.exhausted:
                over_quota += 1
                verdict = Verdict("drop", scoped)
        if verdict is None:
            verdict = _take(event, uuid, request, project, notes, judged)
        if verdict.result == "drop":
            notes.refuse(verdict.details or "drop", 28, 200, event=event["event"], uuid=uuid)
        judged.results[uuid] = verdict
    if body.get("historical_migration"):
        judged.accepted = [replace(event, historical=True) for event in judged.accepted]
    judged.out_of_quota = valid > 0 and ("events" in project.exhausted or over_quota == valid)
    return judged


def _invalid(event: JsonObject) -> Verdict | None:
    """The first check that drops this event, in PostHog's order."""
    name, distinct_id = event["event"], event["distinct_id"].strip()
    properties = event.get("properties", {})
    if name == "$performance_event":
        return Verdict("drop", "dropped_performance_event")
    if not name:
        return Verdict("drop", "missing_event_name")
    if _bytes(name) > MAX_NAME_BYTES:
        return Verdict("drop", "event_name_too_long")
    if not distinct_id:
        return Verdict("drop", "missing_distinct_id")
    if _bytes(distinct_id) > MAX_ID_BYTES:
        return Verdict("drop", "distinct_id_too_large")
    if rfc3339_ns(event["timestamp"]) is None:
        return Verdict("drop", "invalid_event_timestamp")
    if not isinstance(properties, JsonObject):
        return Verdict("drop", "malformed_event_properties")
    if read_options(event.get("options")) is None:
        return Verdict("drop", "invalid_options")
    return None


def _bytes(text: str) -> int:
    return len(text.encode("utf-8", "surrogatepass"))


def read_options(options: Any) -> dict[str, Any] | None:
    """Options as the properties they become; None when one of them can't be read."""
    if options is None:
        return {}
    if not is_object(options):
        return None
    read: dict[str, Any] = {}
    for name, target in OPTIONS.items():
        value = options.get(name)
        if value is None:
            continue
        coerced = _tour_id(value) if name == "product_tour_id" else _flag(value)
        if coerced is None:
            return None
        read[target] = coerced
    return read


def _flag(value: Any) -> bool | None:
    if isinstance(value, str):
        return {"true": True, "1": True, "false": False, "0": False}.get(value.strip().lower())
    if isinstance(value, bool | int | float):
        return bool(value)
    return None


def _tour_id(value: Any) -> str | None:
    if isinstance(value, str):
        return value
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else None


def _take(
    event: JsonObject,
    uuid: str,
    request: Request,
    project: Project,
    notes: Notes,
    judged: JudgedEvents,
) -> Verdict:
    """Accept a valid event, unless it is too big or a verdict was asked for."""
    _lint_fields(event, uuid, notes)
    accepted = _accepted(event, uuid, request)
    illegal = accepted.distinct_id.lower() in ILLEGAL_IDS
    if illegal:
        accepted = replace(accepted, person_processing=False)
    lint_event(accepted, notes)
    text = compact({**event, "properties": accepted.properties})
    plain_bytes = len(text.encode("utf-8", "surrogatepass"))
    if plain_bytes > PLAIN_LIMIT:
        notes.find("near_size_limit", f"{plain_bytes} bytes", event=accepted.name, uuid=uuid)
    if escaped_size(text) > project.limits.event:
        return Verdict("drop", "event_too_big")
    asked = project.verdict_on(uuid, accepted.name)
    if asked is not None and asked.result in ("drop", "retry"):
        return asked
    hot = asked is not None and asked.details == "person_processing_disabled"
    judged.accepted.append(replace(accepted, person_processing=False) if hot else accepted)
    if asked is not None:
        return asked
    return STORED_WITHOUT_PERSON if illegal else OK


def _accepted(event: JsonObject, uuid: str, request: Request) -> AcceptedEvent:
    headers = request.headers
    properties = dict(event.get("properties", {}))
    for name in ("session_id", "window_id"):
        if event.get(name) is not None:
            properties[f"${name}"] = event[name]
    options = read_options(event.get("options")) or {}
    properties |= options
    library, _, version = headers["posthog-sdk-info"].rpartition("/")
    if library and version and len(headers["posthog-sdk-info"]) <= 200:
        properties |= {"$lib": library, "$lib_version": version}
    uncorrected = options.get("$ignore_sent_at") is True
    sent_ns = rfc3339_ns(event["timestamp"]) or 0
    skew_ns = (rfc3339_ns(headers["posthog-request-timestamp"]) or 0) - request.received_ns
    return AcceptedEvent(
        name=event["event"],
        uuid=uuid,
        distinct_id=event["distinct_id"].strip(),
        sent_ns=sent_ns,
        stored_ns=stored_time(
            sent_ns,
            skew_ns=0 if uncorrected else skew_ns,
            now_ns=request.received_ns,
            bounded=not uncorrected,
        ),
        properties=properties,
        protocol="v1",
        request=request.number,
        received_ns=request.received_ns,
        client=request.client,
        peer_ip=request.peer_ip,
    )


def _lint_fields(event: JsonObject, uuid: str, notes: Notes) -> None:
    name = event["event"]
    if event["uuid"] != uuid:
        notes.find("uuid_form", event=name, uuid=uuid)
    if not is_strict_utc(event["timestamp"]):
        notes.find("timestamp_form", "timestamp", event=name, uuid=uuid)
    options: dict[str, Any] = event.get("options") or {}
    for option, value in options.items():
        if value is None:
            notes.find("null_option", option, event=name, uuid=uuid)
    for key in event.get("properties", {}):
        if key in MISPLACED:
            notes.find("legacy_property", key, event=name, uuid=uuid)
    for key in ("$set", "$set_once"):
        if key in event:
            notes.find("top_level_set", key, event=name, uuid=uuid)
