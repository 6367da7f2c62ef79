"""The one thread of our own: it lives only while something waits that no export may come for.

Rows in the outbox after the last export of the day, an organization that is quiet or out of its bucket: the
caretaker does the work, sleeps for as long as the work says, and ends when nothing is left. It is a daemon
and holds nobody up; it starts when first woken, and never while the interpreter is on its way out.
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..clock import Clock

LONGEST_SLEEP = 30.0
"""Seconds: even when told to sleep longer, the work is asked again. What comes to wait meanwhile may be due
sooner (a group out of its bucket after half a minute), and nobody wakes a sleeper for it."""


class Caretaker:
    """Calls ``work`` in a thread of its own until it answers None. Safe for many threads.

    ``work`` answers the seconds until it wants to be called again, or None when nothing waits any more.
    ``around`` makes a context that holds for the whole thread: instrumentation is suppressed there.
    """

    def __init__(
        self,
        work: Callable[[], float | None],
        *,
        clock: Clock,
        failed: Callable[[BaseException], None],
        around: Callable[[], contextlib.AbstractContextManager[object]] = contextlib.nullcontext,
        name: str = "posthog-exporter-caretaker",
    ) -> None:
        self._work = work
        self._clock = clock
        self._failed = failed
        self._around = around
        self._name = name
        self._meet_the_process()

    def _meet_the_process(self) -> None:
        self._pid = os.getpid()
        self._lock = threading.RLock()  # guards what follows; re-entrant, since signal handlers may flush
        self._look_again = False
        self._wake = threading.Event()
        self._thread: threading.Thread | None = None
        self._stopped = False

    def after_fork_in_child(self) -> None:
        """The thread stayed in the parent; a new one starts when it is needed."""
        self._meet_the_process()

    @property
    def alive(self) -> bool:
        return self._thread is not None

    def attend(self) -> None:
        """Something waits, for some time perhaps: nobody leaves without a look at it, a sleeper sleeps on."""
        with self._lock:
            if self.alive and self._pid == os.getpid():
                self._look_again = True
            else:
                self.wake()

    def wake(self) -> None:
        """Something waits: have the work done soon. Without a thread, that is the next export."""
        if self._pid != os.getpid():
            self._meet_the_process()
        with self._lock:
            if self._stopped:
                return
            self._wake.set()
            if self._thread is not None or not _threads_may_start():
                return
            thread = threading.Thread(target=self._live, args=(self._wake,), name=self._name, daemon=True)
            self._thread = thread
            try:
                thread.start()
            except RuntimeError:  # the interpreter is going, or the system has no thread to give
                self._thread = None

    def stop(self, timeout: float) -> bool:
        """Ask the thread to end and wait up to ``timeout`` seconds. True when none is left."""
        with self._lock:
            self._stopped = True
            self._wake.set()
            thread = self._thread
        if thread is None or thread is threading.current_thread():
            return True
        thread.join(max(0.0, timeout))
        return not thread.is_alive()

    def _live(self, wake: threading.Event) -> None:
        try:
            with self._around():
                self._keep_working(wake)
        except Exception as error:  # noqa: BLE001 - a thread of ours never prints a traceback
            self._leave(wake)
            with contextlib.suppress(Exception):
                self._failed(error)

    def _keep_working(self, wake: threading.Event) -> None:
        while True:
            wake.clear()
            self._look_again = False
            if self._stopped:
                self._leave(wake)
                return
            pause = self._work()
            if pause is None:
                if self._may_leave(wake):
                    return
            else:
                self._clock.wait(min(pause, LONGEST_SLEEP), wake)

    def _may_leave(self, wake: threading.Event) -> bool:
        """End, unless somebody wanted us while the work looked around."""
        with self._lock:
            if (wake.is_set() or self._look_again) and not self._stopped:
                return False
            self._thread = None
            return True

    def _leave(self, wake: threading.Event) -> None:
        with self._lock:
            if wake is self._wake:
                self._thread = None


def _threads_may_start() -> bool:
    """False once the main thread has ended: threads are joined then, and new ones die or are refused."""
    return threading.main_thread().is_alive() and not sys.is_finalizing()
