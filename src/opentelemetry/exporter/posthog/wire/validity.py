"""What PostHog would refuse, found before it is sent.

On the legacy protocol one bad event refuses the whole batch, and on v1 a wrong uuid does: so nothing leaves
that is known to be refused. Sizes are the business of ``batching``.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from functools import lru_cache
from operator import itemgetter
from typing import Final

from ..model import Envelope

MAX_NAME_BYTES: Final = 200
MAX_DISTINCT_ID_BYTES: Final = 200
"""v1 drops what is longer, legacy cuts it; both measured by the stricter rule."""

_UUID: Final = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII)
_TIMESTAMP: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|\+00:00)", re.ASCII)
_FIRST, _LAST = itemgetter(0), itemgetter(-1)
_OPENING, _CLOSING = set(b"{"), set(b"}")
_SURROGATE: Final = re.compile("[\ud800-\udfff]")


class _Form:
    """A form of fixed width, written with 0 for any digit."""

    def __init__(self, form: bytes, *, digits: bytes) -> None:
        self._form = form
        self._zeros = bytes.maketrans(digits, b"0" * len(digits))

    def have_it(self, texts: Sequence[str]) -> bool:
        """Does each text have this form? Looked at in one piece: they are equally long, so none can shift."""
        together = "".join(texts).encode("utf-8", "replace").translate(self._zeros)
        return set(map(len, texts)) == {len(self._form)} and together == self._form * len(texts)


_UUIDS: Final = _Form(b"00000000-0000-0000-0000-000000000000", digits=b"0123456789abcdef")
_TIMESTAMPS: Final = _Form(b"0000-00-00T00:00:00.000000Z", digits=b"0123456789")  # as this package writes it


def all_sound(envelopes: Sequence[Envelope]) -> bool:
    """Is it plain that :func:`fault_of` finds nothing, and that no uuid occurs twice?

    Looked at field by field over all of them, a tenth of the price of one by one. False says only that they
    have to be looked at one by one.
    """
    if not envelopes:
        return True
    events, uuids, distinct_ids, timestamps, properties, _, session_ids = zip(*envelopes, strict=True)
    return (
        all(map(_is_name, set(events)))
        and len(set(uuids)) == len(uuids)
        and _UUIDS.have_it(uuids)
        and _are_plain_ids(set(distinct_ids))
        and _TIMESTAMPS.have_it(timestamps)
        and all(each is None or _UUID.fullmatch(each) for each in set(session_ids))
        and all(properties)
        and set(map(_FIRST, properties)) == _OPENING
        and set(map(_LAST, properties)) == _CLOSING
    )


def _are_plain_ids(ids: Collection[str]) -> bool:
    together = "".join(ids)
    return (
        together.isascii()
        and together.isprintable()
        and max(map(len, ids)) <= MAX_DISTINCT_ID_BYTES
        and all(ids)
        and not any(map(str.isspace, ids))
    )


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
