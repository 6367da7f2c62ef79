"""The ledger in the process's own memory: the default, and the plainest store of the three.

Groups that move are kept as the rule's own values, groups at rest packed (``compact.py``). At most
``max_groups``: when one more comes, the group longest untouched that is clean and not quiet is forgotten, and
the floor moves up to its newest time, so that late news of it can't revert its profile. When there is none,
what is said of the new group is let go and counted.
"""

from __future__ import annotations

import heapq
import threading
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final

from . import ledger
from .by_group import ByGroup
from .compact import Packer
from .stamp import TIMES_DIGITS
from .state import Answer, GroupState, Haste, Settlement, Standing, StoreState, Terms
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

MAX_GROUPS: Final = 100_000

WRITE_BEHIND: Final = 30.0
"""Seconds between two rounds. Newer times wait for none: see :class:`~.store.OwnStore`."""

_LOOK_AT: Final = 64
"""Groups looked at to find one that may be evicted, or to pack: bounds the work of one call."""


class MemoryStore:
    """Implements :class:`~.store.LedgerStore` under one lock."""

    durable = False
    remote = False

    def __init__(
        self, clock: Clock, *, max_groups: int = MAX_GROUPS, write_behind: float = WRITE_BEHIND
    ) -> None:
        self.write_behind = write_behind
        self._clock = clock
        self._max_groups = max_groups
        # Never steps back, unlike the wall clock that it starts from.
        self._offset = clock.time_ns() // 1000 - int(clock.monotonic() * 1e6)
        self._start_afresh()

    def _start_afresh(self) -> None:
        self._lock = threading.RLock()  # guards what follows; re-entrant, since signal handlers may flush
        self._packer = Packer()
        self._packed: ByGroup[bytes] = ByGroup()  # at rest
        self._open: dict[Group, GroupState] = {}  # longest untouched first
        self._due: list[tuple[int, Group]] = []  # heap; entries of groups that have moved on are skipped
        self._due_of: dict[Group, int] = {}  # the entry that counts
        self._resting: dict[Group, int] = {}  # open groups without anything to send, and when to try to pack
        self._state = StoreState(self._now())
        self._sent = self._saved = 0
        self._evicted = 0

    def _now(self) -> int:
        return self._offset + int(self._clock.monotonic() * 1e6)

    # -- the rule's operations ----------------------------------------------------------------------

    def observe(
        self, sightings: Sequence[Sighting], call: Call, *, claim: bool = True, haste: Haste = Haste.NONE
    ) -> Reply:
        with self._lock:
            now = self._begin(call)
            seen = [self._observe(one, call.terms, now, claim, haste) for one in sightings]
            return self._reply(seen, call, now)

    def _observe(self, sighting: Sighting, terms: Terms, now: int, claim: bool, haste: Haste) -> Seen:
        group = sighting.group
        state = self._take(group)
        if state is None and not self._make_room(now):
            return Seen(group, dict.fromkeys(sighting.entries, Answer(Standing.FULL)))
        healing = healing_of(group)
        state, answers = ledger.observe(state, sighting.entries, self._state, now, terms, healing=healing)
        granted = None
        if claim:
            state, granted = ledger.grant(state, self._state, now, terms, haste)
        self._put(group, state, terms, now)
        return Seen(group, answers, granted)

    def settle(self, ends: Sequence[tuple[Group, Settlement]], call: Call) -> Reply:
        with self._lock:
            now = self._begin(call)
            seen = [self._settle(group, end, call.terms, now) for group, end in ends]
            return self._reply(seen, call, now)

    def _settle(self, group: Group, end: Settlement, terms: Terms, now: int) -> Seen:
        state = self._take(group)
        if state is None:
            return Seen(group, {})
        state, again = ledger.settle(state, end, self._state, now, terms)
        self._put(group, state, terms, now)
        return Seen(group, ledger.standing_of(state, end.stamps), again)

    def sweep(self, call: Call, *, limit: int = SWEEP_LIMIT) -> Reply:
        with self._lock:
            now = self._begin(call)
            due: list[Group] = []
            while len(due) < limit and (moment := self._first_due()) is not None and moment <= now:
                group = heapq.heappop(self._due)[1]
                del self._due_of[group]
                due.append(group)
            return self._reply(self._grant(due, call.terms, now, Haste.NONE), call, now)

    def last_act(self, call: Call) -> Reply:
        with self._lock:
            now = self._begin(call)
            seen = self._grant(list(self._due_of), call.terms, now, Haste.LAST_ACT)
            return self._reply(seen, call, now)

    def _grant(self, groups: Sequence[Group], terms: Terms, now: int, haste: Haste) -> list[Seen]:
        seen: list[Seen] = []
        for group in groups:
            state = self._take(group)
            if state is None:
                continue
            state, granted = ledger.grant(state, self._state, now, terms, haste)
            self._put(group, state, terms, now)
            if granted is not None:
                seen.append(Seen(group, {}, granted))
        return seen

    def seen_again(self, group: Group, names: Sequence[str], moment: int) -> None:
        """See :class:`~.store.OwnStore`. Of a group that was forgotten, the floor moves up to that time."""
        times = f"{moment:0{TIMES_DIGITS}x}"
        with self._lock:
            packed = self._packed.get(group)
            state = self._open.get(group) if packed is None else self._packer.unpack(packed)
            if state is None:
                if names:
                    self._state = self._state._replace(floor=max(self._state.floor, times))
                return
            later = ledger.seen_again(state, names, times)
            if later == state:
                return
            packed = None if packed is None else self._packer.pack(later)
            if packed is not None:
                self._packed.put(group, packed)
            else:
                self._take(group)
                self._open[group] = later
                self._resting.setdefault(group, self._now())

    def _begin(self, call: Call) -> int:
        now = self._now()
        self._pack_resting(call.terms, now)
        self._sent += call.sent
        self._saved += call.saved
        return now

    def _reply(self, seen: list[Seen], call: Call, now: int) -> Reply:
        for late in call.late:
            state = self._open.get(late.group)  # a packed one has no history
            if state is not None:
                self._open[late.group] = ledger.note(state, late.stamps)
        return Reply(seen, now)

    # -- what is kept -------------------------------------------------------------------------------

    def _take(self, group: Group) -> GroupState | None:
        state = self._open.pop(group, None)
        if state is None:
            packed = self._packed.pop(group)
            if packed is not None:
                state = self._packer.unpack(packed)
        return state

    def _put(self, group: Group, state: GroupState, terms: Terms, now: int) -> None:
        """Keep it as the one touched last; remember when a sweep may have it, or when it may be packed."""
        due = ledger.due_at(state, terms)
        if due is not None:
            self._open[group] = state
            self._resting.pop(group, None)
            if self._due_of.get(group) != due:
                self._due_of[group] = due
                heapq.heappush(self._due, (due, group))
                self._prune_heap()
            return
        self._due_of.pop(group, None)
        state = ledger.without_old_values(state, now, terms)
        packed = self._packer.pack(state) if ledger.at_rest(state, now) else None
        if packed is not None:
            self._packed.put(group, packed)
            self._resting.pop(group, None)
            return
        self._open[group] = state
        self._resting.setdefault(group, now + terms.retention)

    def _prune_heap(self) -> None:
        """Drop entries of groups that have moved on, once they are the larger part."""
        if len(self._due) > 2 * len(self._due_of) + _LOOK_AT:
            self._due = [(moment, group) for group, moment in self._due_of.items()]
            heapq.heapify(self._due)

    def _first_due(self) -> int | None:
        while self._due:
            moment, group = self._due[0]
            if self._due_of.get(group) == moment:
                return moment
            heapq.heappop(self._due)
        return None

    def _pack_resting(self, terms: Terms, now: int) -> None:
        """Pack groups that were settled long enough ago; a bounded number, so that a call stays short."""
        for _ in range(_LOOK_AT):
            group, moment = next(iter(self._resting.items()), (None, now))
            if group is None or moment > now:
                return
            del self._resting[group]
            state = self._open.pop(group, None)
            if state is not None:
                self._put(group, state, terms, now)

    def _make_room(self, now: int) -> bool:
        """Whether there is room for one more group; forgets one where needed and possible."""
        if len(self._packed) + len(self._open) < self._max_groups:
            return True
        group = next(iter(self._packed.oldest(1)), None)
        packed = None if group is None else self._packed.pop(group)
        if packed is not None:
            state = self._packer.unpack(packed)
        else:
            candidates = (one for one, _ in zip(self._resting, range(_LOOK_AT), strict=False))
            group = next((one for one in candidates if self._evictable(one, now)), None)
            if group is None:
                return False
            del self._resting[group]
            state = self._open.pop(group)
        self._state = self._state._replace(floor=max(self._state.floor, ledger.newest_times(state)))
        self._evicted += 1
        return True

    def _evictable(self, group: Group, now: int) -> bool:
        """Clean *and not quiet*: an answered retry may have a twin that is still under way."""
        state = self._open[group]
        return now >= state.quiet_until and ledger.is_clean(state)

    # -- for the process and for people -------------------------------------------------------------

    def waiting(self, terms: Terms) -> StoreWaiting:
        with self._lock:
            first = self._first_due()
            due_in = None if first is None else max(0.0, (first - self._now()) / 1e6)
            return StoreWaiting(len(self._due_of), due_in)

    def counts(self) -> StoreCounts:
        with self._lock:
            counts = StoreCounts(self._evicted)
            self._evicted = 0
            return counts

    def totals(self) -> StoreTotals:
        with self._lock:
            return StoreTotals(self._sent, self._saved, self._state.birth)

    def show(self, group: Group) -> GroupState | None:
        with self._lock:
            packed = self._packed.get(group)
            return self._open.get(group) if packed is None else self._packer.unpack(packed)

    def groups(self) -> Iterator[Group]:
        with self._lock:
            return iter([*self._packed, *self._open])

    def forget(self, group: Group | None, terms: Terms) -> int:
        with self._lock:
            chosen = [group] if group is not None else [*self._packed, *self._open]
            count = 0
            for one in chosen:
                state = self._take(one)
                if state is not None:
                    now = self._now()
                    self._put(one, ledger.forget(state, now, terms), terms, now)
                    count += 1
            return count

    # -- life ---------------------------------------------------------------------------------------

    def before_fork(self) -> None:
        """Nothing is open."""

    def after_fork_in_parent(self) -> None:
        """Nothing was closed."""

    def after_fork_in_child(self) -> None:
        """The child begins anew: what the parent has under way is the parent's to finish."""
        self._start_afresh()

    def close(self) -> None:
        """Nothing to close."""
