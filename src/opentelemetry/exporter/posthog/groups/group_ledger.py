"""The process side of the ledger: observations in, group updates out, and the way back.

Nothing changed: two dictionary look-ups, no store, no network. Something changed: the observation goes into
the pocket, the store is asked once for all groups of the export, and what it grants is sent by the caller,
who comes back with the outcome. While the store is down nothing is sent: a lost observation heals with the
group's next signal, a stale write that the ledger does not know of never does.

What the store has not heard of waits in the backlog, on disk too where there is a pocket file. It is told in
pages once the store is back, and what has piled up goes out at a measured pace (``pace.py``); what signals
say now never waits behind it.

A call may come into the middle of another one on the same thread, from a signal handler that exports, say. It
changes nothing under the other's hands: what it observes is put aside, and taken up by whoever comes next.

The window of a claim is its sender's to keep: no attempt starts later than a window after the moment *before*
the call that granted it, so a slow store shortens the window, never lengthens it.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Final, cast

from ..model import Group, GroupUpdate, LedgerDecision, Observation, Outcome, OutcomeKind
from .asking import Asking
from .backlog import Backlog
from .decisions import Memory, decide
from .endings import Endings
from .grants import Grants
from .keeping import Keeping
from .notices import Notice, Notices
from .observed import Observed
from .pocket import MAX_GROUPS as POCKET_GROUPS
from .stamp import Digester
from .state import SECOND, Haste, Terms
from .store import SWEEP_LIMIT, LedgerStore, OwnStore
from .store_line import StoreLine
from .what_waits import Waiting, WhatWaits

if TYPE_CHECKING:
    from ..clock import Clock
    from .pocket_file import PocketFile

KNOWN_GROUPS: Final = 100_000

FLUSH_PAGE: Final = 512
"""Groups told at once when everything is: they keep a Redis busy for some 50 ms."""


class GroupLedger:
    """Decides what is sent of every group, and when. Safe for many threads; never raises."""

    def __init__(
        self,
        store: LedgerStore,
        *,
        clock: Clock,
        window: float,
        request_life: float = 60.0,
        group_interval: float = 30.0,
        project: str,
        random: Callable[[int], int],
        report: Callable[[str, int], None] = lambda name, count: None,
        max_groups: int = KNOWN_GROUPS,
        pocket_groups: int = POCKET_GROUPS,
        pocket_file: PocketFile | None = None,
    ) -> None:
        """``window``: seconds from a claim within which its attempts start (the deadline of an export).
        ``request_life``: seconds that a request may be applied after its start. ``random(n)``: n random bits.
        ``pocket_file``: where observations wait that a store on another machine has not taken.
        """
        self._store = store
        self._clock = clock
        self._random = random
        self._report = report
        self._max_groups = max_groups
        self._pocket_groups = pocket_groups
        self._file = pocket_file
        self._terms = Terms(
            round(window * SECOND), round(request_life * SECOND), round(group_interval * SECOND)
        )
        self._life = request_life
        self._digester = Digester(project)
        self._notices = Notices()
        self._grants = Grants(
            clock=clock, random=random, durable=store.durable, notices=self._notices, count=self._count
        )
        self._line = StoreLine(
            store, self._terms, self._digester, clock=clock, notices=self._notices, count=self._count
        )
        self._start_afresh()

    def _start_afresh(self) -> None:
        self._lock = threading.RLock()  # guards what follows, never held while the store or a disk is asked
        self._aside: list[Observation] = []  # came in while this thread was in the middle of something
        store = self._store
        own = store.seen_again if isinstance(store, OwnStore) and not store.durable else None
        self._observed = Observed(self._digester, max_groups=self._max_groups, seen_again=own)
        self._known, self._pocket = self._observed.known, self._observed.pocket
        self._endings = Endings(life=self._life, random=self._random)
        self._backlog = Backlog(
            self._clock.monotonic(), in_store=self._store.durable, on_disk=self._file is not None
        )
        self._keeping = Keeping(
            self._pocket,
            self._backlog,
            self._file,
            lock=self._lock,
            most=self._pocket_groups,
            durable=self._store.durable,
            count=self._count,
        )
        self._backlog.next_round_at = self._clock.monotonic() + self._write_behind()
        self._asking = Asking(
            store,
            self._line,
            self._grants,
            clock=self._clock,
            lock=self._lock,
            observed=self._observed,
            backlog=self._backlog,
            keeping=self._keeping,
            endings=self._endings,
            notices=self._notices,
            count=self._count,
            lost=self._lose,
        )
        self._what_waits = WhatWaits(
            self._store,
            self._line,
            self._terms,
            clock=self._clock,
            lock=self._lock,
            observed=self._observed,
            endings=self._endings,
            backlog=self._backlog,
            aside=self._aside,
        )

    @property
    def durable(self) -> bool:
        """Whether what the store took survives this process."""
        return self._store.durable

    # -- in -----------------------------------------------------------------------------------------

    def observe(self, observations: Iterable[Observation]) -> list[GroupUpdate]:
        """Merge what signals said; the updates that this worker may send now, and should.

        Empty while the store is down: the observations wait. One call to the store at most, none when nothing
        changed and no round is due.
        """
        if self._is_interrupted():
            self._aside.extend(observations)
            return []
        with self._lock:
            aside = self._aside[:]
            said = [*aside, *observations] if aside else observations
            urgent, received, saved, late = self._observed.sort_in(said, self._line.ahead_ns)
            del self._aside[: len(aside)]
        if late:
            self._line.note(late)
        updates = self._asking.observe(urgent, Haste.NONE) if urgent else []
        if self._must_tend():
            updates += self.tend()
        saved += max(0, received - saved - len(updates))
        self._line.tally(saved=saved)
        self._report("identifies_saved", saved)
        return updates

    def _is_interrupted(self) -> bool:
        """Whether this very thread is in the middle of another call."""
        held: bool = cast("Any", self._lock)._is_owned()  # as threading.Condition asks
        return held

    def _take_up_aside(self) -> list[GroupUpdate]:
        return self.observe(()) if self._aside else []

    # -- what no export comes for -------------------------------------------------------------------

    def tend(self) -> list[GroupUpdate]:
        """Tell the store what it has not heard of and take up what is due: a page, and no more than is due.

        Nothing due: no store, no network.
        """
        if self._is_interrupted():
            return []
        updates = self._take_up_aside()
        now = self._clock.monotonic()
        with self._lock:
            if self._round_is_due(now):
                self._begin_round(now)
            page_due = not self._line.is_down and self._backlog.begin_page(now)
        updates += self._asking.settle()
        if page_due:  # without a claim: the sweep takes up what of it is due
            self._asking.observe(self._keeping.next_page(), Haste.NONE, claim=False)
        elif self._line.is_down:
            self._keeping.bound(store_is_down=True)
        with self._lock:
            most = 0 if self._line.is_down else self._backlog.begin_sweep(now)
        return updates + self._asking.sweep(most)

    def _must_tend(self) -> bool:
        now = self._clock.monotonic()
        if self._aside or self._round_is_due(now):
            return True
        return not self._line.is_down and (self._backlog.is_due(now) or bool(len(self._endings)))

    def _round_is_due(self, now: float) -> bool:
        return now >= self._backlog.next_round_at or len(self._known.touched) > self._pocket_groups

    def _begin_round(self, now: float) -> None:
        """Everything that is not known to be settled is told once more; what others left is looked for."""
        self._backlog.next_round_at = now + self._write_behind()
        self._observed.carry_touches()
        self._backlog.add(self._pocket.groups())
        self._backlog.look_again(now, on_disk=self._file is not None)

    def _lose(self) -> None:
        """The store has forgotten what it knew: nothing is settled, and it must hear of everything."""
        self._observed.forget_settled()
        self._begin_round(self._clock.monotonic())
        self._count("ledger_lost", 1)

    def flush(self, *, force: bool) -> list[GroupUpdate]:
        """Tell the store everything, at once, and take up what others left. ``force`` passes bucket and
        back-off, never a quiet time: another worker's claim, a cooling, or the server's ``Retry-After``.
        """
        if self._is_interrupted():
            return []
        updates = self._take_up_aside()
        with self._lock:
            self._begin_round(self._clock.monotonic())
            groups = self._backlog.take(len(self._backlog))
        updates += self._asking.settle()
        haste = Haste.FORCED if force else Haste.NONE
        for start in range(0, len(groups), FLUSH_PAGE):
            updates += self._asking.observe(groups[start : start + FLUSH_PAGE], haste)
        return updates + self._asking.sweep(SWEEP_LIMIT)

    def last_act(self) -> list[GroupUpdate]:
        """At shutdown of a memory ledger nobody comes after: what cools goes too, counted ``sent_early``."""
        if self._store.durable:
            return []
        updates = self._grants.of(self._line.ask(self._store.last_act))
        self._count("sent_early", len(updates))
        return updates

    # -- the way back -------------------------------------------------------------------------------

    def settle(self, results: Iterable[tuple[GroupUpdate, Outcome]]) -> list[GroupUpdate]:
        """Tell the ledger what became of updates. What has moved on is granted again, to be sent next.

        While the store is down the ends are kept and told later; the claim's token makes that safe.
        """
        results = list(results)
        with self._lock:
            self._endings.add(results, self._clock.monotonic())
        self._line.tally(sent=sum(outcome.kind is OutcomeKind.DELIVERED for _, outcome in results))
        return self._asking.settle()

    # -- seen from outside --------------------------------------------------------------------------

    def something_waits(self) -> bool:
        """Whether somebody must come although no export may. Asks nobody: it is called after each export."""
        return self._what_waits.something_waits()

    def due_in(self) -> float | None:
        """Seconds until :meth:`tend` has something to do; None when nothing waits."""
        return self._what_waits.due_in()

    def waiting(self) -> Waiting:
        """What waits here and in the store, which is asked."""
        return self._what_waits.waiting()

    def is_safe(self) -> bool:
        """Whether a kill now would lose no observation that a durable ledger has promised to keep."""
        return self._what_waits.is_safe()

    def clean(self) -> bool:
        """Whether a kill now would lose nothing: all acknowledged, or taken by a store that survives."""
        return self._what_waits.clean()

    def decisions(
        self, observations: Sequence[Observation], updates: Sequence[GroupUpdate]
    ) -> list[tuple[LedgerDecision, ...]]:
        """For people: what became of each property of ``observations`` that :meth:`observe` has just taken.

        Asks the store once a group, so it is for an inspector only. ``updates``: what it granted.
        """
        memories: dict[Group, Memory] = {}
        for group in {observation.group for observation in observations}:
            state = None if self._line.is_down else self._line.look(partial(self._store.show, group))
            with self._lock:
                memories[group] = Memory(state, self._known.newest(group))
        return decide(observations, memories, updates, self._digester, ahead_ns=self._line.ahead_ns)

    def notices(self) -> Sequence[Notice]:
        """What people should be told; each kind once."""
        return self._notices.take()

    def _count(self, name: str, count: int) -> None:
        if count:
            self._report(name, count)

    def _write_behind(self) -> float:
        """Seconds to the next round, ±20 %: the processes of a fleet must not all come at once."""
        return self._store.write_behind * (0.8 + 0.4 * self._random(16) / (1 << 16))

    # -- life ---------------------------------------------------------------------------------------

    def before_fork(self) -> None:
        self._store.before_fork()
        if self._file is not None:
            self._file.before_fork()

    def after_fork_in_parent(self) -> None:
        if self._file is not None:
            self._file.after_fork_in_parent()
        self._store.after_fork_in_parent()

    def after_fork_in_child(self) -> None:
        """What the parent observed and claimed is the parent's to deliver; the child begins with nothing."""
        self._store.after_fork_in_child()
        if self._file is not None:
            self._file.after_fork_in_child()
        self._notices.after_fork_in_child()
        self._line.start_afresh()
        self._start_afresh()

    def close(self) -> None:
        """What only memory holds of a durable ledger goes to disk, where there is one."""
        with contextlib.ExitStack() as closing:
            closing.callback(self._store.close)
            if self._file is not None:
                closing.callback(self._file.close)
            if self._store.durable:
                self._keeping.keep_the_rest()
