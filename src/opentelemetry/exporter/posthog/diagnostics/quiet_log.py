"""Log lines that cannot become a storm, a loop or an exception.

Three harms are prevented. A PostHog that is down for an hour must not write a line a batch: at most one line
a kind and :data:`PAUSE`. A handler that sends our own line back into our exporter must not make another line:
while a thread writes one, it writes no second. And a handler that raises must not end an export.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..clock import Clock

PAUSE = 60.0
"""Seconds between two lines of one kind: what an operator can still read during an outage."""

MAX_KINDS = 1_000
"""Kinds remembered: words of our code, some with a name of the user's in them. Further ones share one."""

MAX_LENGTH = 1_000
"""Characters of a line, cut after; longer ones are cut by collectors anyway, in worse places."""


class QuietLog:
    """Writes to one logger, at most one line a kind and minute. Safe for many threads; never raises."""

    def __init__(self, logger: logging.Logger, clock: Clock) -> None:
        self._logger = logger
        self._clock = clock
        self._writing = threading.local()  # .now: this thread is inside a handler of ours
        self.reset()

    def reset(self) -> None:
        """Forget what was said; with new locks, for the child of a fork."""
        # Re-entrant: the garbage collector may run a finalizer that logs while this thread holds it.
        self._lock = threading.RLock()  # guards what follows
        self._last: dict[str, float] = {}  # kind -> monotonic time of its last line
        self._withheld: dict[str, int] = {}  # kind -> lines since then

    def line(self, level: int, kind: str, message: str) -> bool:
        """Write ``message`` unless its kind spoke within the last minute. True when it was written."""
        if not self._logger.isEnabledFor(level):
            return False
        withheld = self._turn(kind)
        if withheld is None:
            return False
        return self._write(level, f"{message} (+{withheld:,} since the last)" if withheld else message)

    def once(self, level: int, kind: str, message: str) -> bool:
        """Write ``message`` if its kind never spoke before. True when it was written."""
        with self._lock:
            if kind in self._last or len(self._last) >= MAX_KINDS:
                return False
            self._last[kind] = self._clock.monotonic()
        return self._write(level, message)

    def always(self, level: int, message: str) -> bool:
        """Write a line of which there are few by nature."""
        return self._write(level, message)

    def debug(self, message: Callable[[], str]) -> bool:
        """Write a line for those who asked for all of them; it is only made for them."""
        return self._logger.isEnabledFor(logging.DEBUG) and self._write(logging.DEBUG, message())

    def _turn(self, kind: str) -> int | None:
        """Lines withheld since the last one if it is this kind's turn; None while it has to be quiet."""
        now = self._clock.monotonic()
        with self._lock:
            if kind not in self._last and len(self._last) >= MAX_KINDS:
                kind = "other"
            last = self._last.get(kind)
            if self._is_writing() or (last is not None and now - last < PAUSE):
                self._withheld[kind] = self._withheld.get(kind, 0) + 1
                return None
            self._last[kind] = now
            return self._withheld.pop(kind, 0)

    def _write(self, level: int, message: str) -> bool:
        if self._is_writing():
            return False
        self._writing.now = True
        try:
            self._logger.log(level, one_line(message))
        except Exception:  # noqa: BLE001 - somebody's handler; there is nobody left to tell
            return False
        finally:
            self._writing.now = False
        return True

    def _is_writing(self) -> bool:
        return bool(getattr(self._writing, "now", False))


def one_line(message: str) -> str:
    """``message`` on one printable line: names come from outside and must not forge lines of their own."""
    text = message if message.isprintable() else "".join(c if c.isprintable() else " " for c in message)
    return text if len(text) <= MAX_LENGTH else text[: MAX_LENGTH - 1] + "…"
