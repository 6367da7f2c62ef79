"""Exporters whose requests go to a transport of the caller's: the whole way of a signal, without a network.

For tests of applications. Everything is the real thing (settings, translation, ledger, wire, courier), but
one pipeline of its own, no thread, and a clock that the caller moves.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from opentelemetry.sdk._logs.export import LogRecordExporter, LogRecordExportResult
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from ..assembly import assemble
from ..diagnostics import Diagnostics, Stats
from ..errors import ConfigurationError
from ..runtime import SharedPipeline, track
from ..settings.surroundings import resolve_here
from ..source import Source
from ..wire.exchange import NoAnswer, Response
from .intake import Intake, log_source, span_source

if TYPE_CHECKING:
    from opentelemetry.sdk._logs import ReadableLogRecord
    from opentelemetry.sdk.trace import ReadableSpan

    from ..clock import Clock
    from ..delivery.transport import Transport
    from ..pipeline import Pipeline
    from ..settings.model import Settings
    from ..source import Translated

__all__ = ["NoAnswer", "Rehearsal", "Response", "rehearse"]

SignalT = TypeVar("SignalT")

Saw = Callable[[str, str, "Translated"], None]
"""``saw(kind, name, translation)``: what became of one signal."""


class Rehearsal(NamedTuple):
    """Both exporters, and the pipeline that they share."""

    spans: RehearsalSpanExporter
    logs: RehearsalLogExporter
    pipeline: SharedPipeline
    settings: Settings

    def stats(self) -> Stats:
        """What became of everything so far."""
        return self.pipeline.stats()

    def shutdown(self) -> None:
        """Let both exporters go, and their pipeline with them."""
        self.spans.shutdown()
        self.logs.shutdown()


def rehearse(
    options: Mapping[str, object],
    env: Mapping[str, str],
    *,
    transport: Transport,
    clock: Clock,
    saw: Saw,
    exported: Callable[[], None],
) -> Rehearsal:
    """Exporters under ``options`` and ``env``. ``exported()`` is called after every export.

    Raises :class:`~opentelemetry.exporter.posthog.errors.ConfigurationError`: unlike an application, a test
    wants to fail when its settings are wrong.
    """
    resolution = resolve_here(options, env)
    if resolution.settings is None or resolution.problems:
        raise ConfigurationError(resolution.problems)
    settings = resolution.settings

    def assembled(settings: Settings, diagnostics: Diagnostics) -> Pipeline:
        return assemble(settings, diagnostics, transport=transport, clock=clock, background=False)

    diagnostics = Diagnostics(clock=clock)
    shared = SharedPipeline(settings, diagnostics, assembled)
    track(shared)
    spans = _watched(span_source(settings), lambda span: span.name, saw)
    logs = _watched(log_source(settings), _name_of, saw)
    for _ in range(2):
        shared.hold()
    return Rehearsal(
        RehearsalSpanExporter(Intake(shared, spans.signal, lambda _: spans, counts=diagnostics), exported),
        RehearsalLogExporter(Intake(shared, logs.signal, lambda _: logs, counts=diagnostics), exported),
        shared,
        settings,
    )


def _watched(source: Source[SignalT], name: Callable[[SignalT], str], saw: Saw) -> Source[SignalT]:
    def translate(signal: SignalT) -> Translated:
        translation = source.translate(signal)
        saw(source.signal, name(signal), translation)
        return translation

    return Source(source.signal, translate)


def _name_of(record: ReadableLogRecord) -> str:
    attributes = record.log_record.attributes or {}
    name = record.log_record.event_name or attributes.get("otel.event.name") or attributes.get("event.name")
    return str(name or "(no event name)")


class RehearsalSpanExporter(SpanExporter):
    """As ``PostHogSpanExporter``, but at home on the thread of an event loop: nothing here blocks it."""

    def __init__(self, intake: Intake[ReadableSpan], exported: Callable[[], None]) -> None:
        self._intake = intake
        self._exported = exported

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        done = self._intake.export(spans)
        self._exported()
        return SpanExportResult.SUCCESS if done else SpanExportResult.FAILURE

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        return self._intake.force_flush(timeout_millis / 1_000)

    def shutdown(self) -> None:
        self._intake.shutdown(30.0)


class RehearsalLogExporter(LogRecordExporter):
    """As ``PostHogLogExporter``."""

    def __init__(self, intake: Intake[ReadableLogRecord], exported: Callable[[], None]) -> None:
        self._intake = intake
        self._exported = exported

    def export(self, batch: Sequence[ReadableLogRecord]) -> LogRecordExportResult:
        done = self._intake.export(batch)
        self._exported()
        return LogRecordExportResult.SUCCESS if done else LogRecordExportResult.FAILURE

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        return self._intake.force_flush(timeout_millis / 1_000)

    def shutdown(self) -> None:
        self._intake.shutdown(30.0)
