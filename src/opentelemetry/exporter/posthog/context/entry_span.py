"""The span that was there before anyone knew on whose behalf: the local entry span.

A server span starts before the request is authenticated, so nothing can stamp it at its start.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, cast

from ..attributes import GROUP_AMBIGUOUS, USER_ID
from .scope import Scope, Stamp
from .stamps import AMBIGUOUS, USER, keys_on, remember

if TYPE_CHECKING:
    from opentelemetry.trace import Span


def mark_entry_span(span: Span, stamp: Stamp) -> None:
    """Put ``stamp`` on ``span`` if it is recording and has no parent in this process.

    A second, different key on one span makes both doubtful (a root span that walks over organizations):
    the exporter then takes neither. What the application set itself is never touched.
    """
    if not span.is_recording() or not _is_local_entry(span):
        return
    present = cast("Mapping[str, object]", getattr(span, "attributes", None) or {})
    keys = keys_on(span)
    earlier = keys.get(stamp.type)
    if earlier is None:
        if stamp.conflicts.isdisjoint(present):
            span.set_attributes(Scope.of(stamp).attributes_beside(present))
            remember(span, {**keys, stamp.type: stamp.key})
    elif earlier == stamp.key:
        if _is_ours(present, stamp, earlier):
            span.set_attributes({k: v for k, v in stamp.attributes.items() if k not in present})
    elif earlier != AMBIGUOUS and _is_ours(present, stamp, earlier):
        remember(span, {**keys, stamp.type: AMBIGUOUS})
        if stamp.type == USER:
            span.set_attribute(USER_ID, "")  # not one user; an attribute can't be taken away
        else:
            span.set_attribute(GROUP_AMBIGUOUS, _with(present.get(GROUP_AMBIGUOUS), stamp.type))


def _is_local_entry(span: Span) -> bool:
    parent = getattr(span, "parent", span)  # a span that doesn't know its parent is nobody's entry
    return parent is None or bool(getattr(parent, "is_remote", False))


def _is_ours(present: Mapping[str, object], stamp: Stamp, earlier: str) -> bool:
    """True unless the application replaced the key that we had put."""
    value = present.get(stamp.key_attribute)
    return value is None or value == earlier


def _with(present: object, type_: str) -> list[str]:
    known = [*map(str, cast("Sequence[object]", present))] if isinstance(present, (list, tuple)) else []
    return known if type_ in known else [*known, type_]
