"""A process that does what an exporter does with its outbox, and says so in a log; to be killed at any time.

The log is the oracle: ``asked`` is written before ``put``, ``stored`` after it gave its receipt, ``arrived``
when the courier has the events. Each line is one ``write`` to a file opened for appending, which a killed
process either did or did not.
"""

from __future__ import annotations

import os
import random
import signal
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from opentelemetry.exporter.posthog.clock import SystemClock
from opentelemetry.exporter.posthog.delivery.drain import Drainer
from opentelemetry.exporter.posthog.delivery.sqlite_outbox import SqliteOutbox, pass_by
from opentelemetry.exporter.posthog.model import DELIVERED, Envelope, Outcome
from tests.outbox_kit import RETRY, Remembered, envelopes, sqlite_outbox, uuids

LEASE = 0.15
"""Seconds: what a killed process held is free again soon."""

BATCH = 8


class Log:
    """What happened, as far as it was said."""

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def say(self, word: str, events: Sequence[Envelope]) -> None:
        os.write(self._descriptor, f"{word} {' '.join(uuids(events))}\n".encode())


class LoggingCourier:
    """PostHog, as far as this process can tell: it takes seven of ten batches."""

    def __init__(self, log: Log, dice: random.Random) -> None:
        self._log = log
        self._dice = dice

    def deliver(self, events: Sequence[Envelope], *, deadline: float) -> list[Outcome]:
        if self._dice.random() < 0.3:
            return [RETRY] * len(events)
        self._log.say("arrived", events)
        return [DELIVERED] * len(events)


def open_outbox(directory: Path, at: Callable[[str], None] = pass_by) -> SqliteOutbox:
    return sqlite_outbox(directory / "box", SystemClock(), lease=LEASE, at=at)


def work(
    directory: Path,
    *,
    seed: int,
    how: str = "right",
    at: Callable[[str], None] = pass_by,
    rounds: int = 10**9,
) -> None:
    """Put, send, settle and drain for ``rounds``. ``how`` other than ``right`` is a planted bug."""
    dice = random.Random(seed)
    log, clock = Log(directory / "told.log"), SystemClock()
    outbox = open_outbox(directory, at)
    courier = LoggingCourier(log, dice)
    drainer = Drainer(outbox, courier, clock=clock, report=Remembered())
    for number in range(rounds):
        batch = envelopes(BATCH, size=300)
        log.say("asked", batch)
        if how == "says so early":
            log.say("stored", batch)
        receipt = outbox.put(batch)
        if receipt is not None:
            log.say("stored", batch)
            if how == "deletes before it sends":
                outbox.settle(receipt, [DELIVERED] * BATCH)
            outcomes = courier.deliver(batch, deadline=clock.monotonic() + 1)
            if how != "deletes before it sends":
                outbox.settle(receipt, outcomes)
        if number % 5 == 4:
            drainer.drain_once(clock.monotonic() + 1)


class LaterClock(SystemClock):
    """Seven minutes from now: every lease of the dead is over, and every pause of a parcel that failed."""

    def time_ns(self) -> int:
        return super().time_ns() + 420_000_000_000


def drain_all(directory: Path) -> SqliteOutbox:
    """Deliver everything that is left, as the next process would."""
    clock = LaterClock()
    outbox = sqlite_outbox(directory / "box", clock, lease=LEASE)
    log = Log(directory / "told.log")
    drainer = Drainer(outbox, LoggingCourier(log, _Willing()), clock=clock, report=Remembered())
    deadline = clock.monotonic() + 20
    while outbox.next_due() is not None and clock.monotonic() < deadline:
        drainer.drain_once(deadline)
    return outbox


class _Willing(random.Random):
    def random(self) -> float:
        return 1.0


@dataclass
class Tally:
    """The oracle's sums over a log."""

    stored: set[str]
    arrived: Counter[str]
    asked: set[str]

    @classmethod
    def of(cls, directory: Path) -> Tally:
        tally = cls(set(), Counter(), set())
        for line in (directory / "told.log").read_text().splitlines():
            word, *ids = line.split()
            if word == "arrived":
                tally.arrived.update(ids)
            elif word == "stored":
                tally.stored.update(ids)
            else:
                tally.asked.update(ids)
        return tally

    @property
    def lost(self) -> int:
        return len(self.stored - set(self.arrived))

    @property
    def duplicates(self) -> int:
        return sum(self.arrived.values()) - len(self.arrived)

    @property
    def invented(self) -> int:
        return len(set(self.arrived) - self.asked)


def crash_at(point: str, hit: int, how: str) -> Callable[[str], None]:
    """Kill the process, or raise, when ``point`` is reached for the ``hit``-th time."""
    left = [hit]

    def at(here: str) -> None:
        if here == point:
            left[0] -= 1
            if left[0] == 0:
                if how == "kill":
                    os.kill(os.getpid(), signal.SIGKILL)
                raise OSError("a crash was planted here")

    return at
