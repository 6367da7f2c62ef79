"""Which protocol to speak, in which compression, and how ``auto`` finds out.

``auto`` tries v1. An answer that only v1 gives decides for it; any other answer below 500 to the first
request means that this host has none, and legacy it is for this process. 408, 429, 5xx and silence decide
nothing: they may come from anybody.

zstd is tried wherever v1 is. A host that says that it can't read it, or a proxy in front, gets gzip from then
on: what was refused goes again at once, with the same uuids.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from ..settings.model import CaptureMode, Compression, Settings
from ..version import __version__
from ..wire.body import GZIP, NONE, zstd
from ..wire.exchange import Judgement, NoAnswer, Response, Wire
from ..wire.legacy import LegacyWire
from ..wire.v1 import V1Wire

AGENT: Final = f"opentelemetry-exporter-posthog/{__version__}"

UNDECIDED = frozenset({408, 429})


class Wires(NamedTuple):
    """The ways to speak with one host under one key."""

    v1: Wire
    v1_plain: Wire  # for a host that can't read the compression of ``v1``; the same one if there is no other
    legacy: Wire


def wires_for(settings: Settings, *, historical_migration: bool = False) -> Wires:
    """The wires in the compression that the settings ask for, as far as it is installed."""
    plain = NONE if settings.compression is Compression.NONE else GZIP  # all that legacy knows
    asks_for_zstd = settings.compression in (Compression.AUTO, Compression.ZSTD)
    best = (zstd() if asks_for_zstd and settings.capture_mode is not CaptureMode.LEGACY else None) or plain
    where = {"host": settings.host, "api_key": settings.api_key, "agent": AGENT}
    v1 = V1Wire(**where, codec=best, historical_migration=historical_migration)
    return Wires(
        v1,
        v1 if best is plain else V1Wire(**where, codec=plain, historical_migration=historical_migration),
        LegacyWire(**where, codec=plain, historical_migration=historical_migration),
    )


class Protocol:
    """The protocol of one host. Each assignment is single and moves one way only, so threads need no lock."""

    def __init__(self, mode: CaptureMode, wires: Wires) -> None:
        self._wires = wires
        self._v1 = wires.v1
        self._speaks_v1 = {CaptureMode.V1: True, CaptureMode.LEGACY: False}.get(mode)

    @property
    def current(self) -> Wire:
        """The wire for the next request."""
        return self._wires.legacy if self._speaks_v1 is False else self._v1

    def learn(self, spoken: Wire, answer: Response | NoAnswer, judgement: Judgement | None) -> bool:
        """Take in an answer to a request over ``spoken``. True: send it again at once, over ``current``."""
        if spoken is self._wires.legacy or judgement is None or isinstance(answer, NoAnswer):
            return False
        if judgement.undecoded and spoken is not self._wires.v1_plain:
            self._v1 = self._wires.v1_plain
            return True
        telling = answer.status < 500 and answer.status not in UNDECIDED
        if self._speaks_v1 is None:
            if judgement.spoken:
                self._speaks_v1 = True
            elif telling:
                self._speaks_v1 = False
        return self._speaks_v1 is False and telling and not judgement.spoken
