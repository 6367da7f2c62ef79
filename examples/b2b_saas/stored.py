"""What the double says that PostHog would hold."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class StoredEvent:
    name: str
    distinct_id: str
    organization: str | None
    properties: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Known:
    """A property of a profile, and the event time since which it is so."""

    value: Any
    time: datetime


@dataclass(frozen=True, slots=True)
class Stored:
    events: list[StoredEvent]
    profiles: dict[str, dict[str, Known]]
    group_identifies: Counter[str]
    received_twice: int
    raw: str

    @classmethod
    def read(cls, text: str) -> Stored:
        raise NotImplementedError

    def counts(self) -> Counter[tuple[str, str | None]]:
        return Counter((event.name, event.organization) for event in self.events)
