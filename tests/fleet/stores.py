"""The ledgers that a fleet can share, and what the test does to each while the fleet works."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Generator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from opentelemetry.exporter.posthog.clock import SystemClock
from opentelemetry.exporter.posthog.groups.opening import open_store
from tests.fleet.store_log import Rebirth, Sums, rebirth, redis_steps, sqlite_steps, sums, watch_sqlite
from tests.fleet.voice import LEASE
from tests.servers import running_redis

PERSISTENT = ("--appendonly", "yes", "--appendfsync", "everysec", "--auto-aof-rewrite-percentage", "0")
"""What the guide recommends for production, but that the log is never shortened: it is read afterwards."""

Deed = Callable[[], None]


@dataclass
class SharedLedger:
    """``deeds``: what can be done to it, by name. ``dirty``: groups that it has something to send of."""

    setting: str  # of the option ``ledger``
    deeds: dict[str, Deed]
    watch: Callable[[str, str], None]  # for a project's host and key, before the first process opens it
    dirty: Callable[[], int]
    sums: Callable[[], Sums | None]
    rebirth: Callable[[], Rebirth] = Rebirth


@contextmanager
def redis_ledger() -> Generator[SharedLedger]:
    from redis import Redis

    with running_redis(*PERSISTENT) as server:
        client: Any = Redis.from_url(server.url)

        def die() -> None:
            server.kill()

        def come_back() -> None:
            server.start(*PERSISTENT)

        def dirty() -> int:
            return sum(client.zcard(key) for key in client.scan_iter(match="{ph:*}:dirty", count=1000))

        yield SharedLedger(
            server.url,
            {
                "stall": server.stall,
                "resume": server.resume,
                "die": die,
                "come back": come_back,
                "forget": lambda: client.flushall(),
            },
            lambda host, key: None,
            dirty,
            lambda: sums(redis_steps(Path(server.socket.parent)), lease=LEASE),
            lambda: rebirth(redis_steps(Path(server.socket.parent))),
        )
        client.close()


@contextmanager
def sqlite_ledger(directory: Path) -> Generator[SharedLedger]:
    path = directory / "ledger.db"
    locks: list[sqlite3.Connection] = []

    def lock() -> None:
        """As a program does that somebody opened the file with."""
        locks.append(sqlite3.connect(path, isolation_level=None, timeout=10, check_same_thread=False))
        locks[-1].execute("BEGIN EXCLUSIVE")

    def unlock() -> None:
        locks.pop().close()

    def watch(host: str, key: str) -> None:
        made = open_store(str(path), outbox=None, host=host, api_key=key, clock=SystemClock())
        made.close()
        watch_sqlite(path)

    def dirty() -> int:
        with closing(sqlite3.connect(path, timeout=10)) as connection:
            return int(
                connection.execute("SELECT count(*) FROM ledger_group WHERE due IS NOT NULL").fetchone()[0]
            )

    yield SharedLedger(
        str(path),
        {"lock": lock, "unlock": unlock},
        watch,
        dirty,
        lambda: sums(sqlite_steps(path), lease=LEASE),
    )


@contextmanager
def memory_ledgers() -> Generator[SharedLedger]:
    """A planted bug: nothing is shared at all."""
    yield SharedLedger("memory", {}, lambda host, key: None, lambda: 0, lambda: None)
