"""A clock that stands still until it is told to move."""

from __future__ import annotations

import threading

EPOCH_NS = 1_790_000_000_000_000_000  # 2026-09-21T13:33:20Z: any fixed, plausible time serves


class ManualClock:
    """Implements ``clock.Clock``; waiting moves the time instead of sleeping."""

    def __init__(self, time_ns: int = EPOCH_NS, monotonic: float = 0.0) -> None:
        self._time_ns = time_ns
        self._monotonic = monotonic
        self.waits: list[float] = []

    def time_ns(self) -> int:
        return self._time_ns

    def monotonic(self) -> float:
        return self._monotonic

    def wait(self, seconds: float, wake: threading.Event) -> bool:
        if wake.is_set():
            return True
        self.waits.append(seconds)
        self.advance(max(0.0, seconds))
        return wake.is_set()

    def advance(self, seconds: float) -> None:
        """Move both clocks forward."""
        self._monotonic += seconds
        self._time_ns += round(seconds * 1e9)
