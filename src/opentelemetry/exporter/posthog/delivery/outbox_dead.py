"""The events that PostHog refused, kept with its answer for people to see. Times are milliseconds."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable

from ..model import Envelope
from ..sqlite import overwriting
from .outbox import RefusedEvent
from .outbox_parcel import pack
from .outbox_tables import Row, count, counted

DeadRow = tuple[str, str, int, int, str, str, int, bytes]
"""uuid, event, time in ms, attempts, reason, detail, size, body."""


def bury(
    connection: sqlite3.Connection,
    envelopes: Iterable[tuple[Envelope, str, str]],
    *,
    attempts: int,
    now: int,
    most_bytes: int,
) -> None:
    """Keep refused envelopes with PostHog's answer for people; the oldest make room."""
    for envelope, reason, detail in envelopes:
        body = pack([envelope])
        bury_row(connection, (envelope.uuid, envelope.event, now, attempts, reason, detail, len(body), body))
    _make_room(connection, most_bytes)


def bury_damaged(connection: sqlite3.Connection, row: Row, *, now: int, most_bytes: int) -> None:
    """Keep the bytes of a damaged parcel: someone may still read something out of them."""
    detail = "the bytes of this parcel changed on disk"
    bury_row(connection, ("", "", now, row.attempts, "damaged", detail, len(row.body), row.body))
    _make_room(connection, most_bytes)


def bury_row(connection: sqlite3.Connection, row: DeadRow) -> None:
    connection.execute(
        "INSERT INTO dead(uuid, event, died_ms, attempts, reason, detail, size, body)"
        " VALUES(?, ?, ?, ?, ?, ?, ?, ?)",
        row,
    )
    count(connection, kept=1, kept_bytes=row[6])


def rows(connection: sqlite3.Connection) -> list[DeadRow]:
    return connection.execute(
        "SELECT uuid, event, died_ms, attempts, reason, detail, size, body FROM dead ORDER BY id"
    ).fetchall()


def _make_room(connection: sqlite3.Connection, most_bytes: int) -> None:
    excess = counted(connection)["kept_bytes"] - most_bytes
    while excess > 0:
        row = connection.execute(
            "DELETE FROM dead WHERE id=(SELECT min(id) FROM dead) RETURNING size"
        ).fetchone()
        if row is None:
            return
        count(connection, kept=-1, kept_bytes=-row[0])
        excess -= row[0]


def refused(connection: sqlite3.Connection, most_rows: int) -> list[RefusedEvent]:
    rows = connection.execute(
        "SELECT id, uuid, event, died_ms, attempts, reason, detail FROM dead ORDER BY id DESC LIMIT ?",
        (most_rows,),
    )
    return [
        RefusedEvent(row_id, uuid, event, died * 1_000_000, attempts, reason, detail)
        for row_id, uuid, event, died, attempts, reason, detail in rows
    ]


def forget(connection: sqlite3.Connection) -> int:
    with overwriting(connection):
        rows = connection.execute("DELETE FROM dead RETURNING size").fetchall()
    count(connection, kept=-len(rows), kept_bytes=-sum(size for (size,) in rows))
    return len(rows)
