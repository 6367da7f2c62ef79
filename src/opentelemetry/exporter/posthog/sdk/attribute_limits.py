"""The SDK's limit for the length of a span's text values, which the span itself does not tell in public.

A group's key that was cut there may be the first part of two organizations' ids. Log records tell theirs.
"""

from __future__ import annotations

from operator import attrgetter
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan


_limit_of: Final = attrgetter("_attributes.max_value_len")


def text_limit(span: ReadableSpan) -> int | None:
    """In characters; None without a limit, and where a later SDK keeps it somewhere else."""
    try:
        limit = _limit_of(span)
    except AttributeError:
        return None
    return limit if isinstance(limit, int) else None
