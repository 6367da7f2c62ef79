"""Fields of a finished span by the shortest way, where this SDK keeps them as we know it; else in public.

In public each is a call into Python, and some make a copy: for a span that becomes no event that is most of
the price.
"""

from __future__ import annotations

from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final

from ..translate.signals import looks_in_public

if TYPE_CHECKING:
    from collections.abc import Sequence

    from opentelemetry.sdk.trace import Event, ReadableSpan

    from ..translate.signals import Look


_look_of: Final = attrgetter("_kind", "_parent", "_instrumentation_scope", "_attributes._dict")
_events_of: Final = attrgetter("_events")


def looks_of(spans: Sequence[ReadableSpan]) -> list[Look]:
    """What decides of most spans that they become no event."""
    try:
        return list(map(_look_of, spans))
    except AttributeError:  # a span that was not made by the SDK's tracer, or a later SDK
        return looks_in_public(spans)


def events_of(span: ReadableSpan) -> Sequence[Event]:
    """As ``span.events``, without its copy where there is none."""
    try:
        kept: Any = _events_of(span)
    except AttributeError:
        return span.events
    return span.events if kept else ()
