"""What travels to a script and back, whatever characters are in it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from opentelemetry.exporter.posthog.groups.redis_values import (
    ended,
    group_of,
    history_of,
    id_of,
    name_of,
    observed,
    packed,
    state_of,
    text,
    unpacked,
)
from opentelemetry.exporter.posthog.groups.state import Ending, History, Settlement
from opentelemetry.exporter.posthog.groups.store import Sighting
from opentelemetry.exporter.posthog.model import Group
from tests.ledger_kit import ORG, entry, stamp

TEXTS = st.text(
    alphabet=st.characters(exclude_characters="\0", exclude_categories=()), min_size=1, max_size=8
)


@given(type_=TEXTS, key=TEXTS)
def test_a_group_comes_back_as_it_was(type_: str, key: str) -> None:
    group = Group(type_, key)
    assert group_of(name_of(group)) == group_of(text(id_of(group))) == group


@given(name=TEXTS)
def test_a_name_comes_back_as_it_was(name: str) -> None:
    assert unpacked(packed([name])) == [name]


def test_the_separator_of_a_history_can_not_be_smuggled_into_it() -> None:
    arguments = observed(Sighting(ORG, {"plan": entry(1, "team", service="a\x1f9\x1f9")}))
    assert arguments[-1] == "a 9 9"


def test_a_claim_tells_the_stamps_it_sent_and_what_was_there_before() -> None:
    end = Settlement(7, {"plan": "s1", "seats": "s2"}, {"plan": "h1"}, True, Ending.UNKNOWN, 1, 2, 3)
    assert ended(ORG, end)[1:] == [7, "u", True, 1, 2, 3, 2, "plan", "s1", "h1", "seats", "s2", "?"]


def test_a_group_is_read_with_all_its_fields() -> None:
    want = stamp(1, "team")
    fields = {
        "g": "organization\0org_42", "t": "9", "q": "10", "r": "11", "b": "12",
        "w:plan": want, "h:plan": f"{want[32:]},5,1", "v:plan": '"team"',
        "x:plan": "api\x1fweb\x1f3\x1f4\x1fabc",
        "w:": "0" * 48, "h:": "?,0,0",
    }  # fmt: skip
    state = state_of(fields)
    assert (state.token, state.quiet_until, state.retry_at, state.bucket_full_at) == (9, 10, 11, 12)
    plan, presence = state.properties["plan"], state.properties[""]
    assert (plan.want, plan.value, plan.have, plan.refused, plan.settled_at) == (
        want,
        '"team"',
        want[32:],
        True,
        5,
    )
    assert plan.history == history_of(["api", "web", "3", "4", "abc"]) == History("api", "web", 3, 4, "abc")
    assert (presence.value, presence.have) == (None, "?")
