"""The whole exporter, real processes, a moody PostHog: what ``emit()`` returned for arrives."""

from __future__ import annotations

import json
import random
import signal
import sys
import time
from pathlib import Path

import pytest

from opentelemetry.exporter.posthog.delivery.sqlite_outbox import LEASE
from opentelemetry.exporter.posthog.testing import Fault, PostHogDouble
from tests.e2e.processes import APPS, Service, run


def moody(double: PostHogDouble, seed: int) -> None:
    """Three requests of ten get a 503, one of ten is taken but its answer is lost."""
    dice = random.Random(seed)
    double.fail(
        Fault(times=None, status=503, when=lambda _: dice.random() < 0.3),
        Fault(times=None, reset="after", when=lambda _: dice.random() < 0.1),
    )


def arrived(double: PostHogDouble) -> list[str]:
    return [str(event.properties["order"]) for event in double.events if event.name == "order placed"]


def live_and_be_killed(
    double: PostHogDouble, settings: dict[str, str], *, kills: int, processes: int, emits: int
) -> set[str]:
    """Kill processes that emit; what they said was emitted."""
    told: set[str] = set()
    for round_ in range(kills):
        services = [
            Service([sys.executable, APPS / "durable.py", f"{round_}.{number}"], settings)
            for number in range(processes)
        ]
        for service in services:
            service.wait_for("emitted", count=emits)
        for service in services:
            assert service.stop(signal.SIGKILL) == -signal.SIGKILL
            told |= {line.removeprefix("emitted ") for line in service.lines if line.startswith("emitted ")}
    return told


def settings_for(double: PostHogDouble, tmp_path: Path) -> dict[str, str]:
    return {
        "OTEL_EXPORTER_POSTHOG_API_KEY": "phc_test",
        "OTEL_EXPORTER_POSTHOG_HOST": double.url,
        "OTEL_EXPORTER_POSTHOG_OUTBOX": str(tmp_path / "box"),
    }


def status(settings: dict[str, str]) -> dict[str, int]:
    found = json.loads(run(["otel-posthog", "outbox", "status", "--json"], settings).stdout)
    return {"events": found["events"], **found["counters"]}


@pytest.mark.expects_refusals
def test_what_emit_returned_for_survives_a_kill(tmp_path: Path) -> None:
    """[P-OUTBOX-KILL] Here two processes are killed once, and nobody waits until the rows that they held are
    free again; the long test below kills many, and waits."""
    with PostHogDouble.listening() as double:
        moody(double, 1)
        settings = settings_for(double, tmp_path)
        told = live_and_be_killed(double, settings, kills=1, processes=2, emits=4)
        double.heal()
        run(["otel-posthog", "outbox", "drain", "--timeout", "8"], settings)
        found, there = status(settings), arrived(double)
    assert len(told) >= 8
    assert len(there) == len(set(there)), "one row an event, however often it was sent"
    waiting = told - set(there)  # leased to a killed process for a while, or put off by a refusal
    assert len(waiting) <= found["events"] < len(told)
    assert found["accepted"] == found["delivered"] + found["events"]
    assert found["accepted"] - 2 <= len(told) <= found["accepted"]


@pytest.mark.long
@pytest.mark.timeout(600)
@pytest.mark.expects_refusals
def test_after_many_kills_everything_arrives(tmp_path: Path) -> None:
    with PostHogDouble.listening() as double:
        moody(double, 2)
        settings = settings_for(double, tmp_path)
        told = live_and_be_killed(double, settings, kills=10, processes=3, emits=8)
        double.heal()
        time.sleep(LEASE + 1)
        drained = run(["otel-posthog", "outbox", "drain"], settings)
        assert drained.returncode == 0
        found, there = status(settings), arrived(double)
    assert told <= set(there)
    assert len(there) == len(set(there))
    assert found["events"] == 0
    assert found["accepted"] == found["delivered"]
