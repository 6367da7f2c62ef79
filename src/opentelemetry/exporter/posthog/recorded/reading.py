"""A stream of JSON documents to spans and log records, one document in memory at a time."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import IO, Any, NamedTuple

from opentelemetry.sdk._logs import ReadableLogRecord
from opentelemetry.sdk.trace import ReadableSpan

from ..errors import PostHogExporterError
from . import console_json, otlp_json

LONGEST_DOCUMENT = 64 * 1024 * 1024
"""Characters of one JSON document; a collector's batch is far smaller, and memory has to stay bounded."""


class UnreadableRecordError(PostHogExporterError):
    """A document that is neither OTLP/JSON nor what a console exporter prints, and where it begins."""

    def __init__(self, line: int, why: str) -> None:
        super().__init__(line, why)
        self.line = line
        self.why = why

    def __str__(self) -> str:
        return (
            f"line {self.line}: {self.why}. Give OTLP/JSON as the collector's file exporter writes it, "
            "or the output of the SDK's console exporters."
        )


class Recorded(NamedTuple):
    """One signal and where it was found: the line its document begins on, and its place within it."""

    signal: ReadableSpan | ReadableLogRecord
    line: int
    place: int


def read_recorded(stream: IO[str]) -> Iterator[Recorded]:
    """Every span and log record of ``stream``, in its order. Raises :class:`UnreadableRecordError`."""
    for line, document in _documents(stream):
        try:
            signals = list(_signals(document))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise UnreadableRecordError(line, f"a field does not fit ({type(error).__name__})") from error
        for place, signal in enumerate(signals):
            yield Recorded(signal, line, place)


def _signals(item: Any) -> Iterator[ReadableSpan | ReadableLogRecord]:
    if isinstance(item, list):
        for inner in item:  # pyright: ignore[reportUnknownVariableType]
            yield from _signals(inner)
    elif "resourceSpans" in item or "resourceLogs" in item:
        yield from otlp_json.spans_of(item)
        yield from otlp_json.logs_of(item)
    elif "context" in item:
        yield console_json.span_of(item)
    elif "observed_timestamp" in item or "severity_number" in item:
        yield console_json.log_of(item)
    else:
        raise ValueError("neither spans nor log records")


def _documents(stream: IO[str]) -> Iterator[tuple[int, Any]]:
    """JSON documents one after another: a line each, or spread over lines as the console prints them."""
    pending: list[str] = []
    size = begin = 0
    for number, text in enumerate(stream, 1):
        if not pending:
            if not text.strip():
                continue
            begin = number
        pending.append(text)
        size += len(text)
        if size > LONGEST_DOCUMENT:
            raise UnreadableRecordError(begin, f"a document of more than {LONGEST_DOCUMENT} characters")
        # Only a line that closes something can end a document; trying others would be quadratic.
        if text.rstrip().endswith(("}", "]")) and (not text[0].isspace()):
            try:
                document = json.loads("".join(pending))
            except json.JSONDecodeError:
                continue
            yield begin, document
            pending, size = [], 0
    if pending:
        raise UnreadableRecordError(begin, "the document is not complete JSON")
