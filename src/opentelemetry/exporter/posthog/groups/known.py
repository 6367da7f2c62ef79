"""What this process knows to be settled, so that an unchanged observation costs one dictionary look-up.

A set of properties is remembered by its print (``prints.py``). All that is known of a group is one int of 180
bits a set: nothing for the garbage collector to walk over, and 48 bytes for a group with one set.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

from .by_group import ByGroup
from .compact import MAX_SHAPES
from .prints import PRINT_BITS, printer

if TYPE_CHECKING:
    from ..model import Group, Observation

_MOST_SETS: Final = 8
"""Different sets of properties remembered of one group: its services each see their own."""

Moment: TypeAlias = int
"""Event time and seen time as one number (ns << 64 | ns) that sorts like the front of a stamp."""

ALWAYS: Final[Moment] = (1 << 128) - 1
"""Later than any: that a group exists does not change with time."""

SeenAgain: TypeAlias = "Callable[[Group, Sequence[str], Moment], None]"
"""Takes the time at which the settled values of these properties were last seen."""

Carry: TypeAlias = "Callable[[int, Observation], None]"
"""Told of an observation that the ledger must hear of, and of its print."""

# One set, from the lowest bit: print, number of its names, moment.
_NAMES_BITS: Final = 12
_MOMENT_AT: Final = PRINT_BITS + _NAMES_BITS
_SET_BITS: Final = _MOMENT_AT + 128
_PRINT: Final = (1 << PRINT_BITS) - 1
_NAMES: Final = (1 << _NAMES_BITS) - 1
assert MAX_SHAPES <= _NAMES + 1


# Windows in powers of two nanoseconds of event time, and how full Known may be for the wide one.
_WIDE: Final = 47  # 39 hours: seven groups a second of a million
_NARROW: Final = 35  # 34 seconds: somebody is about to be forgotten, it should be the right one
_ROOMY: Final = 7 / 8


def moment_of_observation(seen: Observation) -> Moment:
    return seen.time_ns << 64 | seen.seen_ns


class Settled(NamedTuple):
    """A set of properties, each of which the ledger called settled with the value seen here."""

    print: int
    told: Moment  # the oldest of the stamps for which it said so
    names: tuple[str, ...]


class Known:
    """Settled sets, of at most ``limit`` groups; those told of longest ago go first. Not thread-safe.

    A set that is seen again at a newer time is nothing to tell at once, but the time must not be lost.

    - Where other processes write to the ledger too, the value may have changed to and fro there. ``touched``
      keeps the newest observation, by group and print, until the ledger has heard of it, and whatever forgets
      a set carries its touch over first (``carry``), so that who is interrupted in between loses none.
    - Where nobody else does, and the ledger dies with the process (``seen_again``), the time is kept here
      alone, and told when the set is forgotten. Once a window of time the set is let through as if it were
      not known, for the ledger to heal what PostHog may have lost, and to know who is longest untouched.
    """

    __slots__ = (
        "_carry", "_limit", "_names", "_numbers", "_print_of", "_seen_again", "_sets", "_window_bits",
        "touched",
    )  # fmt: skip

    def __init__(self, limit: int, carry: Carry, seen_again: SeenAgain | None = None) -> None:
        self.touched: dict[tuple[Group, int], Observation] = {}
        self._sets: ByGroup[int] = ByGroup()
        self._names: list[tuple[str, ...]] = []  # by number: a service knows few different ones
        self._numbers: dict[tuple[str, ...], int] = {}
        self._limit = limit
        self._carry = carry
        self._seen_again = seen_again
        self._window_bits = _WIDE
        self._print_of = printer()

    def __len__(self) -> int:
        return len(self._sets)

    # -- what is seen -------------------------------------------------------------------------------

    def unsettled(self, observations: Iterable[Observation]) -> Iterator[tuple[int | None, Observation]]:
        """Those of which the ledger must hear now, each with its print: they say something else than what it
        has called settled. What the caller does to a group counts for the next observation of it."""
        types, print_of, is_own = self._sets.types, self._print_of, self._seen_again is not None
        for seen in observations:
            (type_, key), time_ns, seen_ns, properties, _ = seen
            print_ = print_of(properties)
            of_type = types.get(type_)
            sets = 0 if of_type is None else of_type.get(key, 0)
            moment_at = _MOMENT_AT
            while sets:
                found = sets & _PRINT
                if found == print_:
                    told, moment = sets >> _MOMENT_AT & ALWAYS, time_ns << 64 | seen_ns
                    if moment <= told:
                        break
                    if not is_own:
                        self._touch(seen, found)
                    elif self._is_due(found, told, time_ns):
                        yield print_, seen
                    elif of_type is not None:
                        of_type[key] += moment - told << moment_at
                    break
                sets >>= _SET_BITS
                moment_at += _SET_BITS
            else:
                yield print_, seen

    def _touch(self, seen: Observation, print_: int) -> None:
        touched = self.touched.get((seen.group, print_))
        if touched is None or moment_of_observation(seen) > moment_of_observation(touched):
            self.touched[seen.group, print_] = seen

    def _is_due(self, print_: int, told: Moment, time_ns: int) -> bool:
        """Whether another window has begun. Each set has windows of its own: not all are due at once."""
        spread, bits = print_ << _WIDE - PRINT_BITS, self._window_bits
        return time_ns + spread >> bits != (told >> 64) + spread >> bits

    def covers(self, seen: Observation) -> bool:
        """Whether each of these properties is settled with a newer value: then no store need hear of it."""
        moment, names = moment_of_observation(seen), seen.properties.keys()
        return any(
            names <= set(one.names) and moment < self._newest(seen.group, one)
            for one in self.sets(seen.group)
        )

    def _newest(self, group: Group, one: Settled) -> Moment:
        touched = self.touched.get((group, one.print))
        return one.told if touched is None else max(one.told, moment_of_observation(touched))

    # -- what the ledger says -----------------------------------------------------------------------

    def put(self, group: Group, settled: Settled) -> None:
        """The ledger called it settled. A touch that came in meanwhile keeps its newer time."""
        if not self._has_number(settled.names):
            return
        others: list[Settled] = []
        for one in self.sets(group):
            if one.print != settled.print:
                others.append(one)
            elif one.told > settled.told:
                settled = one
        for one in others[_MOST_SETS - 1 :]:
            self._forget(group, one)
        if self._sets.get(group) is None and len(self._sets) >= self._limit:
            for oldest in self._sets.oldest(1):
                self.drop(oldest)
        self._sets.put(group, self._packed([settled, *others[: _MOST_SETS - 1]]))
        self._window_bits = _WIDE if len(self._sets) < self._limit * _ROOMY else _NARROW

    def _has_number(self, names: tuple[str, ...]) -> bool:
        """False when there are too many different tuples of names: somebody makes them up."""
        if names not in self._numbers:
            if len(self._names) == MAX_SHAPES:
                return False
            self._numbers[names] = len(self._names)
            self._names.append(names)
        return True

    def drop(self, group: Group) -> None:
        """Something else was seen of it, here or elsewhere: none of its sets can be taken for settled."""
        for one in self.sets(group):
            self._forget(group, one)
        self._sets.pop(group)

    def _forget(self, group: Group, one: Settled) -> None:
        if self._seen_again is not None:
            self._seen_again(group, one.names, one.told)
        touched = self.touched.get((group, one.print))
        if touched is not None:
            self._carry(one.print, touched)
            del self.touched[group, one.print]

    def carry_touches(self) -> None:
        """All touches, for the ledger to hear of. The sets stay known."""
        for (_, print_), seen in self.touched.items():
            self._carry(print_, seen)
        self.touched = {}

    def forget_all(self) -> None:
        """The ledger was lost, and all that it was told: nothing is settled any more."""
        self.carry_touches()
        self._sets.clear()

    # -- what is known ------------------------------------------------------------------------------

    def sets(self, group: Group) -> Iterator[Settled]:
        """The one that was told of last comes first."""
        packed = self._sets.get(group)
        while packed:
            names = self._names[packed >> PRINT_BITS & _NAMES]
            yield Settled(packed & _PRINT, packed >> _MOMENT_AT & ALWAYS, names)
            packed >>= _SET_BITS

    def _packed(self, sets: Iterable[Settled]) -> int:
        packed = 0
        for place, one in enumerate(sets):
            told = min(max(one.told, 0), ALWAYS)
            packed |= (
                one.print | self._numbers[one.names] << PRINT_BITS | told << _MOMENT_AT
            ) << place * _SET_BITS
        return packed

    def newest(self, group: Group) -> dict[str, str]:
        """For people: when each settled property was last observed, as the 32 digits in front of a stamp."""
        found: dict[str, str] = {}
        for one in self.sets(group):
            times = f"{self._newest(group, one):032x}"
            for name in one.names:
                found[name] = max(times, found.get(name, ""))
        return found
