"""What a log record says beside its attributes: its event name, times, ids, severity, body."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

from ..attributes import EVENT_NAME_KEYS
from .privacy import OMITTED
from .properties import Converter, clean_text
from .signals import instant, place

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .signals import Subject


def event_name_of(record: Any, attributes: dict[str, object]) -> str:
    """The record's event name, "" for a plain log line. Older handlers leave it among the attributes."""
    name = getattr(record, "event_name", None)
    if isinstance(name, str) and name.strip():
        return name
    for key in EVENT_NAME_KEYS:
        name = attributes.get(key)
        if isinstance(name, str) and name.strip():
            return name
    return ""


def read(subjects: Iterable[Subject], now_ns: int, body: Converter | None) -> None:
    """The rest of the records; ``body`` converts their bodies, None leaves them out."""
    for subject in subjects:
        record = subject.signal.log_record
        told, observed = record.timestamp, record.observed_timestamp
        if type(told) is not int or type(observed) is not int or told < 0 or observed < 0:
            told, observed = instant(told), instant(observed)
        subject.time_ns = told or observed or now_ns
        subject.seen_ns = observed if 0 < observed < now_ns else now_ns
        subject.span_events = ()
        properties = subject.properties
        place(subject, record)
        severity = severity_of(record)
        if severity:
            properties["log.severity"] = severity
        if body is not None and record.body is not None and isinstance(subject.verdict, str):
            converted = body.value(record.body)  # neither copied nor checked by the SDK: any object at all
            if converted is not OMITTED:
                properties["log.body"] = converted


@lru_cache(maxsize=64)  # a logging library has half a dozen
def _cleaned(text: str) -> str:
    return clean_text(text)[:32]


def severity_of(record: Any) -> str:
    """``INFO``, as the record says it, else by its number's name."""
    text = record.severity_text
    if isinstance(text, str) and text:
        return _cleaned(text)
    number = record.severity_number
    name = getattr(number, "name", number)
    if isinstance(name, str):
        return "" if name == "UNSPECIFIED" else name
    return "" if name is None or not isinstance(name, int) else f"{name}"[:32]
