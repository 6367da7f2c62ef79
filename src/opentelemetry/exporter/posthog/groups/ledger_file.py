"""A file of the ledger: a state file whose errors are ours, and that begins anew when it is damaged."""

from __future__ import annotations

import contextlib
import errno
import os
import sqlite3
from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ..errors import BusyStateError, LedgerError, PostHogExporterError
from ..sqlite import LOCK_TIMEOUT, StateFile
from ..sqlite_faults import SqliteFault, fault_of
from ..sqlite_identity import Schema, StateOwner

if TYPE_CHECKING:
    from ..clock import Clock

PASSING: Final = frozenset({SqliteFault.FULL, SqliteFault.IO, SqliteFault.BUSY, SqliteFault.CORRUPT})
"""What may be over at the next call. A damaged file is one of them, since a new one has begun by then."""

_PASSING_NUMBERS: Final = frozenset(
    {errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EINTR, errno.EAGAIN, errno.EMFILE, errno.ENFILE}
)

WORDS: Final = {
    SqliteFault.FULL: "the disk is full. Make room",
    SqliteFault.IO: "the disk reports an I/O error",
    SqliteFault.CORRUPT: "the file is damaged",
    SqliteFault.BUSY: "another program holds the file. See which one: `fuser` names it",
    SqliteFault.READ_ONLY: "can't be written. Let this user write the file and its directory",
    SqliteFault.CANT_OPEN: "can't be opened. Name a file in a directory that this user may write",
}


def lock_timeout_within(export_time: float) -> float:
    """Seconds that an export of so many seconds may wait for another process: its captures can't wait."""
    return min(LOCK_TIMEOUT, export_time / 5)


class LedgerFileError(LedgerError):
    """The file can't be used now. ``passing``: it may be usable at another time without anybody's help."""

    def __init__(self, message: str, *, passing: bool) -> None:
        super().__init__(message)
        self.passing = passing


class LedgerFile:
    """Raises :class:`LedgerFileError`, and what :class:`~..sqlite.StateFile` itself has words for."""

    def __init__(
        self,
        path: Path,
        *,
        schema: Schema,
        owner: StateOwner | None,
        clock: Clock,
        max_bytes: int | None = None,
        lock_timeout: float = LOCK_TIMEOUT,
        when_lost: str = "Groups are sent once more as they are seen.",
    ) -> None:
        """``lock_timeout``: seconds to wait for another process (:func:`lock_timeout_within`).
        ``when_lost``: what it means for people that the content of a damaged file is gone.
        """
        self.path = path
        self._when_lost = when_lost
        self._ours = owner is not None
        self._file = StateFile(
            path, schema=schema, owner=owner, clock=clock, max_bytes=max_bytes, lock_timeout=lock_timeout
        )
        self.began_anew = False
        self._warnings: list[str] = []

    @contextlib.contextmanager
    def transaction(self) -> Generator[sqlite3.Connection]:
        with self._errors(), self._file.transaction() as connection:
            yield connection

    @contextlib.contextmanager
    def reading(self) -> Generator[sqlite3.Connection]:
        with self._errors(), self._file.reading() as connection:
            yield connection

    @contextlib.contextmanager
    def _errors(self) -> Generator[None]:
        try:
            yield
        except sqlite3.Error as error:
            fault = fault_of(error)
            if fault is SqliteFault.CORRUPT and self._ours:
                self._move_aside()
            words = WORDS.get(fault, f"SQLite said {type(error).__name__}")
            raise LedgerFileError(f"{self.path}: {words}.", passing=fault in PASSING) from error
        except OSError as error:
            words = error.strerror or type(error).__name__
            raise LedgerFileError(
                f"{self.path}: {words}.", passing=error.errno in _PASSING_NUMBERS
            ) from error

    def _move_aside(self) -> None:
        """A damaged ledger is worth less than none: profiles heal from signals, a wrong row does not."""
        with contextlib.suppress(OSError, PostHogExporterError, sqlite3.Error), self._file.alone():
            found = os.stat(self.path)
            if (found.st_dev, found.st_ino) != self._file.inode:
                return  # another process did it first
            for suffix in ("", "-wal", "-shm"):
                part = self.path.with_name(self.path.name + suffix)
                with contextlib.suppress(FileNotFoundError):
                    part.replace(part.with_name(f"{self.path.name}.damaged{suffix}"))
            self.began_anew = True
            self._warnings.append(
                f"{self.path} was damaged; it is now {self.path.name}.damaged, and a new one has begun. "
                f"{self._when_lost}"
            )

    @property
    def openings(self) -> int:
        """How many times it was opened: grows when it may be another file than before."""
        return self._file.openings

    def take_warnings(self) -> tuple[str, ...]:
        """What happened to the file since this was last asked."""
        if not self._warnings:
            return ()
        warnings, self._warnings = self._warnings, []
        return tuple(warnings)

    # -- life ---------------------------------------------------------------------------------------

    def before_fork(self) -> None:
        self._file.before_fork()

    def after_fork_in_parent(self) -> None:
        self._file.after_fork_in_parent()

    def after_fork_in_child(self) -> None:
        self._file.after_fork_in_child()

    def close(self) -> None:
        with contextlib.suppress(OSError, sqlite3.Error, PostHogExporterError):
            self._file.close()


def may_pass(error: PostHogExporterError) -> bool:
    """Whether what ails a file may be over without anybody's help, so that it is worth coming back."""
    return isinstance(error, BusyStateError) or (isinstance(error, LedgerFileError) and error.passing)
