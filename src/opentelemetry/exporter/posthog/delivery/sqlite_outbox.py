"""The outbox in one SQLite file, for all processes that name the same directory.

What is done under which lease is decided here; the statements are in ``outbox_tables.py``, and what happens
when the disk says no is in ``outbox_file.py``.
"""

from __future__ import annotations

import os
import random
import secrets
import sqlite3
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ..machine import boot_id
from ..model import Envelope, Outcome
from ..reasons import Reason
from . import outbox_dead as dead
from . import outbox_settling as settling
from . import outbox_tables as tables
from . import outbox_turn as turn
from .outbox import COUNTERS, OutboxStatus, ParcelKey, Receipt, RefusedEvent, Report, StoredParcel
from .outbox_file import RESERVE_BYTES, OutboxFile
from .outbox_parcel import cut, packed_bytes, unpack
from .outbox_tables import Moment

if TYPE_CHECKING:
    from ..clock import Clock
    from ..sqlite_identity import StateOwner

LEASE = 30.0
"""Seconds a parcel is its sender's: three times the default deadline of an export."""

MAX_BYTES = 256 * 1024 * 1024
MAX_AGE = 7 * 86_400.0

HEADROOM_SHARE = 16
"""Adding stops a sixteenth below the limit, so that there is room to keep a refused event."""

DEAD_SHARE = 32
"""Refused events may take half of that room; then the oldest make way."""

WARN_AT = 0.8

CLOCK_SLACK_MS = 600_000
"""A step of less than ten minutes changes no age that anybody would notice."""

PROBE_INTERVAL_MS = 30_000
"""As the breaker's own: soon enough after an outage, rare enough during one."""

UNSETTLED_LIMIT = 64
"""Settlements remembered while the disk refuses them; beyond, the oldest parcels are sent again instead."""


def pass_by(point: str) -> None:
    """What happens at the named points of the outbox: nothing. Tests put a crash here."""


