"""Whose a SQLite file is, of which kind, and in which version; none is touched that is not ours."""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import secrets
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from .errors import ForeignStateError, NewerStateError, StateFileError


@dataclass(frozen=True, slots=True)
class StateOwner:
    """Whose state it is: the canonical host and the project's key. A file only keeps a salted hash."""

    host: str
    api_key: str = field(repr=False)

    def digest(self, salt: bytes) -> bytes:
        text = f"{self.host}\0{self.api_key}".encode("utf-8", "surrogatepass")
        return hashlib.blake2b(text, digest_size=16, salt=salt).digest()


@dataclass(frozen=True, slots=True)
class Schema:
    """The tables of a kind of state file. ``version`` grows with each change that older code can't read."""

    application_id: int  # four ASCII letters; `file` and people recognise it
    version: int
    script: str  # CREATE statements, separated by semicolons
    upgrade: Callable[[sqlite3.Connection, int], None] | None = (
        None  # from an older version, in one transaction
    )


def refuse_strangers(
    connection: sqlite3.Connection, path: Path, schema: Schema, owner: StateOwner | None
) -> bool:
    """True for a file without content. Raises when it is not ours; nothing has been written by then."""
    application = connection.execute("PRAGMA application_id").fetchone()[0]
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if application == 0 and version == 0:
        if connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0] == 0:
            return True
        raise ForeignStateError(f"{path} is a database of another program. Point to a directory of its own.")
    if application != schema.application_id:
        raise ForeignStateError(f"{path} is a file of another kind. Point to a directory of its own.")
    if version > schema.version:
        raise NewerStateError(
            f"{path} was written by a newer version of this package (its schema is {version}, "
            f"ours is {schema.version}). It was left untouched; upgrade again to use it."
        )
    if owner is not None:
        salt, digest = connection.execute("SELECT salt, digest FROM owner").fetchone()
        if not hmac.compare_digest(owner.digest(salt), digest):
            raise ForeignStateError(
                f"{path} belongs to another PostHog host or project. "
                "It was left untouched; use another directory, or go back to the former host and key."
            )
    return False


def settle_in(
    connection: sqlite3.Connection, path: Path, schema: Schema, owner: StateOwner | None, *, empty: bool
) -> None:
    """Make the tables of a new file, or bring those of an older version up to ours."""
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if not empty and version == schema.version:
        return
    if owner is None:
        raise StateFileError(
            str(path), "has no state yet, or an older one", "Let the exporter open it first."
        )
    connection.execute("BEGIN IMMEDIATE")
    try:
        if empty:
            salt = secrets.token_bytes(16)
            connection.execute("CREATE TABLE owner(salt BLOB NOT NULL, digest BLOB NOT NULL)")
            connection.execute("INSERT INTO owner VALUES(?, ?)", (salt, owner.digest(salt)))
            for statement in filter(str.strip, schema.script.split(";")):
                connection.execute(statement)
        elif schema.upgrade is not None:
            schema.upgrade(connection, version)
        connection.execute(f"PRAGMA application_id={schema.application_id}")
        connection.execute(f"PRAGMA user_version={schema.version}")
        connection.execute("COMMIT")
    except BaseException:
        with contextlib.suppress(sqlite3.Error):
            connection.execute("ROLLBACK")
        raise
