"""The outbox as its callers see it: captures that were accepted but are not delivered yet, kept on disk.

Write ahead: ``put`` commits the envelopes of a batch and leases them to the caller, who sends them and then
settles. Whoever dies in between loses its lease, and the next drain takes the parcels over: nothing that
``put`` gave a receipt for is lost, though it may be sent twice, with the same uuid.

The balance, at any time and over restarts::

    accepted + reappeared = delivered + refused + expired + dropped + damaged + missing + stored

No method raises into its caller. What can't be stored is not accepted: ``put`` answers None.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from ..model import Envelope, Outcome

COUNTERS = (
    "accepted",  # committed by put
    "delivered",  # acknowledged by PostHog
    "refused",  # PostHog said no, or would not take it in many attempts over days; kept for people to see
    "expired",  # older than the limit
    "dropped",  # by an operator
    "damaged",  # found unreadable on disk
    "missing",  # committed once, gone from the disk
    "reappeared",  # back on the disk after they were settled
)
"""Events, counted in the file itself."""


class Report(Protocol):
    """Where the outbox tells what happened; ``diagnostics`` implements it. Called while no lock is held.

    ``stored`` takes the change that this process makes to what lies on disk, once it was put there.
    """

    def delivered(self, count: int, /) -> None: ...
    def refused(self, reason: str, count: int, /) -> None: ...
    def dropped(self, reason: str, count: int, /) -> None: ...
    def stored(self, delta: int, /) -> None: ...
    def note(self, name: str, count: int, /) -> None: ...
    def warn(self, kind: str, message: str, /) -> None: ...
    def error(self, kind: str, message: str, /) -> None: ...


class ParcelKey(NamedTuple):
    """One row of the outbox: which, how many of the receipt's envelopes it holds, how often it was tried."""

    id: int
    n: int
    attempts: int = 1  # the one that the receipt is for included


@dataclass(frozen=True, slots=True)
class Receipt:
    """Proof that ``envelopes`` are committed, and the right to settle them until the lease ends."""

    envelopes: tuple[Envelope, ...] = field(repr=False)
    parcels: tuple[ParcelKey, ...]  # in the order of the envelopes
    owner: str  # who may settle: of one process, new after each fork


@dataclass(frozen=True, slots=True)
class OutboxStatus:
    """What the outbox holds. Sizes are bytes, times nanoseconds since the epoch."""

    path: str
    events: int = 0  # stored, not delivered yet
    parcels: int = 0
    payload_bytes: int = 0
    file_bytes: int = 0
    max_bytes: int = 0
    oldest_ns: int | None = None
    refused: int = 0  # events kept for people
    counters: Mapping[str, int] = field(default_factory=dict[str, int])
    failures: int = 0  # drains in a row that got nowhere
    trouble: str = ""  # why it can't be used at the moment; empty when all is well


@dataclass(frozen=True, slots=True)
class StoredParcel:
    """One row for people to look at: no property, no id of a person."""

    id: int
    events: int
    payload_bytes: int
    created_ns: int
    attempts: int
    leased: bool
    last_error: str


@dataclass(frozen=True, slots=True)
class RefusedEvent:
    """One event that PostHog refused for good, with its answer."""

    id: int
    uuid: str
    event: str
    refused_ns: int
    attempts: int
    reason: str
    detail: str


class Outbox(Protocol):
    """Captures on disk, shared by all threads and processes that name the same directory."""

    def put(self, envelopes: Sequence[Envelope]) -> Receipt | None:
        """Commit ``envelopes``, leased to this process. None: not stored, and reported why."""
        ...

    def settle(self, receipt: Receipt, outcomes: Sequence[Outcome]) -> None:
        """Remove what was delivered, keep what was refused for people, make the rest due again."""
        ...

    def claim(self, limit_bytes: int) -> Receipt | None:
        """Lease the oldest due parcels, about ``limit_bytes`` of them. None: nothing to send now."""
        ...

    def take_turn(self, *, force: bool) -> float:
        """Ask to drain: 0.0 when it is this process's turn, else the seconds until asking again makes sense.

        One process at a time drains a file, and after failures only one a back-off interval. ``force`` passes
        the back-off, never another's turn nor what the server asked for with ``Retry-After``.
        """
        ...

    def end_turn(self, *, failed: bool, retry_after: float = 0.0) -> float:
        """Give the turn back. The seconds for which nobody shall drain, more with each failure in a row."""
        ...

    def may_probe(self) -> bool:
        """Whether a process whose breaker is open may try again: one of all those that share the outbox."""
        ...

    def expire(self) -> int:
        """Let go what is older than the limit, counted. The number of events."""
        ...

    def status(self) -> OutboxStatus:
        """Cheap enough to ask at each scrape of metrics."""
        ...

    def next_due(self) -> float | None:
        """Seconds until something stored may be claimed; None when nothing is stored."""
        ...

    def tidy(self) -> None:
        """Give unused space back; for when nothing is stored."""
        ...

    def close(self) -> None: ...
    def before_fork(self) -> None: ...
    def after_fork_in_parent(self) -> None: ...
    def after_fork_in_child(self) -> None: ...
