"""What people should be told of the ledger, each kind once, and never with a value in it."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from ..model import GroupUpdate

LATE: Final = 300 * 1_000_000_000
"""Nanoseconds after its event time from which a first sight is worth telling."""

MAX_KINDS: Final = 256
"""Kinds remembered as said: they hold property names, which are the application's to choose."""


class Notice(NamedTuple):
    """Something that people should be told once: ``kind`` is stable, ``message`` names no value.

    ``grave``: something is broken and needs a person, else it is only worse than it should be.
    """

    kind: str
    message: str
    grave: bool = False


class Notices:
    """Collects notices until somebody passes them on. Safe for many threads."""

    def __init__(self) -> None:
        self._said: set[str] = set()
        self.after_fork_in_child()

    def after_fork_in_child(self) -> None:
        """What the parent has said need not be said again; what it was about to say is its own to say."""
        self._lock = threading.RLock()  # guards what follows; re-entrant, since a signal handler may export
        self._waiting: list[Notice] = []

    def add(self, notice: Notice) -> None:
        with self._lock:
            if notice.kind not in self._said and len(self._said) < MAX_KINDS:
                self._said.add(notice.kind)
                self._waiting.append(notice)

    def take(self) -> Sequence[Notice]:
        """Those that nobody has taken yet."""
        if not self._waiting:
            return ()
        with self._lock:
            taken, self._waiting = self._waiting, []
            return taken


def late_first_sight(update: GroupUpdate, now_ns: int, *, durable: bool) -> Notice | None:
    """A ledger that forgets at restart may take old news for the first."""
    if durable or not update.first_sight or not update.properties or now_ns - update.time_ns <= LATE:
        return None
    return Notice(
        "late_first_sight",
        "a group was first seen through an observation older than five minutes. This ledger lives in memory, "
        "so after a restart such late news can set a profile back until the next newer signal. "
        "A durable ledger (OTEL_EXPORTER_POSTHOG_LEDGER) prevents it.",
    )
