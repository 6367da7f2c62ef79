"""Which protocol to speak, and how ``auto`` finds out.

``auto`` tries v1. An answer that only v1 gives decides for it; any other answer below 500 to the first
request means that this host has none, and legacy it is for this process. 408, 429, 5xx and silence decide
nothing: they may come from anybody.
"""

from __future__ import annotations

from ..settings.model import CaptureMode
from ..wire.exchange import Judgement, NoAnswer, Response, Wire

UNDECIDED = frozenset({408, 429})


class Protocol:
    """The protocol of one host. Assignments are single and final, so threads need no lock."""

    def __init__(self, mode: CaptureMode, *, v1: Wire, legacy: Wire) -> None:
        self._v1 = v1
        self._legacy = legacy
        self._settled: Wire | None = {CaptureMode.V1: v1, CaptureMode.LEGACY: legacy}.get(mode)

    @property
    def current(self) -> Wire:
        """The wire for the next request."""
        return self._settled if self._settled is not None else self._v1

    def learn(self, spoken: Wire, answer: Response | NoAnswer, judgement: Judgement | None) -> bool:
        """Take in an answer to a request over ``spoken``. True: send it again at once, over legacy."""
        if spoken is not self._v1 or judgement is None or isinstance(answer, NoAnswer):
            return False
        telling = answer.status < 500 and answer.status not in UNDECIDED
        if self._settled is None:
            if judgement.spoken:
                self._settled = self._v1
            elif telling:
                self._settled = self._legacy
        return self._settled is self._legacy and telling and not judgement.spoken
