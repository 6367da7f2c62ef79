"""What is put in one OpenTelemetry context: an immutable pile of stamps, and what it comes to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple, TypeAlias, cast

from opentelemetry.util.types import AttributeValue

from ..attributes import GROUP_STAMPED, OBSERVED_AT
from .stamps import USER

AttributeValues: TypeAlias = dict[str, AttributeValue]


class Stamp(NamedTuple):
    """One group or the user, as attributes. Without a key it only hides what lies beneath it."""

    type: str  # group type, or stamps.USER
    key: str
    key_attribute: str
    attributes: Mapping[str, AttributeValue]
    conflicts: frozenset[str]  # attributes that, already there, mean that the application spoke itself
    observed_at: int | None  # ns since the epoch; None: when the signal says


def stamp_of(
    type_: str,
    key: str,
    key_attribute: str,
    properties: Mapping[str, AttributeValue],
    *,
    rivals: Iterable[str] = (),
    observed_at: int | None = None,
) -> Stamp:
    """A stamp whose key comes after its properties: an SDK evicts a span's oldest attributes first, and
    properties without their key say nothing wrong, while a key without its properties still says whose.
    """
    attributes = {**properties, key_attribute: key}
    return Stamp(type_, key, key_attribute, attributes, frozenset(attributes).union(rivals), observed_at)


def no_stamp(type_: str) -> Stamp:
    """Hides what lies beneath it: whose work this is, is not known."""
    return Stamp(type_, "", "", {}, frozenset(), None)


class Entry(NamedTuple):
    """A stamp in a pile, and the block that put it there."""

    owner: object
    stamp: Stamp
    propagated: bool
    baggage_before: object


class Scope:
    """An immutable pile of entries, innermost last, with the attributes it comes to worked out once."""

    __slots__ = ("attributes", "conflicts", "entries", "keys", "stamps")

    def __init__(self, entries: tuple[Entry, ...]) -> None:
        self.entries = entries
        innermost: dict[str, Stamp] = {}
        for entry in entries:
            innermost.pop(entry.stamp.type, None)  # so that the order is that of the innermost ones
            innermost[entry.stamp.type] = entry.stamp
        self.stamps = tuple(stamp for stamp in innermost.values() if stamp.key)
        self.attributes = _merged(self.stamps)
        self.conflicts = frozenset(self.attributes).union(*(stamp.conflicts for stamp in self.stamps))
        self.keys: Mapping[str, str] = {stamp.type: stamp.key for stamp in self.stamps}

    @classmethod
    def of(cls, stamp: Stamp) -> Scope:
        return cls((Entry(None, stamp, False, None),))

    def with_entry(self, entry: Entry) -> Scope:
        return Scope((*self.entries, entry))

    def without_entry(self, entry: Entry) -> Scope:
        rest = tuple(other for other in self.entries if other is not entry)
        return Scope(rest) if rest else EMPTY

    def last_entry_of(self, owner: object) -> Entry | None:
        return next((entry for entry in reversed(self.entries) if entry.owner is owner), None)

    def stamp_for(self, type_: str) -> Stamp | None:
        return next((e.stamp for e in reversed(self.entries) if e.stamp.type == type_), None)

    def attributes_beside(self, present: Mapping[str, object]) -> AttributeValues:
        """What to put on a signal that has ``present``: all or nothing of each group, nothing overwritten."""
        if self.conflicts.isdisjoint(present):
            return self.attributes
        attributes = _merged(self.stamps_beside(present))
        if OBSERVED_AT in present:
            attributes.pop(OBSERVED_AT, None)
        stamped = present.get(GROUP_STAMPED)
        if isinstance(stamped, (list, tuple)) and GROUP_STAMPED in attributes:
            types = [*map(str, cast("tuple[object, ...]", stamped)), *_types(self.stamps_beside(present))]
            attributes[GROUP_STAMPED] = tuple(dict.fromkeys(types))
        return attributes

    def stamps_beside(self, present: Mapping[str, object]) -> list[Stamp]:
        return [stamp for stamp in self.stamps if stamp.conflicts.isdisjoint(present)]


def _merged(stamps: Iterable[Stamp]) -> AttributeValues:
    """The attributes of several stamps, in the order in which an SDK may evict them: whatever changes the
    meaning of others (the time of properties, the mark of a stamp) comes last and so goes last.
    """
    stamps = list(stamps)
    attributes: AttributeValues = {}
    for stamp in stamps:
        attributes.update(stamp.attributes)
    times = [stamp.observed_at for stamp in stamps if stamp.observed_at is not None]
    if times:
        attributes[OBSERVED_AT] = times[-1]
    types = _types(stamps)
    if types:
        attributes[GROUP_STAMPED] = types
    return attributes


def _types(stamps: Iterable[Stamp]) -> tuple[str, ...]:
    return tuple(stamp.type for stamp in stamps if stamp.type != USER)


EMPTY = Scope(())
