"""A group at rest, packed: nothing that decides anything is lost."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from opentelemetry.exporter.posthog.groups.compact import MAX_SHAPES, Packer
from opentelemetry.exporter.posthog.groups.stamp import digest_of
from opentelemetry.exporter.posthog.groups.state import SECOND, GroupState, Property
from tests.ledger_kit import stamp

STAMPS = st.builds(stamp, st.integers(0, 9), st.sampled_from("abc"), st.integers(0, 9))
AT_REST = st.dictionaries(
    st.text(max_size=4),
    st.builds(
        lambda want, settled: Property(want, None, digest_of(want), settled_at=settled * SECOND),
        STAMPS,
        st.integers(0, 3),
    ),
    max_size=6,
).map(GroupState)


@given(groups=st.lists(AT_REST, max_size=5))
def test_what_was_packed_comes_back_with_every_stamp(groups: list[GroupState]) -> None:
    packer = Packer()
    packed = [packer.pack(group) for group in groups]
    assert [packer.unpack(one) for one in packed if one is not None] == [
        GroupState(dict(sorted(group.properties.items()))) for group in groups
    ]


def test_a_group_of_five_properties_seen_at_once_takes_a_hundred_bytes() -> None:
    want = stamp(1, "a")
    group = GroupState({f"property {i}": Property(want, None, digest_of(want)) for i in range(5)})
    packed = Packer().pack(group)
    assert packed is not None
    assert len(packed) <= 100


def test_names_that_somebody_makes_up_without_end_are_not_kept_without_end() -> None:
    packer = Packer()
    want = stamp(1, "a")
    packed = [
        packer.pack(GroupState({f"made up {i}": Property(want, None, digest_of(want))}))
        for i in range(MAX_SHAPES + 10)
    ]
    assert packed.count(None) == 10
    assert None not in packed[:MAX_SHAPES]
