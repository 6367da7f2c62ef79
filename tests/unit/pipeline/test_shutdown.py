"""A step of the shutdown that fails leaves nothing open behind it, and the application is told nothing."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from tests.builders import Bits, some_settings
from tests.manual_clock import ManualClock

from opentelemetry.exporter.posthog.delivery.caretaker import Caretaker
from opentelemetry.exporter.posthog.delivery.sqlite_outbox import SqliteOutbox
from opentelemetry.exporter.posthog.diagnostics import Diagnostics
from opentelemetry.exporter.posthog.groups import GroupLedger, MemoryStore
from opentelemetry.exporter.posthog.groups.pocket_file import PocketFile
from opentelemetry.exporter.posthog.model import DELIVERED, Envelope, Group, GroupUpdate, Observation, Outcome
from opentelemetry.exporter.posthog.pipeline import Pipeline
from opentelemetry.exporter.posthog.source import Source
from opentelemetry.exporter.posthog.sqlite_identity import StateOwner
from opentelemetry.exporter.posthog.wire.encoding import Encoder

CLOSINGS = ["caretaker", "pocket's file", "store", "outbox", "courier", "witness"]
STEPS = ["hasten", "encode", *CLOSINGS]

OWNER = StateOwner("https://us.i.posthog.com", "phc_test")


class Steps:
    """Every step tells here that it is reached; one of them then fails."""

    def __init__(self, failing: str, failure: BaseException) -> None:
        self.reached: list[str] = []
        self._failing = failing
        self._failure = failure

    def unexpected(self, error: BaseException) -> None:
        raise error

    def reach(self, step: str) -> None:
        self.reached.append(step)
        if step == self._failing:
            raise self._failure


class Hands:
    """A courier that delivers everything."""

    def __init__(self, steps: Steps) -> None:
        self._steps = steps

    def deliver(self, envelopes: Sequence[Envelope], *, deadline: float) -> list[Outcome]:
        return [DELIVERED] * len(envelopes)

    def hasten(self) -> None:
        self._steps.reach("hasten")

    def interrupt(self) -> None:
        raise AssertionError("nothing runs")

    def close(self) -> None:
        self._steps.reach("courier")

    def after_fork_in_child(self) -> None:
        raise AssertionError("nobody forks")


class Watcher:
    def __init__(self, steps: Steps) -> None:
        self._steps = steps

    def export(self, source: Source[Any]) -> Any:
        raise AssertionError("nothing is exported")

    def close(self) -> None:
        self._steps.reach("witness")

    def after_fork_in_child(self) -> None:
        raise AssertionError("nobody forks")


def pipeline_of(steps: Steps, directory: Path) -> Pipeline:
    """All parts that a shutdown ends, which tell of their ends and may fail there."""

    class Pen(Encoder):
        def group_update(self, update: GroupUpdate) -> Envelope | None:
            steps.reach("encode")
            return super().group_update(update)

    class Store(MemoryStore):
        durable = True

        def close(self) -> None:
            super().close()
            steps.reach("store")

    class Pocket(PocketFile):
        def close(self) -> None:
            super().close()
            steps.reach("pocket's file")

    class Box(SqliteOutbox):
        def close(self) -> None:
            super().close()
            steps.reach("outbox")

    class Keeper(Caretaker):
        def stop(self, timeout: float) -> bool:
            steps.reach("caretaker")
            return super().stop(timeout)

    clock = ManualClock()
    diagnostics = Diagnostics(clock=clock, logger=logging.getLogger("tests.shutdown"))
    pipeline = Pipeline(
        settings=some_settings(),
        ledger=GroupLedger(
            Store(clock),
            clock=clock,
            window=10.0,
            project="project",
            random=Bits(),
            pocket_file=Pocket(directory, owner=OWNER, clock=clock, failed=pytest.fail),
        ),
        encode=Pen(),
        courier=Hands(steps),
        outbox=Box(directory, owner=OWNER, clock=clock, report=diagnostics),
        drainer=None,
        diagnostics=diagnostics,
        clock=clock,
    )
    pipeline.show_to(Watcher(steps))
    pipeline._caretaker = Keeper(pipeline.tend, clock=clock, failed=steps.unexpected)
    seen = [
        Observation(Group("organization", key), 1, 1, {"plan": "team"}, "api") for key in ("org_1", "org_2")
    ]
    for update in pipeline._ledger.observe(seen):
        pipeline._ledger.settle([(update, Outcome(DELIVERED.kind.RETRY))])  # so that the last flush has work
    return pipeline


@pytest.mark.parametrize("failing", STEPS)
def test_a_step_that_fails_costs_itself_and_no_other(
    failing: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    steps = Steps(failing, RuntimeError("a bug"))
    pipeline_of(steps, tmp_path).shutdown(5.0)
    assert steps.reached[0] == "hasten"
    assert [step for step in steps.reached if step in CLOSINGS] == CLOSINGS
    errors = [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR]
    assert len(errors) == 1, errors
    assert "RuntimeError" in errors[0]


@pytest.mark.parametrize("failing", STEPS)
@pytest.mark.parametrize("interruption", [KeyboardInterrupt, SystemExit])
def test_who_interrupts_a_shutdown_gets_through_once_everything_is_closed(
    failing: str, interruption: type[BaseException], tmp_path: Path
) -> None:
    steps = Steps(failing, interruption())
    with pytest.raises(interruption):
        pipeline_of(steps, tmp_path).shutdown(5.0)
    assert [step for step in steps.reached if step in CLOSINGS] == CLOSINGS


def test_when_nothing_fails_every_step_is_taken_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    steps = Steps("none", AssertionError())
    pipeline = pipeline_of(steps, tmp_path)
    pipeline.shutdown(5.0)
    pipeline.shutdown(5.0)
    assert steps.reached == ["hasten", "encode", "encode", *CLOSINGS]
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]
