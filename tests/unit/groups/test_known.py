"""What is known to be settled: it may forget, and never lose a newer time by that."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from opentelemetry.exporter.posthog.groups.compact import MAX_SHAPES
from opentelemetry.exporter.posthog.groups.known import ALWAYS, Known, SeenAgain, Settled
from opentelemetry.exporter.posthog.groups.prints import printer
from opentelemetry.exporter.posthog.model import Group, Observation

ORG = Group("organization", "org_1")
print_of = printer()


class Carrying(Known):
    """Shows what it carries over."""

    def __init__(self, limit: int = 10, seen_again: SeenAgain | None = None) -> None:
        self.carried: list[Observation] = []
        super().__init__(limit, self.carry, seen_again)

    def carry(self, print_: int, seen: Observation) -> None:
        assert print_ == print_of(seen.properties)
        self.carried.append(seen)


def settled(print_: int, told: int, *names: str) -> Settled:
    return Settled(print_, told, names or ("plan",))


def seen(at: int, group: Group = ORG, /, **properties: Any) -> Observation:
    return Observation(group, at, at, properties or {"plan": "team"})


def learned(known: Known, one: Observation) -> None:
    """The ledger called everything settled that this observation says."""
    print_ = print_of(one.properties)
    assert print_ is not None
    told = one.time_ns << 64 | one.seen_ns
    known.put(one.group, Settled(print_, told, tuple(one.properties)))


def unsettled(known: Known, *observations: Observation) -> list[Observation]:
    return [one for _, one in known.unsettled(observations)]


def test_what_is_settled_of_one_group_is_not_of_another() -> None:
    known = Carrying()
    learned(known, seen(50))
    other, user = Group("organization", "org_2"), Group("user", ORG.key)
    assert unsettled(known, seen(50), seen(50, other), seen(50, user)) == [seen(50, other), seen(50, user)]


def test_what_can_not_be_printed_is_never_settled() -> None:
    class Text(str):
        __slots__ = ()

    known = Carrying()
    learned(known, seen(50))
    assert len(unsettled(known, seen(50, plan=Text("team")))) == 1


def test_several_sets_of_one_group_are_settled_side_by_side() -> None:
    known = Carrying()
    sets = [seen(50 + i, ORG, plan="team", seats=i) for i in range(8)]
    for one in sets:
        learned(known, one)
    assert unsettled(known, *sets) == []
    assert [one.told for one in known.sets(ORG)] == [(50 + i) << 64 | (50 + i) for i in reversed(range(8))]
    learned(known, seen(60, ORG, plan="team", seats=8))
    assert unsettled(known, *sets) == sets[:1]


def test_only_newer_times_are_touches_and_the_newest_of_a_set_wins() -> None:
    known = Carrying()
    learned(known, seen(50))
    learned(known, seen(50, ORG, seats=1))
    for one in (seen(50), seen(49), seen(70), seen(60), seen(55, ORG, seats=1)):
        assert unsettled(known, one) == []
    known.carry_touches()
    assert known.carried == [seen(70), seen(55, ORG, seats=1)]


def test_a_touch_that_came_in_before_the_ledger_said_settled_is_kept() -> None:
    known = Carrying()
    learned(known, seen(50))
    unsettled(known, seen(70))
    learned(known, seen(60))
    assert known.newest(ORG) == {"plan": f"{70 << 64 | 70:032x}"}


def test_older_news_of_settled_properties_are_covered_and_newer_or_other_ones_are_not() -> None:
    known = Carrying()
    learned(known, seen(50, ORG, plan="team", seats=1))
    assert known.covers(seen(49, ORG, plan=1))
    assert not known.covers(seen(50, ORG, plan=1))
    assert not known.covers(seen(49, ORG, plan=1, name=1))
    assert not known.covers(seen(49, Group("organization", "org_2"), plan=1))
    unsettled(known, seen(60, ORG, plan="team", seats=1))
    assert known.covers(seen(59, ORG, plan=1))


def test_that_a_group_exists_is_covered_for_ever() -> None:
    known = Carrying()
    known.put(ORG, Settled(1, ALWAYS, ()))
    assert known.covers(Observation(ORG, 1 << 62, 1 << 62, {}))


def test_times_outside_of_what_a_stamp_can_say_are_bounded() -> None:
    known = Carrying()
    for told in (-1, 1 << 200):
        known.put(ORG, Settled(1, told, ("plan",)))
        assert [one.told for one in known.sets(ORG)] == [min(max(told, 0), ALWAYS)]


@pytest.mark.parametrize("how", ["dropped", "pushed out", "too many sets", "forgotten"])
def test_whatever_forgets_a_set_carries_its_newer_time_over(how: str) -> None:
    known = Carrying(1)
    learned(known, seen(50))
    unsettled(known, seen(70))
    if how == "dropped":
        known.drop(ORG)
    elif how == "pushed out":
        learned(known, seen(50, Group("organization", "org_2")))
    elif how == "forgotten":
        known.forget_all()
    else:
        for i in range(8):
            learned(known, seen(50, ORG, seats=i))
    assert known.carried == [seen(70)]
    assert not known.touched
    assert unsettled(known, seen(70)) == [seen(70)]


def test_names_that_somebody_makes_up_without_end_are_not_kept_without_end() -> None:
    known = Carrying()
    learned(known, seen(50))
    for i in range(MAX_SHAPES):
        learned(known, seen(50, Group("user", f"{i % 9}"), **{f"made up {i}": 1}))
    assert len(known._names) == MAX_SHAPES
    last = seen(50, Group("user", "0"), **{f"made up {MAX_SHAPES - 1}": 1})
    assert unsettled(known, seen(50), last) == [last]


def test_touches_are_carried_over_once_and_their_sets_stay_known() -> None:
    known = Carrying()
    learned(known, seen(50))
    unsettled(known, seen(70))
    known.carry_touches()
    known.carry_touches()
    assert known.carried == [seen(70)]
    assert unsettled(known, seen(50)) == []


def test_of_too_many_groups_those_told_of_longest_ago_are_forgotten() -> None:
    known = Carrying(3)
    groups = [Group("organization", f"org_{i}") for i in range(4)]
    for group in (*groups[:3], groups[0], groups[3]):
        learned(known, seen(50, group))
    assert len(known) == 3
    assert unsettled(known, *(seen(50, group) for group in groups)) == [seen(50, groups[1])]


def test_people_see_when_each_property_was_last_seen() -> None:
    known = Carrying()
    learned(known, seen(50, ORG, plan="team", seats=1))
    learned(known, seen(70, ORG, plan="team"))
    assert known.newest(ORG) == {"plan": f"{70 << 64 | 70:032x}", "seats": f"{50 << 64 | 50:032x}"}


# -- on a store that only this process writes to ---------------------------------------------------------

HOUR = 3600 * 1_000_000_000
START = 1_763_900_000 * 1_000_000_000


class Own:
    """What a store of one's own is told when something is forgotten."""

    def __init__(self, limit: int = 1_000) -> None:
        self.told: list[tuple[Group, Sequence[str], int]] = []
        self.known = Carrying(limit, self.seen_again)

    def seen_again(self, group: Group, names: Sequence[str], moment: int) -> None:
        self.told.append((group, names, moment))


