"""Processes that share an outbox: during an outage one request an interval for all, and soon everybody again.

Each process has a courier and an outbox of its own here, on one file and one clock.
"""

from __future__ import annotations

from pathlib import Path
from random import Random

from opentelemetry.exporter.posthog.delivery.breaker import INTERVAL
from opentelemetry.exporter.posthog.delivery.courier import Courier
from opentelemetry.exporter.posthog.delivery.drain import Drainer
from opentelemetry.exporter.posthog.settings.model import CaptureMode, Settings
from tests.manual_clock import ManualClock
from tests.outbox_kit import Remembered, assert_balanced, envelopes, sqlite_outbox
from tests.scripted_transport import OK, ScriptedTransport, answer

PROCESSES = 4
EXPORTS_A_MINUTE = 12


class Process:
    """What one process of a service does: put, deliver, settle; and its caretaker, when it is due."""

    def __init__(self, box: Path, transport: ScriptedTransport, clock: ManualClock, seed: int) -> None:
        self.clock = clock
        self.outbox = sqlite_outbox(box, clock)
        settings = Settings(
            api_key="phc_test",
            host="https://eu.i.posthog.com",
            capture_mode=CaptureMode.LEGACY,
            outbox=str(box),
        )
        self.courier = Courier(
            transport=transport,
            settings=settings,
            clock=clock,
            random=Random(seed),
            may_probe=self.outbox.may_probe,
        )
        self.drainer = Drainer(self.outbox, self.courier, clock=clock, report=Remembered())
        self.due = 0.0
        self.slowest = 0.0

    def export(self) -> None:
        start = self.clock.monotonic()
        batch = envelopes(3)
        receipt = self.outbox.put(batch)
        assert receipt is not None
        self.outbox.settle(receipt, self.courier.deliver(batch, deadline=start + 10))
        self.slowest = self.clock.monotonic() - start

    def tend(self) -> None:
        if self.clock.monotonic() >= self.due:
            wait = self.drainer.tend(self.clock.monotonic() + 10)
            self.due = self.clock.monotonic() + (5.0 if wait is None else wait)


def live(processes: list[Process], clock: ManualClock, seconds: float) -> int:
    """Let every process export and tend for a while. The number of exports."""
    exports, end = 0, clock.monotonic() + seconds
    while clock.monotonic() < end:
        for process in processes:
            process.export()
            process.tend()
            exports += 1
        clock.advance(60 / EXPORTS_A_MINUTE)
    return exports


def test_an_hour_of_outage_then_recovery(tmp_path: Path) -> None:
    """[P-OUTBOX-PROBE]"""
    clock = ManualClock()
    transport = ScriptedTransport(clock, then=answer(503), takes=0.01)
    box = tmp_path / "box"
    processes = [Process(box, transport, clock, seed) for seed in range(PROCESSES)]

    exports = live(processes, clock, 120)  # until every breaker is open
    before = len(transport.sent)
    exports += live(processes, clock, 3600)
    probes = len(transport.sent) - before
    assert 60 <= probes <= 3600 / INTERVAL + 1, (
        "one probe an interval for all four, and not fewer than one a minute"
    )
    assert all(process.slowest < 0.1 for process in processes), "an export during an outage costs a commit"
    assert processes[0].outbox.status().events == exports * 3

    transport._then = OK
    exports += live(processes, clock, 2 * INTERVAL + 30)
    status = processes[0].outbox.status()
    assert status.events == 0, status
    assert_balanced(status, accepted=exports * 3)
    before = len(transport.sent)
    assert live(processes, clock, 60) <= len(transport.sent) - before, "every process sends again by itself"
