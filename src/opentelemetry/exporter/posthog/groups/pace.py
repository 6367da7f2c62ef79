"""How fast what piled up is worked off: after an outage or a lost store, and never instead of real news."""

from __future__ import annotations

from typing import Final

RATE: Final = 50.0
"""Groups a second that a process sends again of what piled up; what signals say *now* is not held back."""

BURST: Final = 100.0
"""A short outage of a small service is over at once."""

PAGE: Final = 128
"""Groups that the store is told of at once, of those that wait."""

PAGE_PAUSE: Final = 1.0
"""Seconds between two pages: 160 workers that come back together ask for 20,000 groups a second, about what
one Redis does beside its other users' work."""


class Pace:
    """Lets ``RATE`` a second through and saves up ``BURST``. What was let through may exceed what was left:
    the debt is then waited for. Not thread-safe; ``now`` is monotonic seconds."""

    __slots__ = ("_at", "_left")

    def __init__(self, now: float) -> None:
        self._at = now
        self._left = BURST

    def left(self, now: float) -> int:
        """How many may go now."""
        self._left = min(BURST, self._left + max(0.0, now - self._at) * RATE)
        self._at = now
        return max(0, int(self._left))

    def spend(self, count: int) -> None:
        self._left -= count

    def wait(self, now: float) -> float:
        """Seconds until one may go."""
        return 0.0 if self.left(now) else (1.0 - self._left) / RATE
