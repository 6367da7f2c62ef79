"""What PostHog would refuse, found before it is sent.

On the legacy protocol one bad event refuses the whole batch, and on v1 a wrong uuid does: so nothing leaves
that is known to be refused. Sizes are the business of ``batching``.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

from ..model import Envelope

MAX_NAME_BYTES: Final = 200
MAX_DISTINCT_ID_BYTES: Final = 200
"""v1 drops what is longer, legacy cuts it; both measured by the stricter rule."""

_UUID: Final = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII)
_TIMESTAMP: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|\+00:00)", re.ASCII)
_SURROGATE: Final = re.compile("[\ud800-\udfff]")


def fault_of(envelope: Envelope) -> str:
    """The field that PostHog would refuse this envelope for; empty when it is sound."""
    event, uuid, distinct_id, timestamp, properties, _, session_id = envelope
    if not _is_name(event):
        return "event"
    if not _fits(distinct_id, MAX_DISTINCT_ID_BYTES) or "\0" in distinct_id:
        return "distinct_id"
    if _UUID.fullmatch(uuid) is None:
        return "uuid"
    if _TIMESTAMP.fullmatch(timestamp) is None:
        return "timestamp"
    if session_id is not None and _UUID.fullmatch(session_id) is None:
        return "session_id"
    if properties[:1] != b"{" or properties[-1:] != b"}":
        return "properties"
    return ""


@lru_cache(maxsize=1024)  # a service has few names
def _is_name(event: str) -> bool:
    return _fits(event, MAX_NAME_BYTES)


def _fits(text: str, limit: int) -> bool:
    """Is it there, not blank, free of what UTF-8 can't hold, and within ``limit`` bytes?"""
    if not text or text.isspace() or len(text) > limit:
        return False
    if text.isascii():
        return True
    return _SURROGATE.search(text) is None and len(text.encode()) <= limit
