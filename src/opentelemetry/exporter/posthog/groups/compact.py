"""A group at rest in a hundred bytes: stamps and digests alone, packed into one ``bytes``.

Most groups are at rest most of the time. Kept as objects, a million of them cost a gigabyte and make the
interpreter's garbage collector walk over each; a ``bytes`` is small and is never walked over.

``number of the shape | column of times | column of when each was settled | digests``. Properties that were
seen together and settled together share their times, so a *column* holds each different value once:
``how many (1 byte) | the values | for each property, which of them``, the last only where there are several.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from .stamp import DIGEST_DIGITS, PRESENCE_STAMP, TIMES_DIGITS, digest_of, times_of
from .state import GroupState, Property

MAX_SHAPES: Final = 4096
"""Different tuples of property names. Names are the application's to choose, so somebody may make them up."""

_NUMBER_BYTES: Final = 2  # of a shape
_TIMES_BYTES: Final = TIMES_DIGITS // 2
_SETTLED_BYTES: Final = 8
_DIGEST_BYTES: Final = DIGEST_DIGITS // 2
_MANY: Final = 256  # different values of a column have no number in one byte


class _Shape(NamedTuple):
    """The names of a group's properties."""

    dated: tuple[str, ...]
    undated: tuple[str, ...]  # whose stamp is that of a presence: nothing to keep of it


class Packer:
    """Packs groups at rest. Tuples of property names are kept once: a service knows few different ones."""

    __slots__ = ("_numbers", "_shapes")

    def __init__(self) -> None:
        self._numbers: dict[_Shape, int] = {}
        self._shapes: list[_Shape] = []

    def pack(self, group: GroupState) -> bytes | None:
        """``group`` must be at rest (``ledger.at_rest``); its token and its history are let go.

        None when there are too many different sets of names to keep them once, or times to number them.
        """
        known = group.properties
        dated = sorted(name for name in known if known[name].want != PRESENCE_STAMP)
        undated = sorted(name for name in known if known[name].want == PRESENCE_STAMP)
        times = _column(bytes.fromhex(times_of(known[name].want)) for name in dated)
        settled = _column(
            known[name].settled_at.to_bytes(_SETTLED_BYTES, "big") for name in (*dated, *undated)
        )
        number = self._number(_Shape(tuple(dated), tuple(undated)))
        if number is None or times is None or settled is None:
            return None
        digests = bytes.fromhex("".join(digest_of(known[name].want) for name in dated))
        return number.to_bytes(_NUMBER_BYTES, "big") + times + settled + digests

    def _number(self, shape: _Shape) -> int | None:
        number = self._numbers.get(shape)
        if number is None and len(self._shapes) < MAX_SHAPES:
            number = self._numbers[shape] = len(self._shapes)
            self._shapes.append(shape)
        return number

    def unpack(self, packed: bytes) -> GroupState:
        dated, undated = self._shapes[int.from_bytes(packed[:_NUMBER_BYTES], "big")]
        names = (*dated, *undated)
        times, rest = _read_column(packed[_NUMBER_BYTES:], _TIMES_BYTES, len(dated))
        settled, rest = _read_column(rest, _SETTLED_BYTES, len(names))
        digests = (rest[at : at + _DIGEST_BYTES] for at in range(0, len(rest), _DIGEST_BYTES))
        wants = [(moment + digest).hex() for moment, digest in zip(times, digests, strict=True)]
        wants += [PRESENCE_STAMP] * len(undated)
        return GroupState(
            {
                name: Property(want, None, digest_of(want), settled_at=int.from_bytes(at, "big"))
                for name, want, at in zip(names, wants, settled, strict=True)
            }
        )


def _column(values: Iterable[bytes]) -> bytes | None:
    """None when there are too many different ones."""
    values = list(values)
    places = {value: place for place, value in enumerate(dict.fromkeys(values))}
    if len(places) >= _MANY:
        return None
    which = bytes(places[value] for value in values) if len(places) > 1 else b""
    return b"".join((bytes((len(places),)), *places, which))


def _read_column(packed: bytes, size: int, length: int) -> tuple[Sequence[bytes], bytes]:
    """The ``length`` values of the column in front, each of ``size`` bytes, and what comes behind it."""
    end = 1 + packed[0] * size
    different = [packed[at : at + size] for at in range(1, end, size)]
    if len(different) <= 1:
        return different * length, packed[end:]
    return [different[place] for place in packed[end : end + length]], packed[end + length :]
