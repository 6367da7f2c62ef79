"""What PostHog would refuse, found before it is sent.

On the legacy protocol one bad event refuses the whole batch, and on v1 a wrong uuid does: so nothing leaves
that is known to be refused. Sizes are the business of ``batching``.
"""

from __future__ import annotations

import re
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
    if not _fits(envelope.event, MAX_NAME_BYTES):
        return "event"
    if not _fits(envelope.distinct_id, MAX_DISTINCT_ID_BYTES) or "\0" in envelope.distinct_id:
        return "distinct_id"
    if _UUID.fullmatch(envelope.uuid) is None:
        return "uuid"
    if _TIMESTAMP.fullmatch(envelope.timestamp) is None:
        return "timestamp"
    if envelope.session_id is not None and _UUID.fullmatch(envelope.session_id) is None:
        return "session_id"
    if not (envelope.properties.startswith(b"{") and envelope.properties.endswith(b"}")):
        return "properties"
    return ""


def _fits(text: str, limit: int) -> bool:
    """Is it there, not blank, free of what UTF-8 can't hold, and within ``limit`` bytes?"""
    if not text or text.isspace() or len(text) > limit:
        return False
    if text.isascii():
        return True
    return _SURROGATE.search(text) is None and len(text.encode()) <= limit
