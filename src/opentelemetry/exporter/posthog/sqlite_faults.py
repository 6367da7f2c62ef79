"""What kind of thing went wrong with a SQLite file."""

from __future__ import annotations

from enum import Enum


class SqliteFault(Enum):
    """What kind of thing went wrong; decides whether a connection, or the file, may still be used."""

    FULL = "full"
    IO = "io"
    CORRUPT = "corrupt"
    BUSY = "busy"
    READ_ONLY = "read_only"
    CANT_OPEN = "cant_open"
    OTHER = "other"


_FAULT_BY_CODE = {
    5: SqliteFault.BUSY, 6: SqliteFault.BUSY, 8: SqliteFault.READ_ONLY, 10: SqliteFault.IO,
    11: SqliteFault.CORRUPT, 13: SqliteFault.FULL, 14: SqliteFault.CANT_OPEN, 26: SqliteFault.CORRUPT,
}  # fmt: skip
_FAULT_BY_TEXT = {  # Python 3.10 has no sqlite_errorcode
    "locked": SqliteFault.BUSY,
    "readonly": SqliteFault.READ_ONLY,
    "disk i/o": SqliteFault.IO,
    "malformed": SqliteFault.CORRUPT,
    "disk is full": SqliteFault.FULL,
    "unable to open": SqliteFault.CANT_OPEN,
    "not a database": SqliteFault.CORRUPT,
}


def fault_of(error: BaseException) -> SqliteFault:
    """The kind of a ``sqlite3.Error``."""
    code = getattr(error, "sqlite_errorcode", None)
    if isinstance(code, int):
        return _FAULT_BY_CODE.get(code & 0xFF, SqliteFault.OTHER)
    text = str(error).lower()
    return next((fault for word, fault in _FAULT_BY_TEXT.items() if word in text), SqliteFault.OTHER)
