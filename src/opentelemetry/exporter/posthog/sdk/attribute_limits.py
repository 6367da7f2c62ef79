"""The SDK's limit for the length of a span's text values, which the span itself does not tell in public.

A group's key that was cut there may be the first part of two organizations' ids. Log records tell theirs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan


def text_limit(span: ReadableSpan) -> int | None:
    """In characters; None without a limit, and where a later SDK keeps it somewhere else."""
    limit = getattr(getattr(span, "_attributes", None), "max_value_len", None)
    return limit if isinstance(limit, int) else None
