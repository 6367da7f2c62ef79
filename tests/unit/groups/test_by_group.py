"""A mapping from groups: like a dictionary of them, in an order of its own."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from opentelemetry.exporter.posthog.groups.by_group import ByGroup
from opentelemetry.exporter.posthog.model import Group

GROUPS = st.builds(Group, st.sampled_from(["organization", "user"]), st.sampled_from("abc"))
STEPS = st.lists(st.tuples(GROUPS, st.none() | st.integers()))


@given(STEPS)
def test_it_holds_what_a_dictionary_of_groups_holds(steps: list[tuple[Group, int | None]]) -> None:
    mapping: ByGroup[int] = ByGroup()
    expected: dict[Group, int] = {}
    for group, value in steps:
        if value is None:
            assert mapping.pop(group) == expected.pop(group, None)
        else:
            mapping.put(group, value)
            expected[group] = value
        assert len(mapping) == len(expected)
    assert {group: mapping.get(group) for group in mapping} == expected
    assert mapping.get(Group("organization", "never put")) is None


def test_the_oldest_are_those_put_longest_ago_of_the_largest_type() -> None:
    mapping: ByGroup[int] = ByGroup()
    assert mapping.oldest(1) == []
    a, b, c = (Group("organization", key) for key in "abc")
    for group in (Group("user", "u"), a, b, c, a):
        mapping.put(group, 1)
    assert mapping.oldest(2) == [b, c]


def test_it_keeps_the_text_of_a_key_that_came_last() -> None:
    """So that several mappings of the same groups share it."""
    mapping: ByGroup[int] = ByGroup()
    former, last = "".join(("org", "_42")), "".join(("org_", "42"))
    mapping.put(Group("organization", former), 1)
    mapping.put(Group("organization", last), 2)
    (group,) = mapping
    assert group.key is last
