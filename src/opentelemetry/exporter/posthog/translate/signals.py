"""What spans and log records have in common once they were read: the value that translation works on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import Event

    from ..model import Capture, JsonValue, Observation
    from .constants import Origin, Scope
    from .groups import Found
    from .plans import Plan
    from .selection import Verdict
    from .shapes import Shape
    from .translator import Translation

MakeUuid: TypeAlias = Callable[[str, "Subject"], str]
"""The uuid of a signal without an idempotency key: of its event name and itself."""


class Subject:
    """One signal on its way through the stages of translation, each of which fills in what it finds out.

    The only value here that changes: a value a stage would be built and taken apart more often than read.
    """

    __slots__ = (
        "answer", "attributes", "capture", "found", "kind", "make_uuid", "now_ns", "observations", "observed",
        "origin", "own", "plain", "plan", "properties", "said", "scope", "seen_ns", "shape", "signal",
        "span_events", "span_id", "time_ns", "trace_id", "verdict",
    )  # fmt: skip

    # begun
    signal: Any
    kind: Any  # of a span
    scope: Scope
    attributes: dict[str, object]
    shape: Shape
    now_ns: int
    make_uuid: MakeUuid

    # decided
    found: Found
    verdict: Verdict
    observed: bool  # may what it says of its groups be believed?
    answer: Translation | None  # None until it is known what the signal comes to

    # read: nothing here belongs to the SDK any more
    origin: Origin
    time_ns: int  # event time
    seen_ns: int  # when this process knew, at most now
    trace_id: str  # hex, "" outside a trace
    span_id: str
    own: dict[str, JsonValue]  # properties that come from the signal itself and not from its attributes
    span_events: Sequence[Event]

    # translated
    said: list[str]  # notes
    plan: Plan
    plain: bool  # all attributes that become properties leave as they are (``plain.Plainness``)
    properties: dict[str, JsonValue]  # of the event to be; empty if there is none
    capture: Capture | None
    observations: tuple[Observation, ...]


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


def seen_at(value: object, now_ns: int) -> int:
    """When a signal was seen: no signal was seen later than now."""
    return min(instant(value) or now_ns, now_ns)


def trace_ids(trace_id: Any, span_id: Any) -> tuple[str, str]:
    """Hex of both, "" where there is none."""
    if not trace_id or not span_id:
        return "", ""
    try:
        return trace_id.to_bytes(16, "big").hex(), span_id.to_bytes(8, "big").hex()
    except (AttributeError, OverflowError):  # no number, or one below zero or too large
        return "", ""
