"""What spans and log records have in common once they were read: the value that translation works on."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import Event, ReadableSpan
    from opentelemetry.trace import SpanContext, SpanKind

    from ..model import Capture, JsonValue, Observation
    from .constants import Origin, Scope
    from .groups import Found
    from .plain import Told
    from .plans import Plan
    from .selection import Verdict
    from .shapes import Shape
    from .translator import Translation

MakeUuid: TypeAlias = Callable[[str, "Subject"], str]
"""The uuid of a signal without an idempotency key: of its event name and itself."""

Look: TypeAlias = "tuple[SpanKind, SpanContext | None, object, Mapping[str, object]]"
"""Kind, parent, scope and attributes of a span."""

LooksOf: TypeAlias = Callable[["Sequence[ReadableSpan]"], "list[Look]"]

EventsOf: TypeAlias = Callable[["ReadableSpan"], "Sequence[Event]"]
"""The events of a span, of which the SDK itself makes a copy even where there is none."""


class Subject:
    """One signal on its way through the stages of translation, each of which fills in what it finds out.

    The only value here that changes: a value a stage would be built and taken apart more often than read.
    """

    __slots__ = (
        "answer", "attributes", "capture", "found", "kind", "observations", "observed", "origin",
        "plan", "properties", "said", "scope", "seen_ns", "shape", "signal", "span_events",
        "span_hex", "span_id", "time_ns", "told", "trace_id", "verdict",
    )  # fmt: skip

    # begun
    signal: Any
    kind: Any  # of a span
    scope: Scope
    attributes: dict[str, object]
    shape: Shape

    # decided
    found: Found
    verdict: Verdict
    observed: bool  # may what it says of its groups be believed?
    answer: Translation | None  # None until it is known what the signal comes to

    # planned
    origin: Origin
    plan: Plan
    said: list[str]  # notes
    told: Told | None  # the attributes that may move together have moved, and say this of groups
    properties: dict[str, JsonValue]  # of the event to be

    # read: nothing here belongs to the SDK any more
    time_ns: int  # event time
    seen_ns: int  # when this process knew, at most now
    trace_id: int  # 0 outside a trace
    span_id: int
    span_hex: str
    span_events: Sequence[Event]

    # translated
    capture: Capture | None
    observations: tuple[Observation, ...]


def looks_in_public(spans: Sequence[ReadableSpan]) -> list[Look]:
    """As any SDK gives them."""
    return [(span.kind, span.parent, span.instrumentation_scope, span.attributes or {}) for span in spans]


def copied(attributes: Any) -> dict[str, object]:
    """A dict of our own. The SDK's mapping answers each question in Python; its ``copy`` is one C call."""
    try:
        copy: Any = attributes.copy()
    except AttributeError:
        copy = attributes or {}
    if copy.__class__ is not dict:
        copy = dict(copy)
    own: dict[str, object] = copy
    return own


def instant(value: object) -> int:
    """Nanoseconds since the epoch, or 0 where an application passed none, or something else."""
    if isinstance(value, int):
        return value if value > 0 else 0
    return int(value) if isinstance(value, float) and 0 < value < 1e19 else 0


def place(subject: Subject, context: Any) -> None:
    """Where in a trace the signal lies, and under which scope.

    ``context``: whatever has the ids as numbers; None outside a trace.
    """
    properties = subject.properties
    subject.trace_id = 0
    if subject.scope.name:
        properties["otel.scope.name"] = subject.scope.name
    if context is not None and (trace_id := context.trace_id) and (span_id := context.span_id):
        try:
            trace_hex, span_hex = trace_id.to_bytes(16, "big").hex(), span_id.to_bytes(8, "big").hex()
        except (AttributeError, OverflowError):  # no number, or one below zero or too large
            return
        properties["$trace_id"], properties["$span_id"] = trace_hex, span_hex
        subject.trace_id, subject.span_id, subject.span_hex = trace_id, span_id, span_hex
