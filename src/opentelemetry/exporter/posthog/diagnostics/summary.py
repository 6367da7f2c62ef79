"""The few sentences that say what a pipeline did: pure, so that figures and words can be read in a test."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from ..reasons import Reason

if TYPE_CHECKING:
    from .stats import Stats

MONTH = 30 * 86_400.0
"""Seconds of the month that PostHog bills."""

LARGEST = 3
"""Event names in the line: enough to see what costs money, short enough for one line."""

NAME_LENGTH = 60
"""Characters of an event name in a line."""

HARMLESS = frozenset(reason.value for reason in (Reason.DRY_RUN, Reason.BEFORE_SEND, Reason.DUPLICATE_UUID))
"""Drops that somebody asked for, or that lose nothing."""

WITHHELD = "property_"
"""Notes that count properties kept back from what was sent start so."""


def rate_line(events: Mapping[str, int], seconds: float) -> str:
    """Events by name, their rate, and what a month at this rate would be.

    >>> print(rate_line({"member invited": 6}, 60.0))
    6 events in 1 min (member invited 6): 0.1 a second, about 259,200 a month at this rate
    """
    total = sum(events.values())
    largest = sorted(events.items(), key=lambda item: (-item[1], item[0]))
    named = [f"{name[:NAME_LENGTH]} {count:,}" for name, count in largest[:LARGEST]]
    if len(largest) > LARGEST:
        named.append(
            f"{len(largest) - LARGEST:,} other names {sum(count for _, count in largest[LARGEST:]):,}"
        )
    names = f" ({', '.join(named)})" if named else ""
    a_month = round(total / seconds * MONTH)
    return (
        f"{total:,} event{'' if total == 1 else 's'} in {_duration(seconds)}{names}: "
        f"{total / seconds:,.1f} a second, about {a_month:,} a month at this rate"
    )


def final_words(stats: Stats) -> str:
    """What was sent, what it saved, what was not delivered, which signals made nothing, and why."""
    saved = stats.notes.get("identifies_saved", 0)
    updates = stats.updates
    parts = [
        f"sent {stats.delivered:,} event{'' if stats.delivered == 1 else 's'}",
        f"{updates.delivered:,} group update{'' if updates.delivered == 1 else 's'} ({saved:,} saved)",
        f"refused {_by_reason(stats.refused)}",
        f"dropped {_by_reason(stats.dropped)}",
        f"on disk {stats.stored:+,}" if stats.stored else "on disk 0",
    ]
    if updates.refused:
        parts.insert(2, f"{updates.refused:,} group updates refused")
    signals = f"; of {stats.received:,} signals not selected {_by_reason(stats.not_selected)}"
    withheld = {note: count for note, count in stats.notes.items() if note.startswith(WITHHELD)}
    return ", ".join(parts) + signals + (f"; properties withheld {_by_reason(withheld)}" if withheld else "")


def is_loss(stats: Stats) -> bool:
    """True when something that was made reached neither PostHog nor the disk, and nobody asked for that."""
    lost = sum(count for reason, count in stats.dropped.items() if reason not in HARMLESS)
    return bool(lost or sum(stats.refused.values()) or stats.updates.refused)


def _by_reason(counts: Mapping[str, int]) -> str:
    total = sum(counts.values())
    if not total:
        return "0"
    reasons = ", ".join(f"{reason} {count:,}" for reason, count in sorted(counts.items()) if count)
    return f"{total:,} ({reasons})"


def _duration(seconds: float) -> str:
    if seconds < 3_600:
        return f"{seconds / 60:,.0f} min"
    return f"{seconds / 3_600:,.0f} h"
