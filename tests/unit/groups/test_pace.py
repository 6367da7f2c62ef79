"""How fast what piled up goes: a burst at once, then so many a second, and never more over any time."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from opentelemetry.exporter.posthog.groups.pace import BURST, RATE, Pace


def test_a_small_backlog_goes_at_once() -> None:
    assert Pace(0.0).left(0.0) == BURST


@given(steps=st.lists(st.tuples(st.floats(0, 3), st.integers(0, 200)), max_size=30))
def test_no_more_goes_than_a_burst_and_the_rate_over_the_time(steps: list[tuple[float, int]]) -> None:
    pace, now, sent = Pace(0.0), 0.0, 0
    for pause, wanted in steps:
        now += pause
        going = min(wanted, pace.left(now))
        pace.spend(going)
        sent += going
        assert sent <= BURST + RATE * now + 1e-6


@given(spent=st.integers(0, 1_000))
def test_after_the_wait_it_tells_one_may_go(spent: int) -> None:
    pace = Pace(0.0)
    pace.spend(spent)
    wait = pace.wait(0.0)
    assert pace.left(wait + 1e-6) >= 1
    assert wait == 0.0 or spent >= BURST


def test_a_long_rest_saves_up_no_more_than_a_burst() -> None:
    assert Pace(0.0).left(1e9) == BURST


def test_a_clock_that_stands_still_gives_nothing() -> None:
    pace = Pace(5.0)
    pace.spend(int(BURST))
    assert pace.left(5.0) == 0
    assert pace.left(4.0) == 0
