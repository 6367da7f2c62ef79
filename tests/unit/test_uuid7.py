from __future__ import annotations

import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opentelemetry.exporter.posthog.uuid7 import DAY_NS, RANDOM_BITS, start_of_day, uuid7

TIMES = st.integers(0, (1 << 48) * 1_000_000 - 1)
BITS = st.integers(0, (1 << RANDOM_BITS) - 1)


@given(TIMES, BITS)
def test_every_id_is_a_uuid_of_version_7_that_carries_its_time(time_ns: int, bits: int) -> None:
    parsed = uuid.UUID(uuid7(time_ns, bits))
    assert str(parsed) == uuid7(time_ns, bits)
    assert (parsed.version, parsed.variant) == (7, uuid.RFC_4122)
    assert parsed.int >> 80 == time_ns // 1_000_000


@given(TIMES, BITS, BITS)
def test_different_bits_give_different_ids(time_ns: int, one: int, other: int) -> None:
    assert (uuid7(time_ns, one) == uuid7(time_ns, other)) == (one == other)


def test_only_the_low_74_bits_count() -> None:
    assert uuid7(0, (1 << 74) | 5) == uuid7(0, 5)


@pytest.mark.parametrize(
    ("time_ns", "milliseconds"),
    [
        pytest.param(-1, 0, id="a time before 1970 becomes 1970"),
        pytest.param(1 << 80, (1 << 48) - 1, id="a time after the year 10889 becomes the last that fits"),
    ],
)
def test_a_time_that_does_not_fit_is_bounded(time_ns: int, milliseconds: int) -> None:
    assert uuid.UUID(uuid7(time_ns, 0)).int >> 80 == milliseconds


def test_the_day_starts_at_midnight_utc() -> None:
    assert start_of_day(DAY_NS * 3 + 5) == DAY_NS * 3
    assert start_of_day(DAY_NS * 3) == DAY_NS * 3


def test_the_layout_is_a_contract() -> None:
    assert (
        uuid7(1_790_000_000_123_000_000, 0x2AB_CDEF_0123_4567_89AB) == "01a0c450-6c7b-7aaf-8def-0123456789ab"
    )
