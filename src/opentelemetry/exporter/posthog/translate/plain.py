"""Can all values of a signal leave as they are? Mostly they can, and then they move together.

To look at each value costs as much as the rest of translation. So the kinds of the values are looked up as
one tuple, and for kinds that were seen before the texts are looked at as one text and the numbers as one sum:
a few calls into C, however many values there are.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping
from operator import itemgetter
from typing import Any, Final, NamedTuple, TypeAlias

from .privacy import are_suspicious
from .properties import MAX_SAFE, MAX_TEXT, is_encodable

MAX_KINDS: Final = 64
"""Tuples of kinds remembered for one set of keys: each optional number among them doubles their count."""

Pick: TypeAlias = Callable[[Any], "tuple[Any, ...]"]
"""Takes the values of some keys out of a mapping, or of some positions out of a tuple."""

_SCALARS: Final = frozenset({str, int, float, bool})


def picking(keys: tuple[Any, ...]) -> Pick:
    """One C call where there are several keys."""
    if len(keys) > 1:
        return itemgetter(*keys)
    if not keys:
        return lambda values: ()
    (only,) = keys
    return lambda values: (values[only],)


class Kinds(NamedTuple):
    """What is known of values from their kinds alone."""

    texts_of: Pick
    numbers_of: Pick
    line_feeds: int  # between the texts, if none of them holds one


class Plainness:
    """Looks at the values of one set of keys. Safe from many threads: a look made twice sees the same."""

    __slots__ = ("_known", "_places")

    def __init__(self, keys: tuple[str, ...], looked_at: Container[str]) -> None:
        """``keys``: all of the signal, in their order; ``looked_at``: those whose values are to leave."""
        self._places = tuple(place for place, key in enumerate(keys, 1) if key in looked_at)
        self._known: dict[tuple[type, ...], Kinds | None] = {}

    def holds(self, attributes: Mapping[str, Any]) -> bool:
        """False is always safe: then each value is looked at, and leaves as it is or doesn't."""
        values = ("", *attributes.values())
        kinds = tuple(map(type, values))
        try:
            known = self._known[kinds]
        except KeyError:
            known = self._learnt(kinds)
        if known is None:
            return False
        texts_of, numbers_of, line_feeds = known
        # Each text on a line of its own, the first one empty, so that each begins after a line feed. Plain
        # text holds none and starts with no space, so it is blank only if it is empty.
        lines = "\n".join(texts_of(values))
        try:
            size = sum(map(abs, numbers_of(values)))
        except OverflowError:  # a float beside an int of hundreds of digits
            return False
        return (
            size <= MAX_SAFE  # what NaN and infinities make of it is not
            and len(lines) <= MAX_TEXT
            and (lines.isascii() or is_encodable(lines))
            and "\0" not in lines
            and lines.count("\n") == line_feeds
            and not are_suspicious(lines)
        )

    def _learnt(self, kinds: tuple[type, ...]) -> Kinds | None:
        places = self._places
        known = None
        if _SCALARS.issuperset(kinds[place] for place in places):
            texts = tuple(place for place in places if kinds[place] is str)
            numbers = tuple(place for place in places if kinds[place] in (int, float))
            known = Kinds(picking((0, *texts)), picking(numbers), len(texts))
        if len(self._known) < MAX_KINDS:
            self._known[kinds] = known
        return known
