"""What is known to be settled: it may forget, and never lose a newer time by that."""

from __future__ import annotations

from typing import Any

import pytest

from opentelemetry.exporter.posthog.groups.known import ALWAYS, Known, Settled, print_of
from opentelemetry.exporter.posthog.model import Group, Observation

ORG = Group("organization", "org_1")


def settled(print_: int, told: int, *names: str) -> Settled:
    return Settled(print_, told, names or ("plan",))


def seen(at: int, group: Group = ORG) -> Observation:
    return Observation(group, at, at, {"plan": "team"})


@pytest.mark.parametrize(("one", "other"), [(1, True), (1, 1.0), ("1", 1), (None, "")])
def test_values_of_different_types_have_different_prints(one: Any, other: Any) -> None:
    assert print_of(ORG, {"plan": one}) != print_of(ORG, {"plan": other})


def test_a_print_belongs_to_one_group() -> None:
    assert print_of(ORG, {"plan": 1}) != print_of(Group("organization", "org_2"), {"plan": 1})
    assert print_of(ORG, {"plan": "team"}) == print_of(ORG, {"plan": "".join(("te", "am"))})


def test_what_can_not_be_printed_has_none() -> None:
    class Text(str):
        __slots__ = ()

    assert print_of(ORG, {"plan": Text("team")}) is None


def test_a_settled_set_keeps_the_newest_moment_at_which_it_was_seen() -> None:
    known = Known(10)
    known.put(ORG, settled(1, 50))
    known.moments[1] = 70
    known.put(ORG, settled(1, 60))
    assert known.moments == {1: 70}


def test_older_news_of_settled_properties_are_covered_and_newer_or_other_ones_are_not() -> None:
    known = Known(10)
    known.put(ORG, settled(1, 50, "plan", "seats"))
    assert known.covers(ORG, 49, {"plan": 1})
    assert not known.covers(ORG, 50, {"plan": 1})
    assert not known.covers(ORG, 49, {"plan": 1, "name": 1})
    assert not known.covers(Group("organization", "org_2"), 1, {"plan": 1})


def test_that_a_group_exists_is_covered_for_ever() -> None:
    known = Known(10)
    known.put(ORG, Settled(1, ALWAYS, ()))
    assert known.covers(ORG, ALWAYS - 1, {})


@pytest.mark.parametrize("how", ["dropped", "pushed out", "too many sets", "forgotten"])
def test_whatever_forgets_a_set_hands_out_its_newer_time(how: str) -> None:
    known = Known(1)
    known.put(ORG, settled(1, 50))
    known.touched[1] = seen(70)
    touches = []
    if how == "dropped":
        touches = known.drop(ORG)
    elif how == "pushed out":
        touches = known.put(Group("organization", "org_2"), settled(2, 50))
    elif how == "forgotten":
        touches = known.forget_all()
    else:
        for print_ in range(2, 10):
            touches += known.put(ORG, settled(print_, 50))
    assert touches == [(1, seen(70))]
    assert 1 not in known.moments


def test_touches_are_taken_once_and_their_sets_stay_known() -> None:
    known = Known(10)
    known.put(ORG, settled(1, 50))
    known.touched[1] = seen(70)
    assert known.take_touches() == [(1, seen(70))]
    assert known.take_touches() == []
    assert 1 in known.moments


def test_it_holds_no_more_groups_than_it_may() -> None:
    known = Known(3)
    for i in range(9):
        known.put(Group("organization", f"org_{i}"), settled(i, 50))
    assert len(known) == len(known.moments) == 3


def test_people_see_when_each_property_was_last_seen() -> None:
    known = Known(10)
    known.put(ORG, settled(1, 50, "plan", "seats"))
    known.put(ORG, settled(2, 70, "plan"))
    assert known.newest(ORG) == {"plan": f"{70:032x}", "seats": f"{50:032x}"}
