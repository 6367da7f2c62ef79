"""The v1 protocol, ``POST /i/v1/analytics/events``: errors carry a tag, bad content falls event by event.

Rules 20 to 36, in PostHog's order: authorization, missing headers, scheme, key, content type and encoding,
request id, attempt, request timestamp, size, compression, JSON and types, empty batch, ``created_at``,
uuids; then each event by itself, then quotas.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from . import bodies
from .exchange import Answer, Request
from .instants import canonical_uuid, is_strict_utc, rfc3339_ns
from .judgement import AcceptedEvent, Envelope, Judgement, Notes, Project, Sent, key_problem
from .lint import lint_json
from .strict_json import JsonObject, NotJsonError, compact, is_list, read
from .v1_events import judge_events

DOCS = "https://posthog.com/docs/api"
BILLING_DOCS = "https://posthog.com/docs/billing/limits"
BILLING = "Billing quota exceeded. Events are being dropped. Upgrade your plan to resume ingestion."

REQUIRED = (
    "PostHog-Sdk-Info",
    "PostHog-Attempt",
    "PostHog-Request-Id",
    "PostHog-Request-Timestamp",
    "content-type",
    "user-agent",
)

DECODERS = {
    "gzip": bodies.gunzip,
    "deflate": bodies.zlib_or_raw,
    "br": bodies.unbrotli,
    "zstd": bodies.unzstd,
}

RETRY_STATUSES = frozenset({408, 500, 503, 504})
"""Errors that carry ``Retry-After: 1``; no other status does."""


class RefusedError(Exception):
    """The whole request is answered with an error."""

    def __init__(self, status: int, tag: str, description: str, *, rule: int, uri: str = DOCS) -> None:
        super().__init__(description)
        self.status, self.tag, self.description, self.rule, self.uri = status, tag, description, rule, uri


def judge_v1(request: Request, project: Project) -> Judgement:
    """Answer a v1 request."""
    notes = Notes(request)
    accepted: list[AcceptedEvent] = []
    envelope: Envelope | None = None
    try:
        if request.method != "POST":
            raise RefusedError(405, "", "", rule=1)
        stored = _check_head(request, project, notes)
        body = _read(request, project, notes)
        envelope = _envelope(request, body)
        judged = judge_events(body, request, project, notes)
        if judged.out_of_quota:
            raise RefusedError(402, "billing_limit_exceeded", BILLING, rule=31, uri=BILLING_DOCS)
        if stored:
            accepted = judged.accepted
        words = {uuid: verdict.result for uuid, verdict in judged.results.items()}
        envelope = Envelope(
            envelope.request_id,
            envelope.attempt,
            envelope.request_timestamp_ns,
            envelope.created_at,
            envelope.events,
            words,
        )
        answer = results_answer(judged.entries())
    except RefusedError as refused:
        notes.refuse(refused.tag or "method_not_allowed", refused.rule, refused.status, refused.description)
        answer = error_answer(refused.status, refused.tag, refused.description, refused.uri)
    return Judgement(with_echo(answer, request), accepted, notes.refusals, notes.findings, envelope)


# -- answers ------------------------------------------------------------------------------------------


def results_answer(entries: Mapping[str, Mapping[str, str]]) -> Answer:
    """200 with one entry an event; ``Retry-After`` when one of them asks for a retry."""
    headers = [("Content-Type", "application/json")]
    if any(entry["result"] == "retry" for entry in entries.values()):
        headers.append(("Retry-After", "1"))
    return Answer(200, tuple(headers), json.dumps({"results": entries}, separators=(",", ":")).encode())


def error_answer(status: int, tag: str, description: str, uri: str = DOCS) -> Answer:
    """An error of the v1 protocol; without a tag an empty body, as from the router before it."""
    if not tag:
        return Answer(status)
    headers = [("Content-Type", "application/json")]
    if status in RETRY_STATUSES:
        headers.append(("Retry-After", "1"))
    body = {"error": tag, "error_description": description, "error_uri": uri}
    return Answer(status, tuple(headers), json.dumps(body, separators=(",", ":")).encode())


def with_echo(answer: Answer, request: Request) -> Answer:
    """Every v1 answer repeats the request's id, if one was sent."""
    request_id = request.headers.get("posthog-request-id")
    if request_id is None:
        return answer
    return Answer(answer.status, (*answer.headers, ("PostHog-Request-Id", request_id)), answer.body)


# -- head ---------------------------------------------------------------------------------------------


def _check_head(request: Request, project: Project, notes: Notes) -> bool:
    """Check the headers in order. Whether what this key sends is stored at all."""
    headers = request.headers
    authorization = headers.get("authorization")
    if authorization is None:
        raise RefusedError(401, "missing_authorization", "Authorization header is required.", rule=20)
    missing = [name for name in REQUIRED if name.lower() not in headers]
    if missing:
        sentence = f"request is missing required headers: {json.dumps(missing)}"
        raise RefusedError(400, "missing_required_headers", sentence, rule=21)
    scheme, _, key = authorization.strip().partition(" ")
    if scheme.lower() != "bearer":
        raise _bad_header("Authorization must use Bearer scheme", rule=20)
    key = key.strip()
    if key_problem(key):
        raise RefusedError(401, "invalid_api_token", "The provided API token is not valid.", rule=2)
    _check_content(headers)
    _check_request_head(headers, notes)
    if project.knows(key):
        return True
    if project.enforce_key:
        raise RefusedError(401, "invalid_api_token", "No project has this project API key.", rule=3)
    return False


def _bad_header(sentence: str, *, rule: int = 23) -> RefusedError:
    return RefusedError(400, "invalid_header_value", f"invalid header value: {sentence}", rule=rule)


def _check_content(headers: Mapping[str, str]) -> None:
    media_type = headers["content-type"].partition(";")[0].strip().lower()
    if media_type != "application/json":
        sentence = "Content-Type must be application/json"
        raise RefusedError(415, "unsupported_content_type", sentence, rule=22)
    encoding = headers.get("content-encoding")
    if encoding is not None and encoding.strip().lower() not in DECODERS:
        sentence = "Content-Encoding must be one of gzip, deflate, br, zstd"
        raise RefusedError(415, "unsupported_encoding", sentence, rule=22)


def _check_request_head(headers: Mapping[str, str], notes: Notes) -> None:
    if canonical_uuid(headers["posthog-request-id"]) is None:
        raise _bad_header("PostHog-Request-Id must be a UUID")
    attempt = headers["posthog-attempt"].strip()
    if not (attempt.isascii() and attempt.isdigit() and 0 < int(attempt) < 2**32):
        raise _bad_header(f"PostHog-Attempt must be a positive integer: {attempt[:20]}")
    timestamp = headers["posthog-request-timestamp"]
    if rfc3339_ns(timestamp) is None:
        raise _bad_header("PostHog-Request-Timestamp must be RFC 3339")
    agent, info = headers["user-agent"], headers["posthog-sdk-info"]
    if not agent or not all(" " <= character <= "~" for character in agent):
        raise _bad_header("User-Agent must be visible ASCII", rule=21)
    if not is_strict_utc(timestamp):
        notes.find("timestamp_form", "PostHog-Request-Timestamp")
    library, _, version = info.rpartition("/")
    if not library or not version or len(info) > 200:
        notes.find("sdk_info_form")
    if agent != info:
        notes.find("sdk_info_differs")


# -- body ---------------------------------------------------------------------------------------------


def _read(request: Request, project: Project, notes: Notes) -> JsonObject:
    document_bytes = _decompressed(request, project)
    unreadable = RefusedError(400, "request_parsing_error", "Failed to parse request body.", rule=4)
    try:
        document = read(document_bytes)
    except NotJsonError:
        raise unreadable from None
    lint_json(document, notes)
    body = document.value
    mistyped = _mistyped(body)
    if mistyped:
        notes.refuse("wrong_type", 25, 400, mistyped)
        raise RefusedError(400, "request_parsing_error", "Failed to parse request body.", rule=25)
    assert isinstance(body, JsonObject)
    if not body["batch"]:
        raise RefusedError(400, "empty_batch", "request batch is empty", rule=26)
    if rfc3339_ns(body["created_at"]) is None:
        raise RefusedError(400, "invalid_batch", "invalid batch: created_at must be RFC 3339", rule=26)
    _check_uuids(body["batch"])
    _lint_body(body, notes)
    return body


