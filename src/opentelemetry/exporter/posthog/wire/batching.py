"""Events into requests: by count and by bytes, in order. One event that no request can carry falls alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

MAX_EVENTS: Final = 512
"""Events of a request: beyond, neither bytes nor CPU an event get better, and a refusal costs more."""

MAX_REQUEST_BYTES: Final = 4 * 1024 * 1024
"""Uncompressed. PostHog takes 20 MiB (legacy) and 10 MiB (v1) on the wire; proxies in front take less."""

MAX_EVENT_BYTES: Final = 921_600
"""PostHog's own SDKs let nothing larger leave."""

MAX_ESCAPED_BYTES: Final = 980_000
"""PostHog's queue takes messages of 1,000,000 bytes in which the event is a JSON *string*, beside some
fields of its own: every quote and backslash costs one byte more than it shows."""

HEAD_BYTES: Final = 1_024
"""Room for what a body holds besides its events: key, time, brackets."""


def too_large(events: Sequence[bytes]) -> list[int]:
    """The positions of those that PostHog's queue would refuse, measured the way its server measures."""
    if max(map(len, events), default=0) * 2 <= MAX_EVENT_BYTES:  # even if every byte were a quote
        return []
    return [position for position, event in enumerate(events) if _is_too_large(event)]


def _is_too_large(event: bytes) -> bool:
    if len(event) > MAX_EVENT_BYTES:
        return True
    return len(event) + event.count(b'"') + event.count(b"\\") > MAX_ESCAPED_BYTES


def pack(
    sizes: Sequence[int], *, max_events: int = MAX_EVENTS, max_bytes: int = MAX_REQUEST_BYTES
) -> list[range]:
    """Which positions go into which request. None is empty; only a single event may exceed ``max_bytes``."""
    if len(sizes) <= max_events and HEAD_BYTES + sum(sizes) + len(sizes) <= max_bytes:  # as a rule
        return [range(len(sizes))] if sizes else []
    batches: list[range] = []
    start = position = 0
    filled = HEAD_BYTES
    for position, size in enumerate(sizes):
        needed = size + 1  # the comma
        if position > start and (position - start >= max_events or filled + needed > max_bytes):
            batches.append(range(start, position))
            start, filled = position, HEAD_BYTES
        filled += needed
    end = position + 1 if filled > HEAD_BYTES else start
    if end > start:
        batches.append(range(start, end))
    return batches
