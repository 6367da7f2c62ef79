from __future__ import annotations

from datetime import datetime, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opentelemetry.exporter.posthog.identifiers import group_distinct_id
from opentelemetry.exporter.posthog.model import Group
from opentelemetry.exporter.posthog.timestamp import (
    LAST_NS,
    from_datetime,
    parse_rfc3339,
    rfc3339,
    to_datetime,
)

INSTANTS = st.integers(0, LAST_NS)


@given(INSTANTS)
def test_every_microsecond_comes_back(time_ns: int) -> None:
    text = rfc3339(time_ns)
    assert parse_rfc3339(text) == time_ns - time_ns % 1_000
    assert datetime.fromisoformat(text.replace("Z", "+00:00")) == to_datetime(time_ns)
    assert from_datetime(to_datetime(time_ns)) == time_ns - time_ns % 1_000


@pytest.mark.parametrize(
    ("time_ns", "text"),
    [
        pytest.param(
            1_790_000_000_123_456_789, "2026-09-21T14:13:20.123456Z", id="microseconds are kept, cut"
        ),
        pytest.param(0, "1970-01-01T00:00:00.000000Z", id="the epoch"),
        pytest.param(-5, "1970-01-01T00:00:00.000000Z", id="before it there is nothing"),
        pytest.param(10**30, "9999-12-31T23:59:59.999999Z", id="nor after the year 9999"),
    ],
)
def test_an_instant_is_written(time_ns: int, text: str) -> None:
    assert rfc3339(time_ns) == text


@pytest.mark.parametrize(
    "text", ["", "2026-01-01", "2026-13-01T00:00:00Z", "2026-01-01T00:00:00", "1767225600", "٢٠٢٦"]
)
def test_a_text_that_is_no_instant_is_none(text: str) -> None:
    assert parse_rfc3339(text) is None


def test_a_datetime_without_a_zone_is_utc() -> None:
    assert from_datetime(datetime(1970, 1, 1, 0, 0, 1)) == from_datetime(
        datetime(1970, 1, 1, 0, 0, 1, tzinfo=timezone.utc)
    )


def test_the_distinct_id_of_a_group_is_short_and_its_own() -> None:
    assert group_distinct_id(Group("organization", "org_42")) == "$organization_org_42"
    long = [group_distinct_id(Group("organization", "o" * 195 + end)) for end in "ab"]
    assert len(set(long)) == 2
    for distinct_id in (*long, group_distinct_id(Group("é" * 100, "x"))):
        assert distinct_id.startswith("$")
        assert len(distinct_id.encode()) <= 200
