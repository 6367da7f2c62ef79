"""The legacy protocol: ``POST /batch/``. Every PostHog speaks it.

Key in the body, library and person processing among the properties, one answer for the whole request. No
``sent_at``: with it PostHog would shift every event by what it takes for our clock's error, which it can't
tell from the age of a request that waited.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from ..model import Envelope
from .answer import is_html, object_of
from .body import NONE, Codec, json_encoder, quoted
from .exchange import ACCEPTED, Judgement, Request, Response

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
        self._library = b',"$lib":' + dumps(library) + b',"$lib_version":' + dumps(version)
        migration = b'"historical_migration":true,' if historical_migration else b""
        self._head = b'{"api_key":' + dumps(api_key) + b"," + migration + b'"batch":['
        self._headers = _headers(agent, codec)
        self.encoding = codec.name

    def events(self, envelopes: Iterable[Envelope]) -> list[bytes]:
        return [
            b"".join(
                (
                    f'{{"event":{quoted(event)},"uuid":"{uuid}","distinct_id":{quoted(distinct_id)}'
                    f',"timestamp":"{timestamp}","properties":'.encode(),
                    properties[:-1],
                    self._library if len(properties) > 2 else self._library[1:],  # without the comma
                    _rare(personless, session_id) if personless or session_id is not None else b"",
                    b"}}",
                )
            )
            for event, uuid, distinct_id, timestamp, properties, personless, session_id in envelopes
        ]

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
            return Judgement(spoken=answer is not None, verdicts=(ACCEPTED,) * count)
        return Judgement(spoken=False, html=is_html(response))


def _rare(personless: bool, session_id: str | None) -> bytes:
    """What few events say: that no person is behind them, and a session."""
    person = ',"$process_person_profile":false' if personless else ""
    session = f',"$session_id":{quoted(session_id)}' if session_id is not None else ""
    return (person + session).encode()


def _headers(agent: str, codec: Codec) -> tuple[tuple[str, str], ...]:
    headers = [("Content-Type", "application/json"), ("User-Agent", agent)]
    if codec.name:
        headers.append(("Content-Encoding", codec.name))
    return tuple(headers)


def _sentence_of(body: bytes) -> str:
    said = body[:512].decode("utf-8", "replace")
    return next((sentence for sentence in SENTENCES if sentence in said), "")
