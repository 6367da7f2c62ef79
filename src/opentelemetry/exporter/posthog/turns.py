"""Turns for other threads while a batch is translated: often as a rule, never while signals pile up.

Translation is one stretch of Python, and whoever else wants the interpreter waits for it. A turn every few
signals costs nothing in a process that is mostly idle and more than halves the worst waits of other threads.
In one whose threads compute without end, each turn costs the time after which the interpreter switches by
itself (5 ms): an export then takes several times as long, the SDK's queue overflows, and telemetry is lost.
Exports that come one upon the other say that this is so.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from .clock import Clock

PILED_UP: Final = 0.01
"""Seconds. A worker whose queue holds another batch is back sooner, even if it has to wait for the
interpreter; one that has to wait for signals is not."""


def _give_turn() -> None:
    time.sleep(0)


def _go_on() -> None:
    pass


class Turns:
    """Decides it for the exports of each kind of signal. Safe for many threads: a race costs a turn."""

    __slots__ = ("_clock", "_ended", "_give")

    def __init__(self, clock: Clock, give: Callable[[], None] = _give_turn) -> None:
        self._clock = clock
        self._give = give
        self._ended: dict[str, float] = {}

    def begin(self, signal: str) -> Callable[[], None]:
        """What an export of this kind calls between two pieces of its batch."""
        ended = self._ended.get(signal)
        piled_up = ended is not None and self._clock.monotonic() - ended < PILED_UP
        return _go_on if piled_up else self._give

    def end(self, signal: str) -> None:
        """An export of this kind has ended."""
        self._ended[signal] = self._clock.monotonic()
