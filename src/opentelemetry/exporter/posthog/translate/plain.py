"""Can all values of a signal leave as they are? Mostly they can, and then they move together.

To look at each value costs as much as the rest of translation. So the kinds of the values are looked up as
one tuple, and for kinds that were seen before the texts are looked at as one text and the numbers as one sum:
a few calls into C, however many values there are.

What signals say of a group they say again and again, so a set of such values is looked at once, and what it
says of the group is made once.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping, Sequence
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias

from .privacy import are_suspicious
from .properties import MAX_SAFE, MAX_TEXT, is_encodable

if TYPE_CHECKING:
    from ..model import JsonValue

MAX_KINDS: Final = 64
"""Tuples of kinds remembered for one set of keys: each optional number among them doubles their count."""

MAX_TOLD: Final = 4_096
"""Sets of values of groups remembered, over all sets of keys: about 1 KB each."""

Told: TypeAlias = "Mapping[str, Mapping[str, JsonValue]]"
"""What a signal says of its groups, by type. Signals that say the same share it."""

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


class Part(NamedTuple):
    """Some of the values of a signal, as they are looked at."""

    texts_of: Pick
    numbers_of: Pick
    line_feeds: int  # between the texts, if none of them holds one


class Kinds(NamedTuple):
    """What is known of values from their kinds alone."""

    whole: Part
    rest: Part  # without what the groups are told
    of_groups: Pick
    told: dict[tuple[Any, ...], Told]  # equal values of equal kinds say the same


class Remembered:
    """How much is remembered in all tables together. Safe from many threads: a race costs some memory."""

    __slots__ = ("_left", "_tables")

    def __init__(self) -> None:
        self._left = MAX_TOLD
        self._tables: list[dict[tuple[Any, ...], Told]] = []

    def keep(self, table: dict[tuple[Any, ...], Told], key: tuple[Any, ...], told: Told) -> None:
        """With one more than there may be all are forgotten and made again as needed."""
        if self._left <= 0:
            for each in self._tables:
                each.clear()
            self._tables, self._left = [], MAX_TOLD
        if not table:
            self._tables.append(table)
        table[key] = told
        self._left -= 1


class Plainness:
    """Looks at the values of one set of keys. Safe from many threads: a look made twice sees the same."""

    __slots__ = ("_known", "_places", "_profiles", "_remembered")

    def __init__(
        self,
        keys: tuple[str, ...],
        looked_at: Container[str],
        profiles: Mapping[str, Sequence[tuple[str, str]]],
        remembered: Remembered,
    ) -> None:
        """``keys``: all of the signal, in their order; ``looked_at``: those whose values are to leave;
        ``profiles``: which of these say something of a group, key and name, by its type.
        """
        self._places = tuple(place for place, key in enumerate(keys, 1) if key in looked_at)
        self._profiles = tuple(
            (type_, tuple((keys.index(key) + 1, name) for key, name in pairs))
            for type_, pairs in profiles.items()
        )
        self._remembered = remembered
        self._known: dict[tuple[type, ...], Kinds | None] = {}

    def look(self, attributes: Mapping[str, Any]) -> Told | None:
        """What the values say of groups, if all that leave may leave as they are. None is always safe: then
        each value is looked at, and leaves as it is or doesn't.
        """
        values = ("", *attributes.values())
        kinds = tuple(map(type, values))
        try:
            known = self._known[kinds]
        except KeyError:
            known = self._learnt(kinds)
        if known is None:
            return None
        whole, rest, of_groups, remembered = known
        key = of_groups(values)
        told = remembered.get(key)
        if not _are_plain(values, whole if told is None else rest):
            return None
        if told is None:
            told = self._told(values)
            self._remembered.keep(remembered, key, told)
        return told

    def _told(self, values: Sequence[Any]) -> Told:
        """Of plain values only the empty text says nothing."""
        return {
            type_: {name: values[place] for place, name in pairs if values[place] != ""}
            for type_, pairs in self._profiles
        }

    def _learnt(self, kinds: tuple[type, ...]) -> Kinds | None:
        places = self._places
        known = None
        if _SCALARS.issuperset(kinds[place] for place in places):
            told = tuple(place for _, pairs in self._profiles for place, _ in pairs)
            rest = tuple(place for place in places if place not in told)
            known = Kinds(_part(kinds, places), _part(kinds, rest), picking(told), {})
        if len(self._known) < MAX_KINDS:
            self._known[kinds] = known
        return known


def _part(kinds: tuple[type, ...], places: tuple[int, ...]) -> Part:
    texts = tuple(place for place in places if kinds[place] is str)
    numbers = tuple(place for place in places if kinds[place] in (int, float))
    return Part(picking((0, *texts)), picking(numbers), len(texts))


def _are_plain(values: tuple[Any, ...], part: Part) -> bool:
    texts_of, numbers_of, line_feeds = part
    # Each text on a line of its own, the first one empty, so that each begins after a line feed. Plain text
    # holds none and starts with no space, so it is blank only if it is empty.
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
