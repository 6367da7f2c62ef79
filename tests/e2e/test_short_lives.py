"""Processes that live for one task lose nothing when they end as `how-to/short-lived-processes.md` says."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from opentelemetry.exporter.posthog.testing import Fault, PostHogDouble
from tests.e2e.processes import APPS, run


@pytest.mark.parametrize(
    ("way", "names"),
    [
        pytest.param(
            "lambda", ["invocation 0", "invocation 1", "invocation 2"], id="an invocation of Lambda"
        ),
        pytest.param("rq", ["job 0", "job 1"], id="a job of RQ"),
        pytest.param("multiprocessing", ["child 0", "child 1"], id="a child of multiprocessing"),
    ],
)
def test_a_short_life_delivers_what_it_said(way: str, names: list[str]) -> None:
    with PostHogDouble.listening() as double:
        done = run([sys.executable, APPS / "short_life.py", way], {"TEST_HOST": double.url})
        assert done.returncode == 0
        assert sorted(event.name for event in double.events) == names
        assert double.organization("org_1").properties == {"plan": "team"}
        assert not double.refused, double.explain()


def test_the_exporter_s_own_flush_says_false_when_nothing_arrived_and_nothing_is_stored() -> None:
    with PostHogDouble.listening() as double:
        double.fail(Fault(status=503, retry_after="30", times=None))
        done = run([sys.executable, APPS / "short_life.py", "lambda"], {"TEST_HOST": double.url})
        assert "flushed False False False" in done.stdout


def test_with_an_outbox_a_flush_says_true_and_the_next_life_delivers(tmp_path: Path) -> None:
    with PostHogDouble.listening() as double:
        env = {"TEST_HOST": double.url, "TEST_OUTBOX": str(tmp_path / "outbox")}
        double.fail(Fault(status=503, times=None))
        done = run([sys.executable, APPS / "short_life.py", "lambda"], env)
        assert "flushed True True True" in done.stdout, "what is on disk survives the freeze"
        assert double.events == []
        double.heal()
        run(
            ["otel-posthog", "outbox", "drain"],
            {
                "OTEL_EXPORTER_POSTHOG_API_KEY": "phc_test",
                "OTEL_EXPORTER_POSTHOG_HOST": double.url,
                "OTEL_EXPORTER_POSTHOG_OUTBOX": str(tmp_path / "outbox"),
            },
        )
        assert sorted(event.name for event in double.events) == [
            "invocation 0",
            "invocation 1",
            "invocation 2",
        ]
