"""What a finished span says beside its attributes: times, ids, kind, status and an exception's type."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from opentelemetry.trace import SpanKind, StatusCode

from .properties import clean_text
from .signals import copied, instant, place

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from opentelemetry.sdk.trace import Event, ReadableSpan

    from .signals import EventsOf, Subject

KINDS: Final = {id(kind): kind.name.lower() for kind in SpanKind}
STATUSES: Final = {id(StatusCode.OK): "OK", id(StatusCode.ERROR): "ERROR"}
"""By identity: hashing an enum's member runs Python code."""


def has_local_parent(span: ReadableSpan) -> bool:
    """False for a span that starts the work of this process: no parent, or one in another process."""
    parent = span.parent
    return parent is not None and not parent.is_remote


def read(subjects: Iterable[Subject], now_ns: int, events_of: EventsOf) -> None:
    """The rest of the spans. Their event time is their start: their attributes were true then."""
    for subject in subjects:
        span: ReadableSpan = subject.signal
        started, ended = span.start_time, span.end_time
        if type(started) is not int or type(ended) is not int or started < 0 or ended < 0:
            started, ended = instant(started), instant(ended)
        subject.time_ns = started or ended or now_ns
        subject.seen_ns = ended if 0 < ended < now_ns else now_ns
        properties = subject.properties
        place(subject, span.context)
        properties["span.kind"] = KINDS.get(id(subject.kind), "internal")
        if started and ended:
            # Whole microseconds, as in timestamps: what lies below is noise that nothing compresses.
            properties["span.duration_ms"] = (ended - started) // 1_000 / 1_000 if ended > started else 0.0
        status = STATUSES.get(id(span.status.status_code))
        if status is not None:
            properties["otel.status_code"] = status
        subject.span_events = events = events_of(span)
        if events:
            exception = exception_type(events)
            if exception is not None:
                properties["exception.type"] = exception


def exception_type(events: Sequence[Event]) -> str | None:
    """The type of the last exception recorded on a span; its message and its stack stay here."""
    for event in reversed(events):
        if event.name == "exception":
            name = copied(event.attributes).get("exception.type")
            return clean_text(name) if isinstance(name, str) and name else None
    return None
