"""Recorded telemetry sent late, through the exporter's own translation, encoder and courier.

::

    files ── read, translate, encode ──► spool ── in order of event time ──► PostHog
                                          │
                                          └─ newest value of each group property ──► ledger ──► PostHog

The spool is a SQLite file: how far each file was read is kept in the same transaction as what was made of it,
so a replay that was killed anywhere goes on where it stood. Nothing here belongs to the command line.
"""

from __future__ import annotations

from .errors import ReplayError
from .replaying import HISTORICAL_AGE, Replay, beside, fingerprint
from .sending import SendReport
from .spool import Figures, NameCount, RefusedRow

__all__ = [
    "HISTORICAL_AGE",
    "Figures",
    "NameCount",
    "RefusedRow",
    "Replay",
    "ReplayError",
    "SendReport",
    "beside",
    "fingerprint",
]
