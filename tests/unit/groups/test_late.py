"""What this process let go by itself waits for a call: the newest of each property, and only so many."""

from __future__ import annotations

from typing import Any

from opentelemetry.exporter.posthog.groups.late import MAX_LATE, LateNews
from opentelemetry.exporter.posthog.groups.stamp import Digester
from opentelemetry.exporter.posthog.groups.store import Late
from opentelemetry.exporter.posthog.model import Group, Observation
from tests.ledger_kit import ORG, stamp
from tests.manual_clock import EPOCH_NS

OTHER = Group("organization", "org_43")


def seen(at: int, group: Group = ORG, /, **properties: Any) -> Observation:
    time_ns = EPOCH_NS + at * 1_000_000_000
    return Observation(group, time_ns, time_ns, properties, "api")


def news(*observations: Observation) -> LateNews:
    late = LateNews(Digester("project"))
    for observation in observations:
        late.add(observation)
    return late


def test_the_newest_of_each_property_waits_whatever_the_order() -> None:
    late = news(seen(3, plan="b", seats=1), seen(5, plan="c"), seen(4, plan="d"), seen(1, OTHER, plan="a"))
    assert late.waiting() == (
        Late(ORG, {"plan": stamp(5, "c"), "seats": stamp(3, 1)}),
        Late(OTHER, {"plan": stamp(1, "a")}),
    )


def test_what_has_no_room_is_let_go_and_what_waits_may_still_become_newer() -> None:
    late = news(*(seen(1, Group("organization", f"org_{i}"), plan="x") for i in range(MAX_LATE + 44)))
    late.add(seen(2, Group("organization", "org_0"), plan="y"))
    waiting = {one.group.key: one.stamps["plan"] for one in late.waiting()}
    assert set(waiting) == {f"org_{i}" for i in range(MAX_LATE)}
    assert waiting["org_0"] == stamp(2, "y")
    late.told(late.waiting())
    late.add(seen(1, OTHER, plan="x"))
    assert [one.group for one in late.waiting()] == [OTHER]


def test_a_value_of_which_no_json_can_be_made_is_let_go_without_the_others() -> None:
    assert news(seen(1, odd=float("nan"), plan="x")).waiting() == (Late(ORG, {"plan": stamp(1, "x")}),)
