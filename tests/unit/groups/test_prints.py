"""Prints tell sets of properties apart, by value and by type, with and without orjson."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opentelemetry.exporter.posthog.groups.prints import PRINT_BITS, Printer, printer

BOTH = pytest.mark.parametrize("print_of", [printer(), printer(fast=False)], ids=["fast", "plain"])

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from([-1, -2, 0, 1, 2**53, 2**63 - 1, 2**64, 2**61 - 1])
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda values: st.lists(values, max_size=3) | st.dictionaries(st.text(), values, max_size=3),
    max_leaves=5,
)
SETS = st.dictionaries(st.text(), JSON, max_size=4)


@BOTH
@given(one=SETS, other=SETS)
def test_prints_are_equal_where_values_and_types_are(
    print_of: Printer, one: dict[str, Any], other: dict[str, Any]
) -> None:
    assert (print_of(one) == print_of(other)) == (repr(one) == repr(other))


@BOTH
@pytest.mark.parametrize(
    ("one", "other"),
    [
        (1, True),
        (1, 1.0),
        (0.0, -0.0),
        ("1", 1),
        (None, ""),
        (None, "null"),
        (-1, -2),
        ("-1", -1),
        (0, 2**61 - 1),
        (10**22, 1e22),
        ("é", "e\u0301"),
        ("\ud800", "\udfff"),
        ([], {}),
        ([1, [2]], [[1], 2]),
    ],
)
def test_values_that_python_may_take_for_equal_have_different_prints(
    print_of: Printer, one: Any, other: Any
) -> None:
    assert print_of({"plan": one}) != print_of({"plan": other})
    assert print_of({"plan": one}) == print_of({"plan": one})


@BOTH
def test_a_print_is_of_the_value_and_not_of_the_object(print_of: Printer) -> None:
    assert print_of({"plan": "team"}) == print_of({"".join(("pl", "an")): "".join(("te", "am"))})


@BOTH
def test_names_count_too(print_of: Printer) -> None:
    assert print_of({"plan": 1}) != print_of({"seats": 1})


@BOTH
def test_what_only_looks_like_text_has_no_print(print_of: Printer) -> None:
    class Text(str):
        __slots__ = ()

    assert print_of({"plan": Text("team")}) is None


@BOTH
def test_a_print_has_as_many_bits_as_there_is_room_for(print_of: Printer) -> None:
    prints = [print_of({"seats": i}) or 0 for i in range(200)]
    assert PRINT_BITS - 2 <= max(prints).bit_length() <= PRINT_BITS
    assert min(prints) >= 0
