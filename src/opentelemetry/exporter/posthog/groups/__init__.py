"""What is known of every group, and the right to say it: see ``ledger.py`` for the rule."""

from __future__ import annotations

from .group_ledger import GroupLedger
from .memory import MemoryStore
from .notices import Notice
from .store import LedgerStore
from .what_waits import Waiting

__all__ = ["GroupLedger", "LedgerStore", "MemoryStore", "Notice", "Waiting"]
