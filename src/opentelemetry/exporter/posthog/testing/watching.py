"""Being told of everything a double takes, as it happens: what a live view is built on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from .findings import Finding, Refusal
    from .recorder import Exchange
    from .stored import Change, GroupProfile, IngestionWarning, StoredEvent


class Watcher(Protocol):
    """Called under the double's lock, in the order in which things happen: be quick, never ask the double."""

    def stored(self, row: StoredEvent) -> None:
        """A row was written; with ``repeats`` when it was there already."""
        ...

    def changed(self, profile: GroupProfile, change: Change, request: int) -> None:
        """A ``$groupidentify`` set a property of a group, perhaps to the value that it had."""
        ...

    def warned(self, warning: IngestionWarning, request: int) -> None:
        """PostHog would list this ingestion warning about an event of that request."""
        ...

    def exchanged(self, exchange: Exchange, findings: Sequence[Finding], refused: Sequence[Refusal]) -> None:
        """A request was answered. What it stored was told before."""
        ...
