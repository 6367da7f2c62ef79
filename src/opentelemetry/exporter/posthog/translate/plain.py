"""Can all values of a signal leave as they are? Mostly they can, and then they move together.

To look at each value costs as much as the rest of translation. So the kinds of the values are looked up as
one tuple, and for kinds that were seen before the texts are looked at as one text and the numbers as one sum:
a few calls into C, however many values there are.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from operator import itemgetter
from typing import Any, Final, TypeAlias

from .privacy import are_suspicious
from .properties import MAX_SAFE, MAX_TEXT

MAX_KINDS: Final = 64
"""Tuples of kinds remembered for one set of keys: each optional number among them doubles their count."""

Pick: TypeAlias = Callable[[Any], "tuple[Any, ...]"]
"""Takes the values of some keys out of a mapping, or of some positions out of a tuple."""

Look: TypeAlias = Callable[["tuple[Any, ...]"], bool]

_SCALARS: Final = frozenset({str, int, float, bool})


def picking(keys: tuple[Any, ...]) -> Pick:
    """One C call where there are several keys."""
    if len(keys) > 1:
        return itemgetter(*keys)
    return lambda values: tuple(values[key] for key in keys)


class Plainness:
    """Looks at the values of some keys. Safe from many threads: a look made twice sees the same."""

    __slots__ = ("_looks", "_pick")

    def __init__(self, keys: tuple[str, ...]) -> None:
        self._pick = picking(keys)
        self._looks: dict[tuple[type, ...], Look] = {}

    def holds(self, attributes: Mapping[str, Any]) -> bool:
        """False is always safe: then each value is looked at, and leaves as it is or doesn't."""
        values = self._pick(attributes)
        kinds = tuple(map(type, values))
        look = self._looks.get(kinds)
        if look is None:
            look = _look_at(kinds)
            if len(self._looks) < MAX_KINDS:
                self._looks[kinds] = look
        return look(values)


def _look_at(kinds: tuple[type, ...]) -> Look:
    """How values of these kinds are looked at."""
    if not _SCALARS.issuperset(kinds):
        return lambda values: False
    texts_of = picking(tuple(place for place, kind in enumerate(kinds) if kind is str))
    numbers_of = picking(tuple(place for place, kind in enumerate(kinds) if kind in (int, float)))
    line_feeds = kinds.count(str)

    def look(values: tuple[Any, ...]) -> bool:
        # Each text on a line of its own, after a line feed. Plain text holds none and starts with no space,
        # so it is blank only if it is empty.
        lines = "\n".join(("", *texts_of(values)))
        try:
            size = sum(map(abs, numbers_of(values)))
        except OverflowError:  # a float beside an int of hundreds of digits
            return False
        return (
            size <= MAX_SAFE  # what NaN and infinities make of it is not
            and len(lines) <= MAX_TEXT
            and lines.isascii()
            and "\0" not in lines
            and lines.count("\n") == line_feeds
            and not are_suspicious(lines)
        )

    return look
