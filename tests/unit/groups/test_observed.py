"""The hot path: what ends there, what the store must hear of, and what comes back."""

from __future__ import annotations

from typing import Any

import pytest

from opentelemetry.exporter.posthog.groups.observed import Observed
from opentelemetry.exporter.posthog.groups.stamp import PRESENCE, Digester
from opentelemetry.exporter.posthog.groups.state import Answer, Standing
from opentelemetry.exporter.posthog.model import Group, Observation

ORG = Group("organization", "org_1")


def seen(at: int, group: Group = ORG, **properties: Any) -> Observation:
    return Observation(group, at, at, properties, "api")


def observed(*settled: Observation) -> Observed:
    """A process that was told that PostHog holds all of this."""
    process = Observed(Digester("project"), max_groups=10)
    for one in settled:
        process.sort_in([one], 0)
        told(process, one.group, Standing.SETTLED)
    return process


def stamps(process: Observed, group: Group = ORG) -> dict[str, str]:
    return {n: e.stamp for one in process.pocket.sightings([group]) for n, e in one.entries.items()}


def told(process: Observed, group: Group, standing: Standing) -> None:
    asked = stamps(process, group)
    process.answered(group, asked, {name: Answer(standing, stamp) for name, stamp in asked.items()})


def test_what_is_new_is_urgent() -> None:
    process = observed()
    sorted_ = process.sort_in([seen(1, plan="team"), seen(2, plan="pro")], 0)
    assert (list(sorted_.urgent), sorted_.received, sorted_.saved) == ([ORG], 2, 0)


@pytest.mark.parametrize("at", [1, 5, 9], ids=["earlier", "at the same time", "later"])
def test_what_is_known_to_be_settled_ends_here(at: int) -> None:
    process = observed(seen(5, plan="team"))
    sorted_ = process.sort_in([seen(at, plan="team")], 0)
    assert (sorted_.urgent, sorted_.saved) == ({}, 1)


def test_a_newer_time_of_what_is_settled_is_carried_to_the_store_in_time() -> None:
    process = observed(seen(5, plan="team"))
    process.sort_in([seen(9, plan="team"), seen(7, plan="team")], 0)
    assert stamps(process) == {}
    process.carry_touches()
    assert int(stamps(process)["plan"][:16], 16) == 9


def test_a_change_brings_a_newer_time_along() -> None:
    """Known A@5, A@9 seen; then a late B@7 makes the store look: it must hear of A@9 too."""
    process = observed(seen(5, plan="a"))
    process.sort_in([seen(9, plan="a")], 0)
    assert process.sort_in([seen(9, plan="b")], 0).urgent
    process.sort_in([seen(8, plan="b")], 0)
    assert int(stamps(process)["plan"][:16], 16) == 9


def test_older_news_of_what_is_settled_end_here_too() -> None:
    process = observed(seen(5, plan="team"))
    assert process.sort_in([seen(3, plan="free")], 0).urgent == {}
    assert process.sort_in([seen(3, plan="free", name="Acme")], 0).urgent == {ORG: None}


def test_what_is_older_than_something_known_here_is_told_apart_as_late() -> None:
    process = observed(seen(5, plan="team"))
    late, same, newer = seen(3, plan="free"), seen(4, plan="team"), seen(6, plan="pro")
    assert process.sort_in([late, same, newer], 0).late == [late]


def test_what_is_older_than_something_that_waits_for_the_store_is_late_too() -> None:
    process = observed()
    late = seen(3, plan="free", name="Acme")
    sorted_ = process.sort_in([seen(5, plan="team"), late, seen(2, seats=1), seen(6, plan="pro")], 0)
    assert sorted_.late == [late]
    assert set(stamps(process)) == {PRESENCE, "plan", "name", "seats"}


def test_what_is_pending_is_not_known_and_stays_in_the_pocket() -> None:
    process = observed()
    process.sort_in([seen(5, plan="team")], 0)
    told(process, ORG, Standing.PENDING)
    assert set(stamps(process)) == {"plan", PRESENCE}
    assert process.sort_in([seen(6, plan="team")], 0).urgent


def test_what_the_store_calls_settled_with_another_value_is_not_known() -> None:
    """Each value by itself is only known to be held if it is the one that was seen last."""
    process = observed()
    process.sort_in([seen(5, plan="free")], 0)
    newer = "f" * 48
    process.answered(ORG, stamps(process), {"plan": Answer(Standing.SETTLED, newer)})
    assert process.sort_in([seen(6, plan="free")], 0).urgent


@pytest.mark.parametrize("odd", [float("nan"), float("inf")])
def test_a_value_that_no_json_can_say_is_never_taken_for_another(odd: float) -> None:
    process = observed(seen(5, plan="team", seats=odd))
    assert process.sort_in([seen(6, plan="team", seats=None)], 0).urgent
    assert process.pocket.take_unspeakable() == 1


def test_a_lost_store_must_hear_of_everything_and_nothing_is_settled() -> None:
    process = observed(seen(5, plan="team"))
    process.sort_in([seen(9, plan="team")], 0)
    process.forget_settled()
    assert int(stamps(process)["plan"][:16], 16) == 9
    assert process.sort_in([seen(10, plan="team")], 0).urgent


@pytest.mark.parametrize(("answered", "contradicts"), [(4, True), (5, False), (6, False)])
def test_an_older_answer_than_before_is_a_copy_that_somebody_restored(
    answered: int, contradicts: bool
) -> None:
    process = observed(seen(5, plan="team"))
    want = f"{answered:016x}" * 2 + "0" * 16
    assert process.contradicts(ORG, {"plan": Answer(Standing.SETTLED, want)}) == contradicts


def test_times_follow_the_clock_of_the_store() -> None:
    process = observed()
    process.sort_in([seen(5, plan="team")], 1_000)
    assert int(stamps(process)["plan"][:16], 16) == 1_005
