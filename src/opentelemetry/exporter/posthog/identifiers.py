"""Ids that must come out the same wherever they are made: event uuids and the distinct id of a group. Pure.

PostHog replaces a row when day (UTC), event name, distinct id and uuid all agree, so a repeated signal must
repeat all of them. What is hashed is a contract with every earlier version: see the ADR on uuids.
"""

from __future__ import annotations

from functools import lru_cache
from hashlib import blake2b
from typing import TYPE_CHECKING, Final

from .uuid7 import END_DIGITS, start_of_day, uuid7, uuid7_ending

if TYPE_CHECKING:
    from .model import Group

MAX_ID_BYTES: Final = 200
"""PostHog's newer protocol drops an event whose distinct id is longer, measured in UTF-8 bytes."""


def hashed_bits(kind: bytes, *parts: str) -> int:
    """80 bits of BLAKE2b over the parts, which hold no NUL; ``kind`` keeps the uses apart."""
    return int.from_bytes(blake2b("\0".join(parts).encode(), digest_size=10, person=kind).digest(), "big")


def span_uuid(event: str, trace_id: int, span_id: int, span_hex: str, time_ns: int) -> str:
    """The uuid of the event that a span becomes; the same for every export of it.

    It ends in the last 12 digits of the span's id, which compression then finds again beside it; the other
    bits tell apart what ends alike: spans of other traces, ids that differ at the front, events.
    ``span_hex``: the 16 digits of ``span_id``.
    """
    return uuid7_ending(time_ns, trace_id ^ span_id >> 4 * END_DIGITS ^ _salt(event), span_hex[-END_DIGITS:])


@lru_cache(maxsize=1_024)  # a service has few names
def _salt(event: str) -> int:
    return hashed_bits(b"span", event)


def unplaced_span_uuid(event: str, time_ns: int, seen_ns: int) -> str:
    """The uuid of a span without ids, which the SDK never makes: its times are all that tells it apart."""
    return uuid7(time_ns, hashed_bits(b"span", event, f"{time_ns}", f"{seen_ns}"))


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
