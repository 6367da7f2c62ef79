"""A signal described for people: its name, where it came from, and why it became what it became."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..model import SignalDescription

if TYPE_CHECKING:
    from opentelemetry.sdk._logs import ReadableLogRecord
    from opentelemetry.sdk.trace import ReadableSpan

    from ..translate.translator import Translator

MAX_NAME = 200  # characters; the event that a longer name makes is cut too


def span_describer(translator: Translator) -> Callable[[ReadableSpan], SignalDescription]:
    """The steps of a description are the translator's own explanation; attribute values stay out."""

    def describe(span: ReadableSpan) -> SignalDescription:
        kind = span.kind.name.lower()
        return _description(span, span.name, kind, span.context, span.start_time, translator)

    return describe


def log_describer(translator: Translator) -> Callable[[ReadableLogRecord], SignalDescription]:
    """As for spans; the kind of a log record is its severity."""

    def describe(record: ReadableLogRecord) -> SignalDescription:
        log = record.log_record
        name = log.event_name or "(log line)"
        severity = log.severity_text or getattr(log.severity_number, "name", "")
        time_ns = log.timestamp or log.observed_timestamp
        return _description(record, name, str(severity).lower(), log, time_ns, translator)

    return describe


def _description(
    signal: Any, name: str, kind: str, ids: Any, time_ns: int | None, translator: Translator
) -> SignalDescription:
    scope, resource = signal.instrumentation_scope, signal.resource
    return SignalDescription(
        name=name[:MAX_NAME],
        kind=kind,
        scope=scope.name if scope is not None else "",
        trace_id=f"{ids.trace_id:032x}" if ids is not None and ids.trace_id else "",
        span_id=f"{ids.span_id:016x}" if ids is not None and ids.span_id else "",
        time_ns=time_ns or 0,
        service=str(resource.attributes.get("service.name", "")) if resource is not None else "",
        steps=tuple(
            (step.name, step.decision, step.reason.value if step.reason is not None else "")
            for step in translator.explain(signal)
        ),
    )
