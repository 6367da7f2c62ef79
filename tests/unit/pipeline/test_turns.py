"""Other threads get their turns, except while telemetry would be lost for it."""

from __future__ import annotations

from tests.manual_clock import ManualClock

from opentelemetry.exporter.posthog.turns import PILED_UP, Turns


def test_exports_with_a_pause_between_them_give_turns() -> None:
    clock, given = ManualClock(), list[float]()
    turns = Turns(clock, lambda: given.append(clock.monotonic()))
    for _ in range(3):
        turns.begin("span")()
        turns.end("span")
        clock.advance(PILED_UP)
    assert len(given) == 3


def test_an_export_right_after_another_of_its_kind_gives_none() -> None:
    clock, given = ManualClock(), list[str]()
    turns = Turns(clock, lambda: given.append("turn"))
    turns.begin("span")()
    turns.end("span")
    clock.advance(PILED_UP / 2)
    turns.begin("span")()
    assert given == ["turn"], "only the first"
    turns.begin("log")()
    assert given == ["turn", "turn"], "spans that pile up say nothing of log records"
