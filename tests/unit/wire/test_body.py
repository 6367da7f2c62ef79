"""JSON: both encoders say the same, and nothing leaves that PostHog's parsers refuse."""

from __future__ import annotations

import gzip
import json
import tracemalloc
from collections.abc import Callable
from datetime import datetime
from enum import Enum
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opentelemetry.exporter.posthog.wire.body import GZIP, MAX_DEPTH, json_encoder, zstd

FAST, STANDARD = json_encoder(), json_encoder(fast=False)


class Plan(Enum):
    TEAM = "team"


class Name(str):
    __slots__ = ()


def refuse(token: str) -> Any:
    raise AssertionError(f"{token} is no JSON")


def read(body: bytes) -> Any:
    return json.loads(body.decode("utf-8", "strict"), parse_constant=refuse)


scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters())  # lone surrogates included
)
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(st.characters()), inner, max_size=4)
        | st.tuples(inner)
    ),
    max_leaves=12,
)


@given(value=st.dictionaries(st.text(st.characters()), values, max_size=6))
@settings(max_examples=150, deadline=None)
def test_both_encoders_write_the_same_json_value(value: dict[str, Any]) -> None:
    assert read(FAST(value)) == read(STANDARD(value))


@given(value=st.dictionaries(st.text(st.characters()), values, max_size=6))
@settings(max_examples=100, deadline=None)
def test_no_number_beyond_what_javascript_keeps_and_no_lone_surrogate_leaves(value: dict[str, Any]) -> None:
    def check(node: Any) -> None:
        match node:
            case dict():
                for key, member in node.items():
                    key.encode()
                    check(member)
            case list():
                for item in node:
                    check(item)
            case str():
                node.encode()
            case bool() | None | float():
                pass
            case int():
                assert abs(node) <= 2**53 - 1

    check(read(FAST(value)))


@pytest.mark.parametrize("encode", [FAST, STANDARD], ids=["orjson", "the standard library"])
@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param(float("nan"), None, id="not a number is null"),
        pytest.param(float("-inf"), None, id="an infinity is null"),
        pytest.param(2**53, "9007199254740992", id="an integer that JavaScript would round travels as text"),
        pytest.param(2**70, "1180591620717411303424", id="so does one beyond 64 bits"),
        pytest.param("a\ud800b", "a???b", id="a lone surrogate is replaced"),
        pytest.param(Plan.TEAM, "team", id="a member of an enum is its value"),
        pytest.param(Name("x"), "x", id="a subclass of str is text"),
        pytest.param({1: True}, {"1": True}, id="a key that is no text becomes one"),
        pytest.param({True: 1}, {"True": 1}, id="as Python writes it"),
        pytest.param({"b"}, ["b"], id="a set is a list"),
        pytest.param(datetime(2026, 1, 2), "2026-01-02 00:00:00", id="an unknown type is its text"),
        pytest.param(True, True, id="a bool stays one"),
        pytest.param("ü✓", "ü✓", id="text beyond ASCII stays as it is"),
    ],
)
def test_an_odd_value_costs_itself_alone(
    encode: Callable[[object], bytes], value: object, expected: object
) -> None:
    got = read(encode({"odd": value, "other": 1}))
    if isinstance(expected, str) and "?" in expected:
        expected = expected.replace("?", "\ufffd")
    assert got == {"odd": expected, "other": 1}


@pytest.mark.parametrize("encode", [FAST, STANDARD], ids=["orjson", "the standard library"])
def test_nesting_ends_where_the_legacy_protocol_would_refuse_the_batch(
    encode: Callable[[object], bytes],
) -> None:
    nested: Any = 1
    for _ in range(300):
        nested = {"n": nested}
    depth, node = 0, read(encode(nested))
    while isinstance(node, dict):
        depth, node = depth + 1, node["n"]
    assert depth == MAX_DEPTH


def test_json_is_compact() -> None:
    assert (
        FAST({"a": [1, 2], "b": "ü"}) == STANDARD({"a": [1, 2], "b": "ü"}) == '{"a":[1,2],"b":"ü"}'.encode()
    )


def test_gzip_gives_the_same_bytes_at_any_time() -> None:
    body = b'{"a":1}' * 1000
    assert gzip.decompress(GZIP.compress(body)) == body
    assert GZIP.compress(body)[4:8] == b"\0\0\0\0", "no time in the header"


@pytest.mark.fast
def test_zstd_can_be_undone_by_any_reader() -> None:
    import zstandard

    codec = zstd()
    assert codec is not None
    assert zstandard.ZstdDecompressor().decompress(codec.compress(b"abc" * 99)) == b"abc" * 99


@pytest.mark.fast
def test_a_zstd_body_that_is_kept_holds_no_more_than_its_bytes() -> None:
    codec = zstd()
    assert codec is not None
    content = b'{"plan":"pro"}' * 100_000
    codec.compress(content)
    tracemalloc.start()
    try:
        body = codec.compress(content)
        held = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert held < len(body) + 10_000
