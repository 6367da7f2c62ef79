"""Which property never rests, who says it, and how it is told."""

from __future__ import annotations

import pytest

from opentelemetry.exporter.posthog.groups.flapping import Flapping, flapping
from opentelemetry.exporter.posthog.groups.state import SECOND, History, Sent
from opentelemetry.exporter.posthog.model import Group

ORG = Group("organization", "org_42")
NOW = 1_000_000 * SECOND


def sent(turns: int, *, service: str = "api", other: str = "", since: int = 60) -> Sent:
    return Sent("stamp", '"secret"', "", History(service, other or service, turns, NOW - since * SECOND))


@pytest.mark.parametrize(
    ("turns", "found"),
    [
        pytest.param(9, False, id="nine changes may be a story of sign-up"),
        pytest.param(10, True, id="ten are none"),
    ],
)
def test_from_ten_changes_on_a_property_never_rests(turns: int, found: bool) -> None:
    assert bool(flapping(ORG, {"plan": sent(turns)}, NOW)) is found


def test_each_property_is_judged_by_itself() -> None:
    content = {"plan": sent(1), "seen": sent(40), "calls": sent(12)}
    assert [one.name for one in flapping(ORG, content, NOW)] == ["seen", "calls"]


def test_it_knows_both_sides_of_a_quarrel() -> None:
    (found,) = flapping(ORG, {"plan": sent(12, service="worker", other="api")}, NOW)
    assert found == Flapping("organization", "plan", 12, 60.0, ("api", "worker"))
    assert "service api and service worker" in found.message
    assert "Let one of them alone speak of it" in found.message


def test_it_tells_how_often_and_names_no_value() -> None:
    (found,) = flapping(ORG, {"calls": sent(31, since=300)}, NOW)
    assert "31 changes within 5 min, seen by service api." in found.message
    assert "secret" not in found.message
    assert "org_42" not in found.message


@pytest.mark.parametrize("since", [-5, 10_000], ids=["a clock that stepped back", "an old window"])
def test_the_length_told_is_never_absurd(since: int) -> None:
    (found,) = flapping(ORG, {"plan": sent(12, since=since)}, NOW)
    assert 0 <= found.seconds <= 600
