"""The ledger in SQLite and Redis: what it costs as organizations and processes grow, how often it is asked.

"unchanged" are batches of 512 observations that say what is known, at the time of before: the worker knows
itself, whatever the store is. "later": the same at times of their own, of which the store must hear within
half a minute (SQLite) or five (Redis), and at once when ten thousand wait. "changed": batches of 64, a new
value each. "strangers": a worker with the default bound has just met more organizations than it may know.

Up to a hundred thousand organizations are exported one by one; a million (``--million``) are written by the
store's own codec (``seeding.py``).
"""

from __future__ import annotations

import logging
import tempfile
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from itertools import count
from pathlib import Path
from random import Random
from typing import Any, TypeAlias

from opentelemetry.exporter.posthog import assembly
from opentelemetry.exporter.posthog.clock import SystemClock
from opentelemetry.exporter.posthog.diagnostics import Diagnostics
from opentelemetry.exporter.posthog.groups.group_ledger import KNOWN_GROUPS, GroupLedger
from opentelemetry.exporter.posthog.model import DELIVERED, Group, Observation
from opentelemetry.exporter.posthog.settings.sources import resolve

from . import records
from .paired import Spread, measured, spread_of
from .seeding import seed
from .sharing import ALONE, APART, TOGETHER, shared
from .table import Bench, Row, exact

Store: TypeAlias = "Callable[[Path], AbstractContextManager[Callable[[str], str]]]"
"""Starts it; each project has a ledger of its own there. Gives the setting of a project's ledger, behind the
project's name and a blank."""

SIZES = (1_000, 100_000)
QUICK_SIZES = (1_000, 4_000)
MILLION = 1_000_000
CHANGED = 64
LATER_BATCHES, LATER_ROUNDS = 24, 5
LIFE = 60.0

UNCHANGED, LATER, A_CHANGE, STRANGERS = "unchanged", "later", "changed", "strangers"


def rows(bench: Bench) -> list[Row]:
    logging.disable(logging.CRITICAL)
    found: list[Row] = []
    for name, store in STORES.items():
        sizes = QUICK_SIZES if bench.quick else (*SIZES, MILLION) if bench.million else SIZES
        measures = {size: _of_size(store, size, bench.rounds) for size in sizes}
        for size, (costs, _) in measures.items():
            found += [
                Row(
                    name=f"{name}, {size:,} organizations, {case}",
                    cost=cost * 1e6,
                    found=cost * 1e6,
                    unit="us",
                    must=(1.5 if size == SIZES[0] else 3.0) if case == UNCHANGED else None,
                )
                for case, cost in costs.items()
            ]
        small, large = measures[sizes[0]], measures[sizes[-1]]
        found += [
            Row(
                name=f"{name}, {case}: growth from {sizes[0]:,} to {sizes[-1]:,} organizations",
                found=exact(large[0][case].median / small[0][case].median),
                unit="x",
            )
            for case in (UNCHANGED, A_CHANGE)
        ]
        if name == "Redis":
            found += [
                Row(name=f"round trips to Redis a batch, {case}", found=exact(trips), unit="round trips")
                for case, trips in large[1].items()
            ]
        found += _over_processes(name, store, bench.rounds)
    return found


def _of_size(store: Store, size: int, rounds: int) -> tuple[dict[str, Spread], dict[str, float]]:
    with tempfile.TemporaryDirectory() as directory, store(Path(directory)) as setting:
        ledger, chance = new_ledger(setting("stores")), Random(7)
        if size == MILLION:
            seed(ledger, _seen(range(size), 0), settled_ns=time.time_ns())
        else:
            for start in range(0, size, records.BATCH):
                settled(ledger, _observations(range(start, min(start + records.BATCH, size)), 0))
        batches = [_observations(chance.choices(range(size), k=records.BATCH), 0) for _ in range(8)]
        versions = count(1)

        def changed(number: int) -> None:
            settled(ledger, _observations(chance.sample(range(size), CHANGED), next(versions)))

        def unchanged(number: int) -> None:
            ledger.observe(batches[number % 8])

        for number in range(8):
            unchanged(number)
        found: dict[str, Spread] = {}
        trips: dict[str, float] = {}
        trips[UNCHANGED] = _trips(partial(unchanged, 0))
        found[UNCHANGED] = measured({UNCHANGED: unchanged}, rounds=rounds, records=records.BATCH).cost(
            UNCHANGED
        )
        found[LATER] = spread_of(list(_later(ledger, size, chance)))
        ledger.flush(force=False)
        # Changes come last: what was true before one is late news, which the store must judge.
        trips[A_CHANGE] = _trips(partial(changed, 0))
        found[A_CHANGE] = measured({A_CHANGE: changed}, rounds=rounds, records=CHANGED).cost(A_CHANGE)
        ledger.close()
        if size > KNOWN_GROUPS:
            found[STRANGERS] = strangers(new_ledger(setting("stores"), max_groups=KNOWN_GROUPS), size, chance)
        return found, trips


