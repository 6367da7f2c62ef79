"""What one delivery did, as a frozen value: diagnostics counts it, nobody else needs to know how it went."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryRecord:
    """One ``deliver`` call. Holds neither the key nor anything of an event."""

    envelopes: int
    protocol: str  # of the last request: "v1" or "legacy"; empty when none was sent
    encoding: str = ""  # of the last request's body: "zstd" or "gzip"; empty without
    unread: str = ""  # an encoding that the host refused: it gets another one from now on
    requests: int = 0  # distinct ones: an attempt more is the same request, a half is a new one
    attempts: int = 0
    statuses: Mapping[int, int] = field(default_factory=dict[int, int])  # HTTP status -> answers
    no_answers: Mapping[str, int] = field(default_factory=dict[str, int])  # "timeout", ... -> attempts
    sent_bytes: int = 0  # bodies as they left, compressed
    delivered: int = 0
    reasons: Mapping[str, int] = field(default_factory=dict[str, int])  # why -> envelopes not delivered
    remarks: Mapping[str, int] = field(default_factory=dict[str, int])  # what -> envelopes delivered with it
    details: Mapping[str, str] = field(default_factory=dict[str, str])  # reason -> PostHog's own word
    seconds: float = 0.0
    waited: float = 0.0  # of it between attempts
    breaker_open: bool = False  # at the end


Observer: TypeAlias = Callable[[DeliveryRecord], None]


def unobserved(record: DeliveryRecord) -> None:
    """For a courier that nobody watches."""
