"""Brings stored captures to PostHog: page by page, one process at a time, the oldest first.

Called from ``force_flush``, at start, from the command line and from the caretaker's thread. Whoever has the
turn sends; all others know when to ask again. After an outage that is one request at a time a file, however
many processes share it, and while it lasts one try a back-off interval: a second, doubled up to five minutes.
"""

from __future__ import annotations

import os
import threading
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from ..model import Envelope, Outcome, OutcomeKind

if TYPE_CHECKING:
    from ..clock import Clock
    from .outbox import Outbox, Receipt, Report

CLAIM_BYTES = 4 * 1024 * 1024
"""A page: what a drain holds in memory at once, however large the backlog is."""

LEAST_PAUSE = 1.0
"""Seconds between two drains, so that a disk that refuses everything does not keep a core busy."""


LONGEST_PAUSE = 30.0
"""Seconds: somebody else may get through long before our back-off is over, and then it is over at once."""


class Deliver(Protocol):
    """The courier, as a drain needs it."""

    def deliver(self, envelopes: Sequence[Envelope], *, deadline: float) -> list[Outcome]: ...


@dataclass(frozen=True, slots=True)
class DrainReport:
    """What one drain did. Counts are events."""

    delivered: int = 0
    refused: int = 0
    waiting: int = 0  # sent without success; still stored
    expired: int = 0
    wait: float = 0.0  # seconds until the next drain makes sense; 0: nothing speaks against one now


@dataclass(slots=True)
class _Tally:
    delivered: int = 0
    refused: Counter[str] = field(default_factory=Counter[str])
    waiting: int = 0


class Drainer:
    """Drains one outbox. Safe for many threads: one drains, the others are told to come back."""

    def __init__(
        self,
        outbox: Outbox,
        courier: Deliver,
        *,
        clock: Clock,
        report: Report,
        claim_bytes: int = CLAIM_BYTES,
    ) -> None:
        self._outbox = outbox
        self._courier = courier
        self._clock = clock
        self._report = report
        self._claim_bytes = claim_bytes
        self._meet_the_process()

    def _meet_the_process(self) -> None:
        self._pid = os.getpid()
        self._inside = threading.Lock()  # held by the thread that drains

    def after_fork_in_child(self) -> None:
        self._meet_the_process()

    def drain_once(self, deadline: float, *, force: bool = True) -> DrainReport:
        """Send what is stored until nothing is due, a page gets nowhere, or at ``deadline`` (monotonic).

        ``force`` passes our own back-off, never another process's turn nor the server's ``Retry-After``.
        Raises only what interrupts the interpreter, after the page was settled.
        """
        if self._pid != os.getpid():
            self._meet_the_process()
        if not self._inside.acquire(blocking=False):
            return DrainReport(wait=LEAST_PAUSE)
        try:
            wait = self._outbox.take_turn(force=force)
            if wait > 0:
                return DrainReport(wait=wait)
            return self._drain(deadline)
        finally:
            self._inside.release()

    def tend(self, deadline: float) -> float | None:
        """Drain if it is time; the seconds until it is worth calling again, None when nothing is stored."""
        due = self._outbox.next_due()
        if due is None:
            return None
        if due > 0:
            return max(LEAST_PAUSE, min(LONGEST_PAUSE, due))
        report = self.drain_once(deadline, force=False)
        due = self._outbox.next_due()
        if due is None:
            self._outbox.tidy()
            return None
        return max(LEAST_PAUSE, min(LONGEST_PAUSE, max(due, report.wait)))

    def _drain(self, deadline: float) -> DrainReport:
        total = _Tally()
        failed, retry_after = False, 0.0
        expired = self._outbox.expire()
        try:
            while not failed and self._clock.monotonic() < deadline:
                receipt = self._outbox.claim(self._claim_bytes)
                if receipt is None:
                    break
                outcomes = self._deliver(receipt, deadline)
                failed = self._count(outcomes, total)
                retry_after = max((o.retry_after for o in outcomes), default=0.0) if failed else 0.0
        finally:
            wait = self._outbox.end_turn(failed=failed, retry_after=retry_after)
        refused = sum(total.refused.values())
        return DrainReport(total.delivered, refused, total.waiting, expired, wait)

    def _deliver(self, receipt: Receipt, deadline: float) -> Sequence[Outcome]:
        """Outcomes, settled. What interrupts a delivery is raised after the page was given back."""
        outcomes: Sequence[Outcome] = [Outcome(OutcomeKind.RETRY, "interrupted")] * len(receipt.envelopes)
        try:
            outcomes = self._courier.deliver(receipt.envelopes, deadline=deadline)
        except Exception as error:  # noqa: BLE001 - the courier promises not to; rows must not stay leased
            self._report.error("delivery_error", f"a delivery ended in {type(error).__name__}")
        finally:
            self._outbox.settle(receipt, outcomes)
        return outcomes

    def _count(self, outcomes: Sequence[Outcome], total: _Tally) -> bool:
        """Count a page. True when nothing of it got anywhere."""
        delivered = sum(outcome.kind is OutcomeKind.DELIVERED for outcome in outcomes)
        refused = Counter(outcome.reason for outcome in outcomes if outcome.kind is OutcomeKind.REFUSED)
        settled = delivered + sum(refused.values())
        total.delivered += delivered
        total.refused.update(refused)
        total.waiting += len(outcomes) - settled
        if delivered:
            self._report.delivered(delivered)
        for reason, count in refused.items():
            self._report.refused(reason, count)
        if settled:
            self._report.stored(-settled)
        return not settled
