"""OTLP/JSON to the SDK's values.

The encoding is protobuf's JSON mapping with two exceptions of OTLP: ids are hexadecimal text, and enums are
numbers. 64-bit integers are text. https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.sdk._logs import ReadableLogRecord
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode, TraceFlags, TraceState

from .span_context import context_of

_KINDS = {
    0: SpanKind.INTERNAL,  # unspecified
    1: SpanKind.INTERNAL,
    2: SpanKind.SERVER,
    3: SpanKind.CLIENT,
    4: SpanKind.PRODUCER,
    5: SpanKind.CONSUMER,
}

_REMOTE_KNOWN, _REMOTE = 0x100, 0x200  # SpanFlags of OTLP: whether the parent's place is known, and remote


def spans_of(request: Mapping[str, Any]) -> Iterator[Callable[[], ReadableSpan]]:
    """All spans of one ``ExportTraceServiceRequest``, each as a function that reads it or raises."""
    for resource_spans in _list(request, "resourceSpans"):
        resource = _resource(resource_spans)
        for scope_spans in _list(resource_spans, "scopeSpans"):
            scope = _scope(scope_spans)
            for span in _list(scope_spans, "spans"):
                yield partial(_span, span, resource, scope)


def logs_of(request: Mapping[str, Any]) -> Iterator[Callable[[], ReadableLogRecord]]:
    """All records of one ``ExportLogsServiceRequest``, each as a function that reads it or raises."""
    for resource_logs in _list(request, "resourceLogs"):
        resource = _resource(resource_logs)
        for scope_logs in _list(resource_logs, "scopeLogs"):
            scope = _scope(scope_logs)
            for record in _list(scope_logs, "logRecords"):
                yield partial(_log, record, resource, scope)


def _span(span: Mapping[str, Any], resource: Resource, scope: InstrumentationScope) -> ReadableSpan:
    trace_id, flags = _id(span.get("traceId")), int(span.get("flags", 1))
    parent_id = _id(span.get("parentSpanId"))
    # Where a writer does not say whether the parent was remote, a server's or consumer's parent was.
    kind = _KINDS.get(int(span.get("kind", 0)), SpanKind.INTERNAL)
    guess = kind in (SpanKind.SERVER, SpanKind.CONSUMER)
    remote = bool(flags & _REMOTE) if flags & _REMOTE_KNOWN else guess
    trace_flags, state = TraceFlags(flags & 0xFF), TraceState.from_header([str(span.get("traceState", ""))])
    status: Mapping[str, Any] = span.get("status") or {}
    code = {1: StatusCode.OK, 2: StatusCode.ERROR}.get(int(status.get("code", 0)), StatusCode.UNSET)
    return ReadableSpan(
        name=str(span.get("name", "")),
        context=SpanContext(trace_id, _id(span.get("spanId")), False, trace_flags, state),
        parent=SpanContext(trace_id, parent_id, remote, trace_flags) if parent_id else None,
        resource=resource,
        attributes=attributes_of(_list(span, "attributes")),
        events=tuple(
            Event(
                str(event.get("name", "")),
                attributes_of(_list(event, "attributes")),
                timestamp=int(event.get("timeUnixNano", 0)),
            )
            for event in _list(span, "events")
        ),
        kind=kind,
        status=Status(code, str(status.get("message", "")) or None if code is StatusCode.ERROR else None),
        start_time=int(span.get("startTimeUnixNano", 0)),
        end_time=int(span.get("endTimeUnixNano", 0)),
        instrumentation_scope=scope,
    )


def _log(record: Mapping[str, Any], resource: Resource, scope: InstrumentationScope) -> ReadableLogRecord:
    number = int(record.get("severityNumber", 0))
    body = record.get("body")
    return ReadableLogRecord(
        LogRecord(
            timestamp=int(record.get("timeUnixNano", 0)) or None,
            observed_timestamp=int(record.get("observedTimeUnixNano", 0))
            or int(record.get("timeUnixNano", 0)),
            context=context_of(
                _id(record.get("traceId")), _id(record.get("spanId")), int(record.get("flags", 0))
            ),
            severity_text=record.get("severityText") or None,
            severity_number=SeverityNumber(number) if 0 < number <= 24 else None,
            body=value_of(body) if body else None,
            attributes=attributes_of(_list(record, "attributes")),
            event_name=record.get("eventName") or None,
        ),
        resource,
        scope,
    )


def attributes_of(pairs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """A list of ``KeyValue`` as a dict."""
    return {str(pair["key"]): value_of(pair.get("value") or {}) for pair in pairs}


def value_of(value: Mapping[str, Any]) -> Any:
    """One ``AnyValue``; an empty one is None."""
    for kind, inner in value.items():
        if kind == "intValue":
            return int(inner)
        if kind == "doubleValue":
            return float(inner)
        if kind == "bytesValue":
            return base64.b64decode(inner)
        if kind == "arrayValue":
            return tuple(value_of(item) for item in _list(inner, "values"))
        if kind == "kvlistValue":
            return attributes_of(_list(inner, "values"))
        return inner  # stringValue, boolValue
    return None


def _resource(holder: Mapping[str, Any]) -> Resource:
    return Resource(attributes_of(_list(holder.get("resource") or {}, "attributes")))


def _scope(holder: Mapping[str, Any]) -> InstrumentationScope:
    scope: Mapping[str, Any] = holder.get("scope") or {}
    return InstrumentationScope(str(scope.get("name", "")), str(scope.get("version", "")) or None)


def _id(text: object) -> int:
    return int(str(text), 16) if text else 0


def _list(holder: Mapping[str, Any], name: str) -> Sequence[Mapping[str, Any]]:
    found: Sequence[Mapping[str, Any]] = holder.get(name) or ()
    return found
