"""A file that does nothing but occupy space, to be given up when the disk is full.

On a full disk a SQLite log can neither grow by an insert nor by a *delete*, so what is delivered can't be
removed and is delivered again and again. The reserve is as large as the log may become: without it, there
is room to drain.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path


class Reserve:
    """``size`` bytes beside the outbox. Errors are answers here: a full disk is the normal case."""

    def __init__(self, path: Path, size: int) -> None:
        self._path = path
        self._size = size

    def ensure(self) -> bool:
        """Occupy the space, unless the disk is so full that others would miss it. True: it is there.

        Nothing may be added without it: a settling transaction on a full disk spends the reserve, and what
        was added after that would fill the space that draining needs.
        """
        if not self._size:
            return True
        try:
            if self._path.lstat().st_size >= self._size:
                return True
        except OSError:
            pass
        try:
            room = os.statvfs(self._path.parent)
            if room.f_bavail * room.f_frsize < 2 * self._size:
                return False
            flags = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
            descriptor = os.open(self._path, flags, 0o600)
        except OSError:
            return False
        try:
            _allocate(descriptor, self._size)
        except OSError:
            self.spend()
            return False
        finally:
            os.close(descriptor)
        return True

    def spend(self) -> bool:
        """Give the space back to the file system. True when there was any."""
        try:
            there = self._path.lstat().st_size > 0
            self._path.unlink()
        except OSError:
            return False
        return there


def _allocate(descriptor: int, size: int) -> None:
    allocate = getattr(os, "posix_fallocate", None)
    if allocate is not None:
        with contextlib.suppress(OSError):  # some file systems can't; then zeros are written
            allocate(descriptor, 0, size)
            return
    block = bytes(1024 * 1024)
    for start in range(0, size, len(block)):
        os.pwrite(descriptor, block[: size - start], start)
