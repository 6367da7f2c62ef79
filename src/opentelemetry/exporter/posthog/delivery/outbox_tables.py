"""The outbox's tables and what is done to them, a statement or two each. All times are milliseconds.

Every function takes a connection inside a write transaction of its caller, so counters and rows change
together or not at all.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from ..model import Envelope
from ..sqlite import overwriting
from ..sqlite_identity import Schema
from .outbox import COUNTERS, ParcelKey, StoredParcel
from .outbox_parcel import pack, print_of

GAUGES = ("stored", "stored_parcels", "stored_bytes", "kept", "kept_bytes")
"""Running totals: counting the rows of a large backlog takes too long to do at each look."""

# AUTOINCREMENT: an id is never used again, so a late worker can't delete a stranger's row. The body comes
# last, so that reading the other columns does not walk its overflow pages.
SCHEMA = Schema(
    application_id=0x5048_4F42,  # PHOB
    version=1,
    script="""
    CREATE TABLE parcel(
        id INTEGER PRIMARY KEY AUTOINCREMENT, print BLOB NOT NULL UNIQUE,
        n INTEGER NOT NULL, size INTEGER NOT NULL, created_ms INTEGER NOT NULL, tried_ms INTEGER NOT NULL,
        due_ms INTEGER NOT NULL DEFAULT 0, lease_ms INTEGER NOT NULL DEFAULT 0, owner TEXT,
        attempts INTEGER NOT NULL DEFAULT 0, strikes INTEGER NOT NULL DEFAULT 0,
        last_error TEXT NOT NULL DEFAULT '', body BLOB NOT NULL);
    CREATE TABLE dead(
        id INTEGER PRIMARY KEY AUTOINCREMENT, uuid TEXT NOT NULL, event TEXT NOT NULL,
        died_ms INTEGER NOT NULL, attempts INTEGER NOT NULL, reason TEXT NOT NULL, detail TEXT NOT NULL,
        size INTEGER NOT NULL, body BLOB NOT NULL);
    CREATE TABLE counter(name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
    CREATE TABLE turn(
        owner TEXT, lease_ms INTEGER NOT NULL, failures INTEGER NOT NULL, backoff_ms INTEGER NOT NULL,
        asked_ms INTEGER NOT NULL, delivered_ms INTEGER NOT NULL, probed_ms INTEGER NOT NULL);
    INSERT INTO turn VALUES(NULL, 0, 0, 0, 0, 0, 0);
    CREATE TABLE clock(boot TEXT, up_ms INTEGER NOT NULL, wall_ms INTEGER NOT NULL);
    CREATE TABLE absorbed(name TEXT PRIMARY KEY) WITHOUT ROWID;
    """
    + ";".join(f"INSERT INTO counter VALUES('{name}', 0)" for name in (*COUNTERS, *GAUGES)),
)

PAGE_ROWS = 500
PAGE_BYTES = 4 * 1024 * 1024
"""What one transaction touches: memory and the log stay small, and others get their turn between."""

LONGEST_DELAY_MS = 300_000
"""Five minutes: the longest back-off, and the longest that a server's ``Retry-After`` is obeyed."""

STRIKES_TO_DIE = 10
AGE_TO_DIE_MS = 72 * 3_600_000
"""Both: tried ten times while PostHog took other events, over three days. An outage alone kills nothing."""


class Moment(NamedTuple):
    """Now, and until when a lease taken now holds. A time further ahead than that is over: clocks step."""

    now: int
    lease: int


class OldRow(NamedTuple):
    """A parcel as another file holds it."""

    id: int
    created_ms: int
    attempts: int
    n: int
    body: bytes


OLD_COLUMNS = "id, created_ms, attempts, n, body"


class Row(NamedTuple):
    """A claimed parcel."""

    id: int
    n: int
    attempts: int
    body: bytes


# -- counters ---------------------------------------------------------------------------------------


def count(connection: sqlite3.Connection, **changes: int) -> None:
    """Add to the named counters."""
    connection.executemany(
        "UPDATE counter SET value=value+? WHERE name=?", [(by, name) for name, by in changes.items() if by]
    )


def counted(connection: sqlite3.Connection) -> dict[str, int]:
    return dict(connection.execute("SELECT name, value FROM counter"))


def note_of(connection: sqlite3.Connection) -> bytes:
    """The counters as the note that lies beside the file."""
    counters = counted(connection)
    return json.dumps([counters[name] for name in (*COUNTERS, "stored")]).encode("ascii")


def reconcile(connection: sqlite3.Connection, note: bytes) -> int:
    """Compare the file with the note beside it, and count what is gone. The number of missing events.

    A log that was cut or deleted leaves a valid file that has merely forgotten its last transactions, and a
    file that was removed leaves none. The note then knows of more than the file does.
    """
    noted = _read_note(note)
    mine = counted(connection)
    if noted is None or all(noted[name] <= mine[name] for name in COUNTERS):
        return 0
    stored: int = connection.execute("SELECT coalesce(sum(n), 0) FROM parcel").fetchone()[0]
    total = {name: max(noted[name], mine[name]) for name in COUNTERS}
    gap = balance(total) - stored
    total["missing" if gap > 0 else "reappeared"] += abs(gap)
    connection.executemany(
        "UPDATE counter SET value=? WHERE name=?", [(v, name) for name, v in total.items()]
    )
    return max(0, gap)


def balance(counters: dict[str, int]) -> int:
    """How many events must be stored, if every other counter is right."""
    gone = ("delivered", "refused", "expired", "dropped", "damaged", "missing")
    return counters["accepted"] + counters["reappeared"] - sum(counters[name] for name in gone)


def _read_note(note: bytes) -> dict[str, int] | None:
    try:
        values = json.loads(note)
        return {name: int(value) for name, value in zip((*COUNTERS, "stored"), values, strict=True)}
    except (ValueError, TypeError):
        return None


# -- parcels ----------------------------------------------------------------------------------------


def insert(
    connection: sqlite3.Connection, envelopes: Sequence[Envelope], *, at: Moment, owner: str
) -> ParcelKey:
    """Add one parcel; the same envelopes again are not added twice but leased again."""
    body, key = pack(envelopes), print_of(envelopes)
    found = connection.execute(
        "UPDATE parcel SET owner=?, lease_ms=? WHERE print=? RETURNING id", (owner, at.lease, key)
    ).fetchone()
    if found is None:
        found = connection.execute(
            "INSERT INTO parcel(print, n, size, created_ms, tried_ms, lease_ms, owner, attempts, body)"
            " VALUES(?, ?, ?, ?, ?, ?, ?, 1, ?) RETURNING id",
            (key, len(envelopes), len(body), at.now, at.now, at.lease, owner, body),
        ).fetchone()
        count(
            connection,
            accepted=len(envelopes),
            stored=len(envelopes),
            stored_parcels=1,
            stored_bytes=len(body),
        )
    return ParcelKey(found[0], len(envelopes))


def find(connection: sqlite3.Connection, envelopes: Sequence[Envelope]) -> ParcelKey | None:
    """The parcel of exactly these envelopes, if it is there."""
    found = connection.execute("SELECT id, n FROM parcel WHERE print=?", (print_of(envelopes),)).fetchone()
    return None if found is None else ParcelKey(*found)


FREE = "(lease_ms<=:now OR lease_ms>:lease)"
"""Nobody's at the moment."""


def claim(connection: sqlite3.Connection, *, at: Moment, owner: str, most_bytes: int) -> list[Row]:
    """Lease the oldest parcels that are due and nobody's."""
    ids = _page(connection, f"{FREE} AND (due_ms<=:now OR due_ms>:latest)", at, most_bytes=most_bytes)
    rows: list[Row] = []
    for row_id in ids:
        rows.extend(
            Row(*row)
            for row in connection.execute(
                "UPDATE parcel SET owner=?, lease_ms=?, attempts=attempts+1 WHERE id=?"
                " RETURNING id, n, attempts, body",
                (owner, at.lease, row_id),
            )
        )
    return rows


def _page(
    connection: sqlite3.Connection, where: str, at: Moment, *, most_bytes: int = PAGE_BYTES, before: int = 0
) -> list[int]:
    """Ids of the oldest parcels that ``where`` selects: at least one if there is any, at most a page."""
    values = {
        "now": at.now,
        "lease": at.lease,
        "latest": at.now + LONGEST_DELAY_MS,
        "before": before,
        "rows": PAGE_ROWS,
    }
    ids: list[int] = []
    for row_id, size in connection.execute(
        f"SELECT id, size FROM parcel WHERE {where} ORDER BY id LIMIT :rows", values
    ):
        if ids and size > most_bytes:
            break
        ids.append(row_id)
        most_bytes -= size
    return ids


def next_due_ms(connection: sqlite3.Connection, at: Moment) -> int | None:
    """When the first parcel may be claimed; None without parcels."""
    due: int | None = connection.execute(
        "SELECT min(max(CASE WHEN due_ms>:latest THEN 0 ELSE due_ms END,"
        " CASE WHEN lease_ms>:lease THEN 0 ELSE lease_ms END)) FROM parcel",
        {"latest": at.now + LONGEST_DELAY_MS, "lease": at.lease},
    ).fetchone()[0]
    return due


def remove(connection: sqlite3.Connection, key: ParcelKey, owner: str) -> bool:
    """Take a parcel away, if it is still the owner's: who lost its lease must not delete."""
    size = connection.execute(
        "DELETE FROM parcel WHERE id=? AND owner=? RETURNING size", (key.id, owner)
    ).fetchone()
    if size is None:
        return False
    count(connection, stored=-key.n, stored_parcels=-1, stored_bytes=-size[0])
    return True


def replace(connection: sqlite3.Connection, key: ParcelKey, owner: str, rest: Sequence[Envelope]) -> bool:
    """Make a parcel smaller, in its place: the rest keeps its turn, its age and its attempts."""
    found = connection.execute("SELECT size FROM parcel WHERE id=? AND owner=?", (key.id, owner)).fetchone()
    if found is None:
        return False
    body = pack(rest)
    connection.execute(
        "UPDATE parcel SET print=?, n=?, size=?, body=? WHERE id=?",
        (print_of(rest) + key.id.to_bytes(8, "big"), len(rest), len(body), body, key.id),
    )
    count(connection, stored=len(rest) - key.n, stored_bytes=len(body) - found[0])
    return True


def is_owned(connection: sqlite3.Connection, key: ParcelKey, owner: str) -> bool:
    row = connection.execute("SELECT 1 FROM parcel WHERE id=? AND owner=?", (key.id, owner)).fetchone()
    return row is not None


def make_due(connection: sqlite3.Connection, key: ParcelKey, *, at: Moment, wait: int, error: str) -> bool:
    """Give a parcel back. False: it failed so often and long, while others went through, that it is dead."""
    row = connection.execute(
        "SELECT created_ms, tried_ms, strikes FROM parcel WHERE id=?", (key.id,)
    ).fetchone()
    created, tried, strikes = row
    if connection.execute("SELECT delivered_ms FROM turn").fetchone()[0] >= tried:
        strikes += 1
        wait = max(wait, min(LONGEST_DELAY_MS, 1000 << min(strikes, 9)))
    if strikes >= STRIKES_TO_DIE and at.now - created >= AGE_TO_DIE_MS:
        return False
    due = at.now + min(wait, LONGEST_DELAY_MS) if wait > 0 else 0
    connection.execute(
        "UPDATE parcel SET owner=NULL, lease_ms=0, due_ms=?, tried_ms=?, strikes=?, last_error=? WHERE id=?",
        (due, at.now, strikes, error, key.id),
    )
    return True


def expire(connection: sqlite3.Connection, *, before: int, at: Moment) -> int:
    """Remove a page of parcels made before ``before`` that nobody holds. The number of events."""
    return _discard(
        connection, _page(connection, f"{FREE} AND created_ms<:before", at, before=before), "expired"
    )


def drop(connection: sqlite3.Connection, at: Moment) -> int:
    """Remove a page of parcels that nobody holds. The number of events."""
    return _discard(connection, _page(connection, FREE, at), "dropped")


def _discard(connection: sqlite3.Connection, ids: Iterable[int], why: str) -> int:
    with overwriting(connection):
        gone = [
            row
            for row_id in ids
            for row in connection.execute("DELETE FROM parcel WHERE id=? RETURNING n, size", (row_id,))
        ]
    return _gone(connection, gone, why)


def _gone(connection: sqlite3.Connection, rows: Sequence[tuple[int, int]], why: str) -> int:
    events = sum(n for n, _ in rows)
    count(
        connection,
        stored=-events,
        stored_parcels=-len(rows),
        stored_bytes=-sum(s for _, s in rows),
        **{why: events},
    )
    return events


def stored(connection: sqlite3.Connection, at: Moment, most_rows: int) -> list[StoredParcel]:
    rows = connection.execute(
        "SELECT id, n, size, created_ms, attempts, lease_ms, last_error FROM parcel ORDER BY id LIMIT ?",
        (most_rows,),
    )
    return [
        StoredParcel(row_id, n, size, created * 1_000_000, attempts, at.now < leased <= at.lease, error)
        for row_id, n, size, created, attempts, leased, error in rows
    ]


def oldest_ns(connection: sqlite3.Connection) -> int | None:
    row = connection.execute("SELECT created_ms FROM parcel ORDER BY id LIMIT 1").fetchone()
    return None if row is None else int(row[0]) * 1_000_000


def used_bytes(connection: sqlite3.Connection) -> int:
    """Bytes of the file's pages that hold something."""
    ask = connection.execute
    pages: int = ask("PRAGMA page_count").fetchone()[0] - ask("PRAGMA freelist_count").fetchone()[0]
    return pages * int(ask("PRAGMA page_size").fetchone()[0])


# -- rows of another file ---------------------------------------------------------------------------


def oldest_rows(connection: sqlite3.Connection) -> list[OldRow]:
    """The first parcels, a page of them."""
    rows: list[OldRow] = []
    size = 0
    for row in connection.execute(f"SELECT {OLD_COLUMNS} FROM parcel ORDER BY id LIMIT ?", (PAGE_ROWS,)):
        rows.append(OldRow(*row))
        size += len(rows[-1].body)
        if size >= PAGE_BYTES:
            break
    return rows


def insert_old(connection: sqlite3.Connection, envelopes: Sequence[Envelope], row: OldRow) -> bool:
    """Add what is whole of another file's parcel, with its age. False when it is there already."""
    body, key = pack(envelopes), print_of(envelopes)
    added = connection.execute(
        "INSERT INTO parcel(print, n, size, created_ms, tried_ms, attempts, body) VALUES(?, ?, ?, ?, ?, ?, ?)"
        " ON CONFLICT DO NOTHING",
        (key, len(envelopes), len(body), row.created_ms, row.created_ms, row.attempts, body),
    ).rowcount
    if added:
        count(connection, stored=len(envelopes), stored_parcels=1, stored_bytes=len(body))
    return bool(added)


def hand_over(connection: sqlite3.Connection, rows: Iterable[OldRow]) -> None:
    """Remove what another file has taken over. Counted as dropped, which nobody else does in such a file."""
    for row in rows:
        gone = connection.execute("DELETE FROM parcel WHERE id=? RETURNING n, size", (row.id,)).fetchall()
        _gone(connection, gone, "dropped")


def first_time(connection: sqlite3.Connection, name: str) -> bool:
    """True once for each name: what follows is counted once."""
    return bool(connection.execute("INSERT INTO absorbed VALUES(?) ON CONFLICT DO NOTHING", (name,)).rowcount)


def is_absorbed(connection: sqlite3.Connection, name: str) -> bool:
    return connection.execute("SELECT 1 FROM absorbed WHERE name=?", (name,)).fetchone() is not None
