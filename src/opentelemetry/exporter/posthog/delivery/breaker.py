"""When not to try, or only briefly: a host that is down must not cost every export its whole deadline.

::

              5 failures in a row, or an export whose whole deadline went by
    CLOSED ───────────────────────────────────────────────────────────────► OPEN
       ▲                                                                      │ one probe an interval,
       └──────────────────────── a sound answer ◄─────────────────────────────┘ the others brief or none

Pure state: the time is an argument, and whoever uses it from several threads brings the lock.
"""

from __future__ import annotations

from enum import Enum
from typing import Final

FAILURES: Final = 5
"""In a row; fewer open it for a hiccup."""

INTERVAL: Final = 30.0
"""Seconds between probes: soon enough after an outage, rare enough during one."""

BRIEF: Final = 1.0
"""Seconds that an export tries while open: the last batches of a dying process fit into the SDK's 30 s."""

PROBE: Final = 5.0
"""Seconds that a probe may take: a host that has become slow can only be found again with patience."""


class Admission(Enum):
    """How much an export may try."""

    FULL = "full"  # all attempts, within its deadline
    PROBE = "probe"  # one attempt of at most PROBE seconds
    BRIEF = "brief"  # one attempt of at most BRIEF seconds
    NONE = "none"  # no attempt


class Breaker:
    """``durable``: what is not sent is safe on disk, so between probes nothing is tried at all."""

    def __init__(self, *, durable: bool) -> None:
        self._durable = durable
        self._failures = 0
        self._next_probe: float | None = None  # monotonic; None while closed
        self.cause = ""  # the reason of the failure that opened it, or of the last one since

    @property
    def is_open(self) -> bool:
        return self._next_probe is not None

    def admit(self, now: float) -> Admission:
        """What an export that starts ``now`` (monotonic seconds) may try."""
        if self._next_probe is None:
            return Admission.FULL
        if now >= self._next_probe:
            self._next_probe = now + INTERVAL
            return Admission.PROBE
        return Admission.NONE if self._durable else Admission.BRIEF

    def failed(self, now: float, cause: str, *, retry_after: float = 0.0) -> None:
        """A request got no sound answer."""
        self._failures += 1
        self.cause = cause
        if self._failures >= FAILURES or self.is_open:
            self._open(now, retry_after)

    def exhausted(self, now: float, cause: str) -> None:
        """An export used its whole deadline in vain."""
        self.cause = cause
        self._open(now, 0.0)

    def stopped(self, now: float, cause: str, *, retry_after: float = 0.0) -> None:
        """PostHog will take nothing until a person acts: key, quota, or a host that is not PostHog."""
        self.cause = cause
        self._open(now, retry_after)

    def succeeded(self) -> None:
        """A sound answer came."""
        self._failures = 0
        self._next_probe = None
        self.cause = ""

    def _open(self, now: float, retry_after: float) -> None:
        opened = now + max(INTERVAL, retry_after)
        # While it is open, only what the server asks for may move the probe: brief tries fail all the time.
        if self._next_probe is None:
            self._next_probe = opened
        elif retry_after > 0.0:
            self._next_probe = max(self._next_probe, now + retry_after)
