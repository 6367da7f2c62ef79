"""The rows of a ledger file, and how its two clocks become the one of the rule."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final, NamedTuple, TypeAlias, cast

from ..model import Group
from . import ledger
from .state import QUIET_HISTORY, GroupState, History, Property, StoreState, Terms

SCRIPT: Final = """
CREATE TABLE ledger_store(
    one INTEGER PRIMARY KEY CHECK (one = 1),
    birth INTEGER NOT NULL,
    marked INTEGER NOT NULL,
    floor TEXT NOT NULL,
    boot TEXT NOT NULL
);
CREATE TABLE ledger_group(
    id INTEGER PRIMARY KEY,
    type TEXT NOT NULL,
    key TEXT NOT NULL,
    token INTEGER NOT NULL,
    quiet INTEGER NOT NULL,
    retry INTEGER NOT NULL,
    bucket INTEGER NOT NULL,
    due INTEGER,
    fades INTEGER,
    touched INTEGER NOT NULL,
    UNIQUE (type, key)
);
CREATE INDEX ledger_due ON ledger_group(due) WHERE due IS NOT NULL;
CREATE INDEX ledger_fades ON ledger_group(fades) WHERE fades IS NOT NULL;
CREATE INDEX ledger_touched ON ledger_group(touched);
CREATE TABLE ledger_prop(
    group_id INTEGER NOT NULL,
    name TEXT NOT NULL,
    want TEXT NOT NULL,
    value TEXT,
    have TEXT NOT NULL,
    refused INTEGER NOT NULL,
    settled INTEGER NOT NULL,
    history TEXT,
    PRIMARY KEY (group_id, name)
) WITHOUT ROWID
"""


class Moments(NamedTuple):
    """Now, on both clocks (µs), and which boot the monotonic one belongs to ("": the wall clock serves)."""

    wall: int
    monotonic: int
    boot: str
    terms: Terms | None

    def to_wall(self, stored: int) -> int:
        """A moment as the rule counts it; 0 stays "never"."""
        if not stored:
            return 0
        if not self.boot and self.terms is not None and stored > self.wall + self.terms.lease:
            return 0  # the wall clock was set back: nothing is quiet for longer than a lease
        return self.wall + stored - self.monotonic

    def to_stored(self, moment: int) -> int:
        return (self.monotonic + moment - self.wall or -1) if moment else 0


Row: TypeAlias = "tuple[Any, ...]"


class Stored(NamedTuple):
    """A group as it lies in the file."""

    id: int
    state: GroupState


class Tables:
    """Reads and writes rows inside a transaction that somebody else holds.

    Rows of groups are written all at once, by :meth:`write_back`, or before the indexes are asked; until then
    a group that was written must not be read.
    """

    __slots__ = ("_ask", "_ask_many", "_groups", "_properties")

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._ask = connection.execute
        self._ask_many = connection.executemany
        self._groups: list[Row] = []
        self._properties: list[Row] = []

    # -- the store itself ---------------------------------------------------------------------------

    def store(self, moments: Moments) -> StoreState:
        """What the file knows of itself; made when missing, moved over when the machine was booted anew."""
        row = self._ask("SELECT birth, marked, floor, boot FROM ledger_store").fetchone()
        if row is None:
            self._ask("INSERT INTO ledger_store VALUES(1, ?, 0, '', ?)", (moments.wall, moments.boot))
            return StoreState(moments.wall)
        birth, marked, floor, boot = row
        if boot != moments.boot:
            self._move_over(moments)
        return StoreState(birth, marked, floor)

    def _move_over(self, moments: Moments) -> None:
        assert moments.terms is not None
        end = moments.monotonic + moments.terms.life
        self._ask(
            "UPDATE ledger_group SET quiet = CASE WHEN quiet <> 0 THEN ? ELSE 0 END, retry = 0, bucket = 0,"
            " due = CASE WHEN due IS NULL THEN NULL WHEN quiet <> 0 THEN ? ELSE 0 END"
            " WHERE quiet <> 0 OR retry <> 0 OR bucket <> 0 OR due <> 0",
            (end, end),
        )
        self._ask("UPDATE ledger_store SET boot = ?", (moments.boot,))

    def keep_store(self, store: StoreState) -> None:
        self._ask("UPDATE ledger_store SET birth = ?, marked = ?, floor = ?", store)

    # -- totals, for people -------------------------------------------------------------------------

    def add_totals(self, sent: int, saved: int) -> None:
        """Made when first needed: older code, which knows nothing of it, goes on as before."""
        self._ask(
            "CREATE TABLE IF NOT EXISTS ledger_totals("
            "one INTEGER PRIMARY KEY CHECK (one = 1), sent INTEGER NOT NULL, saved INTEGER NOT NULL)"
        )
        self._ask(
            "INSERT INTO ledger_totals VALUES(1, ?, ?) ON CONFLICT(one) DO UPDATE"
            " SET sent = sent + excluded.sent, saved = saved + excluded.saved",
            (sent, saved),
        )

    def totals(self) -> tuple[int, int, int]:
        """Sent, saved, and since when (µs)."""
        kept = self._ask("SELECT 1 FROM sqlite_master WHERE name = 'ledger_totals'").fetchone()
        row = self._ask("SELECT sent, saved FROM ledger_totals").fetchone() if kept else None
        birth = self._ask("SELECT birth FROM ledger_store").fetchone()
        sent, saved = row or (0, 0)
        return sent, saved, birth[0] if birth else 0

    # -- groups -------------------------------------------------------------------------------------

    def read(self, group: Group, moments: Moments) -> Stored | None:
        row = self._ask(
            "SELECT id, token, quiet, retry, bucket FROM ledger_group WHERE type = ? AND key = ?",
            (sql_text(group.type), sql_text(group.key)),
        ).fetchone()
        if row is None:
            return None
        group_id, token, quiet, retry, bucket = cast("tuple[int, int, int, int, int]", row)
        rows = self._ask(
            "SELECT name, want, value, have, refused, settled, history FROM ledger_prop WHERE group_id = ?",
            (group_id,),
        )
        properties = {
            plain(name): Property(want, value, have, refused != 0, settled, _history_of(history))
            for name, want, value, have, refused, settled, history in rows
        }
        state = GroupState(
            properties, token, moments.to_wall(quiet), moments.to_wall(retry), moments.to_wall(bucket)
        )
        return Stored(group_id, state)

    def write(
        self, group: Group, before: Stored | None, after: GroupState, moments: Moments, terms: Terms
    ) -> None:
        """What differs from what was read is to be written."""
        due = ledger.due_at(after, terms)
        row = (
            after.token,
            moments.to_stored(after.quiet_until),
            moments.to_stored(after.retry_at),
            moments.to_stored(after.bucket_full_at),
            None if due is None else moments.to_stored(due),
            ledger.fades_at(after, terms),
            moments.wall,
        )
        if before is None:
            (group_id,) = self._ask(
                "INSERT INTO ledger_group(token, quiet, retry, bucket, due, fades, touched, type, key)"
                " VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING id",
                (*row, sql_text(group.type), sql_text(group.key)),
            ).fetchone()
            self._write_properties(group_id, {}, after.properties)
        else:
            self._groups.append((*row, before.id))
            self._write_properties(before.id, before.state.properties, after.properties)

    def _write_properties(
        self, group_id: int, before: Mapping[str, Property], after: Mapping[str, Property]
    ) -> None:
        self._properties += [
            (group_id, sql_text(name), *known[:-1], _text_of(known.history))
            for name, known in after.items()
            if before.get(name) != known
        ]

    def write_back(self) -> None:
        """In two statements: a statement a row takes longer to say than to do."""
        self._ask_many(
            "UPDATE ledger_group SET token = ?, quiet = ?, retry = ?, bucket = ?, due = ?, fades = ?,"
            " touched = ? WHERE id = ?",
            self._groups,
        )
        self._ask_many("INSERT OR REPLACE INTO ledger_prop VALUES(?, ?, ?, ?, ?, ?, ?, ?)", self._properties)
        self._groups, self._properties = [], []

    def note(self, group: Group, stamps: Mapping[str, str], moments: Moments) -> None:
        """Late news of a group, for people: the group itself is neither made nor touched."""
        before = self.read(group, moments)
        if before is None:
            return
        after = ledger.note(before.state, stamps)
        self._write_properties(before.id, before.state.properties, after.properties)

    def delete(self, group: Group) -> None:
        (group_id,) = self._ask(
            "DELETE FROM ledger_group WHERE type = ? AND key = ? RETURNING id",
            (sql_text(group.type), sql_text(group.key)),
        ).fetchone()
        self._ask("DELETE FROM ledger_prop WHERE group_id = ?", (group_id,))

    # -- indexes ------------------------------------------------------------------------------------

    def due(self, moments: Moments, limit: int) -> list[Group]:
        """Groups that a sweep may be granted now, longest due first."""
        return self._named(
            "SELECT type, key FROM ledger_group WHERE due <= ? ORDER BY due LIMIT ?", moments.monotonic, limit
        )

    def fading(self, now: int, limit: int) -> list[Group]:
        """Groups with values that nobody can need any more."""
        return self._named("SELECT type, key FROM ledger_group WHERE fades <= ? LIMIT ?", now, limit)

    def unseen_since(self, moment: int, limit: int) -> list[Group]:
        return self._named("SELECT type, key FROM ledger_group WHERE touched < ? LIMIT ?", moment, limit)

    def groups(self) -> list[Group]:
        return self._named("SELECT type, key FROM ledger_group WHERE id > ? LIMIT ?", -1, -1)

    def _named(self, statement: str, *values: int) -> list[Group]:
        self.write_back()
        return [Group(plain(type_), plain(key)) for type_, key in self._ask(statement, values).fetchall()]

    def waiting(self) -> tuple[int, int | None, StoreState]:
        """How many groups have something to send, when the first of them is due (stored clock), and what the
        file knows of itself."""
        row = self._ask("SELECT birth, marked, floor FROM ledger_store").fetchone()
        dirty, first = cast(
            "tuple[int, int | None]",
            self._ask("SELECT count(*), min(due) FROM ledger_group WHERE due IS NOT NULL").fetchone(),
        )
        return dirty, first, StoreState(0) if row is None else StoreState(*row)


@lru_cache(maxsize=1024)
def _history_of(text: str | None) -> History:
    """Kept, as most properties have the same one: who says them, and that they have never changed."""
    return QUIET_HISTORY if text is None else History(*json.loads(text))


@lru_cache(maxsize=1024)
def _text_of(history: History) -> str | None:
    return None if history == QUIET_HISTORY else json.dumps(history)


def sql_text(name: str) -> str | bytes:
    """SQLite's texts are UTF-8; a lone surrogate, which Python's may hold, goes in as bytes."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return name.encode("utf-8", "surrogatepass")
    return name


def plain(stored: str | bytes) -> str:
    return stored if isinstance(stored, str) else stored.decode("utf-8", "surrogatepass")
