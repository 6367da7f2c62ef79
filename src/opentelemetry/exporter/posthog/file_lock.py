"""A lock on a file that several processes respect, with a bounded wait.

SQLite has locks of its own. This one goes around them for two reasons: SQLite's busy handler is unfair (the
slowest of eight writers waited nine times longer than with a lock in front), and SQLite before 3.51.3 may
lose committed rows when one connection checkpoints while another writes. Who writes or closes holds this
lock, so the two never meet.

``flock`` dies with its process, however that ends. It belongs to the open file description, which a forked
child inherits: the child closes its copy (``let_go``) and must never unlock it.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING

from .errors import BusyStateError, StateFileError

try:
    import fcntl
except ImportError:  # pragma: no cover - a platform without POSIX locks; opening says so
    fcntl = None  # type: ignore[assignment]

if TYPE_CHECKING:
    from .clock import Clock

NAP = 0.0005
"""Seconds between two tries, always the same: naps that grow starve whoever has waited longest (with eight
writers, the slowest of a hundred waited 0.3 to 0.7 s with this one and 0.9 s with naps up to 4 ms)."""

IMPATIENCE = 30.0
"""Seconds during which a holder that did not let go in time is not waited for again (it may be frozen)."""

IMPATIENT_WAIT = 0.05

NOTE_BYTES = 512
"""One write within a page: whole or not there at all when the process dies in it."""


class FileLock:
    """Exclusive lock on ``path``. One holder a process at a time: the caller serialises its own threads."""

    def __init__(self, path: Path, clock: Clock) -> None:
        self._path = path
        self._clock = clock
        self._descriptor: int | None = None
        self._impatient_until = float("-inf")
        self._never = threading.Event()

    @contextlib.contextmanager
    def held(self, timeout: float) -> Generator[None]:
        """Hold the lock inside the block. Raises BusyStateError after ``timeout`` seconds without it."""
        self._take(timeout)
        try:
            yield
        finally:
            self._release()

    def let_go(self) -> None:
        """Close the descriptor without unlocking: before a fork in the parent, after one in the child."""
        if self._descriptor is not None:
            descriptor, self._descriptor = self._descriptor, None
            os.close(descriptor)

    def read_note(self) -> bytes:
        """What the last holder left in the lock's own file. Only while held."""
        return b"" if self._descriptor is None else os.pread(self._descriptor, NOTE_BYTES, 0).rstrip()

    def write_note(self, note: bytes) -> None:
        """Leave a note for the next holder. It outlives processes, but not a power cut. Only while held."""
        if self._descriptor is not None:
            os.pwrite(self._descriptor, note.ljust(NOTE_BYTES), 0)

    def _take(self, timeout: float) -> None:
        now = self._clock.monotonic()
        if now < self._impatient_until:
            timeout = min(timeout, IMPATIENT_WAIT)
        deadline = now + timeout
        while not self._try():
            if self._clock.monotonic() >= deadline:
                self._impatient_until = self._clock.monotonic() + IMPATIENCE
                raise BusyStateError(
                    str(self._path),
                    f"another process held it for {timeout:.2g} s",
                    "See which one: `fuser` names it.",
                )
            self._clock.wait(NAP, self._never)
        self._impatient_until = float("-inf")

    def _try(self) -> bool:
        """True when taken. A file that was removed with its directory guards nothing: that is not taken."""
        if fcntl is None:  # pragma: no cover
            raise StateFileError(
                str(self._path), "this platform has no POSIX file locks", "Use Redis, or memory."
            )
        descriptor = self._descriptor
        if descriptor is None:
            flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
            descriptor = self._descriptor = os.open(self._path, flags, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        if _same_file(descriptor, self._path):
            return True
        self.let_go()
        return False

    def _release(self) -> None:
        if self._descriptor is not None and fcntl is not None:
            fcntl.flock(self._descriptor, fcntl.LOCK_UN)


def _same_file(descriptor: int, path: Path) -> bool:
    try:
        there = os.stat(path)
    except FileNotFoundError:
        return False
    here = os.fstat(descriptor)
    return (here.st_dev, here.st_ino) == (there.st_dev, there.st_ino)
