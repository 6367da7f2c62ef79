"""Finished spans in, grouped PostHog events and group updates out."""

from __future__ import annotations

import typing

from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from .intake import intake_for_spans
from .running_loop import warn_on_running_loop

if typing.TYPE_CHECKING:
    from collections.abc import Sequence

    from opentelemetry.sdk.trace import ReadableSpan
    from typing_extensions import Unpack

    from ..diagnostics import Stats
    from .options import ExporterOptions


class PostHogSpanExporter(SpanExporter):
    """Turns finished spans into PostHog events with groups, and into ``$groupidentify`` when groups change.

    Every option is keyword-only and optional; what is not given (or ``None`` or ``""``) comes from
    ``OTEL_EXPORTER_POSTHOG_*``, then from ``POSTHOG_API_KEY`` and ``POSTHOG_HOST``, then from the default.
    The constructor never raises for a configuration: one ERROR lists all problems, and without a usable
    key, host, group or privacy setting the exporter is inert.

    Delivery is synchronous inside :meth:`export`, bounded by ``timeout_millis``; the batch processor is the
    queue and the thread. All methods may be called from any number of threads.

    >>> from opentelemetry.sdk.trace import TracerProvider
    >>> from opentelemetry.sdk.trace.export import BatchSpanProcessor
    >>> provider = TracerProvider()
    >>> exporter = PostHogSpanExporter(api_key="phc_...", groups={"organization": "organization.id"})
    >>> provider.add_span_processor(BatchSpanProcessor(exporter))
    """

    def __init__(self, **options: Unpack[ExporterOptions]) -> None:
        self._intake = intake_for_spans(options)

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """SUCCESS when everything made of ``spans`` was acknowledged or is durably stored. Never raises."""
        warn_on_running_loop()
        return SpanExportResult.SUCCESS if self._intake.export(spans) else SpanExportResult.FAILURE

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Send what may be sent now; True when nothing is left that a kill of this process would lose."""
        return self._intake.force_flush(timeout_millis / 1_000)

    def shutdown(self, timeout_millis: float = 30_000) -> None:
        """Flush and let go within ``timeout_millis``; the pipeline closes with the last of its exporters."""
        self._intake.shutdown(timeout_millis / 1_000)

    def stats(self) -> Stats:
        """What became of everything so far: received = not selected + made, and made to the last capture."""
        return self._intake.stats()
