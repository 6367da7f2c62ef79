"""The spool's events to PostHog: in order of event time, at a chosen pace, until all are settled.

What was sent and not yet written down when the process died is sent again with the same uuid and timestamp,
and PostHog replaces the row. An outage is waited out for a few minutes; then the replay ends, and the next
one goes on.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Protocol

from ..model import Envelope, Outcome, OutcomeKind

if TYPE_CHECKING:
    from ..clock import Clock
    from .spool import Spool, Waiting

PAGE_EVENTS: Final = 512
PAGE_BYTES: Final = 4 * 1024 * 1024
"""What one request takes (``wire.batching``), so a page is one request."""

PATIENCE: Final = 8
"""Pages in a row that got nowhere, with pauses of 1 s doubled up to 30 s between: about two minutes."""

LONGEST_PAUSE: Final = 30.0

HOPELESS: Final = frozenset({"credentials", "quota", "not_posthog", "redirect"})
"""Waiting changes nothing about these: a person must act."""


class Deliver(Protocol):
    """The courier, as a replay needs it."""

    def deliver(self, envelopes: Sequence[Envelope], *, deadline: float) -> list[Outcome]: ...


@dataclass(frozen=True, slots=True)
class SendReport:
    """What one run sent. ``stopped`` is the reason why it ended before all was settled; else empty."""

    delivered: int = 0
    refused: Counter[str] = field(default_factory=Counter[str])  # by reason
    stopped: str = ""
    detail: str = ""


class Sender:
    """Sends what a spool holds. ``rate``: events a second at most, 0 for as fast as PostHog takes them;
    ``timeout``: seconds for one page. ``at`` is called at named points; tests put a crash there."""

    def __init__(
        self,
        spool: Spool,
        courier: Deliver,
        *,
        rate: float,
        timeout: float,
        clock: Clock,
        at: Callable[[str], None],
    ) -> None:
        self._spool = spool
        self._courier = courier
        self._rate = rate
        self._timeout = timeout
        self._clock = clock
        self._at = at
        self._never = threading.Event()

    def send(self, tell: Callable[[int], None]) -> SendReport:
        """Until nothing waits, or PostHog takes nothing. ``tell`` gets the events settled by this run."""
        delivered, refused = 0, Counter[str]()
        vain = settled = 0
        due = self._clock.monotonic()
        while page := self._spool.waiting(self._page_events(), PAGE_BYTES):
            self._pause(due - self._clock.monotonic())
            due = self._clock.monotonic() + (len(page) / self._rate if self._rate else 0.0)
            outcomes = self._deliver(page)
            done = self._spool.settle(page, outcomes)
            self._at("send.after_settle")
            delivered += sum(outcome.kind is OutcomeKind.DELIVERED for outcome in outcomes)
            refused.update(o.reason for o in outcomes if o.kind is OutcomeKind.REFUSED)
            settled += done
            tell(settled)
            kept = [outcome for outcome in outcomes if outcome.kind is OutcomeKind.RETRY]
            vain = 0 if done else vain + 1
            if kept and (kept[0].reason in HOPELESS or vain >= PATIENCE):
                return SendReport(delivered, refused, kept[0].reason, kept[0].detail)
            if kept:
                asked = max(outcome.retry_after for outcome in kept)
                self._pause(max(asked, min(LONGEST_PAUSE, 2.0 ** max(0, vain - 1))))
        return SendReport(delivered, refused)

    def _page_events(self) -> int:
        """A second's worth at most: a low rate should trickle, not come in lumps."""
        return min(PAGE_EVENTS, max(1, round(self._rate))) if self._rate else PAGE_EVENTS

    def _deliver(self, page: Sequence[Waiting]) -> list[Outcome]:
        deadline = self._clock.monotonic() + self._timeout
        outcomes = self._courier.deliver([one.envelope for one in page], deadline=deadline)
        self._at("send.before_settle")
        return outcomes

    def _pause(self, seconds: float) -> None:
        if seconds > 0:
            self._clock.wait(seconds, self._never)
