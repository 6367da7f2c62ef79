"""The pocket: an observation stays until the store has spoken of a stamp that is not older."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opentelemetry.exporter.posthog.groups.pocket import Pocket
from opentelemetry.exporter.posthog.groups.stamp import PRESENCE, Digester, times_text
from opentelemetry.exporter.posthog.groups.state import Answer, Standing
from opentelemetry.exporter.posthog.model import Group, Observation

ORG = Group("organization", "org_1")
DIGESTER = Digester("project")


def seen(at: int, **properties: Any) -> Observation:
    return Observation(ORG, at, at, properties, "api")


def pocket_with(*observations: Observation) -> Pocket:
    pocket = Pocket(DIGESTER)
    for one in observations:
        pocket.add(hash(repr(one.properties)), one)
    return pocket


def stamps(pocket: Pocket) -> dict[str, str]:
    return {
        name: entry.stamp for one in pocket.sightings([ORG]) for name, entry in one.entries.items() if name
    }


def times(at: int) -> str:
    return times_text(at, at)


def tell(pocket: Pocket, standing: Standing, want: str, asked: str = "") -> None:
    pocket.answered(ORG, {"plan": asked or want}, {"plan": Answer(standing, want)})


@given(order=st.permutations([1, 2, 3, 4]))
def test_the_newest_stamp_is_kept_with_its_value_whatever_came_last(order: list[int]) -> None:
    pocket = pocket_with(*(seen(at, plan=f"plan {at % 2}") for at in order))
    (sighting,) = pocket.sightings([ORG])
    assert sighting.entries["plan"].stamp.startswith(times(4))
    assert sighting.entries["plan"].value == '"plan 0"'


@given(history=st.lists(st.tuples(st.integers(0, 5), st.sampled_from("ab")), min_size=1))
def test_the_short_way_for_a_set_seen_again_ends_where_the_long_one_does(history: list[Any]) -> None:
    short, long = Pocket(DIGESTER), Pocket(DIGESTER)
    for at, plan in history:
        short.add(hash(plan), seen(at, plan=plan))
        long.add(None, seen(at, plan=plan))
    assert stamps(short) == stamps(long)


@pytest.mark.parametrize(
    ("standing", "stays"),
    [
        pytest.param(Standing.SETTLED, False, id="settled"),
        pytest.param(Standing.SUPERSEDED, False, id="superseded: its newer observer answers for it"),
        pytest.param(Standing.FORGOTTEN, False, id="forgotten"),
        pytest.param(Standing.FULL, False, id="no room"),
        pytest.param(Standing.PENDING, True, id="pending: the store may forget before it is delivered"),
    ],
)
def test_an_answer_lets_an_entry_go_or_not(standing: Standing, stays: bool) -> None:
    pocket = pocket_with(seen(5, plan="team"))
    mine = stamps(pocket)["plan"]
    want = {Standing.SUPERSEDED: times(9) + "f" * 16, Standing.SETTLED: mine, Standing.PENDING: mine}
    tell(pocket, standing, want.get(standing, ""), asked=mine)
    assert ("plan" in stamps(pocket)) == stays


@pytest.mark.parametrize("standing", [Standing.SETTLED, Standing.SUPERSEDED])
def test_an_answer_about_something_older_lets_nothing_newer_go(standing: Standing) -> None:
    pocket = pocket_with(seen(5, plan="team"))
    pocket.add(2, seen(7, plan="pro"))
    tell(pocket, standing, times(6) + "0" * 16)
    assert stamps(pocket)["plan"].startswith(times(7))


def test_a_group_counts_as_unsaved_until_the_store_has_taken_all_of_it() -> None:
    pocket = pocket_with(seen(5, plan="team"))
    assert pocket.unsaved == 1
    asked = {name: entry.stamp for one in pocket.sightings([ORG]) for name, entry in one.entries.items()}
    pending = {name: Answer(Standing.PENDING, stamp) for name, stamp in asked.items()}
    assert not pocket.is_safe
    pocket.answered(ORG, asked, pending)
    assert (pocket.unsaved, len(pocket)) == (0, 1)
    assert pocket.is_safe
    pocket.all_unsaved()
    assert not pocket.is_safe
    pocket.put_on_disk(pocket.sightings([ORG]))
    assert pocket.is_safe
    assert pocket.unsaved == 1


def test_a_set_is_settled_only_when_every_value_of_it_is_what_posthog_holds() -> None:
    pocket = pocket_with(seen(5, plan="team", seats=3))
    asked = {name: entry.stamp for one in pocket.sightings([ORG]) for name, entry in one.entries.items()}
    half = {name: Answer(Standing.SETTLED, asked[name]) for name in ("plan", PRESENCE)}
    held = pocket.answered(ORG, asked, half)
    assert held is not None
    assert not held.all_settled
    held = pocket.answered(ORG, asked, {"seats": Answer(Standing.SETTLED, asked["seats"])})
    assert held is not None
    assert held.all_settled
    assert len(pocket) == 0


def test_what_json_can_not_say_is_let_go_alone_and_counted() -> None:
    pocket = pocket_with(seen(5, plan="team", load=math.nan))
    assert set(stamps(pocket)) == {"plan"}
    assert pocket.take_unspeakable() == 1
    assert pocket.take_unspeakable() == 0


def test_a_group_of_which_only_the_key_is_known_is_in_it_too() -> None:
    (sighting,) = pocket_with(seen(5)).sightings([ORG])
    assert set(sighting.entries) == {PRESENCE}
