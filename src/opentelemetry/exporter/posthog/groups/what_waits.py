"""What waits in a ledger and in its store: whether and when to come, and what a kill would lose."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from .store import StoreWaiting

if TYPE_CHECKING:
    from ..clock import Clock
    from ..model import Observation
    from .backlog import Backlog
    from .endings import Endings
    from .observed import Observed
    from .state import Terms
    from .store import LedgerStore
    from .store_line import StoreLine


class Waiting(NamedTuple):
    """What waits although no export may come for it."""

    unsaved: int  # groups of which the store has not taken everything
    dirty: int  # groups that the store has something to send of
    next_due: float | None  # monotonic seconds; None: nothing is due by itself


class WhatWaits:
    """Looks at one life of a ledger and changes nothing of it. Safe for many threads.

    ``lock`` guards ``observed``, ``endings`` and ``backlog``; it is never held while the store is asked.
    """

    def __init__(
        self,
        store: LedgerStore,
        line: StoreLine,
        terms: Terms,
        *,
        clock: Clock,
        lock: threading.RLock,
        observed: Observed,
        endings: Endings,
        backlog: Backlog,
        aside: Sequence[Observation],
    ) -> None:
        """``aside``: observations that nobody has looked at yet."""
        self._store = store
        self._line = line
        self._terms = terms
        self._clock = clock
        self._lock = lock
        self._observed = observed
        self._endings = endings
        self._backlog = backlog
        self._aside = aside

    # -- whether and when to come -------------------------------------------------------------------

    def something_waits(self) -> bool:
        """Whether somebody must come although no export may. Asks nobody."""
        return bool(self._aside or self._touches or len(self._endings) or self._backlog.is_worth_a_look)

    def due_in(self) -> float | None:
        """Seconds until there is something to do; None when nothing waits. Asks the store only when it may
        hold something that this process does not know the time of.
        """
        now = self._clock.monotonic()
        self._ask_the_store(now)
        backlog = self._backlog
        with self._lock:
            moments = [backlog.sweep_at] if backlog.sweep_at is not None else []
            if self._aside or len(self._endings) or backlog.store_holds_something:
                moments.append(now)
            if backlog.has_pages:
                moments.append(backlog.next_page_at)
            if self._touches:
                moments.append(backlog.next_round_at)
        if self._line.is_down and moments:
            moments = [max(self._line.back_at, min(moments))]
        return max(0.0, min(moments) - now) if moments else None

    def _ask_the_store(self, now: float) -> None:
        """When what it holds is due, if that is an open question and the store may be asked."""
        with self._lock:
            asks = not self._line.is_down and self._backlog.take_question()
        if not asks:
            return
        stored = self._stored()
        with self._lock:
            if stored is None:
                self._backlog.store_holds_something = True
            else:
                due_at = None if stored.due_in is None else now + stored.due_in
                self._backlog.store_said(stored.dirty, due_at, at_least=now)

    # -- how much ------------------------------------------------------------------------------------

    def waiting(self) -> Waiting:
        """What waits here and in the store, which is asked."""
        with self._lock:
            unsaved = self._observed.pocket.unsaved + len(self._endings) + len(self._aside)
            touches = self._touches
        now = self._clock.monotonic()
        stored = self._stored() or StoreWaiting(0, None)
        moments = [] if stored.due_in is None else [now + stored.due_in]
        if unsaved:
            moments.append(max(now, self._line.back_at))
        elif touches:
            moments.append(self._backlog.next_round_at)
        return Waiting(unsaved + touches, stored.dirty, min(moments, default=None))

    def _stored(self) -> StoreWaiting | None:
        """What the store says of itself; None when it can't be asked."""
        return self._line.look(partial(self._store.waiting, self._terms))

    @property
    def _touches(self) -> int:
        """Newer times of unchanged values that a store which outlives this process should hear of."""
        return len(self._observed.known.touched) if self._store.durable else 0

    # -- what a kill would lose ----------------------------------------------------------------------

    def is_safe(self) -> bool:
        """Whether a kill now would lose no observation that a durable ledger has promised to keep."""
        with self._lock:
            return not self._store.durable or (self._observed.pocket.is_safe and not self._aside)

    def clean(self) -> bool:
        """Whether a kill now would lose nothing: all acknowledged, or taken by a store that survives."""
        with self._lock:
            if self._aside or len(self._endings) or self._touches or not self.is_safe():
                return False
        return self._store.durable or not self.waiting().dirty
