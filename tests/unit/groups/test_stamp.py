"""Stamps: one text that orders observations, the same in every store and process."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opentelemetry.exporter.posthog.groups.stamp import (
    PRESENCE_STAMP,
    Digester,
    canonical_json,
    digest_of,
    from_canonical,
    moment_of,
    time_ns_of,
    times_of,
    times_text,
)

TIMES = st.integers(0, (1 << 64) - 1)
VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3),
    max_leaves=5,
)


@given(one=st.tuples(TIMES, TIMES), other=st.tuples(TIMES, TIMES))
def test_as_texts_they_sort_by_event_time_and_then_by_seen_time(
    one: tuple[int, int], other: tuple[int, int]
) -> None:
    assert (times_text(*one) < times_text(*other)) == (one < other)


@given(time_ns=TIMES, seen_ns=TIMES)
def test_the_times_come_back_out_of_it(time_ns: int, seen_ns: int) -> None:
    stamp = times_text(time_ns, seen_ns) + Digester("project").digest('"team"')
    assert time_ns_of(stamp) == time_ns
    assert moment_of(stamp) == time_ns << 64 | seen_ns
    assert times_of(stamp) + digest_of(stamp) == stamp


def test_times_that_no_stamp_can_hold_are_the_nearest_that_one_can() -> None:
    assert times_text(-5, -1) == "0" * 32
    assert times_text(1 << 70, 1 << 70) == "f" * 32


@pytest.mark.parametrize(
    ("one", "other"),
    [
        pytest.param(1, True, id="one is not true"),
        pytest.param(0, False, id="nought is not false"),
        pytest.param(1, 1.0, id="one is not one point nought"),
        pytest.param(1, "1", id="a number is not its text"),
        pytest.param(None, "", id="unset is not empty"),
        pytest.param([1, 2], [2, 1], id="the order of a list is part of it"),
    ],
)
def test_what_differs_in_json_differs(one: Any, other: Any) -> None:
    assert canonical_json(one) != canonical_json(other)


@given(value=VALUES)
def test_a_value_comes_back_as_it_was(value: Any) -> None:
    assert canonical_json(from_canonical(canonical_json(value))) == canonical_json(value)


@given(value=st.dictionaries(st.text(max_size=3), st.integers(), max_size=4), random=st.randoms())
def test_the_order_of_keys_is_no_difference(value: dict[str, int], random: Any) -> None:
    shuffled = dict(random.sample(list(value.items()), len(value)))
    assert canonical_json(shuffled) == canonical_json(value)


@pytest.mark.parametrize("value", [math.nan, math.inf, object()], ids=["nan", "infinity", "an object"])
def test_what_json_can_not_say_is_refused(value: Any) -> None:
    with pytest.raises((ValueError, TypeError)):
        canonical_json(value)


def test_two_processes_of_a_project_make_the_same_digest_and_two_projects_do_not() -> None:
    assert Digester("project").digest('"free"') == Digester("project").digest('"free"')
    assert Digester("project").digest('"free"') != Digester("other").digest('"free"')


def test_a_digest_is_what_the_first_version_wrote() -> None:
    """It stands in files and servers: another one would make every value a change."""
    assert Digester("project").digest('"a"') == "01cc289c2f63b268"


def test_the_presence_of_a_group_is_older_than_everything_that_is_said_of_it() -> None:
    assert times_text(1, 0) + "0" * 16 > PRESENCE_STAMP
