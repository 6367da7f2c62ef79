"""Which group keys this process itself put on which span, kept beside the span.

Two questions need it. The SDK evicts a span's *oldest* attribute when it has more than 128, and what is
stamped when a span starts is the oldest of all: the exporter then asks here. And a second, different key on
the same span makes the first one doubtful, unless the application set that one itself.

No lock: every step is one operation on a dict, so nothing can be stuck after a fork.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

MAX_SPANS: Final = 10_000
"""Spans remembered, of each kind: far more than are open at once or wait in a batch processor (2,048 + 512);
at some 300 bytes each, 3 MB at worst. The oldest goes first."""

AMBIGUOUS: Final = ""
"""Stands for a key where two different ones were put on one span. No group key is empty."""

USER: Final = "$user"
"""Stands beside the group types. PostHog has no group type that starts with ``$``."""

_open: dict[int, Mapping[str, str]] = {}  # span id -> {group type: key}
_evicted: dict[int, Mapping[str, str]] = {}  # the same for ended spans that lost attributes


def remember(span_id: int, keys: Mapping[str, str]) -> None:
    """Note all that we put on an open span. ``keys`` is kept as it is: the caller doesn't change it later."""
    _open[span_id] = keys
    if len(_open) > MAX_SPANS:
        _shorten(_open)


def end(span_id: int, *, lost_attributes: bool) -> None:
    """The span ended. What we know of it is kept for the exporter only if the span itself lost attributes."""
    keys = _open.pop(span_id, None)
    if keys and lost_attributes:
        _evicted[span_id] = keys
        if len(_evicted) > MAX_SPANS:
            _shorten(_evicted)


def keys_on(span_id: int) -> Mapping[str, str]:
    """What we put on a span: keys by group type and :data:`USER`; :data:`AMBIGUOUS` where they disagreed."""
    return _open.get(span_id) or _evicted.get(span_id) or {}


def groups_of_span(span_id: int) -> Mapping[str, str] | None:
    """The groups that we put on a span, or None. For spans whose own attributes may have been evicted."""
    groups = {type_: key for type_, key in keys_on(span_id).items() if key != AMBIGUOUS and type_ != USER}
    return groups or None


def _shorten(spans: dict[int, Mapping[str, str]]) -> None:
    try:
        spans.pop(next(iter(spans)), None)
    except (RuntimeError, StopIteration):
        return  # another thread did the same at this moment
