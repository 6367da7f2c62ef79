"""A group at rest in a hundred bytes: stamps and digests alone, packed into one ``bytes``.

Most groups are at rest most of the time. Kept as objects, a million of them cost a gigabyte and make the
interpreter's garbage collector walk over each; a ``bytes`` is small and is never walked over.
"""

from __future__ import annotations

import struct
from typing import Final, cast

from .stamp import DIGEST_DIGITS, digest_of, times_of
from .state import GroupState, Property

MAX_SHAPES: Final = 4096
"""Different tuples of property names. Names are the application's to choose, so somebody may make them up."""

_HEAD: Final = struct.Struct(">HH")  # number of the tuple of names, how many different times
_TIMES: Final = struct.Struct(">16sQ")  # event and seen time; when it was settled (µs)
_WHICH: Final = struct.Struct(">H")  # for each property, which of the times
_DIGEST_BYTES: Final = DIGEST_DIGITS // 2


class Packer:
    """Packs groups at rest. Tuples of property names are kept once: a service knows few different ones."""

    __slots__ = ("_names", "_numbers")

    def __init__(self) -> None:
        self._numbers: dict[tuple[str, ...], int] = {}
        self._names: list[tuple[str, ...]] = []

    def pack(self, group: GroupState) -> bytes | None:
        """``group`` must be at rest (``ledger.at_rest``); its token and its history are let go.

        None when there are too many different sets of names to keep them once.
        """
        names = tuple(sorted(group.properties))
        number = self._numbers.get(names)
        if number is None:
            number = len(self._names)
            if number == MAX_SHAPES:
                return None
            self._numbers[names] = number
            self._names.append(names)
        known = [group.properties[name] for name in names]
        times = [_TIMES.pack(bytes.fromhex(times_of(one.want)), one.settled_at) for one in known]
        table = {moment: place for place, moment in enumerate(dict.fromkeys(times))}
        return b"".join(
            [
                _HEAD.pack(number, len(table)),
                *table,
                *(_WHICH.pack(table[moment]) for moment in times),
                *(bytes.fromhex(digest_of(one.want)) for one in known),
            ]
        )

    def unpack(self, packed: bytes) -> GroupState:
        number, different = cast("tuple[int, int]", _HEAD.unpack_from(packed))
        names = self._names[number]
        table = [
            cast("tuple[bytes, int]", _TIMES.unpack_from(packed, _HEAD.size + i * _TIMES.size))
            for i in range(different)
        ]
        which_at = _HEAD.size + different * _TIMES.size
        digest_at = which_at + len(names) * _WHICH.size
        properties: dict[str, Property] = {}
        for i, name in enumerate(names):
            (place,) = cast("tuple[int]", _WHICH.unpack_from(packed, which_at + i * _WHICH.size))
            moment, settled_at = table[place]
            digest = packed[digest_at + i * _DIGEST_BYTES : digest_at + (i + 1) * _DIGEST_BYTES].hex()
            properties[name] = Property(moment.hex() + digest, None, digest, settled_at=settled_at)
        return GroupState(properties)
