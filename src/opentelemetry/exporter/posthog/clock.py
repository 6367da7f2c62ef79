"""Time as a value that is passed in.

Everything that needs to know the time or to wait takes a :class:`Clock`. Tests pass one that stands still
until it is told to move, so no test sleeps and no test is flaky because a machine was slow.
"""

from __future__ import annotations

import threading
import time
from typing import Protocol


class Clock(Protocol):
    """Wall clock, monotonic clock and waiting, as one seam."""

    def time_ns(self) -> int:
        """Nanoseconds since the Unix epoch. May step; only for times that are written down."""
        ...

    def monotonic(self) -> float:
        """Seconds on a clock that never steps back. For deadlines and leases within one process."""
        ...

    def wait(self, seconds: float, wake: threading.Event) -> bool:
        """Wait until ``wake`` is set or ``seconds`` are over. True when it was set."""
        ...


class SystemClock:
    """The machine's own clocks."""

    __slots__ = ()

    def time_ns(self) -> int:
        return time.time_ns()

    def monotonic(self) -> float:
        return time.monotonic()

    def wait(self, seconds: float, wake: threading.Event) -> bool:
        return wake.wait(max(0.0, seconds))
