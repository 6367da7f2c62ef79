"""A pipeline over a real ledger, PostHog's double in memory, and time that can leap."""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, NamedTuple

from redis import Redis

from opentelemetry.exporter.posthog.assembly import assemble
from opentelemetry.exporter.posthog.clock import SystemClock
from opentelemetry.exporter.posthog.diagnostics import Diagnostics
from opentelemetry.exporter.posthog.diagnostics.stats import Stats
from opentelemetry.exporter.posthog.groups.redis import RedisStore
from opentelemetry.exporter.posthog.source import Source
from opentelemetry.exporter.posthog.testing import PostHogDouble
from opentelemetry.exporter.posthog.translate.translator import Translator
from tests.builders import a_log, some_settings
from tests.ledger_kit import age
from tests.pipelines import SECOND_NS, LivingTransport
from tests.servers import RedisServer

STORE_PAUSE = 5.1
"""A little more than the seconds for which a store that failed is left in peace."""


class LeapingClock:
    """The machine's clocks, which a test may set forward. Beside a real server, whose clock goes on as it
    does, the time of day stays."""

    def __init__(self, *, day_stays: bool) -> None:
        self._real = SystemClock()
        self._day_stays = day_stays
        self._leapt = 0.0

    def time_ns(self) -> int:
        return self._real.time_ns() + (0 if self._day_stays else round(self._leapt * 1e9))

    def monotonic(self) -> float:
        return self._real.monotonic() + self._leapt

    def wait(self, seconds: float, wake: threading.Event) -> bool:
        self.leap(seconds)
        return wake.is_set()

    def leap(self, seconds: float) -> None:
        self._leapt += max(0.0, seconds)


class Exported(NamedTuple):
    kept: bool
    seconds: float


class Shop:
    """One process's exporter. ``life``: seconds for which an unanswered request may still arrive."""

    def __init__(self, ledger: str | None, *, double: PostHogDouble | None = None, **options: Any) -> None:
        self.clock = LeapingClock(day_stays=ledger is not None and "://" in ledger)
        self.double = double or PostHogDouble(clock=self.clock, min_retry_delay=0.0)
        self.settings = replace(some_settings(ledger=ledger), **options)
        self.said: list[str] = []
        self.diagnostics = Diagnostics(clock=self.clock, logger=_listened_to(self.said))
        self.pipeline = assemble(
            self.settings,
            self.diagnostics,
            transport=LivingTransport(self.double, life=0.0),
            clock=self.clock,
            background=False,
        )
        translate, bits = Translator(self.settings).log, random.getrandbits
        self._source = Source(
            "log", lambda record: translate(record, now_ns=self.clock.time_ns(), random_bits=bits)
        )
        self._made = 0

    def says(self, key: str = "org_1", /, ago: float = 0.0, **properties: Any) -> Exported:
        """Export one log event that says this of an organization, ``ago`` seconds old."""
        return self.says_all({key: properties}, ago=ago)

    def says_all(self, profiles: Mapping[str, Mapping[str, Any]], *, ago: float = 0.0) -> Exported:
        """One export, one event for each organization."""
        records = [self._record(key, properties, ago) for key, properties in profiles.items()]
        self._made += len(records)
        started = time.perf_counter()
        kept = self.pipeline.export(self._source, records)
        return Exported(kept, time.perf_counter() - started)

    def _record(self, key: str, properties: Mapping[str, Any], ago: float) -> Any:
        attributes = {"organization.id": key, **{f"organization.{n}": v for n, v in properties.items()}}
        at_ns = self.clock.time_ns() - round(ago * SECOND_NS)
        return a_log("seen", attributes, timestamp=at_ns, observed_ns=at_ns)

    def pass_time(self, seconds: float, *servers: RedisServer) -> None:
        """For the process and for Redis, whose clock nobody can set: all it wrote moves into the past."""
        self.clock.leap(seconds)
        store = self.pipeline._ledger._store
        if not isinstance(store, RedisStore):
            return
        by = round(seconds * 1e6)
        store._ahead -= by
        store._births = {shard: birth - by for shard, birth in store._births.items()}
        for server in servers:
            with Redis.from_url(server.url, protocol=2) as client:
                age(client, by)

    def tend(self, *servers: RedisServer, at_most: int = 40) -> int:
        """As the caretaker does, until nothing waits, but without its waiting. How many looks that took."""
        for look in range(1, at_most + 1):
            pause = self.pipeline.tend()
            if pause is None:
                return look
            self.pass_time(pause, *servers)
        raise AssertionError(
            f"something still waits after {at_most} looks: {self.pipeline._ledger.waiting()}"
        )

    def after_the_pause(self) -> None:
        """The store was down; now it is asked again."""
        self.clock.leap(STORE_PAUSE)

    def profile(self, key: str = "org_1") -> Mapping[str, Any]:
        return self.double.organization(key).properties

    @property
    def stats(self) -> Stats:
        return self.diagnostics.snapshot()

    def check_balance(self) -> None:
        """Nothing is merely gone: every capture arrived, every granted update ended."""
        stats = self.stats
        assert stats.balanced, stats
        assert stats.delivered == self._made, stats
        assert not self.double.refused, self.double.explain()


def _listened_to(said: list[str]) -> logging.Logger:
    """A logger of its own, which writes down what it is told."""
    logger = logging.Logger("tests.ledger_shop")

    class Listener(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            said.append(record.getMessage())

    logger.addHandler(Listener())
    return logger
