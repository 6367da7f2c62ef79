"""What PostHog's error tracking asks of ``$exception`` (rule 45)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .strict_json import is_list, is_object

OWNED = frozenset(
    {
        "$exception_types", "$exception_values", "$exception_sources", "$exception_functions",
        "$exception_handled", "$exception_issue_id", "$exception_release", "$exception_fingerprint_version",
        "$exception_fingerprint_record", "$cymbal_errors",
    }
)  # fmt: skip
"""Written by PostHog's processor; whoever sends them overrides nothing good."""

LEVELS = frozenset({"fatal", "error", "warning", "log", "info", "debug"})
MAX_ENTRIES = 50


def exception_problems(properties: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Findings as (name, detail); empty when an issue is made of it."""
    problems = [("exception_malformed", f"{name} is PostHog's own") for name in properties if name in OWNED]
    level = properties.get("$exception_level")
    if level is not None and level not in LEVELS:
        problems.append(("exception_malformed", "$exception_level is none of " + ", ".join(sorted(LEVELS))))
    entries = properties.get("$exception_list")
    if not is_list(entries) or not 0 < len(entries) <= MAX_ENTRIES:
        return [*problems, ("exception_malformed", f"$exception_list must hold 1 to {MAX_ENTRIES} entries")]
    ids: set[int] = set()
    for position, entry in enumerate(entries):
        problems += _entry_problems(entry, position, ids)
    return problems


def _entry_problems(entry: Any, position: int, ids: set[int]) -> list[tuple[str, str]]:
    where = f"entry {position}"
    if not is_object(entry):
        return [("exception_malformed", f"{where} is no object")]
    problems: list[tuple[str, str]] = []
    if not isinstance(entry.get("type"), str) or not entry["type"]:
        problems.append(("exception_malformed", f"{where} has no type"))
    if not isinstance(entry.get("value"), str):
        problems.append(("exception_malformed", f"{where} has no value"))
    mechanism = entry.get("mechanism")
    parts = [(where, entry)]
    if is_object(mechanism):
        parts.append((f"{where} mechanism", mechanism))
        problems += _linkage_problems(mechanism, where, ids)
    for what, part in parts:
        problems += [("exception_null", f"{what}: {name}") for name, value in part.items() if value is None]
    return problems


def _linkage_problems(mechanism: Mapping[str, Any], where: str, ids: set[int]) -> list[tuple[str, str]]:
    problems: list[tuple[str, str]] = []
    number = mechanism.get("exception_id")
    if number is not None:
        if not isinstance(number, int) or isinstance(number, bool) or number in ids:
            problems.append(("exception_malformed", f"{where}: exception_id is no integer of its own"))
        else:
            ids.add(number)
    parent = mechanism.get("parent_id")
    if parent is not None and parent not in ids:
        problems.append(("exception_malformed", f"{where}: parent_id names no entry before it"))
    return problems
