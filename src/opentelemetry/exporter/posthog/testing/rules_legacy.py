"""The legacy protocol, ``POST /batch/``: one bad event refuses the whole batch, errors are plain sentences.

Rules 7 to 19, in PostHog's order: size on the wire, empty body, compression, JSON and types, empty batch,
key, quota, then each event; the first bad event aborts.
"""

from __future__ import annotations

from base64 import b64decode
from typing import Any
from urllib.parse import parse_qs

from . import bodies
from .exchange import Answer, Request
from .instants import canonical_uuid, iso, lenient_ns, uuid7_at
from .judgement import (
    PLAIN_LIMIT,
    AcceptedEvent,
    Judgement,
    Notes,
    Project,
    key_problem,
    quota_of,
    stored_time,
)
from .legacy_types import EVENT_KEYS, Batch, MistypedError, read_batch
from .lint import lint_event, lint_json
from .strict_json import NotJsonError, compact, escaped_size, is_object, read

HYDRATION = "failed to hydrate events from request: non-engage request missing event name attribute"

MAX_ID_CHARACTERS = 200


class RefusedError(Exception):
    """The whole request is answered with an error. ``name`` is the check's, ``rule`` its number."""

    def __init__(self, status: int, sentence: str, *, name: str, rule: int) -> None:
        super().__init__(sentence)
        self.status, self.sentence, self.name, self.rule = status, sentence, name, rule


def judge_legacy(request: Request, project: Project, *, random_bits: int) -> Judgement:
    """Answer a legacy request."""
    notes = Notes(request)
    accepted: list[AcceptedEvent] = []
    try:
        _judge(request, project, notes, accepted, random_bits)
        answer = _success(request)
    except RefusedError as refused:
        notes.refuse(refused.name, refused.rule, refused.status, refused.sentence)
        answer = plain(refused.status, refused.sentence)
    return Judgement(answer, accepted, notes.refusals, notes.findings)


def plain(status: int, sentence: str) -> Answer:
    """An error of the legacy protocol."""
    return Answer(status, (("Content-Type", "text/plain; charset=utf-8"),), sentence.encode())


def _success(request: Request) -> Answer:
    if request.query.get("beacon") == "1":
        return Answer(204)
    return Answer(200, (("Content-Type", "application/json"),), b'{"status":"Ok"}')


def _judge(
    request: Request, project: Project, notes: Notes, accepted: list[AcceptedEvent], random_bits: int
) -> None:
    if request.method not in ("GET", "POST"):
        raise RefusedError(405, "", name="method_not_allowed", rule=1)
    if request.method == "GET":
        notes.find("get_on_batch")
    batch = _read(request, project, notes)
    if not batch.events:
        raise RefusedError(400, "request holds no event", name="empty_batch", rule=11)
    stored = _check_key(batch, project)
    if batch.sent_at is not None and lenient_ns(batch.sent_at) is None:
        notes.find("sent_at_ignored")
    made = [
        _accept(event, batch, request, notes, random_bits + position)
        for position, event in enumerate(batch.events)
        if event["event"] != "$performance_event"
    ]
    for event in made:
        if _over_quota(event.name, project):
            continue
        _check_size(event, project, notes)
        lint_event(event, notes)
        if stored:
            accepted.append(event)


# -- body ---------------------------------------------------------------------------------------------


def _read(request: Request, project: Project, notes: Notes) -> Batch:
    body = request.body if request.method == "POST" else _query_payload(request)
    if len(body) > project.limits.legacy_wire:
        raise _too_large(f"{len(body)} bytes on the wire")
    if not body:
        raise RefusedError(400, "request missing data payload", name="empty_body", rule=7)
    body = _form_payload(body) if _is_form(request) else body
    text = _decompressed(body, request, project)
    try:
        document = read(text)
    except NotJsonError as error:
        raise RefusedError(400, f"failed to parse request: {error}", name="not_json", rule=4) from None
    if document.unreadable_on_legacy:
        sentence = f"failed to parse request: {document.unreadable_on_legacy}"
        raise RefusedError(400, sentence, name="not_json", rule=4)
    lint_json(document, notes)
    try:
        return read_batch(document.value)
    except MistypedError as error:
        raise RefusedError(400, HYDRATION, name=f"wrong_type: {error}", rule=10) from None


