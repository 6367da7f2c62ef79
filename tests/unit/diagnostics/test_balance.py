"""Counting: nothing may be merely gone."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

import pytest

from opentelemetry.exporter.posthog.diagnostics import Diagnostics, Stats
from opentelemetry.exporter.posthog.diagnostics.diagnostics import MAX_NAMES, OTHER_NAMES
from opentelemetry.exporter.posthog.reasons import Reason
from tests.manual_clock import ManualClock


def quiet() -> Diagnostics:
    logger = logging.Logger("test")
    logger.addHandler(logging.NullHandler())
    return Diagnostics(clock=ManualClock(), logger=logger)


def test_a_fresh_pipeline_is_balanced() -> None:
    assert quiet().snapshot() == Stats()
    assert Stats().balanced


def test_received_is_not_selected_plus_made_and_made_is_everything_that_became_of_it() -> None:
    told = quiet()
    told.received("span", 7)
    told.received("log", 3)
    told.not_selected(Reason.NO_GROUP, 4)
    told.made(["a", "a", "b", "b", "b", "c"])
    told.delivered(2)
    told.refused("invalid", 1)
    told.dropped(Reason.DEADLINE, 1)
    told.stored(2)
    told.note("identifies_saved", 5)
    stats = told.snapshot()
    assert stats.balanced
    assert (stats.received, stats.received_by_signal) == (10, {"span": 7, "log": 3})
    assert (stats.not_selected, stats.made) == ({"no_group": 4}, 6)
    assert (stats.delivered, stats.refused, stats.dropped, stats.stored) == (
        2,
        {"invalid": 1},
        {"deadline": 1},
        2,
    )
    assert stats.notes == {"identifies_saved": 5}
    assert stats.events == {"a": 2, "b": 3, "c": 1}


@pytest.mark.parametrize(
    "missing",
    [
        pytest.param(lambda told: told.received("span", 1), id="a signal of which nothing is known"),
        pytest.param(lambda told: told.made(["a"]), id="a capture without a signal"),
        pytest.param(lambda told: told.delivered(1), id="a delivery without a capture"),
        pytest.param(lambda told: told.stored(1), id="a stored row without a capture"),
        pytest.param(lambda told: told.updates(granted=1), id="a group update without an end"),
    ],
)
def test_the_balance_notices(missing: Callable[[Diagnostics], None]) -> None:
    told = quiet()
    missing(told)
    assert not told.snapshot().balanced


def test_a_capture_of_an_earlier_life_that_is_delivered_keeps_the_balance() -> None:
    told = quiet()
    told.delivered(3)
    told.stored(-3)
    assert told.snapshot().balanced


def test_delivered_group_updates_count_as_events_that_posthog_bills() -> None:
    told = quiet()
    told.updates(granted=3, delivered=2, released=1)
    stats = told.snapshot()
    assert stats.updates.balanced
    assert stats.events == {"$groupidentify": 2}


def test_event_names_with_ids_in_them_do_not_eat_the_memory() -> None:
    told = quiet()
    told.made(f"order {number}" for number in range(MAX_NAMES + 50))
    events = told.snapshot().events
    assert len(events) == MAX_NAMES + 1
    assert events[OTHER_NAMES] == 50


def test_counts_of_many_threads_are_exact() -> None:
    told = quiet()

    def work() -> None:
        for _ in range(2_000):
            told.received("log", 1)
            told.made(["a"])
            told.dropped(Reason.DEADLINE, 1)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    stats = told.snapshot()
    assert (stats.received, stats.made, stats.dropped) == (8_000, 8_000, {"deadline": 8_000})


def test_a_forked_child_counts_from_zero_with_locks_of_its_own() -> None:
    told = quiet()
    told.received("span", 5)
    holder = threading.Event()
    done = threading.Event()

    def hold() -> None:
        with told._lock:
            holder.set()
            done.wait(10)

    thread = threading.Thread(target=hold)
    thread.start()
    holder.wait(10)
    told.after_fork_in_child()  # as if the holder had stayed behind in the parent
    assert told.snapshot() == Stats()
    done.set()
    thread.join()
