"""Telemetry that was written down, read back as the SDK's own spans and log records.

``explain`` and ``replay`` take what people have at hand: OTLP/JSON as the collector's file exporter writes it
(one export request a line), and what the SDK's console exporters print. Both become ``ReadableSpan`` and
``ReadableLogRecord``, so the very translation of the exporter answers for them.
"""

from __future__ import annotations

from .reading import Recorded, UnreadableRecordError, read_recorded

__all__ = ["Recorded", "UnreadableRecordError", "read_recorded"]
