"""Real signals for tests, made by the SDK's own providers, with sensible defaults."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from opentelemetry.sdk._logs import LoggerProvider, ReadableLogRecord
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanLimits, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import (
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    TraceFlags,
    set_span_in_context,
)

from opentelemetry.exporter.posthog.settings.model import Settings
from opentelemetry.exporter.posthog.translate.translator import Translation, Translator
from tests.manual_clock import EPOCH_NS

SECOND_NS = 1_000_000_000

SERVICE = Resource({"service.name": "shop", "service.version": "1.2", "host.name": "box-7"})

ORGANIZATION: Mapping[str, Any] = {"organization.id": "org_42"}

REMOTE = SpanContext(0xA1, 0xB2, is_remote=True, trace_flags=TraceFlags(1))
LOCAL = SpanContext(0xA1, 0xC3, is_remote=False, trace_flags=TraceFlags(1))


def a_span(
    name: str = "POST /orders",
    attributes: Mapping[str, Any] | None = ORGANIZATION,
    *,
    kind: SpanKind = SpanKind.SERVER,
    parent: SpanContext | None = None,
    scope: str = "shop",
    resource: Resource = SERVICE,
    start_ns: int = EPOCH_NS - 2 * SECOND_NS,
    end_ns: int = EPOCH_NS - SECOND_NS,
    limits: SpanLimits | None = None,
    during: Callable[[Span], object] | None = None,
) -> ReadableSpan:
    """One finished span. ``during`` acts on it while it is open."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider(resource=resource, span_limits=limits, shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    context = set_span_in_context(NonRecordingSpan(parent)) if parent is not None else None
    span = provider.get_tracer(scope).start_span(
        name, context, kind, attributes=dict(attributes or {}), start_time=start_ns
    )
    if during is not None:
        assert isinstance(span, Span)
        during(span)
    span.end(end_ns)
    return exporter.get_finished_spans()[0]


def a_log(
    event_name: str | None = "order.paid",
    attributes: Mapping[str, Any] | None = ORGANIZATION,
    *,
    body: Any = None,
    scope: str = "shop",
    resource: Resource = SERVICE,
    timestamp: int | None = EPOCH_NS - 2 * SECOND_NS,
    observed_ns: int = EPOCH_NS - SECOND_NS,
    **more: Any,
) -> ReadableLogRecord:
    """One log record as an exporter gets it; without an event name a plain log line."""
    exporter = InMemoryLogRecordExporter()
    provider = LoggerProvider(resource=resource, shutdown_on_exit=False)
    provider.add_log_record_processor(SimpleLogRecordProcessor(exporter))
    provider.get_logger(scope).emit(
        timestamp=timestamp,
        observed_timestamp=observed_ns,
        event_name=event_name,
        body=body,
        attributes=None if attributes is None else dict(attributes),
        **more,
    )
    return exporter.get_finished_logs()[0]


def some_settings(**options: Any) -> Settings:
    return Settings(api_key="phc_test", host="https://us.i.posthog.com", **options)


class Bits:
    """Random bits that a test can foresee: 1, 2, 3..."""

    def __init__(self) -> None:
        self._next = 0

    def __call__(self, count: int) -> int:
        self._next += 1
        return self._next % (1 << count)


def translated(
    signal: ReadableSpan | ReadableLogRecord, *, now_ns: int = EPOCH_NS, stamps: Any = None, **options: Any
) -> Translation:
    """What a fresh translator makes of one signal under these options."""
    translator = Translator(some_settings(**options), stamps=stamps)
    if isinstance(signal, ReadableSpan):
        return translator.span(signal, now_ns=now_ns)
    return translator.log(signal, now_ns=now_ns, random_bits=Bits())
