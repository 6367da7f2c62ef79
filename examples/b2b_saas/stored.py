"""What the double says that PostHog would hold."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timezone
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
    """One look at the project."""

    events: list[StoredEvent]
    profiles: dict[str, dict[str, Known]]
    """Organizations and apps by their keys, which differ in this story."""
    group_identifies: Counter[str]
    repeats: int
    complaints: list[str]
    """What PostHog refused, or would take and not show as meant."""
    raw: str

    @classmethod
    def read(cls, text: str) -> Stored:
        """From the answer of ``GET /_double/state``."""
        state = json.loads(text)
        return cls(
            events=[event(row) for row in state["events"] if row["event"] != "$groupidentify"],
            profiles={group["key"]: profile(group) for group in state["groups"]},
            group_identifies=Counter({group["key"]: group["updates"] for group in state["groups"]}),
            repeats=sum(repeat["count"] for repeat in state["repeats"]),
            complaints=[
                f"{complaint['name']} ({complaint['event']}) {complaint.get('detail', '')}"
                for kind in ("refused", "findings", "warnings")
                for complaint in state[kind]
            ],
            raw=text,
        )

    def counts(self) -> Counter[tuple[str, str | None]]:
        """Events by (name, organization)."""
        return Counter((event.name, event.organization) for event in self.events)


def event(row: dict[str, Any]) -> StoredEvent:
    return StoredEvent(
        name=row["event"],
        distinct_id=row["distinct_id"],
        organization=row["groups"].get("organization"),
        properties=row["properties"],
    )


def profile(group: dict[str, Any]) -> dict[str, Known]:
    """The properties as they are, each with the time of the update that made it so."""
    since = {change["name"]: change["time_ns"] for change in group["timeline"] if change["changed"]}
    return {
        name: Known(value, datetime.fromtimestamp(since[name] / 1e9, timezone.utc))
        for name, value in group["properties"].items()
    }
