"""The context a log record was emitted in, rebuilt from the ids it was written down with."""

from __future__ import annotations

from opentelemetry.context import Context
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, set_span_in_context


def context_of(trace_id: int, span_id: int, trace_flags: int) -> Context:
    """A context with that span as the current one; ids of 0 mean that there was none."""
    empty = Context()
    if not (trace_id and span_id):
        return empty
    span = SpanContext(trace_id, span_id, False, TraceFlags(trace_flags & 0xFF))
    return set_span_in_context(NonRecordingSpan(span), empty)