def _decompressed(body: bytes, request: Request, project: Project) -> bytes:
    gzipped = (
        request.headers.get("content-encoding") == "gzip"  # compared exactly, unlike on v1
        or request.query.get("compression") in ("gzip", "gzip-js")
        or body.startswith(b"\x1f\x8b")
    )
    if gzipped:
        try:
            body = bodies.gunzip(body, project.limits.legacy_decompressed)
        except bodies.TooLargeError:
            raise _too_large(f"more than {project.limits.legacy_decompressed} bytes decompressed") from None
        except bodies.BadEncodingError:
            sentence = "failed to decode request: invalid GZIP data"
            raise RefusedError(400, sentence, name="bad_gzip", rule=9) from None
    try:
        body.decode("utf-8")
    except UnicodeDecodeError:
        sentence = "failed to decode request: invalid UTF8 in request payload"
        raise RefusedError(400, sentence, name="not_utf8", rule=9) from None
    return body


def _too_large(detail: str) -> RefusedError:
    return RefusedError(413, f"maximum event size exceeded: {detail}", name="payload_too_large", rule=8)


def _is_form(request: Request) -> bool:
    return request.headers.get("content-type") == "application/x-www-form-urlencoded"


def _form_payload(body: bytes) -> bytes:
    return _data(parse_qs(body.decode("latin-1")).get("data", [""])[0])


def _query_payload(request: Request) -> bytes:
    return _data(request.query.get("data", ""))


def _data(text: str) -> bytes:
    if text.lstrip()[:1] in ("{", "["):
        return text.encode("utf-8", "surrogatepass")
    try:
        return b64decode(text)
    except ValueError:
        return text.encode("utf-8", "surrogatepass")


# -- key and quota ------------------------------------------------------------------------------------


def _check_key(batch: Batch, project: Project) -> bool:
    """Whether what this key sends is stored at all."""
    if not batch.keys:
        raise RefusedError(401, "event submitted without an api_key", name="missing_key", rule=2)
    if len(set(batch.keys)) > 1:
        sentence = "batch submitted with inconsistent api_key values"
        raise RefusedError(401, sentence, name="inconsistent_keys", rule=2)
    problem = key_problem(batch.keys[0])
    if problem:
        raise RefusedError(401, f"API key is not valid: {problem}", name="invalid_key", rule=2)
    if project.knows(batch.keys[0].strip()):
        return True
    if project.enforce_key:
        sentence = "project API key invalid: no project has this project API key"
        raise RefusedError(401, sentence, name="unknown_key", rule=3)
    return False


def _over_quota(name: str, project: Project) -> bool:
    """Silently, with a 200. A kind with a quota of its own passes while that one has room."""
    return quota_of(name) in project.exhausted


# -- one event ----------------------------------------------------------------------------------------


