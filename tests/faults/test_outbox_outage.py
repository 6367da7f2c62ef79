"""Outages of days and backlogs of gigabytes: kept until the limit of age, drained with bounded memory."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from opentelemetry.exporter.posthog.delivery.drain import Drainer
from opentelemetry.exporter.posthog.model import DELIVERED
from tests.manual_clock import ManualClock
from tests.outbox_kit import (
    RETRY,
    ObedientCourier,
    Remembered,
    assert_balanced,
    envelopes,
    sqlite_outbox,
    uuids,
)

ROOT = Path(__file__).parents[2]
HOUR, DAY = 3600.0, 86_400.0


def outage(tmp_path: Path, *, days: float, an_hour: int) -> tuple[int, int, int]:
    """Store ``an_hour`` events every hour while PostHog answers 503 for ``days``; then it is well again.

    What was accepted, delivered and expired in the end.
    """
    clock, report = ManualClock(), Remembered()
    outbox = sqlite_outbox(tmp_path / "box", clock, report)
    courier = ObedientCourier(lambda _: RETRY)
    drainer = Drainer(outbox, courier, clock=clock, report=report)
    accepted: set[str] = set()
    for _ in range(round(days * 24)):
        batch = envelopes(an_hour, size=200)
        receipt = outbox.put(batch)
        assert receipt is not None
        outbox.settle(receipt, courier.deliver(batch, deadline=0.0))
        accepted.update(uuids(batch))
        clock.advance(HOUR)
        drainer.tend(clock.monotonic() + 10)
    courier.verdict = lambda _: DELIVERED
    while drainer.tend(clock.monotonic() + 10) is not None:
        clock.advance(300)
    status = outbox.status()
    assert_balanced(status, accepted=len(accepted))
    assert status.events == status.refused == 0
    assert courier.arrived.total() == len(courier.arrived) == status.counters["delivered"]
    assert set(courier.arrived) <= accepted
    assert report.counts["dropped outbox_expired"] == status.counters["expired"]
    outbox.close()
    return len(accepted), status.counters["delivered"], status.counters["expired"]


def test_an_outage_of_almost_seven_days_loses_nothing(tmp_path: Path) -> None:
    """[P-OUTBOX-OUTAGE]"""
    accepted, delivered, expired = outage(tmp_path, days=6.9, an_hour=5)
    assert (delivered, expired) == (accepted, 0)


def test_of_an_outage_of_eight_days_the_first_expires_and_is_counted(tmp_path: Path) -> None:
    accepted, delivered, expired = outage(tmp_path, days=8, an_hour=5)
    assert delivered + expired == accepted
    assert 24 * 5 <= expired <= 25 * 5


@pytest.mark.long
@pytest.mark.timeout(600)
@pytest.mark.parametrize("days", [6.9, 8.0])
def test_fifty_thousand_events_of_an_outage(tmp_path: Path, days: float) -> None:
    accepted, delivered, expired = outage(tmp_path, days=days, an_hour=300)
    assert accepted > 49_000
    assert delivered + expired == accepted
    assert bool(expired) is (days > 7)


DRAIN = """
import json, resource, sys, time
from opentelemetry.exporter.posthog.clock import SystemClock
from opentelemetry.exporter.posthog.delivery.drain import Drainer
from tests.outbox_kit import ObedientCourier, Remembered, sqlite_outbox

def resident():
    return int(open("/proc/self/statm").read().split()[1]) * resource.getpagesize()

class Counting(ObedientCourier):
    peak = 0
    first = 0.0
    number = 0
    def deliver(self, events, *, deadline):
        self.first = self.first or time.monotonic()
        self.number += len(events)
        Counting.peak = max(Counting.peak, resident())
        return [self.verdict(event) for event in events]

clock = SystemClock()
courier = Counting()
before, start = resident(), time.monotonic()
outbox = sqlite_outbox(sys.argv[1], clock, max_bytes=2**31)
drainer = Drainer(outbox, courier, clock=clock, report=Remembered())
while outbox.next_due() is not None:
    drainer.drain_once(clock.monotonic() + 60)
took = time.monotonic() - start
print(json.dumps({"grown": courier.peak - before, "first": courier.first - start, "took": took,
                  "events": courier.number, "left": outbox.status().events}))
"""


def drain_backlog(tmp_path: Path, *, mebibytes: int) -> dict[str, float]:
    tmp_path.chmod(0o700)
    outbox = sqlite_outbox(tmp_path / "box", ManualClock(time_ns=time.time_ns()), max_bytes=2**31)
    for _ in range(mebibytes):
        batch = envelopes(500, size=2000)
        receipt = outbox.put(batch)
        assert receipt is not None
        outbox.settle(receipt, [RETRY] * 500)
    outbox.close()
    done = subprocess.run(
        [sys.executable, "-c", DRAIN, str(tmp_path / "box")],
        cwd=ROOT,
        check=True,
        capture_output=True,
        timeout=900,
    )
    result: dict[str, float] = json.loads(done.stdout)
    assert (result["events"], result["left"]) == (mebibytes * 500, 0)
    return result


def test_a_backlog_is_drained_page_by_page(tmp_path: Path) -> None:
    """[P-OUTBOX-MEMORY]"""
    result = drain_backlog(tmp_path, mebibytes=60)
    assert result["grown"] <= 32 * 1024 * 1024, result
    assert result["first"] <= 1.0, result


@pytest.mark.long
@pytest.mark.timeout(600)
def test_a_backlog_of_a_gibibyte_needs_no_more_memory(tmp_path: Path) -> None:
    result = drain_backlog(tmp_path, mebibytes=1050)
    assert result["grown"] <= 64 * 1024 * 1024, result
    assert result["first"] <= 2.0, result
