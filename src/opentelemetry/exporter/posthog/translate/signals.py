"""What spans and log records have in common once they were read: the value that translation works on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, cast

if TYPE_CHECKING:
    from ..model import JsonValue


class Subject(NamedTuple):
    """One signal, read: nothing here belongs to the SDK any more but the values of its attributes."""

    attributes: dict[str, object]
    time_ns: int  # event time
    seen_ns: int  # when this process knew, at most now
    now_ns: int
    trace_id: str  # hex, "" outside a trace
    span_id: str
    own: dict[str, JsonValue]  # properties that come from the signal itself and not from its attributes


def copied(attributes: object) -> dict[str, object]:
    """A dict of our own. The SDK's mapping answers each question in Python; its ``copy`` is one C call."""
    if attributes is None:
        return {}
    try:
        copy: Any = cast("Any", attributes).copy()
    except AttributeError:
        copy = attributes
    return cast("dict[str, object]", copy if type(copy) is dict else dict(copy))


def instant(value: object) -> int:
    """Nanoseconds since the epoch, or 0 where an application passed none, or something else."""
    if isinstance(value, int):
        return value if value > 0 else 0
    return int(value) if isinstance(value, float) and 0 < value < 1e19 else 0


def seen_at(value: object, now_ns: int) -> int:
    """When a signal was seen: no signal was seen later than now."""
    return min(instant(value) or now_ns, now_ns)


def trace_ids(trace_id: object, span_id: object) -> tuple[str, str]:
    """Hex of both, "" where there is none."""
    if not isinstance(trace_id, int) or not isinstance(span_id, int) or trace_id <= 0 or span_id <= 0:
        return "", ""
    try:
        return trace_id.to_bytes(16, "big").hex(), span_id.to_bytes(8, "big").hex()
    except OverflowError:
        return "", ""
