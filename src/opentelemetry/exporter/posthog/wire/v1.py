"""The v1 protocol: ``POST /i/v1/analytics/events``. It answers event by event, where PostHog has it at all.

Key, library and request time in headers, person processing and session in fields of their own. Of the
options only ``process_person_profile: false`` is ever sent; all others stay at PostHog's defaults.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, cast

from ..model import Envelope, OutcomeKind
from ..timestamp import rfc3339
from .answer import is_html, object_of
from .body import NONE, Codec, quoted
from .exchange import ACCEPTED, Judgement, Request, Response, Verdict

PATH: Final = "/i/v1/analytics/events"

NO_PERSON: Final = "person_processing_disabled"
"""PostHog stored the event, but without its person and its groups; a ``$groupidentify`` wrote no group."""

ABOUT_THE_REQUEST: Final = frozenset(
    {
        "missing_required_headers",
        "invalid_header_value",
        "request_decoding_error",
        "empty_body",
        "empty_batch",
        "invalid_batch",
        "missing_authorization",
    }
)
"""Refusals for which no event is to blame: something on the way has broken the request."""

_WORD: Final = re.compile(r"[a-z][a-z0-9_]{0,63}", re.ASCII)
_OK: Final = {"result": "ok"}


class V1Wire:
    """Speaks v1 with one host and key. ``agent`` is ``<library>/<version>``."""

    name = "v1"

    def __init__(
        self, *, host: str, api_key: str, agent: str, codec: Codec = NONE, historical_migration: bool = False
    ) -> None:
        self._url = host + PATH
        self._codec = codec
        self._migration = b'"historical_migration":true,' if historical_migration else b""
        headers = [
            ("Authorization", f"Bearer {api_key}"),
            ("Content-Type", "application/json"),
            ("User-Agent", agent),
            ("PostHog-Sdk-Info", agent),
        ]
        if codec.name:
            headers.append(("Content-Encoding", codec.name))
        self._headers = tuple(headers)
        self.encoding = codec.name

    def events(self, envelopes: Iterable[Envelope]) -> list[bytes]:
        return [
            f'{{"event":{quoted(event)},"uuid":"{uuid}","distinct_id":{quoted(distinct_id)}'
            f',"timestamp":"{timestamp}"'
            f"{_rare(personless, session_id) if personless or session_id is not None else ''}"
            f',"properties":'.encode()
            + properties
            + b"}"
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
        headers = (
            *self._headers,
            ("PostHog-Attempt", str(attempt)),
            ("PostHog-Request-Id", request_id),
            ("PostHog-Request-Timestamp", rfc3339(now_ns)),
        )
        if body is None:
            head = b'{"created_at":"%b",%b"batch":[' % (rfc3339(created_ns).encode(), self._migration)
            body = self._codec.compress(head + b",".join(events) + b"]}")
        return Request(self._url, headers, body)

    def judge(self, response: Response, envelopes: Sequence[Envelope]) -> Judgement:
        answer = object_of(response)
        spoken = "posthog-request-id" in response.headers
        if 200 <= response.status < 300:
            results = answer.get("results") if answer is not None else None
            if not isinstance(results, dict):
                return Judgement(spoken=spoken, html=is_html(response))
            named = cast("dict[str, object]", results)
            return Judgement(spoken=True, verdicts=_verdicts(named, envelopes))
        tag = _word(answer.get("error")) if answer is not None else ""
        return Judgement(
            spoken=spoken or bool(tag),
            html=is_html(response),
            tag=tag,
            whole=tag in ABOUT_THE_REQUEST,
            undecoded=bool(self.encoding) and _is_about_the_encoding(response.status, tag),
        )


def _is_about_the_encoding(status: int, tag: str) -> bool:
    """PostHog has a word for it; a proxy that does not let every encoding through has the status alone."""
    return tag == "request_decoding_error" or (status == 415 and tag in ("unsupported_encoding", ""))


def _verdicts(results: Mapping[str, object], envelopes: Sequence[Envelope]) -> tuple[Verdict, ...]:
    if list(results.values()).count(_OK) == len(results):  # the usual answer, whomever it names
        return (ACCEPTED,) * len(envelopes)
    return tuple(_verdict(results.get(each.uuid), each) for each in envelopes)


def _verdict(result: object, envelope: Envelope) -> Verdict:
    """An absent event and an unknown word count as accepted: that is how PostHog wants to extend them."""
    if not isinstance(result, dict):
        return ACCEPTED
    entry = cast("Mapping[str, object]", result)
    details = _word(entry.get("details"))
    match entry.get("result"):
        case "drop":
            return Verdict(OutcomeKind.REFUSED, details or "drop", details)
        case "retry":
            return Verdict(OutcomeKind.RETRY, details or "retry", details, resend=True)
        case _ if details != NO_PERSON:
            return ACCEPTED
        case _ if envelope.is_group_update:
            return Verdict(OutcomeKind.RETRY, NO_PERSON, details)
        case _:
            return Verdict(OutcomeKind.DELIVERED, NO_PERSON, details)


def _rare(personless: bool, session_id: str | None) -> str:
    """What few events say: a session, and that no person is behind them."""
    session = f',"session_id":{quoted(session_id)}' if session_id is not None else ""
    person = ',"options":{"process_person_profile":false}' if personless else ""
    return session + person


def _word(value: object) -> str:
    """A word of PostHog's own; anything else might quote what we sent."""
    return value if isinstance(value, str) and _WORD.fullmatch(value) else ""
