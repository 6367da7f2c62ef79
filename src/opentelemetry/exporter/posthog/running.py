"""Which calls are inside at the moment."""

from __future__ import annotations

import threading
from collections.abc import Generator
from contextlib import contextmanager


class Running:
    """Knows which calls are inside, so that a flush can wait for those before it, and only those."""

    def __init__(self) -> None:
        self._changed = threading.Condition()  # guards what follows
        self._tickets: set[int] = set()
        self._next_ticket = 0

    @contextmanager
    def __call__(self) -> Generator[None]:
        with self._changed:
            ticket = self._next_ticket
            self._next_ticket += 1
            self._tickets.add(ticket)
        try:
            yield
        finally:
            with self._changed:
                self._tickets.discard(ticket)
                self._changed.notify_all()

    def wait(self, timeout: float) -> bool:
        """True once every call that is inside now has left; False when ``timeout`` seconds went by first."""
        with self._changed:
            mark = self._next_ticket
            return self._changed.wait_for(lambda: min(self._tickets, default=mark) >= mark, max(0.0, timeout))
