"""What a test made PostHog store: in lines for a person, in plain values for a snapshot. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from .stored import StoredEvent

CHANGING = frozenset({"span.duration_ms"})
"""Properties that are different in each run."""


def account_of(
    events: Sequence[StoredEvent],
    updates: Sequence[StoredEvent],
    others: Iterable[tuple[str, Sequence[object]]],
) -> str:
    """Events and group updates in order of arrival, with their properties; then the ``others`` by title."""
    rows = sorted([*events, *updates], key=lambda row: row.arrival)
    lines = [line for row in rows for line in _row(row)] or ["nothing was captured"]
    for title, items in others:
        if items:
            lines += [f"{title} ({len(items)}):", *(f"  {item}" for item in items)]
    return "\n".join(lines)


def snapshot_of(events: Sequence[StoredEvent], updates: Sequence[StoredEvent]) -> list[dict[str, Any]]:
    """The same in every run: no times, no ids but those of users and groups; names of properties sorted."""
    rows = sorted([*events, *updates], key=lambda row: row.arrival)
    return [_plain(row) for row in rows]


def _plain(row: StoredEvent) -> dict[str, Any]:
    kept = {name: value for name, value in sorted(_shown(row).items()) if name not in CHANGING}
    if row.name == "$groupidentify":
        group = {str(row.properties.get("$group_type")): str(row.properties.get("$group_key"))}
        return {"event": row.name, "groups": group, "properties": kept}
    return {"event": row.name, "user": row.distinct_id, "groups": dict(row.groups), "properties": kept}


def _shown(row: StoredEvent) -> Mapping[str, Any]:
    """What PostHog and the exporter add (``$…``) is left out; of a group update, what it sets is shown."""
    if row.name == "$groupidentify":
        return row.properties.get("$group_set") or {}
    return {name: value for name, value in row.properties.items() if not name.startswith("$")}


def _row(row: StoredEvent) -> Iterator[str]:
    if row.name == "$groupidentify":
        group = f"{row.properties.get('$group_type')} {row.properties.get('$group_key')}"
        yield f"{row.time}  $groupidentify  {group}"
    else:
        groups = ", ".join(f"{kind} {key}" for kind, key in row.groups.items()) or "no group"
        yield f"{row.time}  {row.name}  {groups}  by {row.distinct_id}"
    for name, value in _shown(row).items():
        yield f"    {name} = {value!r}"
