"""Stamps: when a property had a value and which value, as one text that sorts.

16 hexadecimal digits of the event time (ns), 16 of the time it was seen (ns), 16 of a keyed digest of the
value. Compared as text, the newer event time wins, then the later seen, then the larger digest. Every store
compares the same text, so all of them agree on every tie; Lua's numbers could not hold the nanoseconds.

Values are compared as canonical JSON, because for Python ``1 == True == 1.0``.
"""

from __future__ import annotations

import json
from hashlib import blake2b
from typing import TYPE_CHECKING, Final, cast

if TYPE_CHECKING:
    from ..model import JsonValue

DIGEST_DIGITS: Final = 16
TIMES_DIGITS: Final = 32

PRESENCE: Final = ""
"""The name under which the group itself is a property: what makes "one update for a group never seen" need
no rule of its own. Never sent as a property."""

PRESENCE_DIGEST: Final = "0" * DIGEST_DIGITS
PRESENCE_STAMP: Final = "0" * (TIMES_DIGITS + DIGEST_DIGITS)

_MAX_NS: Final = (1 << 64) - 1

_quoted = json.encoder.encode_basestring_ascii
_encode = json.JSONEncoder(
    sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False, check_circular=False
).encode


def canonical_json(value: JsonValue) -> str:
    """The one text of a value, the same in every process (the standard library's encoder, never a faster one
    that writes floats in another way). ``ValueError`` or ``TypeError`` for what JSON can't say.
    """
    kind = type(value)
    if kind is str:  # as the encoder does, without the way to it
        return _quoted(cast("str", value))
    return repr(value) if kind is int else _encode(value)


def from_canonical(text: str) -> JsonValue:
    return cast("JsonValue", json.loads(text))


class Digester:
    """Digests of values under one project's key, so that nobody can guess "free" or "team" from a stored one.

    The key derives from the project, never from the process: all of its processes must agree.
    """

    __slots__ = ("_key",)

    def __init__(self, project: str) -> None:
        self._key = blake2b(
            project.encode("utf-8", "surrogatepass"), digest_size=32, person=b"ph-ledger"
        ).digest()

    def digest(self, canonical: str) -> str:
        return blake2b(canonical.encode(), digest_size=DIGEST_DIGITS // 2, key=self._key).hexdigest()


def times_text(time_ns: int, seen_ns: int) -> str:
    """The first 32 digits of a stamp. Times before 1970 count as 1970."""
    return f"{min(max(time_ns, 0), _MAX_NS):016x}{min(max(seen_ns, 0), _MAX_NS):016x}"


def digest_of(stamp: str) -> str:
    return stamp[TIMES_DIGITS:]


def times_of(stamp: str) -> str:
    """Event time and seen time, for the comparison with the floor."""
    return stamp[:TIMES_DIGITS]


def time_ns_of(stamp: str) -> int:
    """The event time of a stamp, in nanoseconds."""
    return int(stamp[:16], 16)


def moment_of(stamp: str) -> int:
    """Event time and seen time as one number: ns << 64 | ns."""
    return int(stamp[:TIMES_DIGITS], 16)
