"""Asking the store: one call for all groups of a question; what it answers is taken into what is known."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING

from .notices import Notice, Notices
from .state import Haste, Standing
from .store import SWEEP_LIMIT, LedgerStore, Reply, Seen

if TYPE_CHECKING:
    from ..clock import Clock
    from ..model import Group, GroupUpdate
    from .backlog import Backlog
    from .endings import Endings, Unsaid
    from .grants import Grants
    from .keeping import Done, Keeping
    from .observed import Observed
    from .store_line import StoreLine


class Asking:
    """The questions of one life of a ledger. Each is one call to the store, none if there is nothing to ask,
    and gives the updates that the store has granted.

    ``lock`` guards ``observed``, ``backlog`` and ``endings``, and is never held while the store is asked.
    """

    def __init__(
        self,
        store: LedgerStore,
        line: StoreLine,
        grants: Grants,
        *,
        clock: Clock,
        lock: threading.RLock,
        observed: Observed,
        backlog: Backlog,
        keeping: Keeping,
        endings: Endings,
        notices: Notices,
        count: Callable[[str, int], None],
        lost: Callable[[], None],
    ) -> None:
        """``lost``: what to do, under the lock, when the store has forgotten what it knew."""
        self._store = store
        self._line = line
        self._grants = grants
        self._clock = clock
        self._lock = lock
        self._observed = observed
        self._backlog = backlog
        self._keeping = keeping
        self._endings = endings
        self._notices = notices
        self._count = count
        self._lost = lost

    def observe(self, groups: Iterable[Group], haste: Haste, *, claim: bool = True) -> list[GroupUpdate]:
        """All that waits here of these groups. Those it does not answer for stay, on disk where one is."""
        with self._lock:
            sightings = self._observed.pocket.sightings(groups)
        if not sightings:
            return []
        reply = self._line.ask(lambda call: self._store.observe(sightings, call, claim=claim, haste=haste))
        seen = () if reply is None else reply.seen
        asked = {sighting.group: sighting for sighting in sightings}
        done: Done = []
        with self._lock:
            self._notice_loss(reply)
            for one in seen:
                sighting = asked.pop(one.group)
                stamps = {name: entry.stamp for name, entry in sighting.entries.items()}
                if self._observed.contradicts(one.group, one.answers):
                    self._line.contradict(one.group)
                self._take(one.group, stamps, one, done)
            self._backlog.add(asked)
        self._count_standings(seen)
        self._keeping.keep(list(asked.values()))
        self._keeping.clear(done)
        self._keeping.bound(store_is_down=self._line.is_down)
        self._take_counts()
        return self._grants.of(reply)

    def settle(self) -> list[GroupUpdate]:
        """The ends of claims that were not told yet; a reply may grant a group again."""
        with self._lock:
            unsaid = self._endings.take()
        if not unsaid:
            return []
        now = self._clock.monotonic()
        ends = [(one.group, one.settlement(now)) for one in unsaid]
        reply = self._line.ask(lambda call: self._store.settle(ends, call))
        left: list[Unsaid] = []
        done: Done = []
        answered = {} if reply is None else {seen.group: seen for seen in reply.seen}
        with self._lock:
            self._notice_loss(reply)
            for one in unsaid:
                seen = answered.get(one.group)
                if seen is None:
                    left.append(one)
                else:
                    self._take(one.group, one.claim.stamps, seen, done)
            self._endings.put_back(left)
        self._keeping.clear(done)
        return self._grants.of(reply)

    def sweep(self, most: int) -> list[GroupUpdate]:
        """Groups that nobody else comes for."""
        if most < 1:
            return []
        before = self._clock.monotonic()
        reply = self._line.ask(lambda call: self._store.sweep(call, limit=min(most, SWEEP_LIMIT)))
        updates = self._grants.of(reply)
        with self._lock:
            if reply is None:
                self._backlog.sweep_at = before
            self._notice_loss(reply)
            self._backlog.swept(len(updates), before)
        self._take_counts()
        return updates

    def _notice_loss(self, reply: Reply | None) -> None:
        if reply is not None and reply.lost:
            self._lost()

    def _take(self, group: Group, asked: Mapping[str, str], seen: Seen, done: Done) -> None:
        """Take a reply about these stamps; ``done`` collects what need no longer wait on disk."""
        if seen.grant is None and any(a.standing is Standing.PENDING for a in seen.answers.values()):
            self._backlog.store_holds_something = True
        over = self._observed.answered(group, asked, seen.answers)
        if over:
            done.append((group, over))

    def _count_standings(self, seen: Iterable[Seen]) -> None:
        forgotten = full = 0
        for one in seen:
            standings = [answer.standing for answer in one.answers.values()]
            forgotten += standings.count(Standing.FORGOTTEN)
            full += Standing.FULL in standings
        self._count("forgotten", forgotten)
        self._count("ledger_full", full)

    def _take_counts(self) -> None:
        counts = self._store.counts()
        self._count("evicted", counts.evicted)
        with self._lock:
            self._count("unspeakable_value", self._observed.pocket.take_unspeakable())
        for warning in counts.warnings:
            self._notices.add(Notice(f"ledger:{warning}", warning, grave=True))
