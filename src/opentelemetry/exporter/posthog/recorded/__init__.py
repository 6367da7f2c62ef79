"""Telemetry that was written down, read back as the SDK's own spans and log records.

``explain`` and ``replay`` take what people have at hand: OTLP/JSON as the collector's file exporter writes it
(one export request a line), and what the SDK's console exporters print. Both become ``ReadableSpan`` and
``ReadableLogRecord``, so the very translation of the exporter answers for them.
"""

from __future__ import annotations

from .documents import CUT_OFF, Document, documents
from .reading import Recorded, Signal, Unreadable, read_recorded, signals_of

__all__ = [
    "CUT_OFF",
    "Document",
    "Recorded",
    "Signal",
    "Unreadable",
    "documents",
    "read_recorded",
    "signals_of",
]
