"""What becomes of parcels once there are outcomes: gone, made smaller, given back, or kept for people."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..model import Envelope, Outcome, OutcomeKind
from . import outbox_dead as dead
from . import outbox_tables as tables
from . import outbox_turn as turn
from .outbox import ParcelKey, Receipt

if TYPE_CHECKING:
    from .outbox_tables import Moment

GAVE_UP = "gave_up"
"""The reason of an event that failed ten times over three days while PostHog took others."""


@dataclass(slots=True)
class Settled:
    """What one settling transaction did beside what was asked of it."""

    late: int = 0  # events whose lease was lost: somebody else sends and settles them
    gave_up: int = 0


def settle(
    connection: sqlite3.Connection,
    at: Moment,
    receipt: Receipt,
    outcomes: Sequence[Outcome],
    settled: Settled,
    *,
    most_dead_bytes: int,
) -> None:
    """Write down what became of a receipt's envelopes, in the order in which they were put."""
    if any(outcome.kind is OutcomeKind.DELIVERED for outcome in outcomes):
        turn.note_delivery(connection, at.now)
    pairs = list(zip(receipt.envelopes, outcomes, strict=True))
    start = 0
    for key in receipt.parcels:
        part = pairs[start : start + key.n]
        start += key.n
        if not _settle_parcel(connection, at, receipt.owner, key, part, settled, most_dead_bytes):
            settled.late += key.n


def _settle_parcel(
    connection: sqlite3.Connection,
    at: Moment,
    owner: str,
    key: ParcelKey,
    pairs: Sequence[tuple[Envelope, Outcome]],
    settled: Settled,
    most_dead_bytes: int,
) -> bool:
    """Split only when the verdict is partial. False: not ours any more, nothing was done."""
    rest = [(envelope, outcome) for envelope, outcome in pairs if outcome.kind is OutcomeKind.RETRY]
    refused = [(e, o.reason, o.detail) for e, o in pairs if o.kind is OutcomeKind.REFUSED]
    if not rest:
        if not tables.remove(connection, key, owner):
            return False
    elif len(rest) < len(pairs):
        if not tables.replace(connection, key, owner, [envelope for envelope, _ in rest]):
            return False
    elif not tables.is_owned(connection, key, owner):
        return False
    tables.count(connection, delivered=len(pairs) - len(rest) - len(refused))
    if rest:
        left = ParcelKey(key.id, len(rest))
        wait = round(1000 * max(outcome.retry_after for _, outcome in rest))
        if not tables.make_due(connection, left, at=at, wait=wait, error=rest[0][1].reason):
            tables.remove(connection, left, owner)
            refused += [(e, GAVE_UP, f"{o.reason} {o.detail}".strip()) for e, o in rest]
            settled.gave_up += len(rest)
    if refused:
        tables.count(connection, refused=len(refused))
        dead.bury(connection, refused, attempts=key.attempts, now=at.now, most_bytes=most_dead_bytes)
    return True
