"""The events of a span without the SDK's copy of them, which costs the same where there is none."""

from __future__ import annotations

from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

    from opentelemetry.sdk.trace import Event, ReadableSpan


_kept_of: Final = attrgetter("_events")


def events_of(span: ReadableSpan) -> Sequence[Event]:
    """As ``span.events``, which is asked where there are some, and where a later SDK keeps them elsewhere."""
    try:
        kept: Any = _kept_of(span)
    except AttributeError:
        return span.events
    return span.events if kept else ()
