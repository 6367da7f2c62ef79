"""The values that travel through the package, and nothing else: no I/O, no rules, only the standard library.

The words are those of the documentation: a *signal* (one finished span or log record) becomes a *capture*
and *observations*; observations that really change something become *group updates*; captures and updates
become *envelopes*, which are delivered and end in *outcomes*.

``NamedTuple`` rather than dataclass where one is built a signal: as immutable, a third of the price.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import NamedTuple, TypeAlias

JsonScalar: TypeAlias = str | int | float | bool | None
JsonValue: TypeAlias = "JsonScalar | list[JsonValue] | dict[str, JsonValue]"


class Group(NamedTuple):
    """One PostHog group: ``Group("organization", "org_42")``. Both parts are non-empty and stripped."""

    type: str
    key: str


class Capture(NamedTuple):
    """One PostHog event to be. Id and time are fixed here, so sending twice means the same thing twice."""

    name: str
    distinct_id: str
    time_ns: int  # event time, Unix epoch
    uuid: str  # canonical UUIDv7
    groups: Mapping[str, str]  # group type -> group key; becomes $groups
    properties: Mapping[str, JsonValue]  # after privacy, without any of PostHog's own $-names but the allowed
    personless: bool = False  # becomes $process_person_profile: false, which also switches groups off
    session_id: str | None = None  # a UUIDv7; becomes $session_id
    person: Mapping[str, JsonValue] | None = None  # becomes $set


class Observation(NamedTuple):
    """What one signal says of one group: at ``time_ns`` (seen at ``seen_ns``) it had these properties.

    ``properties`` holds names as they will stand in the group's profile. The value ``None`` is said
    explicitly ("unset") and reaches PostHog as null. Empty: only the group's key is known.
    """

    group: Group
    time_ns: int
    seen_ns: int
    properties: Mapping[str, JsonValue]
    service: str = ""  # service.name, to name both sides when two services disagree


class GroupUpdate(NamedTuple):
    """The difference desired - confirmed of one group, claimed by this worker; one ``$groupidentify``."""

    group: Group
    properties: Mapping[str, JsonValue]  # $group_set; may be empty at first sight
    time_ns: int  # event time of the newest change in it
    uuid: str
    distinct_id: str  # always $<type>_<key>, hashed when long
    first_sight: bool
    claim: object  # opaque to everyone but the ledger that granted it


class SignalDescription(NamedTuple):
    """One span or log record as people name it, and the steps of its decision. For people: decides nothing.

    Holds keys of attributes and never their values: what was kept out of an event stays out of this too.
    """

    name: str
    kind: str  # "server", "client", ... for spans; the severity of a log record
    scope: str
    trace_id: str
    span_id: str
    time_ns: int
    service: str
    steps: tuple[tuple[str, str, str], ...] = ()  # what was asked, what came out, the reason


class LedgerDecision(NamedTuple):
    """What the ledger made of one property that one observation spoke of. For people: decides nothing.

    ``name`` is empty where only the group itself was named.
    """

    group: Group
    name: str
    value: JsonValue
    time_ns: int
    seen_ns: int
    verdict: str  # a key of ``reasons.LEDGER_TEXTS``
    update: str = ""  # uuid of the group update that carries it


class Envelope(NamedTuple):
    """A capture or group update as it leaves: a frozen header and wire-neutral property bytes.

    A wire adds its own few keys and the request's head when it sends. Retries, a change of protocol and the
    outbox therefore never change uuid, time or content.
    """

    event: str
    uuid: str
    distinct_id: str
    timestamp: str  # RFC 3339, UTC, microseconds: 2026-11-23T14:01:24.916575Z
    properties: bytes  # one JSON object, UTF-8, compact
    personless: bool = False
    session_id: str | None = None

    @property
    def is_group_update(self) -> bool:
        return self.event == GROUP_IDENTIFY


GROUP_IDENTIFY = "$groupidentify"


class OutcomeKind(Enum):
    """What became of one envelope by the time a delivery ended."""

    DELIVERED = "delivered"  # PostHog acknowledged it
    RETRY = "retry"  # it may succeed later
    REFUSED = "refused"  # PostHog said no to this very envelope; never again


class Outcome(NamedTuple):
    """The end of one envelope's delivery, with what the ledger and the outbox need to settle it."""

    kind: OutcomeKind
    reason: str = ""  # a counted word: "http_503", "timeout", "quota", "too_large"; empty when delivered
    detail: str = ""  # PostHog's own words, bounded and scrubbed; never holds a key or a property value
    retry_after: float = 0.0  # seconds the server asked us to wait, from now
    unknown_at: float | None = None  # monotonic start of the last attempt that may still be applied


DELIVERED = Outcome(OutcomeKind.DELIVERED)
