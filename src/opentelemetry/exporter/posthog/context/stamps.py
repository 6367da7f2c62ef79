"""Which group keys this process itself put on which span, kept beside the span.

Two questions need it. The SDK evicts a span's *oldest* attribute when it has more than 128, and what is
stamped when a span starts is the oldest of all: the exporter then asks here. And a second, different key on
the same span makes the first one doubtful, unless the application set that one itself.

No lock: every step is one operation on a dict, so nothing can be stuck after a fork.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from contextlib import suppress
from typing import Final, TypeAlias

MAX_SPANS: Final = 10_000
"""Spans remembered, of each kind: far more than are open at once or wait in a batch processor (2,048 + 512);
at some 300 bytes each, 3 MB at worst. The oldest goes first."""

AMBIGUOUS: Final = ""
"""Stands for a key where two different ones were put on one span. No group key is empty."""

USER: Final = "$user"
"""Stands beside the group types. PostHog has no group type that starts with ``$``."""

_Spans: TypeAlias = "OrderedDict[int, Mapping[str, str]]"  # a plain dict takes O(n) to find its oldest entry

_open: _Spans = OrderedDict()  # span id -> {group type: key}
_evicted: _Spans = OrderedDict()  # the same for ended spans that lost attributes


def remember(span_id: int, keys: Mapping[str, str]) -> None:
    """Note all that we put on an open span. ``keys`` is kept as it is: the caller doesn't change it later."""
    _open[span_id] = keys
    if len(_open) > MAX_SPANS:
        _shorten(_open)


def forget(span_id: int) -> Mapping[str, str] | None:
    """The span ended, and its attributes speak for themselves from now on. What we had put, if anything."""
    return _open.pop(span_id, None)


def keep(span_id: int, keys: Mapping[str, str]) -> None:
    """The span ended and lost attributes: the exporter may have to ask what they said."""
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


def _shorten(spans: _Spans) -> None:
    with suppress(KeyError):  # other threads did the same at this moment
        spans.popitem(last=False)
