"""Log records with an event name in, grouped PostHog events and group updates out."""

from __future__ import annotations

import typing

from opentelemetry.sdk._logs.export import LogRecordExporter, LogRecordExportResult

from .intake import intake_for_logs
from .running_loop import warn_on_running_loop

if typing.TYPE_CHECKING:
    from collections.abc import Sequence

    from opentelemetry.sdk._logs import ReadableLogRecord
    from typing_extensions import Unpack

    from ..diagnostics import Stats
    from .options import ExporterOptions


class PostHogLogExporter(LogRecordExporter):
    """Turns log events into PostHog events with groups, and into ``$groupidentify`` when groups change.

    An event is a log record that has an event name; plain log lines are not captured unless asked for.
    Options, failures and threads: as :class:`~opentelemetry.exporter.posthog.PostHogSpanExporter`, with
    which it shares one pipeline when both belong to the same project.
    """

    def __init__(self, **options: Unpack[ExporterOptions]) -> None:
        self._intake = intake_for_logs(options)

    def export(self, batch: Sequence[ReadableLogRecord]) -> LogRecordExportResult:
        """SUCCESS when everything made of ``batch`` was acknowledged or is durably stored. Never raises."""
        warn_on_running_loop()
        return LogRecordExportResult.SUCCESS if self._intake.export(batch) else LogRecordExportResult.FAILURE

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Send what may be sent now; True when nothing is left that a kill of this process would lose."""
        return self._intake.force_flush(timeout_millis / 1_000)

    def shutdown(self, timeout_millis: float = 30_000) -> None:
        """Flush and let go within ``timeout_millis``; the pipeline closes with the last of its exporters."""
        self._intake.shutdown(timeout_millis / 1_000)

    def stats(self) -> Stats:
        """What became of everything so far: received = not selected + made, and made to the last capture."""
        return self._intake.stats()
