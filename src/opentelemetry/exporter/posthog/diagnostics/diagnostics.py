"""One pipeline's diagnostics: told what happened, asked for figures, and quiet."""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING

from ..model import GROUP_IDENTIFY
from ..reasons import Reason
from . import delivery_lines
from .quiet_log import QuietLog
from .stats import Stats, UpdateStats
from .summary import HARMLESS, final_words, is_loss, rate_line

if TYPE_CHECKING:
    from ..clock import Clock
    from .delivery_lines import Delivery
    from .self_metrics import SelfMetrics

LOGGER_NAME = "opentelemetry.exporter.posthog"

FIRST_SUMMARY = 60.0
"""Seconds from the first signal to the first line about the rate: soon enough to stop a costly mistake."""

NEXT_SUMMARY = 86_400.0
"""Seconds between further ones."""

MAX_NAMES = 1_000
"""Event names counted one by one; a name with an id in it must not eat the memory."""

OTHER_NAMES = "(other names)"

TURNED_AWAY = frozenset({Reason.INERT, Reason.SHUT_DOWN, Reason.TRANSLATION_ERROR})
"""Reasons for not being selected that are failures of an export, not decisions."""


class Diagnostics:
    """Counters, log lines and their rhythm. Safe for many threads; no method ever raises into an export.

    Counts are taken exactly once a signal, a capture and a group update, so that :attr:`Stats.balanced`
    holds whenever no export runs.
    """

    def __init__(self, *, clock: Clock, logger: logging.Logger | None = None) -> None:
        self._clock = clock
        self._metrics: SelfMetrics | None = None
        self._log = QuietLog(logger if logger is not None else logging.getLogger(LOGGER_NAME), clock)
        self._start_afresh()

    def _start_afresh(self) -> None:
        # Re-entrant: the garbage collector may run a finalizer that logs, and through a simple processor
        # exports, while this thread holds it.
        self._lock = threading.RLock()  # guards what follows
        self._received: Counter[str] = Counter()
        self._not_selected: Counter[str] = Counter()
        self._made = 0
        self._delivered = 0
        self._refused: Counter[str] = Counter()
        self._dropped: Counter[str] = Counter()
        self._stored = 0
        self._updates: Counter[str] = Counter()
        self._notes: Counter[str] = Counter()
        self._events: Counter[str] = Counter()
        self._window_events: Counter[str] = Counter()  # as _events, since the last summary
        self._window_start: float | None = None  # monotonic; None before the first signal
        self._window_length = FIRST_SUMMARY
        self._said_goodbye = False

    def after_fork_in_child(self) -> None:
        """Begin at zero with new locks: what the parent counted is the parent's."""
        self._start_afresh()
        self._log.reset()

    # -- OpenTelemetry metrics of our own -------------------------------------------------------------------

    def measure(self, server: str) -> None:
        """Switch self-metrics on; ``server`` is the host's URL. Not switched on, they cost nothing."""
        from .self_metrics import SelfMetrics

        self._metrics = SelfMetrics(server, self.snapshot)

    def exporting(self, signal: str, count: int) -> AbstractContextManager[None]:
        """Around one export of ``count`` signals, on the thread that does it."""
        return nullcontext() if self._metrics is None else self._metrics.exporting(signal, count)

    def _lost(self, reason: str, count: int) -> None:
        if self._metrics is not None and reason not in HARMLESS:
            self._metrics.lost(reason, count)

    # -- counting ---------------------------------------------------------------------------------------

    def received(self, signal: str, count: int) -> None:
        """Signals handed to an exporter. ``signal`` is ``"span"`` or ``"log"``."""
        with self._lock:
            self._received[signal] += count
            if self._window_start is None:
                self._window_start = self._clock.monotonic()

    def not_selected(self, reason: Reason | str, count: int = 1) -> None:
        """Signals that became no capture, and why."""
        with self._lock:
            self._not_selected[word(reason)] += count
        if reason in TURNED_AWAY:
            self._lost(word(reason), count)

    def let_go(self, reason: Reason, count: int) -> None:
        """Signals of which translation made nothing that is left: not selected, or made and dropped."""
        if reason.after_selection:
            with self._lock:
                self._made += count
                self._dropped[reason.value] += count
        else:
            self.not_selected(reason, count)

    def made(self, event_names: Iterable[str]) -> None:
        """Captures that signals became, by their names."""
        names = Counter(event_names)
        with self._lock:
            self._made += names.total()
            self._count_names(names)

    def delivered(self, count: int) -> None:
        """Captures that PostHog acknowledged."""
        with self._lock:
            self._delivered += count

    def refused(self, reason: Reason | str, count: int) -> None:
        """Captures to which PostHog said no."""
        with self._lock:
            self._refused[word(reason)] += count
        self._lost(word(reason), count)

    def dropped(self, reason: Reason | str, count: int) -> None:
        """Captures that we let go."""
        with self._lock:
            self._dropped[word(reason)] += count
        self._lost(word(reason), count)

    def stored(self, delta: int) -> None:
        """Captures that came to rest on disk; negative when such ones were delivered, refused or dropped."""
        with self._lock:
            self._stored += delta

    def updates(
        self, *, granted: int = 0, delivered: int = 0, refused: int = 0, released: int = 0, unknown: int = 0
    ) -> None:
        """Group updates that the ledger granted, and how they ended."""
        with self._lock:
            self._updates["granted"] += granted
            self._updates["delivered"] += delivered
            self._updates["refused"] += refused
            self._updates["released"] += released
            self._updates["unknown"] += unknown
            if delivered:
                self._count_names(Counter({GROUP_IDENTIFY: delivered}))

    def note(self, name: str, count: int = 1) -> None:
        """Any other counted word: what the ledger saved or forgot, which keys were no group keys."""
        with self._lock:
            self._notes[name] += count

    def delivery(self, record: Delivery) -> None:
        """What one delivery did: log lines and metrics. Its captures are counted by the pipeline."""
        if self._metrics is not None:
            self._metrics.answered(record.statuses)
        for level, kind, message in delivery_lines.lines(record):
            self._log.line(level, kind, message)
        self._log.debug(lambda: delivery_lines.summary(record))

    def _count_names(self, names: Counter[str]) -> None:
        for counts in (self._events, self._window_events):
            for name, count in names.items():
                known = name in counts or len(counts) < MAX_NAMES
                counts[name if known else OTHER_NAMES] += count

    def snapshot(self) -> Stats:
        """All figures of one moment."""
        with self._lock:
            return Stats(
                received=self._received.total(),
                received_by_signal=dict(self._received),
                not_selected=dict(self._not_selected),
                made=self._made,
                delivered=self._delivered,
                refused=dict(self._refused),
                dropped=dict(self._dropped),
                stored=self._stored,
                updates=UpdateStats(**self._updates),
                notes=dict(self._notes),
                events=dict(self._events),
            )

    # -- log lines: never a key, never the value of a property ---------------------------------------------

    def info_once(self, kind: str, message: str) -> None:
        """Something worth saying once a process."""
        self._log.once(logging.INFO, kind, message)

    def warn(self, kind: str, message: str) -> None:
        """Something is worse than it should be; at most one line a kind and minute."""
        self._log.line(logging.WARNING, kind, message)

    def error(self, kind: str, message: str) -> None:
        """Something is broken and needs a person; at most one line a kind and minute."""
        self._log.line(logging.ERROR, kind, message)

    def tick(self) -> None:
        """Write the line about events and their rate if it is due. Called after each export."""
        with self._lock:
            if self._window_start is None:
                return
            elapsed = self._clock.monotonic() - self._window_start
            if elapsed < self._window_length:
                return
            events = self._window_events
            self._window_events = Counter()
            self._window_start += elapsed
            self._window_length = NEXT_SUMMARY
        self._log.always(logging.INFO, rate_line(events, elapsed))

    def final_line(self) -> None:
        """The last words, once: a WARNING when something was lost, else the figures at INFO."""
        with self._lock:
            if self._said_goodbye:
                return
            self._said_goodbye = True
        stats = self.snapshot()
        if stats.received or stats.delivered or stats.updates.granted:
            self._log.always(logging.WARNING if is_loss(stats) else logging.INFO, final_words(stats))


def word(reason: Reason | str) -> str:
    """The counted word of a reason."""
    return reason.value if isinstance(reason, Reason) else reason
