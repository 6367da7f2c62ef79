"""What a ledger on the network has not taken yet, on this machine's disk, so that a kill loses none of it.

Only a store on another machine needs it: a SQLite ledger *is* the disk. One row a property, the newest stamp
wins. Never an update that is ready to send: while the store is away somebody else may have said something
newer, and only the store can know. So what comes back from here is a late observation, and no more.

A row goes when the store has called a stamp settled or superseded that is not older than the row's: another
process may have written a newer one meanwhile. The file is shared by all processes of a machine.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple, TypeVar

from ..errors import PostHogExporterError
from ..model import Group
from ..sqlite import LOCK_TIMEOUT
from ..sqlite_identity import Schema, StateOwner
from .ledger_file import LedgerFile
from .sqlite_tables import plain, sql_text
from .state import Entry
from .store import Sighting

if TYPE_CHECKING:
    import sqlite3

    from ..clock import Clock

T = TypeVar("T")

FILE_NAME: Final = "observations.db"

MAX_BYTES: Final = 64 * 1024 * 1024
"""Some 200,000 properties. Beyond, what is new waits in memory only."""

WHEN_LOST: Final = (
    "What only it held of group properties, observed while the ledger was away, is lost until the next "
    "signals of those groups."
)

SCHEMA: Final = Schema(
    application_id=0x504C504B,  # "PLPK"
    version=1,
    script="""
CREATE TABLE observed(
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    type TEXT NOT NULL,
    key TEXT NOT NULL,
    name TEXT NOT NULL,
    stamp TEXT NOT NULL,
    value TEXT NOT NULL,
    service TEXT NOT NULL,
    UNIQUE (type, key, name)
)
""",
)


class Page(NamedTuple):
    """Rows in the order in which they came; ``last`` is where the next page begins, None at the end."""

    sightings: Sequence[Sighting]
    last: int | None


class PocketFile:
    """Safe for threads and processes; never raises. What can't be written waits in memory alone.

    ``failed`` is told in words for people what that means for them. A damaged file is moved aside and a new
    one serves at once: memory still has what this process wrote, and writes it again (``keeping.py``).
    """

    def __init__(
        self,
        directory: Path,
        *,
        owner: StateOwner,
        clock: Clock,
        failed: Callable[[str], None],
        lock_timeout: float = LOCK_TIMEOUT,
    ) -> None:
        self.path = directory / FILE_NAME
        self._file = LedgerFile(
            self.path,
            schema=SCHEMA,
            owner=owner,
            clock=clock,
            max_bytes=MAX_BYTES,
            lock_timeout=lock_timeout,
            when_lost=WHEN_LOST,
        )
        self._failed = failed

    @property
    def openings(self) -> int:
        """Grows when it may be another file than the one that was written to."""
        return self._file.openings

    def put(self, sightings: Iterable[Sighting]) -> bool:
        """Write them down; False when that was not possible."""
        rows = [
            (*map(sql_text, (one.group.type, one.group.key, name)), e.stamp, e.value, sql_text(e.service))
            for one in sightings
            for name, e in one.entries.items()
        ]

        def insert(connection: sqlite3.Connection) -> bool:
            connection.executemany(
                "INSERT INTO observed(type, key, name, stamp, value, service) VALUES(?, ?, ?, ?, ?, ?)"
                " ON CONFLICT(type, key, name) DO UPDATE SET stamp = excluded.stamp, value = excluded.value,"
                " service = excluded.service WHERE excluded.stamp > stamp",
                rows,
            )
            return True

        return self._done(self._file.transaction, insert) is not None

    def let_go(self, done: Iterable[tuple[Group, Mapping[str, str]]]) -> None:
        """The store has answered for these stamps, and so for older ones."""
        rows = [
            (sql_text(group.type), sql_text(group.key), sql_text(name), stamp)
            for group, stamps in done
            for name, stamp in stamps.items()
        ]

        def delete(connection: sqlite3.Connection) -> bool:
            connection.executemany(
                "DELETE FROM observed WHERE type = ? AND key = ? AND name = ? AND stamp <= ?", rows
            )
            return True

        self._done(self._file.transaction, delete)

    def page(self, after: int, most: int) -> Page | None:
        """The next rows behind ``after``, oldest first; None when the file can't be read now."""

        def look(connection: sqlite3.Connection) -> Page:
            rows = connection.execute(
                "SELECT id, type, key, name, stamp, value, service FROM observed WHERE id > ?"
                " ORDER BY id LIMIT ?",
                (after, most),
            ).fetchall()
            return _page(rows, most)

        return self._done(self._file.reading, look) if os.path.exists(self.path) else Page((), None)

    def _done(
        self,
        opened: Callable[[], AbstractContextManager[sqlite3.Connection]],
        act: Callable[[sqlite3.Connection], T],
    ) -> T | None:
        for _ in range(2):
            try:
                with opened() as connection:
                    return act(connection)
            except PostHogExporterError as error:  # noqa: PERF203 - once, and once more on a new file
                damage = self._file.take_warnings()
                if not damage:
                    self._failed(f"what the ledger has not taken yet waits in memory only: {error}")
                    return None
                for line in damage:
                    self._failed(line)
        return None

    # -- life ---------------------------------------------------------------------------------------

    def before_fork(self) -> None:
        self._file.before_fork()

    def after_fork_in_parent(self) -> None:
        self._file.after_fork_in_parent()

    def after_fork_in_child(self) -> None:
        self._file.after_fork_in_child()

    def close(self) -> None:
        self._file.close()


def _page(rows: Sequence[tuple[int, str, str, str, str, str, str]], most: int) -> Page:
    found: dict[Group, dict[str, Entry]] = {}
    for _, type_, key, name, stamp, value, service in rows:
        entries = found.setdefault(Group(plain(type_), plain(key)), {})
        entries[plain(name)] = Entry(stamp, value, plain(service))
    last = rows[-1][0] if len(rows) == most else None
    return Page([Sighting(group, entries) for group, entries in found.items()], last)
