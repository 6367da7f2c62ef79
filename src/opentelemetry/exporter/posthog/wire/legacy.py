"""The legacy protocol: ``POST /batch/``. Every PostHog speaks it.

Key in the body, library and person processing among the properties, one answer for the whole request. No
``sent_at``: with it PostHog would shift every event by what it takes for our clock's error, which it can't
tell from the age of a request that waited.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import lru_cache
from typing import Final

from ..model import Envelope, OutcomeKind
from .answer import is_html, object_of
from .body import NONE, Codec, json_encoder
from .exchange import Judgement, Request, Response, Verdict

PATH: Final = "/batch/"

SENTENCES: Final = (
    "API key is not valid: empty",
    "API key is not valid: too_long",
    "API key is not valid: not_ascii",
    "API key is not valid: personal_api_key",
    "API key is not valid: null_byte",
    "API key is not valid",
    "project API key",
    "request missing data payload",
    "failed to decode request",
    "invalid gzip data",
    "invalid UTF8 in request payload",
    "failed to parse request",
    "failed to hydrate events from request",
    "request holds no event",
    "event submitted with an empty event name",
    "event submitted without a distinct_id",
    "event submitted with invalid cookieless mode",
    "event submitted without an api_key",
    "batch submitted with inconsistent api_key values",
    "client stopped sending data",
    "maximum event size exceeded",
    "transient error, please retry",
)
"""How PostHog's refusals begin. What follows may quote our data, so nothing else of an answer is kept."""

ABOUT_THE_REQUEST: Final = frozenset(
    {
        "request missing data payload",
        "failed to decode request",
        "invalid gzip data",
        "request holds no event",
        "event submitted without an api_key",
        "batch submitted with inconsistent api_key values",
    }
)
"""Refusals for which no event is to blame: something on the way has broken the request."""

_quoted: Final = json.JSONEncoder(ensure_ascii=False).encode  # json.dumps builds a new encoder each time

_ACCEPTED: Final = Verdict(OutcomeKind.DELIVERED)


class LegacyWire:
    """Speaks the legacy protocol with one host and key. ``agent`` is ``<library>/<version>``."""

    name = "legacy"

    def __init__(
        self, *, host: str, api_key: str, agent: str, codec: Codec = NONE, historical_migration: bool = False
    ) -> None:
        library, _, version = agent.rpartition("/")
        dumps = json_encoder()
        self._url = host + PATH
        self._codec = codec
        self._library = b'"$lib":' + dumps(library) + b',"$lib_version":' + dumps(version)
        migration = b'"historical_migration":true,' if historical_migration else b""
        self._head = b'{"api_key":' + dumps(api_key) + b"," + migration + b'"batch":['
        self._headers = _headers(agent, codec)

    def event(self, envelope: Envelope) -> bytes:
        return b"".join(
            (
                header_of(envelope),
                b',"properties":',
                envelope.properties[:-1],
                b"," if len(envelope.properties) > 2 else b"",
                self._library,
                b',"$process_person_profile":false' if envelope.personless else b"",
                b',"$session_id":' + text(envelope.session_id) if envelope.session_id is not None else b"",
                b"}}",
            )
        )

    def request(
        self,
        events: Sequence[bytes],
        *,
        attempt: int,
        request_id: str,
        created_ns: int,
        now_ns: int,
        body: bytes | None = None,
    ) -> Request:
        if body is None:
            body = self._codec.compress(self._head + b",".join(events) + b"]}")
        return Request(self._url, self._headers, body)

    def judge(self, response: Response, envelopes: Sequence[Envelope]) -> Judgement:
        if 200 <= response.status < 300:
            return self._judge_success(response, len(envelopes))
        tag = _sentence_of(response.body)
        return Judgement(
            spoken=bool(tag),
            html=is_html(response),
            tag=tag,
            whole=tag in ABOUT_THE_REQUEST,
            partly_applied=response.status == 413 and len(envelopes) > 1,
        )

    def _judge_success(self, response: Response, count: int) -> Judgement:
        """A 2xx is success if it is PostHog's: ``{"status": ...}``, or an empty body (204, a bare proxy)."""
        answer = object_of(response)
        if (answer is not None and "status" in answer) or not response.body.strip():
            return Judgement(spoken=answer is not None, verdicts=(_ACCEPTED,) * count)
        return Judgement(spoken=False, html=is_html(response))


def header_of(envelope: Envelope) -> bytes:
    """The part of an event that both protocols write alike, without the closing brace."""
    event, uuid, distinct_id, timestamp, *_ = envelope
    who = _quoted(distinct_id)
    return f'{_named(event)},"uuid":"{uuid}","distinct_id":{who},"timestamp":"{timestamp}"'.encode()


@lru_cache(maxsize=1024)  # a service has few names
def _named(event: str) -> str:
    return f'{{"event":{_quoted(event)}'


def text(value: str) -> bytes:
    """A JSON string."""
    return _quoted(value).encode()


def _headers(agent: str, codec: Codec) -> tuple[tuple[str, str], ...]:
    headers = [("Content-Type", "application/json"), ("User-Agent", agent)]
    if codec.name:
        headers.append(("Content-Encoding", codec.name))
    return tuple(headers)


def _sentence_of(body: bytes) -> str:
    said = body[:512].decode("utf-8", "replace")
    return next((sentence for sentence in SENTENCES if sentence in said), "")
