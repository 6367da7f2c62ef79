"""Real SDK providers that keep what they export: what another exporter, or ours, would see of a signal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from opentelemetry.sdk._logs import LoggerProvider, LogRecordProcessor
from opentelemetry.sdk._logs.export import SimpleLogRecordProcessor
from opentelemetry.sdk.trace import ReadableSpan, SpanLimits, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

try:
    from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter
except ImportError:  # its name before SDK 1.40
    from opentelemetry.sdk._logs.export import (  # type: ignore[attr-defined,no-redef]
        InMemoryLogExporter as InMemoryLogRecordExporter,
    )


class Signals:
    """One tracer and one logger, and the attributes of everything they made."""

    def __init__(
        self,
        *processors: SpanProcessor | LogRecordProcessor,
        limits: SpanLimits | None = None,
    ) -> None:
        self._spans = InMemorySpanExporter()
        self._records = InMemoryLogRecordExporter()
        self.tracer_provider = TracerProvider(shutdown_on_exit=False, span_limits=limits)
        self.logger_provider = LoggerProvider(shutdown_on_exit=False)
        for processor in processors:
            if isinstance(processor, SpanProcessor):
                self.tracer_provider.add_span_processor(processor)
            if isinstance(processor, LogRecordProcessor):
                self.logger_provider.add_log_record_processor(processor)
        self.tracer_provider.add_span_processor(SimpleSpanProcessor(self._spans))
        self.logger_provider.add_log_record_processor(SimpleLogRecordProcessor(self._records))
        self.tracer = self.tracer_provider.get_tracer("app")
        self.logger = self.logger_provider.get_logger("app")

    def finished_spans(self) -> Sequence[ReadableSpan]:
        return self._spans.get_finished_spans()

    def finished(self, name: str) -> ReadableSpan:
        [span] = [span for span in self.finished_spans() if span.name == name]
        return span

    def span(self, name: str) -> Mapping[str, Any]:
        """Attributes of the only finished span of this name."""
        return dict(self.finished(name).attributes or {})

    def record(self, event_name: str) -> Mapping[str, Any]:
        """Attributes of the only log record of this event name."""
        records = [each.log_record for each in self._records.get_finished_logs()]
        [record] = [record for record in records if record.event_name == event_name]
        return dict(record.attributes or {})
