from __future__ import annotations

import json
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opentelemetry.exporter.posthog.wire.batching import HEAD_BYTES, pack, too_large


@given(
    sizes=st.lists(st.integers(1, 400), max_size=40),
    max_events=st.integers(1, 9),
    max_bytes=st.integers(HEAD_BYTES + 1, HEAD_BYTES + 900),
)
def test_every_event_travels_once_in_order_and_within_the_limits(
    sizes: list[int], max_events: int, max_bytes: int
) -> None:
    batches = pack(sizes, max_events=max_events, max_bytes=max_bytes)
    assert [position for batch in batches for position in batch] == list(range(len(sizes)))
    for batch in batches:
        assert 1 <= len(batch) <= max_events
        weight = HEAD_BYTES + sum(sizes[position] + 1 for position in batch)
        assert weight <= max_bytes or len(batch) == 1


@given(
    sizes=st.lists(st.integers(1, 400), max_size=40),
    max_events=st.integers(1, 9),
    max_bytes=st.integers(1100, 2000),
)
def test_no_two_neighbouring_requests_could_have_been_one(
    sizes: list[int], max_events: int, max_bytes: int
) -> None:
    batches = pack(sizes, max_events=max_events, max_bytes=max_bytes)
    for batch, following in pairwise(batches):
        together = HEAD_BYTES + sum(sizes[position] + 1 for position in batch) + sizes[following.start] + 1
        assert len(batch) == max_events or together > max_bytes


def event_of(text: str) -> bytes:
    return json.dumps({"p": text}, ensure_ascii=False).encode()


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        pytest.param(event_of("a"), False, id="an ordinary event"),
        pytest.param(event_of("a" * 921_000), False, id="plain text just below 900 KiB"),
        pytest.param(event_of("a" * 921_700), True, id="plain text above 900 KiB"),
        pytest.param(event_of('"' * 240_000), False, id="480 kB that are 960 kB once escaped again"),
        pytest.param(
            event_of('"' * 300_000), True, id="600 kB that would be 1.2 MB: the plain size says nothing"
        ),
        pytest.param(event_of("\\" * 255_000), True, id="backslashes that double beyond PostHog's queue"),
    ],
)
def test_the_limit_of_one_event(event: bytes, expected: bool) -> None:
    measured_as_posthog_does = len(json.dumps(event.decode(), ensure_ascii=False).encode())
    if expected is False:
        assert measured_as_posthog_does < 1_000_000
    assert too_large([event_of("a"), event]) == ([1] if expected else [])


@given(quotes=st.integers(200_000, 499_000), letters=st.integers(0, 400_000))
def test_what_passes_fits_into_posthogs_queue(quotes: int, letters: int) -> None:
    event = event_of('"' * quotes + "a" * letters)
    if not too_large([event]):
        assert len(json.dumps(event.decode(), ensure_ascii=False).encode()) <= 980_100