def _later(ledger: GroupLedger, size: int, chance: Random) -> Iterator[float]:
    """CPU seconds an observation, each of 12,000 later than those before, what the store is told included."""
    ticks = count(1)
    for _ in range(LATER_ROUNDS):
        spent = 0.0
        for _ in range(LATER_BATCHES):
            batch = _observations(chance.choices(range(size), k=records.BATCH), 0, next(ticks))
            started = time.process_time()
            ledger.observe(batch)
            spent += time.process_time() - started
        yield spent / LATER_BATCHES / records.BATCH


def strangers(ledger: GroupLedger, size: int, chance: Random) -> Spread:
    """CPU seconds an observation of a worker that has met more groups than it may know."""

    def meet(batches: int) -> float:
        spent = 0.0
        for _ in range(batches):
            batch = _observations(chance.choices(range(size), k=records.BATCH), 0)
            started = time.process_time()
            settled(ledger, batch)
            spent += time.process_time() - started
        return spent / batches / records.BATCH

    meet(3 * KNOWN_GROUPS // 2 // records.BATCH)
    return spread_of([meet(LATER_BATCHES // 4) for _ in range(LATER_ROUNDS)])


def _over_processes(name: str, store: Store, rounds: int) -> list[Row]:
    """The same work in one process, in six that share nothing, and in six on one ledger."""
    found = shared(store, rounds)
    return [
        Row(
            name=f"{name}, {fleet}, a change in 50 signals",
            cost=found.cost(fleet) * 1e6,
            found=found.ratio(fleet, reference),
            unit=f"x {reference}",
        )
        for fleet, reference in ((APART, ALONE), (TOGETHER, APART), (TOGETHER, ALONE))
    ]


def new_ledger(setting: str, *, max_groups: int = 2 * MILLION) -> GroupLedger:
    project, _, where = setting.partition(" ")
    keywords = {"api_key": f"phc_{project}", "host": "http://127.0.0.1:9", "ledger": where}
    settings = resolve({**keywords, "ledger_max_groups": max_groups}, {}).settings
    assert settings is not None
    clock = SystemClock()
    return assembly._ledger(settings, Diagnostics(clock=clock), clock, LIFE)


def settled(ledger: GroupLedger, observations: Sequence[Observation]) -> None:
    updates = ledger.observe(observations)
    while updates:
        updates = ledger.settle([(update, DELIVERED) for update in updates])


def _observations(numbers: Iterable[int], version: int, tick: int = 0) -> list[Observation]:
    return list(_seen(numbers, version, tick))


def _seen(numbers: Iterable[int], version: int, tick: int = 0) -> Iterator[Observation]:
    return (seen(number, version, version * 1_000_000 + tick) for number in numbers)


def seen(number: int, version: int, later_ns: int) -> Observation:
    """What a signal of this organization says: version 0 is its profile as it was first seen."""
    start_ns = 1_763_900_000_000_000_000 + later_ns
    return Observation(
        Group("organization", f"org_{number:06d}"),
        start_ns,
        start_ns + 1_000,
        {**records.profile_of(number), **({"seats": version} if version else {})},
        "shop",
    )


# -- stores ------------------------------------------------------------------------------------------------


@contextmanager
def sqlite(directory: Path) -> Generator[Callable[[str], str]]:
    yield lambda project: f"{project} {directory / project}.db"


@contextmanager
def redis(directory: Path) -> Generator[Callable[[str], str]]:
    from tests.servers import running_redis

    with running_redis() as server:
        yield lambda project: f"{project} {server.url}"


STORES: dict[str, Store] = {"SQLite": sqlite, "Redis": redis}


def _trips(act: Callable[[], object]) -> float:
    """How often ``act`` wrote to Redis and waited: a pipeline is one round trip."""
    from redis.connection import AbstractConnection

    sent = [0]
    real = AbstractConnection.send_packed_command

    def counted(self: Any, *args: Any, **options: Any) -> Any:
        sent[0] += 1
        return real(self, *args, **options)

    AbstractConnection.send_packed_command = counted  # type: ignore[method-assign]
    try:
        act()
    finally:
        AbstractConnection.send_packed_command = real  # type: ignore[method-assign]
    return sent[0]
