"""The ledger in one SQLite file, for all processes of a machine. Survives them all.

One write transaction a call: groups are read, the pure rule is applied, what changed is written. The file is
always one of its own, never part of a transaction with captures.

Two clocks. Tokens, births and days are the wall clock, since they must grow over reboots. Quiet times, pauses
and buckets are written on the machine's monotonic clock, which no correction moves, together with the boot
they belong to; under another boot nothing is known of how long they have lasted, so a group that was quiet is
quiet for one more request life.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ..machine import boot_id
from ..sqlite import LOCK_TIMEOUT
from ..sqlite_identity import Schema, StateOwner
from . import ledger
from .ledger_file import LedgerFile
from .sqlite_tables import SCRIPT, Moments, Stored, Tables
from .state import DAY, GroupState, Haste, Settlement, StoreState, Terms
from .store import (
    SWEEP_LIMIT,
    Call,
    Reply,
    Seen,
    Sighting,
    StoreCounts,
    StoreTotals,
    StoreWaiting,
    healing_of,
)

if TYPE_CHECKING:
    from ..clock import Clock
    from ..model import Group

FILE_NAME: Final = "ledger.db"

WRITE_BEHIND: Final = 30.0
"""Seconds that a newer time of an unchanged value may stay in a process: the price of a write transaction."""

KEPT: Final = 60 * DAY
"""Groups of which nothing was seen for so long are forgotten, so that the file stops growing."""

BEFORE_ALL: Final = 1
"""The birth of a former file of which nothing else is known: what it had granted may still be under way."""

SCHEMA: Final = Schema(application_id=0x504C4447, version=1, script=SCRIPT)  # "PLDG"


class SqliteStore:
    """Implements :class:`~.store.LedgerStore` on one file. Safe for threads and processes."""

    durable = True
    remote = False

    def __init__(
        self,
        path: Path,
        *,
        owner: StateOwner | None,
        clock: Clock,
        write_behind: float = WRITE_BEHIND,
        lock_timeout: float = LOCK_TIMEOUT,
        boot: Callable[[], str | None] = boot_id,
    ) -> None:
        """``owner``: whose state it is; None for tools that read any file and create none. ``lock_timeout``:
        seconds to wait for another process."""
        self.path = path
        self.write_behind = write_behind
        self._file = LedgerFile(path, schema=SCHEMA, owner=owner, clock=clock, lock_timeout=lock_timeout)
        self._clock = clock
        self._boot = boot()
        self._lock = threading.RLock()  # guards the next line
        self._birth = 0  # of the file, as this process knows it

    # -- the rule's operations ----------------------------------------------------------------------

    def observe(
        self, sightings: Sequence[Sighting], call: Call, *, claim: bool = True, haste: Haste = Haste.NONE
    ) -> Reply:
        with self._call(call) as work:
            for one in sightings:
                before = work.met(one.group)
                state, answers = ledger.observe(
                    before, one.entries, work.store, work.now, call.terms, healing=healing_of(one.group)
                )
                granted = None
                if claim:
                    state, granted = ledger.grant(state, work.store, work.now, call.terms, haste)
                work.put(one.group, state)
                work.seen.append(Seen(one.group, answers, granted))
        return work.reply()

    def settle(self, ends: Sequence[tuple[Group, Settlement]], call: Call) -> Reply:
        with self._call(call) as work:
            for group, end in ends:
                state = work.met(group)
                if state is None:
                    work.seen.append(Seen(group, {}))
                    continue
                state, again = ledger.settle(state, end, work.store, work.now, call.terms)
                work.put(group, state)
                work.seen.append(Seen(group, ledger.standing_of(state, end.stamps), again))
        return work.reply()

    def sweep(self, call: Call, *, limit: int = SWEEP_LIMIT) -> Reply:
        with self._call(call) as work:
            for group in work.tables.due(work.moments, limit):
                state = work.met(group)
                if state is None:
                    continue
                state, granted = ledger.grant(state, work.store, work.now, call.terms)
                work.put(group, state)
                if granted is not None:
                    work.seen.append(Seen(group, {}, granted))
            for group in work.tables.fading(work.now, limit):
                state = work.met(group)
                if state is not None:
                    work.put(group, state)
            work.forget_long_unseen(limit)
        return work.reply()

    def last_act(self, call: Call) -> Reply:
        """Nothing: other processes come after this one, and what they need is in the file."""
        return Reply((), self._clock.time_ns() // 1000)

    # -- a call -------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def _call(self, call: Call) -> Generator[_Work]:
        with self._file.transaction() as connection:
            now = self._clock.time_ns() // 1000
            monotonic = int(self._clock.monotonic() * 1e6) if self._boot is not None else now
            tables = Tables(connection)
            moments = Moments(now, monotonic, self._boot or "", call.terms)
            store = tables.store(moments)
            contradicted = bool(call.contradicted)
            known = self._birth or (BEFORE_ALL if self._file.began_anew else 0)
            met = ledger.meet(store, known, now, contradicted=contradicted)
            if met != store:
                tables.keep_store(met)
            if call.sent or call.saved:
                tables.add_totals(call.sent, call.saved)
            lost = contradicted or (bool(known) and known != met.birth)
            work = _Work(tables, moments, met, call.terms, lost=lost)
            yield work
            tables.write_back()
            for late in call.late:
                tables.note(late.group, late.stamps, moments)
            tables.write_back()
            work.keep_floor()
        with self._lock:
            self._birth = met.birth

    def verify(self) -> None:
        """Open the file and write to it, now. Raises :class:`~..errors.ForeignStateError` when it belongs to
        somebody else, and what says why it can't be used (:func:`~.ledger_file.may_pass` tells for how long).
        """
        with self._file.transaction():
            return

    # -- for the process and for people -------------------------------------------------------------

    def waiting(self, terms: Terms) -> StoreWaiting:
        with self._file.reading() as connection:
            dirty, first, store = Tables(connection).waiting()
        if first is None:
            return StoreWaiting(dirty, None)
        wall = self._clock.time_ns() / 1e9
        now = self._clock.monotonic() if self._boot is not None else wall
        held = ledger.grants_from(store, terms) / 1e6 - wall
        return StoreWaiting(dirty, max(0.0, first / 1e6 - now, held))

    def counts(self) -> StoreCounts:
        return StoreCounts(warnings=self._file.take_warnings())

    def totals(self) -> StoreTotals:
        with self._file.reading() as connection:
            return StoreTotals(*Tables(connection).totals())

    def show(self, group: Group) -> GroupState | None:
        with self._file.reading() as connection:
            now = self._clock.time_ns() // 1000
            monotonic = int(self._clock.monotonic() * 1e6) if self._boot is not None else now
            found = Tables(connection).read(group, Moments(now, monotonic, self._boot or "", None))
            return None if found is None else found.state

    def groups(self) -> Iterator[Group]:
        with self._file.reading() as connection:
            return iter(Tables(connection).groups())

    def forget(self, group: Group | None, terms: Terms) -> int:
        count = 0
        with self._call(Call(terms)) as work:
            for one in [group] if group is not None else work.tables.groups():
                state = work.met(one)
                if state is not None:
                    work.put(one, ledger.forget(state, work.now, terms))
                    count += 1
        return count

    # -- life ---------------------------------------------------------------------------------------

    def before_fork(self) -> None:
        self._file.before_fork()

    def after_fork_in_parent(self) -> None:
        self._file.after_fork_in_parent()

    def after_fork_in_child(self) -> None:
        self._lock = threading.RLock()
        self._file.after_fork_in_child()

    def close(self) -> None:
        self._file.close()


class _Work:
    """One call's transaction: what was read, and what must be written."""

    def __init__(
        self, tables: Tables, moments: Moments, store: StoreState, terms: Terms, *, lost: bool
    ) -> None:
        self.tables = tables
        self.moments = moments
        self.store = store
        self.now = moments.wall
        self.seen: list[Seen] = []
        self._terms = terms
        self._lost = lost
        self._read: dict[Group, Stored | None] = {}
        self._floor = store.floor

    def met(self, group: Group) -> GroupState | None:
        """The group's state; of a group granted before a loss was known, nothing is taken for certain."""
        if group in self._read:
            self.tables.write_back()
        found = self._read[group] = self.tables.read(group, self.moments)
        return None if found is None else ledger.doubt(found.state, self.store, self.now)

    def put(self, group: Group, state: GroupState) -> None:
        state = ledger.without_old_values(state, self.now, self._terms)
        self.tables.write(group, self._read[group], state, self.moments, self._terms)

    def forget_long_unseen(self, limit: int) -> None:
        for group in self.tables.unseen_since(self.now - KEPT, limit):
            found = self.tables.read(group, self.moments)
            if found is None:
                continue
            _, state = found
            if ledger.is_clean(state) and self.now >= state.quiet_until:
                self._floor = max(self._floor, ledger.newest_times(state))
                self.tables.delete(group)

    def keep_floor(self) -> None:
        if self._floor != self.store.floor:
            self.tables.keep_store(self.store._replace(floor=self._floor))

    def reply(self) -> Reply:
        return Reply(self.seen, self.now, lost=self._lost)
