"""Transactions on the outbox's file, and what happens when the disk says no.

- Disk full, or an I/O error: give up the reserve and try again, except when adding.
- The commit itself failed: it may have happened, so the file is opened anew and asked.
- Corrupted: put aside, a new file takes its place, and what can be read is moved over.
- Forked behind Python's back: this process goes on with a file of its own, which others adopt later.
- Written by a newer version: left alone, and a file named for our version is used beside it.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from ..errors import ForeignStateError, ForkedStateError, NewerStateError, PostHogExporterError
from ..sqlite import StateFile
from ..sqlite_faults import SqliteFault, fault_of
from ..sqlite_identity import StateOwner
from . import outbox_rescue as rescue
from . import outbox_tables as tables
from .outbox_reserve import Reserve

if TYPE_CHECKING:
    from ..clock import Clock
    from .outbox import Report

T = TypeVar("T")

NAME = "outbox.db"
TRIES = 4
"""A fork, a newer file and a corruption may each take one."""

RESERVE_BYTES = 9 * 1024 * 1024
"""What the log may grow to (8 MiB), and one for good measure."""

LOOK_AFTER_EVERY = 60.0
"""Seconds between two looks for files of processes that are gone."""

VACUUM_PAGES = 1000
"""Pages handed back at a time (4 MiB), so that others get their turn between."""

FAULT_TEXTS = {
    SqliteFault.FULL: "the disk is full",
    SqliteFault.IO: "the disk reports an I/O error",
    SqliteFault.CORRUPT: "the file is corrupted",
    SqliteFault.BUSY: "another program holds the file",
    SqliteFault.READ_ONLY: "the file is read-only",
    SqliteFault.CANT_OPEN: "the file can't be opened",
}


class OutboxFile:
    """Runs acts in transactions; an act that can't be done answers None, and ``trouble`` says why."""

    def __init__(
        self,
        directory: Path,
        *,
        owner: StateOwner | None,
        clock: Clock,
        report: Report,
        max_bytes: int,
        reserve_bytes: int,
        at: Callable[[str], None],
    ) -> None:
        self._directory = directory
        self._owner = owner
        self._clock = clock
        self._report = report
        self._max_bytes = max_bytes
        self._reserve = Reserve(directory / "outbox.reserve", reserve_bytes)
        self._at = at
        self._own: rescue.OwnFile | None = None
        self._next_look = float("-inf")
        self._salvaging = False
        self._missing = 0
        self.trouble = ""
        self._use(directory / NAME)

    def _use(self, path: Path) -> None:
        self._file = StateFile(
            path, schema=tables.SCHEMA, owner=self._owner, clock=self._clock, max_bytes=self._max_bytes
        )
        self._known_opening = 0
        self._checked_opening = 0

    @property
    def path(self) -> Path:
        return self._file.path

    def verify(self) -> None:
        """Open the file and close it. Raises ForeignStateError; other trouble may pass and is reported."""
        try:
            self._open_and_close()
        except NewerStateError as error:
            if self._use_our_version(error):
                self.verify()
        except ForeignStateError:
            raise
        except (sqlite3.Error, OSError, PostHogExporterError) as error:
            self._complain(error)

    def _open_and_close(self) -> None:
        with self._file.reading():
            pass
        self._file.close()

    # -- transactions -------------------------------------------------------------------------------

    def do(self, act: Callable[[sqlite3.Connection], T], *, adding: bool = False) -> T | None:
        """The answer of ``act`` in a committed transaction; None when it could not be committed.

        ``act`` may run more than once, the last time after a commit that may have happened.
        """
        failure: BaseException | None = None
        for _ in range(TRIES):
            missing = 0
            try:
                with self._file.transaction() as connection:
                    missing = self._catch_up(connection)
                    answer = act(connection)
                    self._file.leave_note(tables.note_of(connection))
            except Exception as error:  # noqa: BLE001 - nothing leaves the outbox; the answer is None
                again = failure is None or type(error) is not type(failure) or str(error) != str(failure)
                failure = error
                if not (self._mend(error, adding=adding) and again):
                    break
            else:
                self.trouble = ""
                if missing:
                    self._miss(missing)
                return answer
        self._complain(failure)
        return None

    def look(self, act: Callable[[sqlite3.Connection], T]) -> T | None:
        """The answer of ``act`` in a read transaction; None when the file can't be read."""
        try:
            with self._file.reading() as connection:
                return act(connection)
        except Exception as error:  # noqa: BLE001 - as above
            self._complain(error)
            return None

    def _catch_up(self, connection: sqlite3.Connection) -> int:
        """After an opening: what was the file like when it was left? The number of events gone meanwhile."""
        if self._known_opening == self._file.openings:
            return 0
        missing = tables.reconcile(connection, self._file.note())
        self._known_opening = self._file.openings
        return missing

    def _miss(self, missing: int) -> None:
        """Report what is gone; while a corrupted file is still to be read, that is not known yet."""
        if self._salvaging:
            self._missing += missing
            return
        self._report.dropped("outbox_missing", missing)
        self._report.stored(-missing)
        self._report.error("outbox_missing", f"{missing} stored events are gone from {self.path}")

    def _mend(self, error: Exception, *, adding: bool) -> bool:
        """True when trying again makes sense."""
        if isinstance(error, ForkedStateError):
            return self._go_own_way()
        if isinstance(error, NewerStateError):
            return self._use_our_version(error)
        if not isinstance(error, sqlite3.Error):
            return False
        fault = fault_of(error)
        if fault is SqliteFault.CORRUPT:
            return self._start_anew()
        if fault is SqliteFault.FULL:
            return not adding and self._reserve.spend()
        if fault is SqliteFault.IO:
            if not adding:
                self._reserve.spend()
            return True
        return False

    def _complain(self, error: BaseException | None) -> None:
        if isinstance(error, sqlite3.Error):
            self.trouble = FAULT_TEXTS.get(fault_of(error), type(error).__name__)
        elif isinstance(error, PostHogExporterError):
            self.trouble = str(error)
        elif isinstance(error, OSError):
            self.trouble = error.strerror or type(error).__name__
        else:
            self.trouble = type(error).__name__
        self._report.error("outbox_trouble", f"the outbox {self.path} can't be used: {self.trouble}")

    # -- other files --------------------------------------------------------------------------------

    def _use_our_version(self, error: NewerStateError) -> bool:
        """Go on in a file that is named for our version. False: that is the one we can't read."""
        path = self._directory / f"outbox.v{tables.SCHEMA.version}.db"
        if self._file.path == path:
            return False
        self._report.error("outbox_newer", f"{error} Until then {path.name} is used.")
        self._use(path)
        return True

    def _go_own_way(self) -> bool:
        if self._owner is None:
            return False
        try:
            self._own = rescue.OwnFile.beside(self._directory / NAME)
            self._own.live()
        except OSError:
            return False
        self._use(self._own.path)
        return True

    def _start_anew(self) -> bool:
        """Put the corrupted file aside. False: that is not possible, or not ours to do."""
        if self._owner is None:
            return False
        stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(self._clock.time_ns() / 1e9))
        try:
            target = rescue.set_aside(self._file, stamp, self._at)
        except (OSError, PostHogExporterError):
            return False
        if target is not None:
            self._salvaging = True
            self._report.error(
                "outbox_corrupted", f"the outbox was corrupted; it was put aside as {target.name}"
            )
        self._next_look = float("-inf")
        return True

    def others_wait(self) -> bool:
        """True when there is a corrupted file that was not read yet, or one of a process that may be gone."""
        if self._owner is None or self._clock.monotonic() < self._next_look:
            return False
        unread = (path for path in rescue.quarantined(self._file.path) if not self._is_absorbed(path.name))
        return any(unread) or any(rescue.own_files(self._file.path))

    def _is_absorbed(self, name: str) -> bool:
        return self.look(lambda connection: tables.is_absorbed(connection, name)) is not False

    def look_after(self, max_age: float) -> None:
        """Check a file that was not closed, save what was put aside, adopt what was left behind."""
        now = self._clock.monotonic()
        if self._owner is None or now < self._next_look:
            return
        self._next_look = now + LOOK_AFTER_EVERY
        self._check()
        for path in rescue.quarantined(self._file.path):
            self._save_from(path)
        self._salvaging = False
        if self._missing > 0:
            missing, self._missing = self._missing, 0
            self._miss(missing)
        rescue.forget_quarantined(self._file.path, before=self._clock.time_ns() / 1e9 - max_age)
        adopted = rescue.adopt_orphans(self._file, owner=self._owner, clock=self._clock, at=self._at)
        if adopted:
            self._report.note("outbox_adopted", adopted)
        self._reserve.ensure()

    def _check(self) -> None:
        """Look through a file that its last user may have left half-written; once an opening."""
        if self._file.was_left_open and self._checked_opening != self._file.openings:
            if self.look(_is_sound) is False:
                self._start_anew()
            self._checked_opening = self._file.openings

    def _save_from(self, corrupted: Path) -> None:
        name = corrupted.name
        if self._is_absorbed(name):
            return
        saved = 0
        with contextlib.suppress(sqlite3.Error, OSError):
            for page in rescue.readable_pages(corrupted):
                self._at("salvage.before_page")
                inserted = self.do(partial(rescue.salvage, rows=page))
                if inserted is None:
                    return  # the new file can't take it now; the old one stays
                saved += inserted
                self._missing = max(0, self._missing - inserted)
        self._at("salvage.before_end")
        self.do(lambda connection: tables.first_time(connection, name))
        self._report.error("outbox_salvaged", f"{saved} events were saved from {name}")

    def shrink(self) -> None:
        """Give unused space back to the file system; closing overwrites what the log held of deleted rows."""
        with contextlib.suppress(sqlite3.Error, OSError, PostHogExporterError):
            while self._file.shrink(VACUUM_PAGES) > 0:
                pass
            self._file.close()

    def has_reserve(self) -> bool:
        """False: the disk is so full that nothing may be added."""
        return self._reserve.ensure()

    def file_bytes(self) -> int:
        total = 0
        for suffix in rescue.SUFFIXES:
            with contextlib.suppress(OSError):
                total += os.stat(f"{self.path}{suffix}").st_size
        return total

    # -- life ---------------------------------------------------------------------------------------

    def close(self) -> None:
        self._file.close()

    def before_fork(self) -> None:
        self._file.before_fork()

    def after_fork_in_parent(self) -> None:
        self._file.after_fork_in_parent()

    def after_fork_in_child(self) -> None:
        self._file.after_fork_in_child()
        if self._own is not None:
            with contextlib.suppress(OSError):
                self._own.live()


def _is_sound(connection: sqlite3.Connection) -> bool:
    try:
        return bool(connection.execute("PRAGMA quick_check(1)").fetchone()[0] == "ok")
    except sqlite3.DatabaseError as error:
        if fault_of(error) is SqliteFault.CORRUPT:
            return False
        raise
