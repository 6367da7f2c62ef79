"""Plain values: what is taken, and in which words the rest is refused."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from opentelemetry.exporter.posthog.settings.model import CaptureMode
from opentelemetry.exporter.posthog.settings.parsing import (
    UnusableError,
    boolean,
    choice,
    duration,
    items,
    near_miss,
    number_set,
    pairs,
    shape,
    size,
    text,
    whole_number,
)

SECONDS = duration(0.1, 3_600.0)
BYTES = size(1, 1_024**4)


@pytest.mark.parametrize(
    ("parse", "written", "means"),
    [
        pytest.param(boolean, "TRUE", True, id="true in any case is on"),
        pytest.param(boolean, " false ", False, id="blanks around a word do not count"),
        pytest.param(boolean, True, True, id="a YAML boolean is taken as it is"),
        pytest.param(whole_number(0, 9), "3", 3, id="a number may come as text"),
        pytest.param(whole_number(0, 9), 3.0, 3, id="a whole float is a whole number"),
        pytest.param(SECONDS, "2500", 2.5, id="a bare number is milliseconds"),
        pytest.param(SECONDS, 2_500, 2.5, id="a YAML number is milliseconds"),
        pytest.param(SECONDS, "10 s", 10.0, id="a unit may be given"),
        pytest.param(duration(0.0, 1e9), "7d", 604_800.0, id="days are a unit"),
        pytest.param(BYTES, "1kB", 1_000, id="a decimal size"),
        pytest.param(BYTES, "1KiB", 1_024, id="a binary size"),
        pytest.param(BYTES, 4_096, 4_096, id="a bare size is bytes"),
        pytest.param(text, 123, "123", id="text that YAML read as a number is turned back"),
        pytest.param(text, "  phc_x ", "phc_x", id="text is trimmed"),
        pytest.param(choice(CaptureMode), "Legacy", CaptureMode.LEGACY, id="words are taken in any case"),
        pytest.param(items, "a, b,,c,", ["a", "b", "c"], id="commas separate, empty items do not count"),
        pytest.param(items, ["a", None, "", "b"], ["a", "b"], id="nothing in a list is left out"),
        pytest.param(number_set(1, 9), "none", frozenset(), id="the word none is the empty set"),
        pytest.param(number_set(1, 9), [], frozenset(), id="an empty YAML list is the empty set"),
        pytest.param(number_set(1, 9), 4, frozenset({4}), id="one number is a list of one"),
        pytest.param(pairs, "a=1, b = 2", [("a", "1"), ("b", "2")], id="a mapping may come as text"),
    ],
)
def test_takes(parse: Callable[[object], object], written: object, means: object) -> None:
    assert parse(written) == means


@pytest.mark.parametrize(
    ("parse", "written", "says"),
    [
        pytest.param(boolean, "yes", "neither true nor false", id="yes is not true in OpenTelemetry"),
        pytest.param(boolean, 1, "neither true nor false", id="one is not true"),
        pytest.param(whole_number(0, 9), True, "is a boolean", id="a boolean is no number"),
        pytest.param(whole_number(0, 9), "10", "more than is allowed", id="too much"),
        pytest.param(whole_number(1, 9), -1, "less than is allowed", id="too little"),
        pytest.param(whole_number(0, 9), float("nan"), "no whole number", id="not a number is no number"),
        pytest.param(whole_number(0, 9), 10**5_000, "no whole number", id="a number nobody means"),
        pytest.param(
            SECONDS, "10", "shorter than is allowed", id="seconds written where milliseconds are read"
        ),
        pytest.param(SECONDS, "1 week", "no duration", id="an unknown unit"),
        pytest.param(SECONDS, float("inf"), "no duration", id="endless"),
        pytest.param(SECONDS, "-5s", "shorter", id="a negative time"),
        pytest.param(BYTES, "1.2.3MB", "no size", id="two dots"),
        pytest.param(text, True, "is a boolean", id="a boolean is no text"),
        pytest.param(text, "a\nb", "control character", id="a line break inside"),
        pytest.param(text, "a\udcffb", "not UTF-8", id="bytes that are no UTF-8"),
        pytest.param(items, {"a": 1}, "where a list is needed", id="a mapping is no list"),
        pytest.param(pairs, "a", "entry 1 has no =", id="an entry without an equals sign"),
        pytest.param(pairs, ["a"], "where a mapping is needed", id="a list is no mapping"),
    ],
)
def test_refuses(parse: Callable[[object], object], written: object, says: str) -> None:
    with pytest.raises(UnusableError) as caught:
        parse(written)
    assert says in caught.value.mistakes[0].got


def test_all_wrong_items_of_a_list_are_told_at_once() -> None:
    with pytest.raises(UnusableError) as caught:
        number_set(100, 599)("404,abc,1000")
    assert [mistake.got.split()[:2] for mistake in caught.value.mistakes] == [["entry", "2"], ["entry", "3"]]


@pytest.mark.parametrize(
    ("value", "words"),
    [
        pytest.param("abc", "is text of 3 characters", id="text"),
        pytest.param("a", "is text of 1 character", id="one character"),
        pytest.param(["a"], "is a list of 1 item", id="a list"),
        pytest.param({"a": 1, "b": 2}, "is a mapping of 2 entries", id="a mapping"),
        pytest.param(b"ab", "is 2 bytes of binary data", id="bytes"),
        pytest.param(3.5, "is a number", id="a number"),
        pytest.param(print, "is a function", id="a function"),
        pytest.param(object(), "is an object of a type that can't be used here", id="anything else"),
    ],
)
def test_shape_tells_kind_and_size(value: object, words: str) -> None:
    assert shape(value) == words


def test_a_near_miss_names_the_known_word_and_never_the_written_one() -> None:
    assert near_miss("gzpi", ["gzip", "zstd"]) == "Did you mean `gzip`?"
    assert near_miss("something else", ["gzip", "zstd"]) == ""
