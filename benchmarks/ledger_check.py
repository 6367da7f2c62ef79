"""The ledger in memory: what it costs to see that nothing changed, and what a group takes, as groups grow.

Groups get there on the real way: observed, sent, settled, and then left alone until they are at rest. "a
group" is what each one adds once a cohort is there: the room in which groups move does not grow with them.
Of a million only the first cohort moves, the rest is written as it rests (``seeding.py``).

"unchanged" says what was said before, at the same time. "later" says it at a time of its own, as signals do,
and counts what the ledger does about newer times by itself.
"""

from __future__ import annotations

import gc
import random
import threading
import time
from collections.abc import Callable, Iterator
from itertools import count
from typing import Final

from opentelemetry.exporter.posthog.groups.group_ledger import KNOWN_GROUPS, GroupLedger
from opentelemetry.exporter.posthog.groups.memory import MemoryStore
from opentelemetry.exporter.posthog.model import DELIVERED, Group, Observation

from . import records
from .floor import floor as floor_case
from .paired import measured, spread_of
from .seeding import seed
from .stores import strangers
from .table import Bench, Row, exact

SIZES: Final = ((1_000, 0.20, 1.5), (100_000, 0.30, None), (1_000_000, 0.40, 3.0))
"""Groups, and the goals of a check: times the floor, and microseconds. The last size with ``--million``."""

BYTES_MUST, BYTES_AIM = 300, 80
PAUSE_MUST_MS = 10.0
HOUR = 3_600.0
START_NS: Final = 1_763_900_000 * 10**9
LATER_BATCHES: Final = 40

COHORT = 8 * records.BATCH
"""Groups that are new within one hour, and in motion at the same time."""


class Hours:
    """A clock that goes on when it is told to: nobody waits an hour for groups to come to rest."""

    def __init__(self) -> None:
        self._ahead = 0.0

    def time_ns(self) -> int:
        return time.time_ns() + round(self._ahead * 1e9)

    def monotonic(self) -> float:
        return time.monotonic() + self._ahead

    def wait(self, seconds: float, wake: threading.Event) -> bool:
        self._ahead += seconds
        return wake.is_set()


def rows(bench: Bench) -> list[Row]:
    sizes = SIZES if bench.million else SIZES[:2]
    found = [row for size, floors, micros in sizes for row in _rows_of(bench, size, floors, micros)]
    return [*found, _strangers(SIZES[-1][0])] if bench.million else found


def _rows_of(bench: Bench, size: int, floors: float, micros: float | None) -> Iterator[Row]:
    before_pause, clock = _pause(), Hours()
    ledger = _ledger(clock, 2 * size)
    _settle(ledger, clock, range(min(size, COHORT)))
    before_bytes = _resident()
    if size < SIZES[-1][0]:
        _settle(ledger, clock, range(COHORT, size))
    else:
        seed(ledger, map(_observation, range(COHORT, size)), settled_ns=clock.time_ns())
    taken = (_resident() - before_bytes) / max(1, size - COHORT)
    pause = (_pause() - before_pause) * 1e3
    chance = random.Random(size)
    check = _checking(ledger, [chance.choices(range(size), k=records.BATCH) for _ in range(bench.rounds + 1)])
    with floor_case(bench.sink) as floor:
        rounds = measured({"floor": floor, "check": check}, rounds=bench.rounds, records=records.BATCH)
    cost, name = rounds.cost("check") * 1e6, f"{size:,} groups"
    ticks = count(1)
    later = spread_of([_later(ledger, chance, size, ticks) for _ in range(bench.rounds + 1)][1:]) * 1e6
    yield Row(
        name=f"unchanged, {name}", cost=cost, found=rounds.ratio("check", "floor"), unit="F", must=floors
    )
    yield Row(name=f"unchanged, {name}", cost=cost, found=cost, unit="us", must=micros)
    yield Row(name=f"later, {name}", cost=later, found=later, unit="us", must=micros)
    if size == SIZES[0][0]:
        return  # too few to tell their memory from everybody else's
    # The goal is for a million: of fewer, how full the tables happen to be says more than what is in them.
    must, aim = (BYTES_MUST, BYTES_AIM) if size == SIZES[-1][0] else (None, None)
    yield Row(name=f"a group, {name}", found=exact(taken), unit="B", must=must, aim=aim)
    yield Row(name=f"full collection, {name}", found=exact(pause), unit="ms more", must=PAUSE_MUST_MS)


def _strangers(size: int) -> Row:
    """More groups than the default bound, in random order: each one that was forgotten is sent anew."""
    cost = strangers(_ledger(Hours(), KNOWN_GROUPS), size, random.Random(size)) * 1e6
    name = f"strangers, {size:,} groups, {KNOWN_GROUPS:,} known"
    return Row(name=name, cost=cost, found=cost, unit="us")


def _ledger(clock: Hours, max_groups: int) -> GroupLedger:
    return GroupLedger(
        MemoryStore(clock, max_groups=max_groups),
        clock=clock,
        window=10.0,
        project="benchmark",
        random=random.Random(1).getrandbits,
        max_groups=max_groups,
    )


def _settle(ledger: GroupLedger, clock: Hours, numbers: range) -> None:
    """Make these groups known and settled, and let them come to rest."""
    for start in range(numbers.start, numbers.stop, COHORT):
        cohort = range(start, min(start + COHORT, numbers.stop))
        for first in range(cohort.start, cohort.stop, records.BATCH):
            seen = [_observation(number) for number in range(first, min(first + records.BATCH, cohort.stop))]
            ledger.settle([(update, DELIVERED) for update in ledger.observe(seen)])
        clock.wait(HOUR, threading.Event())
        for _ in range(2 + COHORT // 64):  # each call to the store packs some groups that have come to rest
            assert not ledger.flush(force=False)


def _observation(number: int, time_ns: int = START_NS) -> Observation:
    group = Group("organization", f"org_{number:07d}")
    return Observation(group, time_ns, time_ns + 1_000_000, records.profile_of(number))


def _checking(ledger: GroupLedger, batches: list[list[int]]) -> Callable[[int], object]:
    """Random groups, each batch new ones: nothing is in a cache because it was just seen."""
    ready = [[_observation(number) for number in batch] for batch in batches]
    return lambda number: ledger.observe(ready[number])


def _later(ledger: GroupLedger, chance: random.Random, size: int, ticks: Iterator[int]) -> float:
    """CPU seconds an observation of some 20,000 of random groups, each a millisecond later than the last."""
    spent = 0.0
    for _ in range(LATER_BATCHES):
        met = chance.choices(range(size), k=records.BATCH)
        seen = [_observation(number, START_NS + next(ticks) * 1_000_000) for number in met]
        started = time.process_time()
        ledger.observe(seen)
        spent += time.process_time() - started
    return spent / LATER_BATCHES / records.BATCH


def _resident() -> int:
    gc.collect()
    with open("/proc/self/statm", encoding="ascii") as figures:
        return int(figures.read().split()[1]) * 4096


def _pause() -> float:
    """CPU seconds of a full garbage collection when there is nothing to collect, at best."""
    for _ in range(3):  # it takes a round a level to find out that nested tuples hold nothing to collect
        gc.collect()
    pauses: list[float] = []
    for _ in range(5):
        started = time.process_time()
        gc.collect()
        pauses.append(time.process_time() - started)
    return min(pauses)
