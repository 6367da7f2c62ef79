"""JSON documents to spans and log records. One record that can't be read costs itself, and is told."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import IO, Any, NamedTuple, TypeAlias

from opentelemetry.sdk._logs import ReadableLogRecord
from opentelemetry.sdk.trace import ReadableSpan

from . import console_json, otlp_json
from .documents import NO_JSON, Document, documents

Signal: TypeAlias = ReadableSpan | ReadableLogRecord


class Recorded(NamedTuple):
    """One signal and where it was found: the line its document begins on, and its place within it."""

    signal: Signal
    line: int
    place: int


class Unreadable(NamedTuple):
    """Something that is no telemetry, or that breaks its form: where it begins, and why."""

    line: int
    why: str

    @property
    def is_chatter(self) -> bool:
        """Whether it is but a line of text, as an application prints between its records."""
        return self.why == NO_JSON


_MISFITS = (KeyError, TypeError, ValueError, AttributeError, OverflowError)
"""What a field of a wrong type or form leads to."""


def read_recorded(stream: IO[bytes]) -> Iterator[Recorded | Unreadable]:
    """Every span and log record of ``stream``, in its order, and everything that is none."""
    for document in documents(stream):
        yield from signals_of(document)


def signals_of(document: Document) -> Iterator[Recorded | Unreadable]:
    """The signals of one document."""
    if document.why:
        yield Unreadable(document.line, document.why)
        return
    place = 0
    try:
        for make in _makers(document.value):
            try:
                signal = make()
            except _MISFITS as error:
                yield Unreadable(document.line, f"a field does not fit ({type(error).__name__})")
            else:
                yield Recorded(signal, document.line, place)
            place += 1
    except _MISFITS as error:
        yield Unreadable(document.line, f"a field does not fit ({type(error).__name__})")
    except RecursionError:
        yield Unreadable(document.line, "is nested too deeply")


def _makers(item: Any) -> Iterator[Callable[[], Signal]]:
    if isinstance(item, list):
        for inner in item:  # pyright: ignore[reportUnknownVariableType]
            yield from _makers(inner)
    elif "resourceSpans" in item or "resourceLogs" in item:
        yield from otlp_json.spans_of(item)
        yield from otlp_json.logs_of(item)
    elif "context" in item:
        yield lambda: console_json.span_of(item)
    elif "observed_timestamp" in item or "severity_number" in item:
        yield lambda: console_json.log_of(item)
    else:
        yield _neither


def _neither() -> Signal:
    raise ValueError("neither spans nor log records")
