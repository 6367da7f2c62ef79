"""What a test made PostHog store, in lines that a person reads below a failed test. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from .stored import StoredEvent


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


def _row(row: StoredEvent) -> Iterator[str]:
    """One event. What PostHog and the exporter add (``$…``) is left out, except what a group update sets."""
    shown: Mapping[str, Any]
    if row.name == "$groupidentify":
        group = f"{row.properties.get('$group_type')} {row.properties.get('$group_key')}"
        yield f"{row.time}  $groupidentify  {group}"
        shown = row.properties.get("$group_set") or {}
    else:
        groups = ", ".join(f"{kind} {key}" for kind, key in row.groups.items()) or "no group"
        yield f"{row.time}  {row.name}  {groups}  by {row.distinct_id}"
        shown = {name: value for name, value in row.properties.items() if not name.startswith("$")}
    for name, value in shown.items():
        yield f"    {name} = {value!r}"
