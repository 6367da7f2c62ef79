"""The ledger in memory: what is packed and forgotten, and what a fork leaves behind."""

from __future__ import annotations

from typing import Any

import pytest

from opentelemetry.exporter.posthog.groups.memory import MemoryStore
from opentelemetry.exporter.posthog.groups.stamp import moment_of
from opentelemetry.exporter.posthog.groups.state import Ending, Grant, Standing
from opentelemetry.exporter.posthog.groups.store import Sighting
from opentelemetry.exporter.posthog.model import Group
from tests.ledger_kit import CALL, ORG, TERMS, content, ended, entry, presence, saw, stamp
from tests.manual_clock import ManualClock

OTHER = Group("organization", "org_43")
THIRD = Group("organization", "org_44")


class Desk:
    def __init__(self, max_groups: int = 2) -> None:
        self.clock = ManualClock(monotonic=1000.0)
        self.store = MemoryStore(self.clock, max_groups=max_groups)

    def grant_of(self, sighting: Sighting) -> Grant | None:
        return self.store.observe([sighting], CALL).seen[0].grant

    def deliver(self, sighting: Sighting, **ending: float) -> None:
        grant = self.grant_of(sighting)
        assert grant is not None
        self.store.settle([(sighting.group, ended(grant, Ending.DELIVERED, **ending))], CALL)

    def standing(self, at: int, group: Group, value: Any, seen: int | None = None) -> Standing:
        sighting = Sighting(group, {"": presence(), "plan": entry(at, value, seen)})
        return self.store.observe([sighting], CALL, claim=False).seen[0].answers["plan"].standing


def test_of_a_full_memory_the_group_longest_untouched_is_forgotten_and_counted() -> None:
    desk = Desk()
    for group in (ORG, OTHER, THIRD):
        desk.deliver(saw(1, group, plan="team"))
        desk.clock.advance(1)
    assert set(desk.store.groups()) == {OTHER, THIRD}
    assert desk.store.counts().evicted == 1
    assert desk.store.counts().evicted == 0


def test_late_news_of_a_group_that_was_forgotten_are_not_believed() -> None:
    desk = Desk()
    desk.deliver(saw(5, ORG, plan="team"))
    desk.deliver(saw(1, OTHER))
    desk.deliver(saw(1, THIRD))  # ORG is forgotten
    assert desk.standing(3, ORG, "free") is Standing.FORGOTTEN
    assert desk.standing(5, ORG, "free") is Standing.FORGOTTEN  # of exactly that time
    assert desk.standing(5, ORG, "pro", seen=6) is Standing.PENDING  # of that time, seen later
    assert desk.standing(6, ORG, "pro") is Standing.PENDING


@pytest.mark.parametrize("ending", [None, {"ghost": 50.0}], ids=["under way", "a twin may still arrive"])
def test_what_is_not_at_rest_is_never_forgotten(ending: dict[str, float] | None) -> None:
    desk = Desk(max_groups=1)
    if ending is None:
        assert desk.grant_of(saw(1, ORG, plan="team")) is not None
    else:
        desk.deliver(saw(1, ORG, plan="team"), **ending)
    assert desk.standing(1, OTHER, "team") is Standing.FULL
    assert list(desk.store.groups()) == [ORG]
    desk.clock.advance(51.0)
    assert desk.standing(2, OTHER, "team") is (Standing.FULL if ending is None else Standing.PENDING)


def test_a_group_at_rest_is_packed_and_says_the_same() -> None:
    desk = Desk(max_groups=100)
    desk.deliver(saw(5, ORG, plan="team", name="Acme"))
    desk.clock.advance(200.0)
    desk.store.sweep(CALL)
    assert list(desk.store._packed) == [ORG]
    assert desk.standing(6, ORG, "team") is Standing.SETTLED
    assert content(desk.grant_of(saw(7, ORG, plan="pro"))) == {"plan": '"pro"'}


@pytest.mark.parametrize("rest", [0.0, 200.0], ids=["in motion", "at rest"])
def test_what_was_seen_again_stands_against_late_news(rest: float) -> None:
    desk = Desk(max_groups=100)
    desk.deliver(saw(5, ORG, plan="team", seats=1))
    desk.clock.advance(rest)
    desk.store.sweep(CALL)
    desk.store.seen_again(ORG, ["plan"], moment_of(stamp(9, "team")))
    assert desk.standing(8, ORG, "free") is Standing.SETTLED
    state = desk.store.show(ORG)
    assert state is not None
    assert state.properties["plan"].want == stamp(9, "team")
    assert state.properties["seats"].want == stamp(5, 1)
    assert desk.standing(10, ORG, "free") is Standing.PENDING


def test_what_was_seen_again_of_a_forgotten_group_moves_the_floor() -> None:
    desk = Desk()
    desk.store.seen_again(ORG, ["plan"], moment_of(stamp(9, "team")))
    assert desk.standing(9, ORG, "free") is Standing.FORGOTTEN
    assert desk.standing(10, ORG, "free") is Standing.PENDING


def test_who_was_seen_again_is_not_the_next_to_be_forgotten() -> None:
    desk = Desk()
    for group in (ORG, OTHER):
        desk.deliver(saw(1, group, plan="team"))
    desk.clock.advance(200.0)
    desk.store.sweep(CALL)
    desk.store.seen_again(ORG, ["plan"], moment_of(stamp(2, "team")))
    desk.store.seen_again(OTHER, ["plan"], moment_of(stamp(1, "team")))
    desk.deliver(saw(3, THIRD))
    assert set(desk.store.groups()) == {ORG, THIRD}


def test_what_is_under_way_does_not_grow_with_every_observation() -> None:
    """Entries of groups that have moved on are dropped once they are the larger part of what is due."""
    desk = Desk(max_groups=100)
    for at in range(2_000):
        desk.clock.advance(31.0)
        desk.deliver(saw(at, ORG, plan=at))
    assert len(desk.store._due) < 200


def test_the_child_of_a_fork_begins_with_nothing_and_the_parent_goes_on() -> None:
    """What the parent has under way is the parent's: a child that held the same claim would send it too."""
    import copy

    desk = Desk()
    grant = desk.grant_of(saw(1, ORG, plan="team"))
    assert grant is not None
    child = copy.copy(desk.store)  # a fork copies what the attributes point to; the child replaces it
    child.after_fork_in_child()
    assert list(child.groups()) == []
    assert child.waiting(TERMS) == (0, None)
    assert child.observe([saw(1, ORG, plan="team")], CALL).seen[0].grant is not None
    assert desk.store.waiting(TERMS).dirty == 1
    desk.store.settle([(ORG, ended(grant, Ending.DELIVERED))], CALL)
    assert desk.store.waiting(TERMS) == (0, None)


def test_at_the_end_even_what_cools_is_granted() -> None:
    desk = Desk()
    grant = desk.grant_of(saw(1, ORG, plan="team"))
    assert grant is not None
    desk.store.settle([(ORG, ended(grant, Ending.UNKNOWN, ghost=60.0))], CALL)
    assert desk.store.sweep(CALL).seen == []
    (seen,) = desk.store.last_act(CALL).seen
    assert content(seen.grant) == {"plan": '"team"'}


def test_a_wall_clock_that_is_set_back_changes_nothing() -> None:
    desk = Desk()
    desk.deliver(saw(1, ORG, plan="team"))
    desk.clock._time_ns -= 3_600 * 1_000_000_000
    desk.clock.advance(1.0)
    assert content(desk.grant_of(saw(2, ORG, plan="pro"))) == {"plan": '"pro"'}
