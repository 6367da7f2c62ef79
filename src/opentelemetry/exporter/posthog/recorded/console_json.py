"""What the SDK's console exporters print, to the SDK's values.

That print is for people: it leaves out the instrumentation scope of a span and whether a parent was remote
(then a server's or consumer's parent is taken to be).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any

from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.sdk._logs import ReadableLogRecord
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode, TraceFlags

from .span_context import context_of

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_MICROSECONDS_PER_SECOND = 1_000_000


def span_of(printed: Mapping[str, Any]) -> ReadableSpan:
    """One span as ``ConsoleSpanExporter`` prints it."""
    context: Mapping[str, Any] = printed["context"]
    trace_id = int(str(context["trace_id"]), 16)
    kind = SpanKind[str(printed.get("kind", "INTERNAL")).rpartition(".")[2]]
    parent_id = printed.get("parent_id")
    remote = kind in (SpanKind.SERVER, SpanKind.CONSUMER)
    sampled = TraceFlags(TraceFlags.SAMPLED)
    status: Mapping[str, Any] = printed.get("status") or {}
    return ReadableSpan(
        name=str(printed.get("name", "")),
        context=SpanContext(trace_id, int(str(context["span_id"]), 16), False, sampled),
        parent=SpanContext(trace_id, int(str(parent_id), 16), remote, sampled) if parent_id else None,
        resource=_resource(printed),
        attributes=printed.get("attributes") or {},
        kind=kind,
        status=Status(StatusCode[str(status.get("status_code", "UNSET"))]),
        start_time=_nanoseconds(printed.get("start_time")) or 0,
        end_time=_nanoseconds(printed.get("end_time")) or 0,
        instrumentation_scope=InstrumentationScope(""),
    )


def log_of(printed: Mapping[str, Any]) -> ReadableLogRecord:
    """One record as ``ConsoleLogRecordExporter`` prints it."""
    number = printed.get("severity_number")
    return ReadableLogRecord(
        LogRecord(
            timestamp=_nanoseconds(printed.get("timestamp")),
            observed_timestamp=_nanoseconds(printed.get("observed_timestamp")),
            context=context_of(
                int(str(printed.get("trace_id") or "0"), 16),
                int(str(printed.get("span_id") or "0"), 16),
                int(printed.get("trace_flags") or 0),
            ),
            severity_text=printed.get("severity_text"),
            severity_number=SeverityNumber(number) if number else None,
            body=printed.get("body"),
            attributes=printed.get("attributes") or {},
            event_name=printed.get("event_name") or None,
        ),
        _resource(printed),
        InstrumentationScope(""),
    )


def _resource(printed: Mapping[str, Any]) -> Resource:
    resource: Mapping[str, Any] = printed.get("resource") or {}
    return Resource(resource.get("attributes") or {})


def _nanoseconds(text: object) -> int | None:
    """ISO 8601 in UTC as the console writes it; through integers, since a float can't hold nanoseconds."""
    if not text:
        return None
    passed = datetime.fromisoformat(str(text).replace("Z", "+00:00")) - _EPOCH
    seconds = passed.days * 86_400 + passed.seconds
    return (seconds * _MICROSECONDS_PER_SECOND + passed.microseconds) * 1_000
