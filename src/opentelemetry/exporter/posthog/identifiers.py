"""Ids that must come out the same wherever they are made: event uuids and the distinct id of a group. Pure.

PostHog replaces a row when day (UTC), event name, distinct id and uuid all agree, so a repeated signal must
repeat all of them. What is hashed is a contract with every earlier version: see the ADR on uuids.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING, Final

from .uuid7 import start_of_day, uuid7

if TYPE_CHECKING:
    from .model import Group

MAX_ID_BYTES: Final = 200
"""PostHog's newer protocol drops an event whose distinct id is longer, measured in UTF-8 bytes."""


def hashed_bits(kind: bytes, *parts: str) -> int:
    """80 bits of BLAKE2b over the parts, which hold no NUL; ``kind`` keeps the uses apart."""
    return int.from_bytes(blake2b("\0".join(parts).encode(), digest_size=10, person=kind).digest(), "big")


_of_spans: Final = blake2b(digest_size=10, person=b"span")  # a copy of it is half the price of a new one


def span_uuid(event: str, trace_id: str, span_id: str, time_ns: int) -> str:
    """The uuid of the event that a span becomes; the same for every export of it. Ids are hex.

    The bits are :func:`hashed_bits` of kind ``span``, on the shortest way.
    """
    hashed = _of_spans.copy()
    hashed.update(f"{event}\0{trace_id}\0{span_id}".encode())
    return uuid7(time_ns, int.from_bytes(hashed.digest(), "big"))


def keyed_uuid(event: str, key: str, time_ns: int) -> str:
    """The uuid of all events of one name, idempotency key and UTC day."""
    return uuid7(start_of_day(time_ns), hashed_bits(b"key", event, key))


def group_distinct_id(group: Group) -> str:
    """``$organization_org_42``: the person that carries a group's updates, since PostHog keeps order only
    within one distinct id. Never the bare key, which may be somebody's user id; hashed when too long.
    """
    plain = f"${group.type}_{group.key}"
    if len(plain.encode()) <= MAX_ID_BYTES:
        return plain
    head = f"${group.type}".encode()[:64].decode(errors="ignore")
    return f"{head}_{blake2b(plain.encode(), digest_size=16).hexdigest()}"