def _decompressed(request: Request, project: Project) -> bytes:
    limits = project.limits
    if len(request.body) > limits.v1_wire:
        sentence = f"payload too large: Request body exceeds limit of {limits.v1_wire} bytes"
        raise RefusedError(413, "payload_too_large", sentence, rule=24)
    if not request.body:
        raise RefusedError(400, "empty_body", "request body is empty", rule=24)
    encoding = request.headers.get("content-encoding")
    body = request.body
    if encoding is not None:
        try:
            body = DECODERS[encoding.strip().lower()](body, limits.v1_decompressed)
        except bodies.BadEncodingError:
            sentence = "Failed to decode request body."
            raise RefusedError(400, "request_decoding_error", sentence, rule=24) from None
        except (
            bodies.NotInstalledError
        ) as error:  # PostHog reads all four; a client that is told can do without
            raise RefusedError(415, "unsupported_encoding", str(error), rule=22) from None
        except bodies.TooLargeError:
            raise _decompressed_too_large(limits.v1_decompressed) from None
    if len(body) >= limits.v1_decompressed:
        raise _decompressed_too_large(limits.v1_decompressed)
    return body


def _decompressed_too_large(limit: int) -> RefusedError:
    sentence = f"payload too large: Decompressed body exceeds limit of {limit} bytes"
    return RefusedError(413, "payload_too_large", sentence, rule=24)


def _mistyped(body: Any) -> str:
    """The first field of the wrong JSON type; empty when all are right. PostHog's answer names none."""
    if not isinstance(body, JsonObject):
        return "body"
    if not isinstance(body.get("created_at"), str):
        return "created_at"
    if not isinstance(body.get("historical_migration", False), bool):
        return "historical_migration"
    batch = body.get("batch")
    if not is_list(batch):
        return "batch"
    for position, event in enumerate(batch):
        if not isinstance(event, JsonObject):
            return f"batch[{position}]"
        for name in ("event", "uuid", "distinct_id", "timestamp"):
            if not isinstance(event.get(name), str):
                return f"batch[{position}].{name}"
        for name in ("session_id", "window_id"):
            if not isinstance(event.get(name), str | None):
                return f"batch[{position}].{name}"
    return ""


def _check_uuids(batch: list[JsonObject]) -> None:
    seen: set[str] = set()
    for event in batch:
        text = event["uuid"].strip()
        if not text:
            raise RefusedError(400, "missing_event_uuid", "missing event uuid", rule=27)
        uuid = canonical_uuid(text)
        if uuid is None:
            raise RefusedError(400, "invalid_event_uuid", "invalid event uuid", rule=27)
        if uuid in seen:
            raise RefusedError(400, "duplicate_event_uuid", f"duplicate event uuid: {uuid}", rule=27)
        seen.add(uuid)


def _lint_body(body: JsonObject, notes: Notes) -> None:
    for name in ("api_key", "token", "sent_at"):
        if name in body:
            notes.find("legacy_body_key", name)
    if body.get("historical_migration") is False:
        notes.find("historical_migration_false")
    if not is_strict_utc(body["created_at"]):
        notes.find("timestamp_form", "created_at")


def _envelope(request: Request, body: JsonObject) -> Envelope:
    return Envelope(
        request_id=canonical_uuid(request.headers["posthog-request-id"]) or "",
        attempt=int(request.headers["posthog-attempt"]),
        request_timestamp_ns=rfc3339_ns(request.headers["posthog-request-timestamp"]) or 0,
        created_at=body["created_at"],
        events=tuple(
            Sent(canonical_uuid(event["uuid"]) or "", event["event"], compact(event))
            for event in body["batch"]
        ),
    )
