"""What this process knows to be settled, so that an unchanged observation costs one dictionary look-up.

A group with a set of properties is remembered by its *print*, a hash of this process alone. Equal prints mean
equal values of equal types; different prints may still mean the same, and then the ledger is asked once too
often. Prints never leave the process, so they may be quick instead of portable. Everything on the hot path
is a plain int in a flat dictionary: nothing there for the garbage collector to walk over.
"""

from __future__ import annotations

from collections.abc import Mapping
from marshal import dumps
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias

from .compact import MAX_SHAPES

if TYPE_CHECKING:
    from ..model import Group, JsonValue, Observation

_dumps: Final[Any] = dumps  # its own type knows no Mapping

_PLAIN: Final = 2
"""Version of the marshal format: the last one in which equal values always give equal bytes."""

_SETS: Final = 8
"""Different sets of properties remembered of one group: its services each see their own."""

Moment: TypeAlias = int
"""Event time and seen time as one number (ns << 64 | ns) that sorts like the front of a stamp."""

Touch: TypeAlias = "tuple[int, Observation]"
"""A print and the observation that touched its set."""

ALWAYS: Final[Moment] = 1 << 130
"""Later than any: that a group exists does not change with time."""


def print_of(group: Group, properties: Mapping[str, JsonValue]) -> int | None:
    """None for what can't be printed (a subclass of str, say); the ledger then looks at it value by value."""
    try:
        return hash((group, _dumps(properties, _PLAIN)))
    except ValueError:
        return None


class Settled(NamedTuple):
    """A set of properties, each of which the ledger called settled with the value seen here."""

    print: int
    told: Moment  # the oldest of the stamps for which it said so
    names: tuple[str, ...]


_Kept: TypeAlias = "tuple[int, Moment, tuple[str, ...]]"
"""A settled set as it is kept: the garbage collector soon leaves a plain tuple alone, a named one never."""


class Known:
    """Settled sets, of at most ``limit`` groups; the first one in is the first out. Not thread-safe.

    ``moments``: print -> each of the set's values was observed at this or later.
    ``touched``: print -> the observation that made its moment newer than what the ledger has heard of. There
    is nothing to do now, but the time must not be lost: elsewhere the value may have changed to and fro.
    Whatever forgets a set therefore hands out its touch.
    """

    __slots__ = ("_limit", "_names", "_sets", "moments", "touched")

    def __init__(self, limit: int) -> None:
        self.moments: dict[int, Moment] = {}
        self.touched: dict[int, Observation] = {}
        self._sets: dict[Group, tuple[_Kept, ...]] = {}
        self._names: dict[tuple[str, ...], tuple[str, ...]] = {}  # each tuple of names once: there are few
        self._limit = limit

    def __len__(self) -> int:
        return len(self._sets)

    def put(self, group: Group, settled: Settled) -> list[Touch]:
        """The ledger called it settled. A touch that came in meanwhile keeps its newer time."""
        kept = (settled.print, settled.told, self._once(settled.names))
        touches: list[Touch] = []
        former = self._sets.get(group)
        if former is None:
            if len(self._sets) >= self._limit:
                touches += self.drop(next(iter(self._sets)))
            self._sets[group] = (kept,)
        else:
            others = tuple(one for one in former if one[0] != settled.print)
            if len(others) == _SETS:
                touches += self._forget(others[:1])
                others = others[1:]
            self._sets[group] = (*others, kept)
        self.moments[settled.print] = max(settled.told, self.moments.get(settled.print, 0))
        return touches

    def _once(self, names: tuple[str, ...]) -> tuple[str, ...]:
        known = self._names.get(names)
        if known is None:
            if len(self._names) >= MAX_SHAPES:
                self._names.clear()
            self._names[names] = known = names
        return known

    def covers(self, group: Group, moment: Moment, names: Mapping[str, object]) -> bool:
        """Whether each of these properties is settled with a newer value: then no store need hear of it."""
        return any(
            moment < self.moments[print_] and names.keys() <= set(known)
            for print_, _, known in self._sets.get(group, ())
        )

    def sets(self, group: Group) -> tuple[Settled, ...]:
        return tuple(Settled(*kept) for kept in self._sets.get(group, ()))

    def newest(self, group: Group) -> dict[str, str]:
        """For people: when each settled property was last observed, as the 32 digits in front of a stamp."""
        found: dict[str, str] = {}
        for print_, _, names in self._sets.get(group, ()):
            times = f"{self.moments[print_]:032x}"
            for name in names:
                found[name] = max(times, found.get(name, ""))
        return found

    def drop(self, group: Group) -> list[Touch]:
        """Something else was seen of it, here or elsewhere: none of its sets can be taken for settled."""
        return self._forget(self._sets.pop(group, ()))

    def _forget(self, sets: tuple[_Kept, ...]) -> list[Touch]:
        touches: list[Touch] = []
        for print_, _, _ in sets:
            self.moments.pop(print_, None)
            touched = self.touched.pop(print_, None)
            if touched is not None:
                touches.append((print_, touched))
        return touches

    def take_touches(self) -> list[Touch]:
        """All touches, for the ledger to hear of. The sets stay known."""
        touched, self.touched = self.touched, {}
        return list(touched.items())

    def forget_all(self) -> list[Touch]:
        """The ledger was lost: nothing is settled any more."""
        self.moments.clear()
        self._sets.clear()
        return self.take_touches()
