"""Which calls are inside at the moment."""

from __future__ import annotations

import threading


class Running:
    """Knows which calls are inside, so that a flush can wait for those before it, and only those."""

    def __init__(self) -> None:
        self._lock = threading.RLock()  # guards what follows
        self._changed = threading.Condition(self._lock)
        self._tickets: set[int] = set()
        self._next_ticket = 0
        self._waiting = 0  # calls of :meth:`wait`: most calls leave with nobody to tell

    def __call__(self) -> Visit:
        """Around one call: ``with running():``."""
        return Visit(self)

    def enter(self) -> int:
        """A call comes in; its ticket."""
        with self._lock:
            ticket = self._next_ticket
            self._next_ticket += 1
            self._tickets.add(ticket)
        return ticket

    def leave(self, ticket: int) -> None:
        with self._lock:
            self._tickets.discard(ticket)
            if self._waiting:
                self._changed.notify_all()

    def wait(self, timeout: float) -> bool:
        """True once every call that is inside now has left; False when ``timeout`` seconds went by first."""
        with self._lock:
            mark = self._next_ticket
            self._waiting += 1
            try:
                return self._changed.wait_for(
                    lambda: min(self._tickets, default=mark) >= mark, max(0.0, timeout)
                )
            finally:
                self._waiting -= 1


class Visit:
    """One call inside. A class and no generator: the standard library's takes five calls for these two."""

    __slots__ = ("_running", "_ticket")

    def __init__(self, running: Running) -> None:
        self._running = running

    def __enter__(self) -> None:
        self._ticket = self._running.enter()

    def __exit__(self, *_: object) -> None:
        self._running.leave(self._ticket)
