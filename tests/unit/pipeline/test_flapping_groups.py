"""Properties that never rest, through the whole exporter: told once, a bounded bill, nothing lost."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from opentelemetry.sdk._logs import ReadableLogRecord
from opentelemetry.sdk.resources import Resource
from tests.builders import a_log
from tests.pipelines import SECOND_NS, START_NS, Lab

BURST = 5
INTERVAL = 30


def says(service: str, at: int, **properties: Any) -> ReadableLogRecord:
    attributes = {"organization.id": "org_1", **{f"organization.{n}": v for n, v in properties.items()}}
    time_ns = START_NS + at * SECOND_NS
    resource = Resource({"service.name": service})
    return a_log("seen", attributes, timestamp=time_ns, observed_ns=time_ns, resource=resource)


def run_for(lab: Lab, seconds: int, *services: str) -> None:
    """A signal a second, each with another value; what waits is looked after when it says so."""
    due: float | None = None
    for second in range(seconds):
        place = second + second // 7  # in step with the grants, each might meet the same service
        service = services[place % len(services)]
        lab.export(says(service, second, plan=f"plan of {service}", calls=second))
        lab.clock.advance(1.0)
        due = lab.pipeline.tend() if due is None or due <= 1.0 else due - 1.0


def updates(lab: Lab) -> int:
    return len(lab.double.identifies)


def lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if "never rests" in record.getMessage()]


def test_each_restless_property_is_told_once_with_both_services_and_how_often(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """[P-FLAPPING]"""
    caplog.set_level(logging.INFO, "tests.lab")
    lab = Lab()
    run_for(lab, 400, "api", "worker")
    plan, calls = sorted(lines(caplog), key=lambda line: "'plan'" not in line)
    for line in (plan, calls):
        assert "service api and service worker" in line
        assert "changes within" in line
    assert "'calls'" in calls
    assert lab.stats.notes["flapping"] > 2


def test_a_restless_property_of_one_service_names_that_one(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "tests.lab")
    run_for(Lab(), 120, "api")
    (line,) = lines(caplog)
    assert "'calls'" in line
    assert "seen by service api." in line


def test_a_process_that_ends_within_the_interval_tells_too(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "tests.lab")
    lab = Lab()
    run_for(lab, 20, "api")
    assert lines(caplog) == []
    lab.pipeline.shutdown(10.0)
    (line,) = lines(caplog)
    assert "'calls'" in line


def test_what_rests_is_not_told_of(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "tests.lab")
    lab = Lab()
    for second in range(0, 3_600, 120):  # a change every two minutes is somebody at work
        lab.export(says("api", second, plan=f"plan {second}"))
        lab.clock.advance(120.0)
    assert lines(caplog) == []


def test_the_bucket_bounds_the_bill() -> None:
    """[P-BUCKET]"""
    lab = Lab()
    seconds = 300
    run_for(lab, seconds, "api", "worker")
    assert BURST <= updates(lab) <= BURST + seconds / INTERVAL + 1


def test_the_last_value_goes_at_the_end_of_the_interval_by_itself() -> None:
    lab = Lab()
    run_for(lab, 20, "api")
    assert lab.profile()["calls"] < 19
    before = updates(lab)
    waited = 0.0
    while (due := lab.pipeline.tend()) is not None:
        waited += due
        assert waited < 2 * INTERVAL
        lab.clock.advance(due)
    assert lab.profile()["calls"] == 19
    assert updates(lab) == before + 1


def test_a_flush_sends_the_last_value_at_once() -> None:
    lab = Lab()
    run_for(lab, 20, "api")
    assert lab.pipeline.force_flush(10.0)
    assert lab.profile()["calls"] == 19


@pytest.mark.parametrize("ledger", ["memory", "sqlite"])
def test_a_shutdown_loses_no_last_value(ledger: str, tmp_path: Any) -> None:
    lab = Lab(ledger="memory" if ledger == "memory" else str(tmp_path / "ledger.db"))
    run_for(lab, 20, "api", "worker")
    lab.pipeline.shutdown(10.0)
    assert lab.profile() == {"calls": 19, "plan": "plan of worker"}


def test_values_that_never_changed_ride_along_once() -> None:
    lab = Lab()
    for second in range(60):
        lab.export(says("api", second, name="Acme", calls=second))
        lab.clock.advance(1.0)
    sets = [row.properties["$group_set"] for row in lab.double.identifies]
    assert sum("name" in one for one in sets) == 1
