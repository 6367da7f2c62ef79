"""What tests of the outbox share: envelopes, a report that remembers, a courier, a reference outbox."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from opentelemetry.exporter.posthog.clock import Clock
from opentelemetry.exporter.posthog.delivery.outbox import COUNTERS, OutboxStatus, ParcelKey, Receipt
from opentelemetry.exporter.posthog.delivery.outbox_settling import GAVE_UP
from opentelemetry.exporter.posthog.delivery.sqlite_outbox import SqliteOutbox
from opentelemetry.exporter.posthog.model import DELIVERED, Envelope, Outcome, OutcomeKind
from opentelemetry.exporter.posthog.sqlite_identity import StateOwner

OWNER = StateOwner("https://us.i.posthog.com", "phc_test")
RETRY = Outcome(OutcomeKind.RETRY, "http_503")
REFUSED = Outcome(OutcomeKind.REFUSED, "invalid", "this event is not well-formed")
PAGE = 4 * 1024 * 1024


def envelope(name: str = "order placed", *, size: int = 40) -> Envelope:
    """An envelope with an id of its own and ``size`` bytes of properties."""
    properties = b'{"padding":"' + b"x" * max(0, size - 14) + b'"}'
    return Envelope(name, str(uuid.uuid4()), "user_1", "2026-11-23T14:01:24.916575Z", properties)


def envelopes(count: int, *, size: int = 40) -> list[Envelope]:
    return [envelope(f"event {number}", size=size) for number in range(count)]


def uuids(events: Iterable[Envelope]) -> list[str]:
    return [event.uuid for event in events]


class Remembered:
    """A ``Report`` that keeps what it was told."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.lines: list[tuple[str, str]] = []

    def delivered(self, count: int, /) -> None:
        self.counts["delivered"] += count

    def refused(self, reason: str, count: int, /) -> None:
        self.counts[f"refused {reason}"] += count

    def dropped(self, reason: str, count: int, /) -> None:
        self.counts[f"dropped {reason}"] += count

    def stored(self, delta: int, /) -> None:
        self.counts["stored"] += delta

    def note(self, name: str, count: int, /) -> None:
        self.counts[f"note {name}"] += count

    def warn(self, kind: str, message: str, /) -> None:
        self.lines.append((kind, message))

    def error(self, kind: str, message: str, /) -> None:
        self.lines.append((kind, message))

    @property
    def kinds(self) -> list[str]:
        return [kind for kind, _ in self.lines]


def sqlite_outbox(
    directory: Path, clock: Clock, report: Remembered | None = None, **options: object
) -> SqliteOutbox:
    """An outbox as the exporter makes it, with a small reserve unless told otherwise."""
    options.setdefault("reserve_bytes", 64 * 1024)
    return SqliteOutbox(directory, owner=OWNER, clock=clock, report=report or Remembered(), **options)  # type: ignore[arg-type]


class ObedientCourier:
    """A courier that gives each envelope the outcome that ``verdict`` says, and remembers what arrived."""

    def __init__(self, verdict: Callable[[Envelope], Outcome] = lambda _: DELIVERED) -> None:
        self.verdict = verdict
        self.calls: list[list[str]] = []
        self.arrived: Counter[str] = Counter()

    def deliver(self, events: Sequence[Envelope], *, deadline: float) -> list[Outcome]:
        self.calls.append(uuids(events))
        outcomes = [self.verdict(event) for event in events]
        self.arrived.update(
            e.uuid for e, o in zip(events, outcomes, strict=True) if o.kind is OutcomeKind.DELIVERED
        )
        return outcomes


def assert_balanced(status: OutboxStatus, *, accepted: int | None = None) -> None:
    """Every event that was ever accepted is accounted for, exactly."""
    c = status.counters
    gone = sum(c[name] for name in COUNTERS if name not in ("accepted", "reappeared"))
    assert not status.trouble
    assert c["accepted"] + c["reappeared"] == gone + status.events, status
    if accepted is not None:
        assert c["accepted"] == accepted, status


class _Row:
    def __init__(self, events: tuple[Envelope, ...], created_ms: int, owner: str, lease_ms: int) -> None:
        self.events = events
        self.created_ms = created_ms
        self.tried_ms = created_ms
        self.owner: str | None = owner
        self.lease_ms = lease_ms
        self.due_ms = 0
        self.attempts = 1
        self.strikes = 0


