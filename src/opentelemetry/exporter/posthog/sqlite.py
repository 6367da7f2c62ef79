"""A SQLite file that several threads and processes share, opened so that what it committed stays.

Every rite here was measured against the way of doing without it:

- Who writes, opens or closes holds a file lock (``file_lock.py``), in transactions that begin as writers.
- A connection never lives across a fork: SQLite would believe in locks that the child does not have, and
  the parent's later close would delete the log under the child, which loses committed rows without an error.
  ``before_fork`` closes, both sides open again when they need it. A fork that bypasses Python's hooks is
  noticed by the process id; such a child must not open the path at all (:class:`ForkedStateError`).
- Before each use the path is compared with what was opened: writes to an unlinked file succeed into nothing.
- After an I/O error the connection is not trusted any more: the kernel reports a failed ``fsync`` once.

Raises ``sqlite3.Error``, ``OSError``, :class:`StateFileError` and :class:`ForeignStateError`.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import stat
import threading
from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING

from .errors import BusyStateError, ForkedStateError, StateFileError
from .file_lock import FileLock
from .machine import network_file_system
from .sqlite_faults import SqliteFault, fault_of
from .sqlite_identity import Schema, StateOwner, refuse_strangers, settle_in

if TYPE_CHECKING:
    from .clock import Clock

LOCK_TIMEOUT = 2.0
"""Seconds to wait for another process. Commits take milliseconds; who needs longer is frozen or stuck."""

FORK_TIMEOUT = 5.0
"""Seconds that a fork waits for a running transaction, which itself waits for the file lock at most 2 s."""

WAL_LIMIT_BYTES = 8 * 1024 * 1024
"""The log is cut to this size after a checkpoint; SQLite checkpoints every 1,000 pages (4 MiB)."""

OLDEST_SQLITE = (3, 35, 0)
"""Claims use ``RETURNING``."""

_abandoned: list[sqlite3.Connection] = []
"""Connections inherited by a fork. Closing one in the child would touch the parent's files, so none is."""


