"""Why an expected event is not there: the nearest one that is, and how it differs. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Any, TypeGuard

from .store import same
from .stored import StoredEvent
from .strict_json import is_object


@dataclass(frozen=True, slots=True)
class Expected:
    """An event as a test asks for it; what is not named does not matter."""

    name: str
    groups: Mapping[str, str]
    user: str | None
    properties: Mapping[str, Any]

    def differences(self, row: StoredEvent) -> list[tuple[str, Any, Any]]:
        """(what, expected, captured) of all that is not as asked; ``MISSING`` where it is not there."""
        found: list[tuple[str, Any, Any]] = []
        if row.name != self.name:
            found.append(("event", self.name, row.name))
        for kind, key in self.groups.items():
            if row.groups.get(kind) != key:
                found.append((kind, key, row.groups.get(kind, MISSING)))
        if self.user is not None and row.distinct_id != self.user:
            found.append(("user", self.user, row.distinct_id))
        for name, value in self.properties.items():
            got = row.properties.get(name, MISSING)
            if got is MISSING or not same_json(got, value):
                found.append((name, value, got))
        return found

    def matches(self, row: StoredEvent) -> bool:
        return not self.differences(row)

    def distance(self, row: StoredEvent) -> tuple[float, int]:
        """Less is nearer: first how unlike the name is, then how much else differs."""
        likeness = SequenceMatcher(None, self.name, row.name).ratio()
        return (1.0 - likeness, len(self.differences(row)))

    def __str__(self) -> str:
        parts = [self.name, *(f"{kind} {key}" for kind, key in self.groups.items())]
        if self.user is not None:
            parts.append(f"user {self.user}")
        if self.properties:
            parts.append(f"properties {dict(self.properties)}")
        return ", ".join(parts)


class _Missing:
    def __repr__(self) -> str:
        return "(not there)"


MISSING = _Missing()


def explain_missing(expected: Expected, events: Sequence[StoredEvent], reasons: Sequence[str]) -> str:
    """The message of a failed assertion: nearest miss, its differences, and what was not exported."""
    lines = [f"no captured event matches: {expected}"]
    if events:
        nearest = min(events, key=expected.distance)
        lines.append(f"nearest of {len(events)}: {nearest.name} at {nearest.time}")
        for what, wanted, got in expected.differences(nearest):
            lines.append(f"  {what}:")
            lines.append(f"    - expected {wanted!r}")
            lines.append(f"    + captured {got!r}")
    else:
        lines.append("no event was captured at all")
    if reasons:
        lines.append(f"not exported ({len(reasons)}):")
        lines += [f"  {reason}" for reason in reasons]
    return "\n".join(lines)


def same_json(stored: Any, asked: Any) -> bool:
    """Whether a stored value is the one a test writes down; a tuple stands for a list."""
    return same(stored, _as_json(asked))


def _as_json(value: Any) -> Any:
    if _is_tuple(value):
        return [_as_json(item) for item in value]
    if is_object(value):
        return {name: _as_json(item) for name, item in value.items()}
    return value


def _is_tuple(value: Any) -> TypeGuard[tuple[Any, ...]]:
    return isinstance(value, tuple)