def _accept(
    event: dict[str, Any], batch: Batch, request: Request, notes: Notes, random_bits: int
) -> AcceptedEvent:
    name: str = event["event"]
    if not name:
        raise RefusedError(
            400, "event submitted with an empty event name", name="missing_event_name", rule=12
        )
    properties = _properties(event)
    if not isinstance(properties.get("$cookieless_mode", False), bool):
        sentence = "event submitted with invalid cookieless mode"
        raise RefusedError(400, sentence, name="invalid_cookieless_mode", rule=12)
    uuid = canonical_uuid(event["uuid"]) if event.get("uuid") else None
    distinct_id = _distinct_id(event, properties, notes, name, uuid or "")
    if uuid is None:
        notes.find("uuid_missing", event=name)
    elif uuid != event["uuid"]:
        notes.find("uuid_form", event=name, uuid=uuid)
    unknown = sorted(set(event) - EVENT_KEYS)
    if unknown:
        notes.find("unknown_event_key", ", ".join(unknown), event=name, uuid=uuid or "")
    sent_ns, stored_ns = _time(event, properties, batch, request, notes)
    return AcceptedEvent(
        name=name,
        uuid=uuid or uuid7_at(request.received_ns, random_bits),
        distinct_id=distinct_id,
        sent_ns=sent_ns,
        stored_ns=stored_ns,
        properties=properties,
        protocol="legacy",
        request=request.number,
        received_ns=request.received_ns,
        client=request.client,
        peer_ip=request.peer_ip,
        historical=batch.historical,
    )


def _properties(event: dict[str, Any]) -> dict[str, Any]:
    properties = dict(event.get("properties", {}))
    for key in ("$set", "$set_once"):
        top = event.get(key)
        if top is not None:
            inside = properties.get(key)
            properties[key] = {**(inside if is_object(inside) else {}), **top}
    return properties


def _distinct_id(
    event: dict[str, Any], properties: dict[str, Any], notes: Notes, name: str, uuid: str
) -> str:
    raw = next(
        (
            value
            for value in (event.get("distinct_id"), event.get("$distinct_id"), properties.get("distinct_id"))
            if value is not None
        ),
        None,
    )
    text = raw if isinstance(raw, str) else "" if raw is None else compact(raw)
    if not text.strip():
        raise RefusedError(400, "event submitted without a distinct_id", name="missing_distinct_id", rule=12)
    stored = text.replace("\0", "\ufffd")[:MAX_ID_CHARACTERS]
    if stored != raw:
        notes.find(
            "distinct_id_changed", f"{type(raw).__name__}, {len(text)} characters", event=name, uuid=uuid
        )
    if len(stored.encode()) > MAX_ID_CHARACTERS:
        notes.find("distinct_id_long", f"{len(stored.encode())} bytes", event=name, uuid=uuid)
    return stored


def _time(
    event: dict[str, Any], properties: dict[str, Any], batch: Batch, request: Request, notes: Notes
) -> tuple[int, int]:
    """The event's time as sent and as stored."""
    now = request.received_ns
    if event.get("offset") is not None:
        notes.find("offset_used", event=event["event"])
        sent = now - int(event["offset"]) * 1_000_000
        return sent, stored_time(sent, skew_ns=0, now_ns=now, bounded=True)
    text = event.get("timestamp")
    sent_at = lenient_ns(batch.sent_at) if batch.sent_at is not None else None
    corrected = sent_at is not None and properties.get("$ignore_sent_at") is not True
    moment = lenient_ns(text) if text is not None else None
    if text is not None and moment is None:
        notes.find("timestamp_ignored", event=event["event"])
    if moment is None:
        return now, stored_time(now, skew_ns=0, now_ns=now, bounded=True)
    skew = sent_at - now if corrected and sent_at is not None else 0
    return moment, stored_time(moment, skew_ns=skew, now_ns=now, bounded=True)


def _check_size(event: AcceptedEvent, project: Project, notes: Notes) -> None:
    """Events before this one are already in PostHog's queue when it turns out too large."""
    text = compact(
        {
            "event": event.name,
            "uuid": event.uuid,
            "distinct_id": event.distinct_id,
            "timestamp": iso(event.sent_ns),
            "properties": event.properties,
        }
    )
    size = len(text.encode())
    if size > PLAIN_LIMIT:
        notes.find("near_size_limit", f"{size} bytes", event=event.name, uuid=event.uuid)
    if escaped_size(text) > project.limits.event:
        raise RefusedError(413, f"maximum event size exceeded: {size} bytes", name="event_too_big", rule=14)