class StateFile:
    """One SQLite file of ours. Safe for threads and processes; bounded waits; fork hooks for the runtime."""

    def __init__(
        self,
        path: Path,
        *,
        schema: Schema,
        owner: StateOwner | None,  # None: for tools that read any file; nothing is created then
        clock: Clock,
        max_bytes: int | None = None,
        lock_timeout: float = LOCK_TIMEOUT,
    ) -> None:
        self.path = path
        self._schema = schema
        self._owner = owner
        self._max_bytes = max_bytes
        self._lock_timeout = lock_timeout
        self._file_lock = FileLock(path.with_name(path.name + ".lock"), clock)
        self._connection: sqlite3.Connection | None = None
        self._inode = (0, 0)
        self._left_open = False
        self._note: bytes | None = None
        self._openings = 0
        self._forget_other_processes()

    def _forget_other_processes(self) -> None:
        self._turn = threading.Lock()  # guards the connection and the file lock
        self._holder: int | None = None  # thread that has the turn: a signal handler may come back to us
        self._pid = os.getpid()
        self._closed_for_fork = False
        self._forked_while_open = False

    # -- transactions -------------------------------------------------------------------------------

    @contextlib.contextmanager
    def transaction(self) -> Generator[sqlite3.Connection]:
        """A write transaction: committed and synced when the block ends well, undone when it raises."""
        with self._my_turn(), self._locked():
            connection = self._opened()
            try:
                connection.execute("BEGIN IMMEDIATE")
                yield connection
                connection.execute("COMMIT")
            except BaseException as error:
                self._note = None
                self._undo(connection, error)
                raise
            if self._note is not None:
                note, self._note = self._note, None
                self._file_lock.write_note(note)

    def leave_note(self, note: bytes) -> None:
        """Write ``note`` beside the file once the running transaction is committed (at most 512 bytes).

        The file alone can't tell that its end was lost; a note outside of it that knows more can.
        """
        self._note = note

    def note(self) -> bytes:
        """The newest note of any process. Only inside a transaction."""
        return self._file_lock.read_note()

    @contextlib.contextmanager
    def reading(self) -> Generator[sqlite3.Connection]:
        """A consistent view; writers of other processes go on meanwhile. Keep it short, threads wait."""
        with self._my_turn():
            if self._connection is None or not self._is_where_it_was():
                with self._locked():
                    connection = self._opened()
            else:
                connection = self._connection
            try:
                connection.execute("BEGIN")
                yield connection
                connection.execute("COMMIT")
            except BaseException as error:
                self._undo(connection, error)
                raise

    @contextlib.contextmanager
    def alone(self) -> Generator[None]:
        """Nobody writes, and no connection of ours is open: for moving the file itself."""
        with self._my_turn(), self._locked():
            self._drop_connection()
            yield

    def shrink(self, most_pages: int) -> int:
        """Hand up to ``most_pages`` empty pages back to the file system. The number that is left."""
        with self._my_turn(), self._locked():
            connection = self._opened()
            # executescript, because execute stops after the first page that this statement frees
            connection.executescript(f"PRAGMA incremental_vacuum({most_pages})")
            left: int = connection.execute("PRAGMA freelist_count").fetchone()[0]
            return left

    @property
    def openings(self) -> int:
        """How many times it was opened: grows when what was known of its content may no longer hold."""
        return self._openings

    @property
    def inode(self) -> tuple[int, int]:
        """Device and number of the file that was opened last, or could not be."""
        return self._inode

    @property
    def was_left_open(self) -> bool:
        """True when the opening found a log: its last user is still alive, or died without closing."""
        return self._left_open

    def close(self) -> None:
        """Checkpoint and close. The file may be used again; it is then opened anew."""
        with contextlib.suppress(StateFileError), self._my_turn():
            self._close_under_lock()
            self._file_lock.let_go()

    # -- fork ---------------------------------------------------------------------------------------

    def before_fork(self) -> None:
        """Close the connection and keep everybody out until the fork is over."""
        if self._holder == threading.get_ident():
            return  # a signal handler forks in the middle of our own transaction; the child keeps away
        self._closed_for_fork = self._turn.acquire(timeout=FORK_TIMEOUT)
        if self._closed_for_fork:
            self._close_under_lock()
            self._file_lock.let_go()

    def after_fork_in_parent(self) -> None:
        if self._closed_for_fork:
            self._closed_for_fork = False
            self._turn.release()

    def after_fork_in_child(self) -> None:
        self._meet_the_child()

    def _meet_the_child(self) -> None:
        """First steps of a child: nothing of the parent's locks and connections may be used."""
        closed = self._closed_for_fork
        self._forget_other_processes()
        self._file_lock.let_go()
        if self._connection is not None and not closed:
            _abandoned.append(self._connection)
            self._forked_while_open = True
        self._connection = None

    # -- the connection -----------------------------------------------------------------------------

    @contextlib.contextmanager
    def _my_turn(self) -> Generator[None]:
        if self._pid != os.getpid():
            self._meet_the_child()
        if self._forked_while_open:
            raise ForkedStateError(
                str(self.path), "it was open while this process was forked", "Use another file."
            )
        if self._holder == threading.get_ident():
            raise BusyStateError(
                str(self.path), "a signal handler asked for it in mid-transaction", "Ask later."
            )
        if not self._turn.acquire(timeout=FORK_TIMEOUT):
            raise BusyStateError(
                str(self.path), f"another thread held it for {FORK_TIMEOUT:g} s", "Ask later."
            )
        try:
            self._holder = threading.get_ident()
            yield
        finally:
            self._holder = None
            self._turn.release()

    @contextlib.contextmanager
    def _locked(self) -> Generator[None]:
        if self._connection is None or not self._is_where_it_was():
            self._prepare_directory()
        with self._file_lock.held(self._lock_timeout):
            yield

    def _opened(self) -> sqlite3.Connection:
        """The connection; the caller holds the turn and the file lock."""
        if self._connection is not None and self._is_where_it_was():
            return self._connection
        self._drop_connection()
        return self._open()

    def _is_where_it_was(self) -> bool:
        try:
            found = os.stat(self.path)
        except FileNotFoundError:
            return False
        return (found.st_dev, found.st_ino) == self._inode

    def _open(self) -> sqlite3.Connection:
        new = self._prepare_file()
        connection = sqlite3.connect(
            self.path, isolation_level=None, timeout=self._lock_timeout, check_same_thread=False
        )
        try:
            found = os.stat(self.path)
            self._inode = (found.st_dev, found.st_ino)
            self._introduce(connection)
            if new:
                _sync_directory(self.path.parent)
        except BaseException:
            connection.close()
            raise
        self._connection = connection
        self._openings += 1
        return connection

    def _prepare_directory(self) -> None:
        if self._owner is not None:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        refuse_unsafe_place(self.path.parent)

    def _prepare_file(self) -> bool:
        """Make the file, for us alone, where there is none. True: it is new."""
        wal = self.path.with_name(self.path.name + "-wal")
        try:
            self._left_open = wal.lstat().st_size > 0
        except FileNotFoundError:
            self._left_open = False
        try:
            found = self.path.lstat()
        except FileNotFoundError:
            if self._owner is None:
                raise
            # O_EXCL: to open and close a file that SQLite has open would drop this process's locks on it.
            os.close(os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
            return True
        if not stat.S_ISREG(found.st_mode):
            raise StateFileError(str(self.path), "is not a regular file", "Point to a directory of its own.")
        return False

    def _introduce(self, connection: sqlite3.Connection) -> None:
        """Settings of the connection, then whose file it is, then the tables. Order matters to SQLite."""
        if sqlite3.sqlite_version_info < OLDEST_SQLITE:
            raise StateFileError(
                str(self.path), f"SQLite {sqlite3.sqlite_version} is too old", "3.35 is the oldest."
            )
        ask = connection.execute
        ask(f"PRAGMA busy_timeout={round(self._lock_timeout * 1000)}")
        ask("PRAGMA trusted_schema=OFF")
        ask("PRAGMA cell_size_check=ON")
        ask("PRAGMA mmap_size=0")
        empty = refuse_strangers(connection, self.path, self._schema, self._owner)
        if empty:
            ask("PRAGMA auto_vacuum=INCREMENTAL")  # has no effect once the first page is written
        mode = ask("PRAGMA journal_mode=WAL").fetchone()[0]
        if mode != "wal":
            raise StateFileError(
                str(self.path), f"keeps a {mode} journal, not a log", "Use a local file system."
            )
        ask("PRAGMA synchronous=FULL")
        if ask("PRAGMA synchronous").fetchone()[0] != 2:
            raise StateFileError(
                str(self.path), "SQLite does not sync on commit", "Use another build of SQLite."
            )
        ask(f"PRAGMA journal_size_limit={WAL_LIMIT_BYTES}")
        # Freed pages are overwritten where that is free, and soon reused; ON writes each of them once more,
        # which tripled the price of a settled batch. What people delete is overwritten: see overwriting().
        ask("PRAGMA secure_delete=FAST")
        if self._max_bytes is not None:
            page = ask("PRAGMA page_size").fetchone()[0]
            ask(f"PRAGMA max_page_count={max(64, self._max_bytes // page)}")
        settle_in(connection, self.path, self._schema, self._owner, empty=empty)

    def _undo(self, connection: sqlite3.Connection, error: BaseException) -> None:
        broken = isinstance(error, sqlite3.Error) and fault_of(error) in (SqliteFault.IO, SqliteFault.CORRUPT)
        try:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
        except sqlite3.Error:
            broken = True
        if broken:
            self._drop_connection()

    def _close_under_lock(self) -> None:
        """Closing checkpoints, so it takes the file lock; where that can't be had, closing matters more."""
        if self._connection is None:
            return
        try:
            with self._file_lock.held(self._lock_timeout):
                self._drop_connection()
        except (StateFileError, OSError):
            self._drop_connection()

    def _drop_connection(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(sqlite3.Error):
                connection.close()


@contextlib.contextmanager
def overwriting(connection: sqlite3.Connection) -> Generator[None]:
    """What is deleted inside the block is overwritten in the file, not merely forgotten."""
    connection.execute("PRAGMA secure_delete=ON")
    try:
        yield
    finally:
        connection.execute("PRAGMA secure_delete=FAST")


def refuse_unsafe_place(directory: Path) -> None:
    """Raise StateFileError where others could swap the file, or other machines share the directory."""
    found = directory.lstat()
    if stat.S_ISLNK(found.st_mode):
        raise StateFileError(str(directory), "is a symbolic link", "Name the directory it points to.")
    if found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise StateFileError(str(directory), "can be written by others", f"Run: chmod 700 {directory}")
    kind = network_file_system(directory)
    if kind is not None:
        raise StateFileError(
            str(directory),
            f"lies on a network file system ({kind}), where file locks fail",
            "Use a local disk.",
        )


def _sync_directory(directory: Path) -> None:
    """Make the new file's name durable too; ``fsync`` of the file covers its content alone."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