class SqliteOutbox:
    """Implements ``Outbox``. Safe for threads, processes and forks; never raises into its caller."""

    def __init__(
        self,
        directory: str | Path,
        *,
        owner: StateOwner | None,
        clock: Clock,
        report: Report,
        max_bytes: int = MAX_BYTES,
        max_age: float = MAX_AGE,
        lease: float = LEASE,
        reserve_bytes: int = RESERVE_BYTES,
        jitter: Callable[[], float] = random.random,
        at: Callable[[str], None] = pass_by,
    ) -> None:
        """``owner`` None: for tools, which look at a file without the project's key and create none."""
        self._clock = clock
        self._report = report
        self._max_bytes = max_bytes
        self._max_age = max_age
        self._lease_ms = _ms(lease)
        self._jitter = jitter
        self._at = at
        self._file = OutboxFile(
            Path(directory),
            owner=owner,
            clock=clock,
            report=report,
            max_bytes=max_bytes,
            reserve_bytes=reserve_bytes,
            at=at,
        )
        self._boot = boot_id()
        self._become_someone()

    def _become_someone(self) -> None:
        self._pid = os.getpid()
        self._name = f"{self._pid}-{secrets.token_hex(6)}"
        self._unsettled: list[tuple[Receipt, Sequence[Outcome]]] = []
        self._unsettled_lock = threading.Lock()  # guards _unsettled

    def verify(self) -> None:
        """Open the file and close it. Raises ForeignStateError; other trouble may pass and is reported."""
        self._file.verify()

    @property
    def path(self) -> Path:
        return self._file.path

    # -- the way of a batch -------------------------------------------------------------------------

    def put(self, envelopes: Sequence[Envelope]) -> Receipt | None:
        if not envelopes:
            return None
        at, need = self._moment(), packed_bytes(envelopes)
        room, refusal = 0, ""

        def add(connection: sqlite3.Connection) -> tuple[ParcelKey, ...]:
            """A commit that failed may have happened: what is there already is not added again."""
            nonlocal room, refusal
            self._at("put.before_insert")
            room, refusal = self._room(connection), ""
            if room < need:
                refusal = f"has reached its limit of {self._max_bytes} bytes"
            elif not self._file.has_reserve():
                refusal = "keeps what is left of a full disk for draining"
            if refusal:
                return ()
            keys = tuple(tables.insert(connection, part, at=at, owner=self._name) for part in cut(envelopes))
            self._at("put.before_commit")
            return keys

        keys = self._file.do(add, adding=True)
        self._at("put.after_commit")
        if not keys:
            self._report.note("outbox_not_stored", len(envelopes))
            if refusal:
                self._report.error("outbox_full", f"the outbox {refusal}; new events are not kept")
            return None
        if room - need < (1 - WARN_AT) * self._limit():
            left = max(0, room - need)
            self._report.warn("outbox_nearly_full", f"the outbox has {left} of {self._max_bytes} bytes left")
        return Receipt(tuple(envelopes), keys, self._name)

    def settle(self, receipt: Receipt, outcomes: Sequence[Outcome]) -> None:
        with self._unsettled_lock:
            self._unsettled.append((receipt, outcomes))
            del self._unsettled[:-UNSETTLED_LIMIT]
        self._settle_all()

    def _settle_all(self) -> bool:
        """Settle everything that is to be settled. False: the disk does not let us."""
        with self._unsettled_lock:
            waiting, self._unsettled = self._unsettled, []
        if not waiting:
            return True
        at = self._moment()

        def settle_each(connection: sqlite3.Connection) -> settling.Settled:
            self._at("settle.before_delete")
            settled = settling.Settled()
            for receipt, outcomes in waiting:
                settling.settle(
                    connection, at, receipt, outcomes, settled, most_dead_bytes=self._dead_bytes()
                )
            self._at("settle.before_commit")
            return settled

        settled = self._file.do(settle_each)
        self._at("settle.after_commit")
        if settled is None:
            with self._unsettled_lock:
                self._unsettled[:0] = waiting
            return False
        if settled.late:
            self._report.note("outbox_lease_lost", settled.late)
        if settled.gave_up:
            self._report.refused(settling.GAVE_UP, settled.gave_up)
            self._report.stored(-settled.gave_up)
        return True

    # -- draining -----------------------------------------------------------------------------------

    def claim(self, limit_bytes: int) -> Receipt | None:
        if not self._settle_all():
            return None  # what we can't remove would be sent again and again
        at, damaged = self._moment(), 0

        def lease_and_open(connection: sqlite3.Connection) -> Receipt | None:
            nonlocal damaged
            damaged = 0
            self._at("claim.before_update")
            turn.renew(connection, at, self._name)
            rows = tables.claim(connection, at=at, owner=self._name, most_bytes=limit_bytes)
            envelopes: list[Envelope] = []
            keys: list[ParcelKey] = []
            for row in rows:
                whole, lost = unpack(row.body, row.n)
                if lost:
                    damaged += lost
                    self._set_damage_aside(connection, at, row, whole)
                if whole:
                    envelopes.extend(whole)
                    keys.append(ParcelKey(row.id, len(whole), row.attempts))
            self._at("claim.before_commit")
            return Receipt(tuple(envelopes), tuple(keys), self._name) if keys else None

        receipt = self._file.do(lease_and_open)
        self._at("claim.after_commit")
        if damaged:
            self._report.dropped("outbox_damaged", damaged)
            self._report.stored(-damaged)
            self._report.error("outbox_damaged", f"{damaged} stored events were damaged on disk and are lost")
        return receipt

    def _set_damage_aside(
        self, connection: sqlite3.Connection, at: Moment, row: tables.Row, whole: Sequence[Envelope]
    ) -> None:
        key = ParcelKey(row.id, row.n)
        dead.bury_damaged(connection, row, now=at.now, most_bytes=self._dead_bytes())
        tables.count(connection, damaged=row.n - len(whole))
        if whole:
            tables.replace(connection, key, self._name, whole)
        else:
            tables.remove(connection, key, self._name)

    def take_turn(self, *, force: bool) -> float:
        at = self._moment()
        wait = self._file.do(lambda connection: turn.take(connection, at, owner=self._name, force=force))
        if wait is None:
            return tables.LONGEST_DELAY_MS / 1000
        if wait == 0:
            self._file.look_after(self._max_age)
        return wait / 1000

    def end_turn(self, *, failed: bool, retry_after: float = 0.0) -> float:
        at, jitter, asked = self._moment(), self._jitter(), _ms(retry_after)

        def end(connection: sqlite3.Connection) -> int:
            return turn.end(connection, at, owner=self._name, failed=failed, retry_after=asked, jitter=jitter)

        wait = self._file.do(end)
        return (tables.LONGEST_DELAY_MS if wait is None else wait) / 1000

    def may_probe(self) -> bool:
        now = self._moment().now
        allowed = self._file.do(lambda connection: turn.may_probe(connection, now, PROBE_INTERVAL_MS))
        return allowed is not False  # with a file in trouble, every process is on its own

    def next_due(self) -> float | None:
        at = self._moment()
        if self._file.others_wait():
            return 0.0
        due = self._file.look(lambda connection: tables.next_due_ms(connection, at))
        return None if due is None else max(0.0, (due - at.now) / 1000)

    def expire(self) -> int:
        at = self._moment()
        up = _ms(self._clock.monotonic())

        def let_go(connection: sqlite3.Connection) -> int:
            turn.notice_clock_step(connection, boot=self._boot, up=up, now=at.now, slack=CLOCK_SLACK_MS)
            self._at("expire.before_delete")
            return tables.expire(connection, before=at.now - _ms(self._max_age), at=at)

        total = 0
        while gone := self._file.do(let_go):
            total += gone
        if total:
            self._report.dropped(Reason.OUTBOX_EXPIRED.value, total)
            self._report.stored(-total)
            days = self._max_age / 86_400
            self._report.error(
                "outbox_expired", f"{total} stored events were older than {days:g} days and are lost"
            )
        return total

    # -- looking and tidying ------------------------------------------------------------------------

    def status(self) -> OutboxStatus:
        def look(connection: sqlite3.Connection) -> OutboxStatus:
            counters = tables.counted(connection)
            return OutboxStatus(
                path=str(self.path),
                events=counters["stored"],
                parcels=counters["stored_parcels"],
                payload_bytes=counters["stored_bytes"],
                file_bytes=self._file.file_bytes(),
                max_bytes=self._max_bytes,
                oldest_ns=tables.oldest_ns(connection),
                refused=counters["kept"],
                counters={name: counters[name] for name in COUNTERS},
                failures=turn.failures(connection),
                trouble=self._file.trouble,
            )

        found = self._file.look(look)
        if found is None:
            return OutboxStatus(path=str(self.path), max_bytes=self._max_bytes, trouble=self._file.trouble)
        return found

    def stored(self, most: int = 100) -> list[StoredParcel]:
        """The oldest parcels, for people."""
        at = self._moment()
        return self._file.look(lambda connection: tables.stored(connection, at, most)) or []

    def refused(self, most: int = 100) -> list[RefusedEvent]:
        """The newest events that PostHog refused, with its answer."""
        return self._file.look(lambda connection: dead.refused(connection, most)) or []

    def drop_stored(self) -> int:
        """Let go everything that nobody is sending right now, counted as dropped. The number of events."""
        at, total = self._moment(), 0
        while dropped := self._file.do(lambda connection: tables.drop(connection, at)):
            total += dropped
        return total

    def forget_refused(self) -> int:
        """Empty the table of refused events. They stay counted as refused."""
        return self._file.do(dead.forget) or 0

    def tidy(self) -> None:
        self._file.shrink()

    def close(self) -> None:
        self._settle_all()
        self._file.close()

    def before_fork(self) -> None:
        self._file.before_fork()

    def after_fork_in_parent(self) -> None:
        self._file.after_fork_in_parent()

    def after_fork_in_child(self) -> None:
        self._file.after_fork_in_child()
        self._become_someone()  # what is unsettled is the parent's to settle

    # -- small things -------------------------------------------------------------------------------

    def _moment(self) -> Moment:
        if self._pid != os.getpid():  # forked behind Python's back: the parent's leases are not ours
            self._become_someone()
        now = self._clock.time_ns() // 1_000_000
        return Moment(now, now + self._lease_ms)

    def _limit(self) -> int:
        return self._max_bytes - self._max_bytes // HEADROOM_SHARE

    def _room(self, connection: sqlite3.Connection) -> int:
        return self._limit() - tables.used_bytes(connection)

    def _dead_bytes(self) -> int:
        return self._max_bytes // DEAD_SHARE


def _ms(seconds: float) -> int:
    return round(seconds * 1000)
