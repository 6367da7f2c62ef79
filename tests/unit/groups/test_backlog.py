"""What the store must still hear of: every group once, in pages, and never lost."""

from __future__ import annotations

import pytest

from opentelemetry.exporter.posthog.groups.backlog import Backlog
from opentelemetry.exporter.posthog.groups.pace import BURST, PAGE_PAUSE
from opentelemetry.exporter.posthog.model import Group

GROUPS = [Group("organization", f"org_{i}") for i in range(10)]


def backlog(*, in_store: bool = False, on_disk: bool = False) -> Backlog:
    return Backlog(100.0, in_store=in_store, on_disk=on_disk)


def test_groups_are_taken_oldest_first_and_each_once() -> None:
    waits = backlog()
    waits.add(GROUPS[:3])
    waits.add([GROUPS[1], GROUPS[5]])
    assert waits.take(2) == GROUPS[:2]
    assert waits.take(9) == [GROUPS[2], GROUPS[5]]
    assert len(waits) == 0


def test_pages_are_told_one_pause_apart() -> None:
    waits = backlog()
    waits.add(GROUPS)
    assert waits.begin_page(100.0)
    assert not waits.begin_page(100.0 + PAGE_PAUSE / 2)
    assert waits.begin_page(100.0 + PAGE_PAUSE)


def test_after_a_page_what_came_of_it_is_looked_for() -> None:
    waits = backlog()
    waits.add(GROUPS)
    assert waits.begin_sweep(100.0) == 0
    waits.begin_page(100.0)
    assert waits.begin_sweep(100.0) > 0


def test_with_nothing_left_there_is_no_page() -> None:
    waits = backlog()
    assert not waits.is_worth_a_look
    assert not waits.is_due(1e9)
    assert not waits.begin_page(100.0)


@pytest.mark.parametrize(("in_store", "on_disk"), [(True, False), (False, True), (True, True)])
def test_what_an_earlier_life_may_have_left_is_worth_a_look(in_store: bool, on_disk: bool) -> None:
    assert backlog(in_store=in_store, on_disk=on_disk).is_worth_a_look


def test_what_the_pace_holds_back_is_swept_when_it_may_go() -> None:
    waits = backlog()
    waits.add(GROUPS)
    waits.begin_page(100.0)
    waits.begin_sweep(100.0)
    waits.swept(int(BURST) + 50, 100.0)
    waits.add(GROUPS)
    waits.begin_page(101.0)
    assert waits.begin_sweep(101.0) == 0
    assert waits.sweep_at is not None
    assert waits.sweep_at > 101.0
    assert waits.begin_sweep(waits.sweep_at + 0.01) > 0


def test_a_store_that_says_when_something_is_due_is_asked_then() -> None:
    waits = backlog(in_store=True)
    assert waits.take_question()
    waits.store_said(1, 130.0, at_least=100.0)
    assert not waits.is_due(129.0)
    assert waits.is_due(130.0)


def test_a_store_that_has_nothing_is_not_asked() -> None:
    waits = backlog(in_store=True)
    assert waits.take_question()
    waits.store_said(0, None, at_least=100.0)
    assert not waits.is_worth_a_look
