"""The kinds of ledger store on which a world of workers can be played, and how time passes for each."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from opentelemetry.exporter.posthog.clock import SystemClock
from opentelemetry.exporter.posthog.groups.memory import MemoryStore
from opentelemetry.exporter.posthog.groups.redis import RedisStore
from opentelemetry.exporter.posthog.groups.sqlite import SqliteStore
from opentelemetry.exporter.posthog.groups.state import SECOND
from opentelemetry.exporter.posthog.groups.store import LedgerStore
from opentelemetry.exporter.posthog.model import Group
from tests.ledger.plain_store import PlainStore, Rule, Shelf
from tests.ledger_kit import OWNER, age
from tests.manual_clock import ManualClock
from tests.servers import RedisServer

START = 1000.0  # monotonic seconds


@dataclass
class Bench:
    """``lose`` makes the store forget everything; ``evict`` one group, if it may be, perhaps others before it
    (those that were). None where that kind can't."""

    name: str
    clock: ManualClock
    open: Callable[[], LedgerStore]
    marked: Callable[[Group], bool]  # whether the store knows that it has forgotten
    advance: Callable[[float], None]
    lose: Callable[[], None] | None = None
    evict: Callable[[Group], Sequence[Group]] | None = None
    server_ns: Callable[[], int] | None = None  # where the store's clock is not ours
    one_process: bool = False  # the workers are threads of one, and share its ledger

    def now(self) -> int:
        """The store's clock, µs."""
        return (self.clock.time_ns() if self.server_ns is None else self.server_ns()) // 1000


@contextmanager
def plain_bench(rule: Rule | None = None) -> Iterator[Bench]:
    clock = ManualClock(monotonic=START)
    shelf = Shelf(clock, rule or Rule())

    def lose() -> None:
        clock.advance(0.001)  # no two lives begin at one moment
        shelf.lose()

    yield Bench(
        "plain",
        clock,
        lambda: PlainStore(shelf),
        lambda group: bool(shelf.store.marked),
        clock.advance,
        lose,
        lambda group: [group] if shelf.evict(group) else [],
    )


@contextmanager
def memory_bench() -> Iterator[Bench]:
    """The workers are the span and the log exporter's threads: one process, one ledger, one store."""
    clock = ManualClock(monotonic=START)
    store = MemoryStore(clock)

    def evict(group: Group) -> Sequence[Group]:
        """As if memory were full: the longest untouched go until it is this one's turn."""
        gone: list[Group] = []
        most, store._max_groups = store._max_groups, 0
        while group not in gone:
            before = set(store.groups())
            if not store._make_room(store._now()):
                break
            gone += before - set(store.groups())
        store._max_groups = most
        return gone

    yield Bench(
        "memory",
        clock,
        lambda: store,
        lambda group: False,
        clock.advance,
        evict=evict,
        one_process=True,
    )


@contextmanager
def sqlite_bench() -> Iterator[Bench]:
    clock = ManualClock(monotonic=START)
    opened: list[SqliteStore] = []
    with tempfile.TemporaryDirectory() as directory:
        place = Path(directory) / "state"

        def open_() -> LedgerStore:
            opened.append(SqliteStore(place / "ledger.db", owner=OWNER, clock=clock, boot=lambda: "boot"))
            return opened[-1]

        def lose() -> None:
            for store in opened:
                store.close()
            for part in place.glob("ledger.db*"):
                part.unlink()
            clock.advance(0.001)

        def marked(group: Group) -> bool:
            import sqlite3

            connection = sqlite3.connect(place / "ledger.db")
            try:
                return bool(connection.execute("SELECT marked FROM ledger_store").fetchone()[0])
            finally:
                connection.close()

        yield Bench("sqlite", clock, open_, marked, clock.advance, lose)
        for store in opened:
            store.close()


class StandingWallClock(ManualClock):
    """A machine beside a server whose clock can't be moved: only what is measured moves on."""

    def advance(self, seconds: float) -> None:
        self._monotonic += seconds


@contextmanager
def redis_bench(server: RedisServer) -> Iterator[Bench]:
    """Time passes by moving everything the server has written into the past."""
    from redis import Redis

    client: Any = Redis.from_url(server.url, protocol=2)
    client.flushall()
    seconds, micros = client.time()
    clock = StandingWallClock((seconds * SECOND + micros) * 1000, START)
    opened: list[RedisStore] = []

    def open_() -> LedgerStore:
        opened.append(
            RedisStore(server.url, owner=OWNER, clock=SystemClock(), timeout=5.0, write_behind=30.0)
        )
        return opened[-1]

    def advance(by: float) -> None:
        clock.advance(by)
        age(client, round(by * SECOND))
        for store in opened:  # what a process remembers of the server's past moves along
            store._births = {shard: birth - round(by * SECOND) for shard, birth in store._births.items()}

    def marked(group: Group) -> bool:
        from opentelemetry.exporter.posthog.groups import redis as of_redis

        tag = opened[-1]._tag(of_redis.shard_of(group))
        return int(client.hget(f"{tag}:store", "marked") or 0) != 0

    try:
        yield Bench("redis", clock, open_, marked, advance, client.flushall, server_ns=time.time_ns)
    finally:
        for store in opened:
            store.close()
        client.close()
