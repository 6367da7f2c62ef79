"""Group types, the attributes that carry their keys, and the prefixes of what describes them."""

from __future__ import annotations

import pytest

from opentelemetry.exporter.posthog.settings.group_types import default_prefix, groups, prefixes, rules
from opentelemetry.exporter.posthog.settings.model import GroupRule
from opentelemetry.exporter.posthog.settings.parsing import UnusableError


def mistakes_of(value: object) -> list[str]:
    with pytest.raises(UnusableError) as caught:
        groups(value)
    return [f"{mistake.got}. {mistake.fix}" for mistake in caught.value.mistakes]


def test_text_and_mapping_mean_the_same_in_the_same_order() -> None:
    written = groups("workspace=app.workspace.id, organization=organization.id")
    assert written == groups({"workspace": "app.workspace.id", "organization": "organization.id"})
    assert list(written) == ["workspace", "organization"]


def test_a_sixth_group_type_is_refused_and_its_danger_told() -> None:
    five = ",".join(f"type{number}=t.{number}" for number in range(5))
    assert len(groups(five)) == 5
    (mistake,) = mistakes_of(five + ",type5=t.5")
    assert "names 6 group types" in mistake
    assert "never gives its place back" in mistake


@pytest.mark.parametrize(
    ("value", "says"),
    [
        pytest.param({}, "names no group type", id="no group type at all"),
        pytest.param("organization", "entry 1 has no =", id="no attribute"),
        pytest.param("organization=", "entry 1 has no attribute key", id="an empty attribute"),
        pytest.param("=organization.id", "entry 1 has no group type", id="an empty type"),
        pytest.param("a=x,a=y", "entry 2 names a group type a second time", id="one type twice"),
        pytest.param({"a": ["x"]}, "entry 1 is a list of 1 item", id="a list of attributes"),
        pytest.param({"a": 3}, "entry 1 is a number", id="a number for an attribute"),
        pytest.param({"$a": "x"}, "starts with $", id="a type of PostHog's own"),
        pytest.param({"a" * 201: "x"}, "201 bytes", id="a type too long"),
        pytest.param(["a=x"], "where a mapping is needed", id="a list"),
    ],
)
def test_wrong_groups_are_refused(value: object, says: str) -> None:
    assert says in mistakes_of(value)[0]


def test_all_wrong_groups_are_told_at_once() -> None:
    assert len(mistakes_of({"": "x", "a": None, "b": 3})) == 3


@pytest.mark.parametrize(
    ("attribute", "prefix"),
    [
        pytest.param("organization.id", "organization.", id="what stands before the last dot"),
        pytest.param("app.workspace.id", "app.workspace.", id="a deeper namespace of the application"),
        pytest.param("org_id", None, id="a key without a dot has none"),
        pytest.param("user.org_id", None, id="under user. there is none"),
        pytest.param("http.request.header.x_org", None, id="under http. there is none, however deep"),
        pytest.param("service.namespace", None, id="under service. there is none"),
        pytest.param("app.org_id", None, id="app. is everybody's"),
        pytest.param(".id", None, id="a dot with nothing before it"),
    ],
)
def test_default_prefix(attribute: str, prefix: str | None) -> None:
    assert default_prefix(attribute) == prefix


def test_a_chosen_prefix_wins_and_a_dash_means_none() -> None:
    made = rules(groups("org=org_id,team=team.id,site=site.id"), prefixes("org=org_,team=-"))
    assert made == (
        GroupRule(type="org", attribute="org_id", prefix="org_"),
        GroupRule(type="team", attribute="team.id", prefix=None),
        GroupRule(type="site", attribute="site.id", prefix="site."),
    )
    assert prefixes({"team": None}) == {"team": None}


@pytest.mark.parametrize("prefix", ["org", ".", "_"])
def test_a_prefix_that_could_match_half_a_word_is_refused(prefix: str) -> None:
    with pytest.raises(UnusableError, match="does not end with a dot or an underscore"):
        prefixes({"org": prefix})


def test_a_prefix_for_a_type_that_is_not_there_is_refused() -> None:
    with pytest.raises(UnusableError, match="names 1 group type that `groups` does not have"):
        rules({"organization": "organization.id"}, {"organisation": "x."})
