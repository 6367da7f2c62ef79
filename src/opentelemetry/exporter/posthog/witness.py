"""Who watches a pipeline, if an inspector was asked for: told each signal, and what became of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from .model import Capture, LedgerDecision, Observation
    from .reasons import Reason
    from .source import Source


class ExportWitness(Protocol):
    """Watches one export for somebody who wants to see it; must be quick and never raise."""

    def let_go(self, signal: Any, reason: Reason, observations: Sequence[Observation]) -> None: ...
    def made(self, signal: Any, capture: Capture, observations: Sequence[Observation]) -> None: ...
    def decided(self, decisions: Sequence[Sequence[LedgerDecision]]) -> None:
        """What the ledger made of all observations of this export, in their order."""
        ...


class Witness(Protocol):
    """Watches a pipeline. There is none unless an inspector was asked for."""

    def export(self, source: Source[Any]) -> ExportWitness: ...
    def close(self) -> None: ...
    def after_fork_in_child(self) -> None: ...
