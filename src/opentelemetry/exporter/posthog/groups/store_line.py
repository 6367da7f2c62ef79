"""The line to the store: one call at a time is tried, and a store that fails is left in peace for a while."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from functools import partial
from typing import TYPE_CHECKING, Final, TypeVar

from ..errors import LedgerError, PostHogExporterError
from .late import LateNews
from .notices import Notice, Notices
from .store import Call, LedgerStore, Reply

if TYPE_CHECKING:
    from ..clock import Clock
    from ..model import Group, Observation
    from .stamp import Digester
    from .state import Terms

T = TypeVar("T")

STORE_PAUSE: Final = 5.0
"""Seconds without a call after the store failed: a stalled store may cost an export its timeout, but once."""

CLOCK_TOLERANCE: Final = 300 * 1_000_000_000
"""Nanoseconds. Below it, hosts differ as hosts do."""


class StoreLine:
    """Asks a store and never raises. Safe for many threads.

    ``ahead_ns``: how far the store's clock is ahead of ours, where that matters; else 0.
    """

    def __init__(
        self,
        store: LedgerStore,
        terms: Terms,
        digester: Digester,
        *,
        clock: Clock,
        notices: Notices,
        count: Callable[[str, int], None],
    ) -> None:
        self._store = store
        self._terms = terms
        self._clock = clock
        self._notices = notices
        self._count = count
        self._late = LateNews(digester)
        self.start_afresh()

    def start_afresh(self) -> None:
        self._lock = threading.RLock()  # guards what follows; re-entrant: signal handlers may export
        self._late.clear()
        self._contradicted: set[Group] = set()
        self._sent = self._saved = 0  # that the store's totals do not hold yet
        self.ahead_ns = 0
        self.back_at = float("-inf")  # monotonic seconds until which the store is left in peace

    @property
    def is_down(self) -> bool:
        """It failed a moment ago, so nobody asks it now."""
        return self._clock.monotonic() < self.back_at

    def contradict(self, group: Group) -> None:
        """It answered an older stamp than before: the next call tells it that it is a restored copy."""
        with self._lock:
            self._contradicted.add(group)

    def tally(self, *, sent: int = 0, saved: int = 0) -> None:
        """For the store's totals; told with the next call, whenever that is."""
        with self._lock:
            self._sent += sent
            self._saved += saved

    def note(self, late: Iterable[Observation]) -> None:
        """Older observations that were let go here; told with the next call, whenever that is."""
        with self._lock:
            for observation in late:
                self._late.add(observation)

    def ask(self, question: Callable[[Call], Reply]) -> Reply | None:
        """The store's reply; None when it is down, or was a moment ago."""
        if self.is_down:
            return None
        with self._lock:
            contradicted = frozenset(self._contradicted)
            sent, saved, late = self._sent, self._saved, self._late.waiting()
        reply = self.look(partial(question, Call(self._terms, contradicted, sent, saved, late)))
        if reply is None:
            return None
        if reply.error is not None:
            self._failed(reply.error)
        if contradicted or sent or saved or late:
            with self._lock:
                self._contradicted -= contradicted
                self._sent -= sent * reply.tallied
                self._saved -= saved * reply.tallied
                self._late.told(late)
        if self._store.remote:
            self._compare_clocks(reply)
        return reply

    def look(self, question: Callable[[], T]) -> T | None:
        """The answer to any other question that the store is asked; None when it could not be had."""
        try:
            return question()
        except PostHogExporterError as error:
            self._failed(error)
        except Exception as error:  # noqa: BLE001 - whatever a store runs into must not cost the captures
            self._failed(LedgerError(f"unexpected {type(error).__name__}"))
        return None

    def _failed(self, error: PostHogExporterError) -> None:
        self.back_at = self._clock.monotonic() + STORE_PAUSE
        self._count("ledger_down", 1)
        self._notices.add(
            Notice(
                f"ledger_down:{type(error).__name__}",
                f"the ledger can't be used, group updates wait: {error}",
            )
        )

    def _compare_clocks(self, reply: Reply) -> None:
        """A clock minutes off would freeze profiles or never be believed: follow the store's."""
        ahead_ns = reply.now * 1000 - self._clock.time_ns()
        if abs(ahead_ns) <= CLOCK_TOLERANCE:
            self.ahead_ns = 0
            return
        self.ahead_ns = ahead_ns
        self._notices.add(
            Notice(
                "clock",
                f"this machine's clock and the ledger's differ by {abs(ahead_ns) // 1_000_000_000} s; the "
                "times of observations follow the ledger's. Set the clock.",
            )
        )
