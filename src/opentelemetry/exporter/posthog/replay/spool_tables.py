"""The rows of a spool."""

from __future__ import annotations

from typing import Final

from ..sqlite_identity import Schema

PENDING, DELIVERED, REFUSED = 0, 1, 2
"""States of an event."""

# The properties come last, so that reading the other columns does not walk their overflow pages. They are
# let go once an event is settled; its uuid stays, so that the same record is never sent again.
SCHEMA: Final = Schema(
    application_id=0x5048_5250,  # PHRP
    version=1,
    script="""
    CREATE TABLE about(name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
    CREATE TABLE input(
        id INTEGER PRIMARY KEY, path TEXT NOT NULL UNIQUE, head BLOB NOT NULL, head_bytes INTEGER NOT NULL,
        offset INTEGER NOT NULL DEFAULT 0, line INTEGER NOT NULL DEFAULT 1,
        signals INTEGER NOT NULL DEFAULT 0, done INTEGER NOT NULL DEFAULT 0);
    CREATE TABLE event(
        id INTEGER PRIMARY KEY, time_ns INTEGER NOT NULL, uuid TEXT NOT NULL UNIQUE, name TEXT NOT NULL,
        distinct_id TEXT NOT NULL, timestamp TEXT NOT NULL, personless INTEGER NOT NULL, session_id TEXT,
        owner TEXT NOT NULL, input INTEGER NOT NULL, line INTEGER NOT NULL,
        state INTEGER NOT NULL DEFAULT 0, reason TEXT NOT NULL DEFAULT '', detail TEXT NOT NULL DEFAULT '',
        size INTEGER NOT NULL, properties BLOB);
    CREATE INDEX event_pending ON event(time_ns, id) WHERE state = 0;
    CREATE INDEX event_refused ON event(id) WHERE state = 2;
    CREATE TABLE observed(
        type TEXT NOT NULL, key TEXT NOT NULL, name TEXT NOT NULL, stamp TEXT NOT NULL, value TEXT NOT NULL,
        service TEXT NOT NULL, PRIMARY KEY(type, key, name)) WITHOUT ROWID;
    CREATE TABLE tally(
        kind TEXT NOT NULL, word TEXT NOT NULL, count INTEGER NOT NULL,
        PRIMARY KEY(kind, word)) WITHOUT ROWID
    """,
)
