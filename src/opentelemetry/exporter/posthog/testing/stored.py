"""What PostHog holds in the end, as plain values: events, groups with their past, persons, warnings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .instants import iso


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredEvent:
    """One row of PostHog's events. Times are nanoseconds since the epoch."""

    name: str
    uuid: str
    distinct_id: str
    time_ns: int  # as it was sent
    stored_ns: int  # as PostHog shows it: skew corrected, bounded, whole milliseconds
    properties: Mapping[str, Any]  # after ingestion: $group_0..4 set, what PostHog removes removed
    groups: Mapping[str, str]  # group type -> key; only those that PostHog really linked
    personless: bool
    protocol: str  # "legacy" or "v1"
    request: int  # number of the request that brought it last
    arrival: int  # counts all events, repeats included
    received_ns: int
    repeats: int = 0  # how often the very same row arrived again

    @property
    def time(self) -> str:
        """The event's time as text, UTC with microseconds."""
        return iso(self.time_ns)


@dataclass(frozen=True, slots=True)
class Change:
    """One property of a group as one ``$groupidentify`` set it."""

    name: str
    value: Any
    time_ns: int  # event time of the update
    arrival: int
    uuid: str
    changed: bool  # False: the profile had this very value already

    @property
    def time(self) -> str:
        """The event time of the update as text, UTC with microseconds."""
        return iso(self.time_ns)


@dataclass(slots=True)
class GroupProfile:
    """A group as PostHog shows it, and every value that any of its properties ever had."""

    type: str
    key: str
    index: int  # 0 to 4, in order of first sight in this project
    properties: dict[str, Any] = field(default_factory=dict[str, Any])
    timeline: list[Change] = field(default_factory=list[Change])
    updates: int = 0  # how many $groupidentify wrote it, repeats included

    def history(self, name: str) -> list[Change]:
        """Every value of one property, in the order in which PostHog took them."""
        return [change for change in self.timeline if change.name == name]


@dataclass(slots=True)
class Person:
    """A person as PostHog shows it."""

    distinct_ids: list[str]
    properties: dict[str, Any] = field(default_factory=dict[str, Any])
    created_ns: int = 0


@dataclass(frozen=True, slots=True)
class IngestionWarning:
    """An ingestion warning, as PostHog lists them: visible in the project, never in an answer."""

    name: str
    event: str
    uuid: str


@dataclass(frozen=True, slots=True)
class Repeat:
    """An event that arrived again: at-least-once delivery, harmless by its uuid."""

    event: str
    uuid: str
    count: int  # further arrivals after the first
