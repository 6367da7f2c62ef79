"""Files that are not the outbox any more, or not yet: corrupted ones put aside, and those of orphans.

A corrupted file is renamed together with its log and kept, and what can be read of it goes into the new
file. A process that was forked behind Python's back writes a file of its own; when it is gone, the next
drain moves its rows over. Both are safe to be interrupted: parcels have a print and are inserted once.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import sqlite3
from collections.abc import Callable, Generator, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import PostHogExporterError
from ..sqlite import StateFile
from ..sqlite_identity import StateOwner
from . import outbox_dead as dead
from . import outbox_tables as tables
from .outbox import COUNTERS
from .outbox_parcel import unpack
from .outbox_tables import OldRow

try:
    import fcntl
except ImportError:  # pragma: no cover - StateFile refuses such a platform
    fcntl = None  # type: ignore[assignment]

if TYPE_CHECKING:
    from ..clock import Clock

QUARANTINED_FILES = 2
"""Corrupted files kept for people; each may be as large as the outbox."""

MOST_ERRORS = 20_000
"""Look-ups that may fail while a corrupted file is searched; each takes microseconds."""

SUFFIXES = ("", "-wal", "-shm")

At = Callable[[str], None]
"""Called at named points; tests put a crash there."""


# -- corrupted files --------------------------------------------------------------------------------


def set_aside(file: StateFile, stamp: str, at: At) -> Path | None:
    """Rename the file with its log and index. None when another process did it first.

    The log gets its new name before the file does and loses the old one after: whenever the process dies,
    the file has its log beside it.
    """
    before = _inode(file.path)
    target = file.path.with_name(f"{file.path.name}.corrupt-{stamp}-{secrets.token_hex(2)}")
    with file.alone():
        if before is None or _inode(file.path) != before:
            return None
        at("aside.before_link")
        with contextlib.suppress(FileNotFoundError):
            os.link(f"{file.path}-wal", f"{target}-wal")
        at("aside.before_rename")
        os.rename(file.path, target)
        at("aside.before_unlink")
        for suffix in SUFFIXES[1:]:
            Path(f"{file.path}{suffix}").unlink(missing_ok=True)
    return target


def quarantined(path: Path) -> list[Path]:
    """Corrupted files of the outbox at ``path``, oldest first."""
    found = path.parent.glob(path.name + ".corrupt-*")
    return sorted(file for file in found if not file.name.endswith(SUFFIXES[1:]))


def forget_quarantined(path: Path, *, before: float) -> None:
    """Remove corrupted files beyond the newest two, or older than ``before`` (epoch seconds)."""
    for position, file in enumerate(reversed(quarantined(path))):
        with contextlib.suppress(OSError):
            if position >= QUARANTINED_FILES or file.lstat().st_mtime < before:
                for suffix in SUFFIXES:
                    Path(f"{file}{suffix}").unlink(missing_ok=True)


def salvage(connection: sqlite3.Connection, rows: Iterable[OldRow]) -> int:
    """Insert rows of a corrupted file, as far as they are whole and not there yet. The number of events.

    They were counted as missing when the new file began; those that nobody counted are said to reappear.
    """
    saved = 0
    for row in rows:
        whole, _ = unpack(row.body, row.n)
        if whole and tables.insert_old(connection, whole, row):
            saved += len(whole)
    missing = min(saved, tables.counted(connection)["missing"])
    tables.count(connection, missing=-missing, reappeared=saved - missing)
    return saved


def readable_pages(corrupted: Path) -> Iterator[list[OldRow]]:
    """Every row that a corrupted file still gives, in pages."""
    page: list[OldRow] = []
    size = 0
    with contextlib.closing(sqlite3.connect(corrupted, isolation_level=None)) as connection:
        for row in _readable_rows(connection):
            page.append(row)
            size += len(row.body)
            if size >= tables.PAGE_BYTES or len(page) >= tables.PAGE_ROWS:
                yield page
                page, size = [], 0
    if page:
        yield page


def _highest_id(connection: sqlite3.Connection) -> int:
    for question in ("SELECT seq FROM sqlite_sequence WHERE name='parcel'", "SELECT max(id) FROM parcel"):
        with contextlib.suppress(sqlite3.Error, TypeError, ValueError):
            return int(connection.execute(question).fetchone()[0])
    return 1 << 40


def _readable_rows(connection: sqlite3.Connection) -> Iterator[OldRow]:
    """Rows in small steps by number: a damaged page may end a longer reading early, without any error."""
    low, highest, step, errors_left = 0, _highest_id(connection), 1, [MOST_ERRORS]
    while low < highest and errors_left[0] > 0:
        last = low
        for row in _readable_between(connection, low, low + step, errors_left):
            last = row.id
            yield row
        low, step = (low + step, step * 2) if last == low else (last, 1)


def _readable_between(
    connection: sqlite3.Connection, low: int, high: int, errors_left: list[int]
) -> Iterator[OldRow]:
    """Rows with low < id <= high. A range that can't be read is halved, down to the row that can't."""
    done = low
    question = f"SELECT {tables.OLD_COLUMNS} FROM parcel WHERE id>? AND id<=? ORDER BY id"
    try:
        for row in connection.execute(question, (low, high)):
            if [type(value) for value in row] == [int, int, int, int, bytes] and done < row[0] <= high:
                yield OldRow(*row)
                done = row[0]
    except (sqlite3.Error, TypeError, UnicodeDecodeError) as error:
        errors_left[0] -= 1
        if "not a database" in str(error):  # its very head is gone: no row will ever be found
            errors_left[0] = 0
        if errors_left[0] <= 0 or high - done <= 1:
            return
        middle = (done + high) // 2
        yield from _readable_between(connection, done, middle, errors_left)
        yield from _readable_between(connection, middle, high, errors_left)


# -- files of processes that are gone ---------------------------------------------------------------


class OwnFile:
    """The file of one process, and the lock that says that the process lives."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._descriptor: int | None = None

    @classmethod
    def beside(cls, shared: Path) -> OwnFile:
        return cls(shared.with_name(f"{shared.stem}.fork-{os.getpid()}-{secrets.token_hex(4)}.db"))

    def live(self) -> None:
        """Hold the lock, shared with our own children, until the process ends."""
        self.let_go()
        assert fcntl is not None
        self._descriptor = os.open(_life_of(self.path), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(self._descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)

    def let_go(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def own_files(shared: Path) -> list[Path]:
    """The files of processes that were forked behind Python's back, living ones too."""
    return sorted(shared.parent.glob(f"{shared.stem}.fork-*.db"))


@contextlib.contextmanager
def _orphaned(path: Path) -> Generator[bool]:
    """True inside the block when the process that wrote ``path`` is gone; nobody else adopts it meanwhile."""
    assert fcntl is not None
    descriptor = os.open(_life_of(path), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True
    finally:
        os.close(descriptor)


def adopt_orphans(shared: StateFile, *, owner: StateOwner, clock: Clock, at: At) -> int:
    """Move the rows of processes that are gone into the shared file. The number of events."""
    moved = 0
    for path in own_files(shared.path):
        # what goes wrong is left for the next look
        with contextlib.suppress(sqlite3.Error, OSError, PostHogExporterError), _orphaned(path) as orphaned:
            if orphaned and path.exists():
                moved += _adopt(shared, path, owner, clock, at)
    return moved


def _adopt(shared: StateFile, path: Path, owner: StateOwner, clock: Clock, at: At) -> int:
    orphan = StateFile(path, schema=tables.SCHEMA, owner=owner, clock=clock)
    moved = 0
    with orphan.transaction() as connection:
        tables.reconcile(connection, orphan.note())
    while rows := _first_rows(orphan):
        with shared.transaction() as connection:
            for row in rows:
                whole, damaged = unpack(row.body, row.n)
                if not whole or tables.insert_old(connection, whole, row):
                    tables.count(connection, accepted=len(whole) + damaged, damaged=damaged)
                    moved += len(whole)
            shared.leave_note(tables.note_of(connection))
        at("adopt.before_hand_over")
        with orphan.transaction() as connection:
            tables.hand_over(connection, rows)
            orphan.leave_note(tables.note_of(connection))
    at("adopt.before_the_rest")
    _adopt_the_rest(shared, orphan)
    at("adopt.before_unlink")
    with orphan.alone():
        for suffix in (*SUFFIXES, ".lock"):
            Path(f"{path}{suffix}").unlink(missing_ok=True)
        _life_of(path).unlink(missing_ok=True)
    orphan.close()
    return moved


def _first_rows(orphan: StateFile) -> list[OldRow]:
    with orphan.reading() as connection:
        return tables.oldest_rows(connection)


def _adopt_the_rest(shared: StateFile, orphan: StateFile) -> None:
    """What the orphan counted of events that it does not hold any more, and its refused events; once."""
    with orphan.reading() as connection:
        counters = tables.counted(connection)
        refused = dead.rows(connection)
    with shared.transaction() as connection:
        if not tables.first_time(connection, orphan.path.name):
            return
        counters["accepted"] -= counters.pop("dropped")  # those were moved over, and counted with their rows
        tables.count(connection, **{name: counters[name] for name in counters if name in COUNTERS})
        for row in refused:
            dead.bury_row(connection, row)
        shared.leave_note(tables.note_of(connection))


def _life_of(path: Path) -> Path:
    return path.with_name(path.name + ".alive")


def _inode(path: Path) -> tuple[int, int] | None:
    try:
        found = os.stat(path)
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino
