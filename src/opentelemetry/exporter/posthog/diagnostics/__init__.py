"""What became of everything: counters by reason, quiet log lines, OpenTelemetry self-metrics.

Readers only. Nothing here decides anything; what happened is told to :class:`Diagnostics`, and people read
it as :class:`Stats`, as a few log lines, and as metrics.
"""

from __future__ import annotations

from .diagnostics import LOGGER_NAME, Diagnostics
from .stats import Stats, UpdateStats

__all__ = ["LOGGER_NAME", "Diagnostics", "Stats", "UpdateStats"]
