"""The balance of one pipeline in one process, as a frozen value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class UpdateStats:
    """Group updates: every granted one ends as exactly one of the other four."""

    granted: int = 0
    delivered: int = 0
    refused: int = 0  # PostHog said no; not again until the value changes
    released: int = 0  # certainly not applied; will be granted again
    unknown: int = 0  # may still be applied; settled later by the ledger

    @property
    def balanced(self) -> bool:
        return self.granted == self.delivered + self.refused + self.released + self.unknown


@dataclass(frozen=True, slots=True)
class Stats:
    """What became of every signal and capture since this process (or its fork) began.

    ``stored`` is the change this process made to what lies on disk. It is negative in a process that
    delivered more of an earlier life's captures than it stored itself.
    """

    received: int = 0  # signals
    received_by_signal: Mapping[str, int] = field(default_factory=dict[str, int])  # "span", "log"
    not_selected: Mapping[str, int] = field(default_factory=dict[str, int])  # by reason
    made: int = 0  # captures
    delivered: int = 0
    refused: Mapping[str, int] = field(default_factory=dict[str, int])  # by reason
    dropped: Mapping[str, int] = field(default_factory=dict[str, int])  # by reason
    stored: int = 0
    updates: UpdateStats = UpdateStats()
    notes: Mapping[str, int] = field(default_factory=dict[str, int])  # any other counted word
    events: Mapping[str, int] = field(default_factory=dict[str, int])  # captures by event name, bounded

    @property
    def balanced(self) -> bool:
        """True when nothing is merely gone. Holds whenever no export runs."""
        return (
            self.received == sum(self.not_selected.values()) + self.made
            and self.made
            == self.delivered + sum(self.refused.values()) + sum(self.dropped.values()) + self.stored
            and self.updates.balanced
        )