class ReferenceOutbox:
    """The contract written down a second time, in memory: what the SQLite outbox is compared with."""

    def __init__(
        self, clock: Clock, report: Remembered | None = None, *, most_events: int = 1_000_000
    ) -> None:
        self._clock = clock
        self._report = report or Remembered()
        self._most_events = most_events
        self._rows: dict[int, _Row] = {}
        self._next_id = 1
        self._counters = dict.fromkeys(COUNTERS, 0)
        self._refused = 0
        self._turn: str | None = None
        self._turn_lease = self._backoff = self._asked = self._failures = 0
        self._delivered_ms = self._probed_ms = 0
        self._name = "me"

    def _now(self) -> int:
        return self._clock.time_ns() // 1_000_000

    def put(self, events: Sequence[Envelope]) -> Receipt | None:
        if not events or self.status().events + len(events) > self._most_events:
            return None
        now = self._now()
        for row_id, row in self._rows.items():
            if uuids(row.events) == uuids(events):
                row.owner, row.lease_ms = self._name, now + 30_000
                return Receipt(tuple(events), (ParcelKey(row_id, len(events)),), self._name)
        self._rows[self._next_id] = _Row(tuple(events), now, self._name, now + 30_000)
        self._counters["accepted"] += len(events)
        self._next_id += 1
        return Receipt(tuple(events), (ParcelKey(self._next_id - 1, len(events)),), self._name)

    def settle(self, receipt: Receipt, outcomes: Sequence[Outcome]) -> None:
        now, start = self._now(), 0
        if DELIVERED.kind in [o.kind for o in outcomes]:
            self._delivered_ms, self._failures, self._backoff = now, 0, 0
        for key in receipt.parcels:
            row = self._rows.get(key.id)
            part = list(zip(receipt.envelopes, outcomes, strict=True))[start : start + key.n]
            start += key.n
            if row is None or row.owner != receipt.owner:
                continue
            self._counters["delivered"] += sum(o.kind is OutcomeKind.DELIVERED for _, o in part)
            refused = sum(o.kind is OutcomeKind.REFUSED for _, o in part)
            rest = [(e, o) for e, o in part if o.kind is OutcomeKind.RETRY]
            row.events, row.owner, row.lease_ms = tuple(e for e, _ in rest), None, 0
            if rest:
                wait = round(max(o.retry_after for _, o in rest) * 1000)
                if self._delivered_ms >= row.tried_ms:
                    row.strikes += 1
                    wait = max(wait, min(300_000, 1000 * 2**row.strikes))
                if row.strikes >= 10 and now - row.created_ms >= 72 * 3_600_000:
                    refused += len(rest)
                    row.events = ()
                    self._report.refused(GAVE_UP, len(rest))
                row.tried_ms, row.due_ms = now, now + min(wait, 300_000) if wait else 0
            if not row.events:
                del self._rows[key.id]
            self._counters["refused"] += refused
            self._refused += refused

    def claim(self, limit_bytes: int) -> Receipt | None:
        now, keys, events = self._now(), [], []
        for row_id, row in self._rows.items():
            if row.lease_ms <= now and row.due_ms <= now:
                if keys and limit_bytes < sum(len(e.properties) for e in row.events):
                    break
                limit_bytes -= sum(len(e.properties) for e in row.events)
                row.owner, row.lease_ms = self._name, now + 30_000
                row.attempts += 1
                keys.append(ParcelKey(row_id, len(row.events), row.attempts))
                events.extend(row.events)
        return Receipt(tuple(events), tuple(keys), self._name) if keys else None

    def take_turn(self, *, force: bool) -> float:
        now = self._now()
        waits = [self._asked, 0 if force else self._backoff]
        if self._turn not in (None, self._name):
            waits.append(self._turn_lease)
        if max(waits) > now:
            return (max(waits) - now) / 1000
        self._turn, self._turn_lease = self._name, now + 30_000
        return 0.0

    def end_turn(self, *, failed: bool, retry_after: float = 0.0) -> float:
        now, delay = self._now(), min(300_000, 1000 * 2**self._failures) if failed else 0
        self._failures = self._failures + 1 if failed else 0
        self._turn, self._backoff, self._asked = None, now + delay, now + round(min(300, retry_after) * 1000)
        return max(delay / 1000, min(300, retry_after))

    def may_probe(self) -> bool:
        now = self._now()
        if self._delivered_ms < self._probed_ms <= now < self._probed_ms + 30_000:
            return False
        self._probed_ms = now
        return True

    def expire(self) -> int:
        now = self._now()
        old = [i for i, r in self._rows.items() if now - r.created_ms > 7 * 86_400_000 and r.lease_ms <= now]
        gone = sum(len(self._rows.pop(i).events) for i in old)
        self._counters["expired"] += gone
        return gone

    def status(self) -> OutboxStatus:
        return OutboxStatus(
            path="memory",
            events=sum(len(row.events) for row in self._rows.values()),
            parcels=len(self._rows),
            oldest_ns=min((row.created_ms for row in self._rows.values()), default=0) * 1_000_000 or None,
            refused=self._refused,
            counters=dict(self._counters),
            failures=self._failures,
        )

    def next_due(self) -> float | None:
        now = self._now()
        return min(
            (max(0, r.due_ms - now, r.lease_ms - now) / 1000 for r in self._rows.values()), default=None
        )

    def tidy(self) -> None: ...
    def close(self) -> None: ...
    def before_fork(self) -> None: ...
    def after_fork_in_parent(self) -> None: ...
    def after_fork_in_child(self) -> None: ...
