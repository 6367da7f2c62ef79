"""What the rules say of one request, and the project they say it about."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from .exchange import Answer, Request
from .findings import RULES, Finding, Refusal
from .names import SURVEY_EVENTS


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """PostHog's own limits, in bytes; tests may ask for smaller ones."""

    legacy_wire: int = 20_971_520
    legacy_decompressed: int = 104_857_600
    v1_wire: int = 10_485_760
    v1_decompressed: int = 52_428_800  # reaching it exactly already fails
    event: int = 1_000_000  # of an event as a JSON string inside JSON: the cap of PostHog's queue


class Verdict(NamedTuple):
    """A result of the v1 protocol for one event, given on request instead of by the rules."""

    result: str  # "ok", "warning", "drop", "retry", any other word, or "absent" for no entry at all
    details: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """How the PostHog project behaves that the double plays."""

    v1: bool = True  # False: the host does not serve the v1 protocol
    known_keys: frozenset[str] | None = field(
        default=None, repr=False
    )  # None: every well-formed key is known
    enforce_key: bool = False  # True: 401 for an unknown key; False: 200, and nothing is stored
    exhausted: frozenset[str] = frozenset()  # quotas used up: "events", "exceptions", "surveys", "ai"
    verdicts: Mapping[str, Verdict] = field(default_factory=dict[str, Verdict])  # by uuid, event name or "*"
    limits: Limits = field(default_factory=Limits)

    def knows(self, key: str) -> bool:
        return self.known_keys is None or key in self.known_keys

    def verdict_on(self, uuid: str, name: str) -> Verdict | None:
        for matcher in (uuid, name, "*"):
            if matcher in self.verdicts:
                return self.verdicts[matcher]
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class AcceptedEvent:
    """An event that PostHog's capture service took, on its way to ingestion."""

    name: str
    uuid: str
    distinct_id: str
    sent_ns: int  # the event's time as it was sent; the server's own when none was
    stored_ns: int  # after skew correction and bounds, in whole milliseconds
    properties: dict[str, Any]
    protocol: str  # "legacy" or "v1"
    request: int
    received_ns: int
    client: str = ""
    peer_ip: str = "127.0.0.1"
    historical: bool = False
    person_processing: bool = True  # False: capture switched it off (illegal id, hot key)


class Sent(NamedTuple):
    """One event of a v1 request, as far as retries must repeat it."""

    uuid: str
    name: str
    content: str  # JSON of the whole event


@dataclass(frozen=True, slots=True)
class Envelope:
    """A v1 request that was read: what the retry discipline compares."""

    request_id: str
    attempt: int
    request_timestamp_ns: int
    created_at: str
    events: tuple[Sent, ...]
    results: Mapping[str, str] = field(default_factory=dict[str, str])  # uuid -> result word


@dataclass(slots=True)
class Judgement:
    """The answer to a request, what PostHog took of it, and what there is to say."""

    answer: Answer
    accepted: list[AcceptedEvent] = field(default_factory=list[AcceptedEvent])
    refusals: list[Refusal] = field(default_factory=list[Refusal])
    findings: list[Finding] = field(default_factory=list[Finding])
    envelope: Envelope | None = None


class Notes:
    """Collects refusals and findings about one request."""

    def __init__(self, request: Request) -> None:
        self._number = request.number
        self.findings: list[Finding] = []
        self.refusals: list[Refusal] = []

    def find(self, name: str, detail: str = "", *, event: str = "", uuid: str = "") -> None:
        if name not in RULES:
            raise LookupError(name)
        self.findings.append(Finding(name, self._number, event, uuid, detail))

    def refuse(
        self, name: str, rule: int, status: int, detail: str = "", *, event: str = "", uuid: str = ""
    ) -> None:
        self.refusals.append(Refusal(name, rule, status, self._number, event, uuid, detail))


PLAIN_LIMIT = 921_600
"""Bytes of JSON above which PostHog's own SDKs drop an event before sending."""

FUTURE_NS = 23 * 3600 * 1_000_000_000
"""A stored time further ahead than this becomes the server's own."""


def stored_time(sent_ns: int, *, skew_ns: int, now_ns: int, bounded: bool) -> int:
    """Event time as PostHog stores it: skew taken off, the future bounded, whole milliseconds."""
    moment = sent_ns - skew_ns
    if bounded and moment > now_ns + FUTURE_NS:
        moment = now_ns
    return moment // 1_000_000 * 1_000_000


def quota_of(name: str) -> str:
    """Which quota an event counts against."""
    if name == "$exception":
        return "exceptions"
    if name in SURVEY_EVENTS:
        return "surveys"
    return "ai" if name.startswith("$ai_") else "events"


def key_problem(key: str) -> str:
    """Why PostHog takes this for no project key at all; empty when it may be one."""
    key = key.strip()
    if not key:
        return "empty"
    if len(key.encode("utf-8", "surrogatepass")) > 64:
        return "too_long"
    if not key.isascii():
        return "not_ascii"
    if key.startswith("phx_"):
        return "personal_api_key"
    return "null_byte" if "\0" in key else ""
