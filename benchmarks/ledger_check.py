"""The ledger in memory: what it costs to see that nothing changed, and what a group takes, as groups grow.

Groups get there on the real way: observed, sent, settled, and then left alone until they are at rest.
"""

from __future__ import annotations

import gc
import random
import threading
import time
from collections.abc import Callable, Iterator
from typing import Final

from opentelemetry.exporter.posthog.groups.group_ledger import GroupLedger
from opentelemetry.exporter.posthog.groups.memory import MemoryStore
from opentelemetry.exporter.posthog.model import DELIVERED, Group, Observation

from . import records
from .floor import floor as floor_case
from .paired import measured
from .table import Bench, Row, exact

SIZES: Final = ((1_000, 0.20, 1.5), (100_000, 0.30, None), (1_000_000, 0.40, 3.0))
"""Groups, and the goals of a check: times the floor, and microseconds."""

BYTES_MUST, BYTES_AIM = 300, 80
PAUSE_MUST_MS = 10.0
HOUR = 3_600.0

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
    sizes = SIZES[:2] if bench.quick else SIZES
    return [row for size, floors, micros in sizes for row in _rows_of(bench, size, floors, micros)]


def _rows_of(bench: Bench, size: int, floors: float, micros: float | None) -> Iterator[Row]:
    before_bytes, before_pause = _resident(), _pause()
    ledger = _settled(size)
    taken = (_resident() - before_bytes) / size
    pause = (_pause() - before_pause) * 1e3
    chance = random.Random(size)
    check = _checking(ledger, [chance.choices(range(size), k=records.BATCH) for _ in range(bench.rounds + 1)])
    with floor_case(bench.sink) as floor:
        rounds = measured({"floor": floor, "check": check}, rounds=bench.rounds, records=records.BATCH)
    cost, name = rounds.cost("check") * 1e6, f"{size:,} groups"
    yield Row(name=f"check, {name}", cost=cost, found=rounds.ratio("check", "floor"), unit="F", must=floors)
    yield Row(name=f"check, {name}", cost=cost, found=cost, unit="us", must=micros)
    if size == SIZES[0][0]:
        return  # too few to tell their memory from everybody else's
    yield Row(name=f"a group, {name}", found=exact(taken), unit="B", must=BYTES_MUST, aim=BYTES_AIM)
    yield Row(name=f"full collection, {name}", found=exact(pause), unit="ms more", must=PAUSE_MUST_MS)


def _settled(size: int) -> GroupLedger:
    clock = Hours()
    ledger = GroupLedger(
        MemoryStore(clock, max_groups=size),
        clock=clock,
        window=10.0,
        project="benchmark",
        random=random.Random(1).getrandbits,
        max_groups=size,
    )
    for start in range(0, size, COHORT):
        for first in range(start, min(start + COHORT, size), records.BATCH):
            seen = [_observation(number) for number in range(first, min(first + records.BATCH, size))]
            ledger.settle([(update, DELIVERED) for update in ledger.observe(seen)])
        clock.wait(HOUR, threading.Event())
        for _ in range(2 + COHORT // 64):  # each call to the store packs some groups that have come to rest
            assert not ledger.flush(force=False)
    return ledger


def _observation(number: int) -> Observation:
    return Observation(
        Group("organization", f"org_{number:07d}"),
        1_763_900_000 * 10**9,
        1_763_900_001 * 10**9,
        records.profile_of(number),
    )


def _checking(ledger: GroupLedger, batches: list[list[int]]) -> Callable[[int], object]:
    """Random groups, each batch new ones: nothing is in a cache because it was just seen."""
    ready = [[_observation(number) for number in batch] for batch in batches]
    return lambda number: ledger.observe(ready[number])


def _resident() -> int:
    gc.collect()
    with open("/proc/self/statm", encoding="ascii") as figures:
        return int(figures.read().split()[1]) * 4096


def _pause() -> float:
    """CPU seconds of a full garbage collection when there is nothing to collect."""
    for _ in range(3):  # it takes a round a level to find out that nested tuples hold nothing to collect
        gc.collect()
    started = time.process_time()
    gc.collect()
    return time.process_time() - started
