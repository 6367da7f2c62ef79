from __future__ import annotations

import uuid

from hypothesis import given
from hypothesis import strategies as st

from opentelemetry.exporter.posthog.identifiers import span_uuid

AT = 1_790_000_000_123_000_000
TRACE = 0x1A5500C60B67A6988247484AAFE75BA5
SPAN = 0xDFC6411295FE7C89

TRACES = st.integers(1, (1 << 128) - 1)
SPANS = st.integers(1, (1 << 64) - 1)
EVENTS = st.sampled_from(["invoice paid", "GET /orders", "log"])


def uuid_of(trace_id: int = TRACE, span_id: int = SPAN, event: str = "invoice paid", at: int = AT) -> str:
    return span_uuid(event, trace_id, span_id, f"{span_id:016x}", at)


@given(TRACES, SPANS, EVENTS)
def test_the_event_of_a_span_has_a_uuid_that_ends_as_the_spans_id_does(
    trace_id: int, span_id: int, event: str
) -> None:
    found = uuid.UUID(uuid_of(trace_id, span_id, event))
    assert (found.version, found.variant, str(found)) == (7, uuid.RFC_4122, uuid_of(trace_id, span_id, event))
    assert found.hex[-12:] == f"{span_id:016x}"[-12:]


@given(TRACES, SPANS, SPANS, EVENTS)
def test_two_spans_of_one_trace_and_one_instant_never_share_a_uuid(
    trace_id: int, one: int, other: int, event: str
) -> None:
    assert (uuid_of(trace_id, one, event) == uuid_of(trace_id, other, event)) == (one == other)


@given(TRACES, st.integers(1, (1 << 26) - 1), SPANS)
def test_a_generator_that_counts_spans_anew_in_each_trace_gives_uuids_of_their_own(
    trace_id: int, difference: int, span_id: int
) -> None:
    assert uuid_of(trace_id, span_id) != uuid_of(trace_id ^ difference, span_id)


def test_another_event_of_one_span_has_another_uuid() -> None:
    assert uuid_of(event="invoice paid") != uuid_of(event="invoice sent")


def test_the_layout_is_a_contract() -> None:
    assert uuid_of() == "01a0c450-6c7b-76dd-819d-411295fe7c89"