def moment(at: int) -> int:
    return at << 64 | at


def test_a_newer_time_is_kept_and_told_when_the_set_is_forgotten() -> None:
    own = Own()
    learned(own.known, seen(START))
    assert unsettled(own.known, seen(START + 2), seen(START + 1)) == []
    own.known.carry_touches()
    assert own.known.carried == own.told == []
    assert own.known.newest(ORG) == {"plan": f"{moment(START + 2):032x}"}
    assert own.known.covers(seen(START + 1, ORG, plan="free"))
    own.known.drop(ORG)
    assert own.known.carried == []
    assert own.told == [(ORG, ("plan",), moment(START + 2))]


def test_each_set_of_a_group_keeps_a_time_of_its_own() -> None:
    own = Own()
    sets = [seen(START, ORG, plan="team", seats=i) for i in range(3)]
    for one in sets:
        learned(own.known, one)
    later = [one._replace(time_ns=START + 5 + i, seen_ns=START + 5 + i) for i, one in enumerate(sets)]
    assert unsettled(own.known, *later) == []
    assert [one.told for one in own.known.sets(ORG)] == [moment(START + 5 + i) for i in (2, 1, 0)]
    assert unsettled(own.known, *later) == []


def test_an_answer_of_the_ledger_never_takes_a_newer_time_back() -> None:
    own = Own()
    learned(own.known, seen(START))
    unsettled(own.known, seen(START + 9))
    learned(own.known, seen(START + 5))
    assert [one.told for one in own.known.sets(ORG)] == [moment(START + 9)]


def test_a_group_is_let_through_once_a_window_and_not_all_of_them_at_once() -> None:
    own = Own()
    groups = [Group("organization", f"org_{i}") for i in range(200)]
    for i, group in enumerate(groups):
        learned(own.known, seen(START, group, plan=i))
    let_through: list[tuple[int, Group]] = []
    for hour in range(8, 88, 8):
        due = unsettled(own.known, *(seen(START + hour * HOUR, g, plan=i) for i, g in enumerate(groups)))
        for one in due:
            own.known.drop(one.group)
            learned(own.known, one)
        let_through += [(hour, one.group) for one in due]
    assert {group for _, group in let_through} == set(groups)
    assert len(let_through) <= 3 * len(groups)
    assert all(sum(hour == at for at, _ in let_through) < 80 for hour in range(8, 88, 8))


def test_where_room_is_scarce_the_ledger_hears_more_often_who_is_still_there() -> None:
    own = Own(limit=8)
    for i in range(7):
        learned(own.known, seen(START, Group("organization", f"org_{i}"), plan=i))
    later = [seen(START + HOUR // 60, Group("organization", f"org_{i}"), plan=i) for i in range(7)]
    assert unsettled(own.known, *later) == later


def test_time_that_goes_beyond_all_bounds_changes_no_neighbour() -> None:
    own = Own()
    for i in range(2):
        learned(own.known, seen(START, ORG, plan=i))
    unsettled(own.known, seen(1 << 80, ORG, plan=1), seen(-5, ORG, plan=0))
    assert [one.names for one in own.known.sets(ORG)] == [("plan",), ("plan",)]
    assert unsettled(own.known, seen(START, ORG, plan=0), seen(START, ORG, plan=1)) == []
