"""Which group keys this process itself put on which span, noted beside the span's attributes.

Two questions need it. The SDK evicts a span's *oldest* attribute when it has more than 128, and what is
stamped when a span starts is the oldest of all: the exporter then asks here. And a second, different key on
the same span makes the first one doubtful, unless the application set that one itself.

The note lies on the object that holds the span's attributes, open and ended: no table to keep small, and it
goes when they go. For spans that the SDK did not make there is a table. No lock: every step is one operation
on a dict, so nothing can be stuck after a fork.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeAlias

from opentelemetry.attributes import BoundedAttributes

if TYPE_CHECKING:
    from opentelemetry.trace import Span, SpanContext

MAX_SPANS: Final = 10_000
"""Spans remembered in the table: far more than are open at once or wait in a batch processor (2,048 + 512);
at some 300 bytes each, 3 MB at worst. The oldest goes first."""

AMBIGUOUS: Final = ""
"""Stands for a key where two different ones were put on one span. No group key is empty."""

USER: Final = "$user"
"""Stands beside the group types. PostHog has no group type that starts with ``$``."""

NOTE: Final = "posthog_stamped"
"""The name of the note on a span's attributes; written out where it is set, which is four times as fast."""


class _AnySpan(Protocol):
    """Open or ended."""

    def get_span_context(self) -> SpanContext | None: ...


_Spans: TypeAlias = "OrderedDict[int, Mapping[str, str]]"  # a plain dict takes O(n) to find its oldest entry

_foreign: _Spans = OrderedDict()  # span id -> {group type: key}


def remember(span: Span, keys: Mapping[str, str]) -> None:
    """Note all that we put on an open span. ``keys`` is kept as it is: the caller doesn't change it later."""
    if not noted_on(getattr(span, "_attributes", None), keys):
        _foreign[span.get_span_context().span_id] = keys
        if len(_foreign) > MAX_SPANS:
            with suppress(KeyError):  # other threads did the same at this moment
                _foreign.popitem(last=False)


def noted_on(attributes: Any, keys: Mapping[str, str]) -> bool:
    """Note it on the object that holds a span's attributes. False, and nothing noted, if that can't be."""
    holder: object = attributes
    if type(holder) is not BoundedAttributes:
        return False
    try:
        attributes.posthog_stamped = keys
    except AttributeError:  # an SDK whose attributes take no other
        return False
    return True


def keys_on(span: _AnySpan) -> Mapping[str, str]:
    """What we put on a span: keys by group type and :data:`USER`; :data:`AMBIGUOUS` where they disagreed."""
    noted: Mapping[str, str] | None = getattr(getattr(span, "_attributes", None), NOTE, None)
    if noted:
        return noted
    context = span.get_span_context()
    return _foreign.get(context.span_id, {}) if context is not None and _foreign else {}


def groups_of_span(span: _AnySpan) -> Mapping[str, str] | None:
    """The groups that we put on a span, or None. For spans whose own attributes may have been evicted."""
    groups = {type_: key for type_, key in keys_on(span).items() if key != AMBIGUOUS and type_ != USER}
    return groups or None
