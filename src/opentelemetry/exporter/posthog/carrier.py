"""Events and group updates on their way to PostHog, and what became of them on the way back.

Write ahead, deliver, settle in the outbox and in the ledger; what the ledger grants again while it is settled
goes round once more. Every capture is counted exactly once.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Protocol

from .model import Envelope, GroupUpdate, Outcome, OutcomeKind
from .reasons import Reason
from .settings.model import OutboxMode
from .tallies import tally

if TYPE_CHECKING:
    from .clock import Clock
    from .delivery.outbox import Outbox, Receipt
    from .diagnostics import Diagnostics
    from .groups.group_ledger import GroupLedger

MAX_ROUNDS = 8
"""Times one export sends what a settle granted again; a group that changes faster waits for the next one."""

UNENCODABLE = Outcome(OutcomeKind.REFUSED, Reason.INVALID.value)
"""A group update of which no JSON can be made: not again until its value changes."""


class EncodeUpdate(Protocol):
    """Turns group updates into envelopes; None for one that can't be encoded."""

    def group_update(self, update: GroupUpdate) -> Envelope | None: ...


class Deliver(Protocol):
    """The courier, as the pipeline needs it."""

    def deliver(self, envelopes: Sequence[Envelope], *, deadline: float) -> list[Outcome]: ...
    def hasten(self) -> None: ...
    def interrupt(self) -> None: ...
    def close(self) -> None: ...
    def after_fork_in_child(self) -> None: ...


class Carrier:
    """Carries what an export, a flush or a look made. Safe for many threads; holds no lock while it sends."""

    def __init__(
        self,
        *,
        ledger: GroupLedger,
        encode: EncodeUpdate,
        courier: Deliver,
        outbox: Outbox | None,
        outbox_mode: OutboxMode,
        diagnostics: Diagnostics,
        clock: Clock,
    ) -> None:
        self._ledger = ledger
        self._encode = encode
        self._courier = courier
        self._outbox = outbox
        self._outbox_mode = outbox_mode
        self._diagnostics = diagnostics
        self._clock = clock

    def carry(self, events: Sequence[Envelope], updates: Sequence[GroupUpdate], deadline: float) -> bool:
        """Write ahead, deliver, settle; then whatever the settling granted. True: nothing lost."""
        receipt = self._write_ahead(events)
        kept = True
        for _ in range(MAX_ROUNDS):
            sent, update_envelopes, unencodable = self._encoded_updates(updates)
            updates, kept_these = self._settle_updates(unencodable, [UNENCODABLE] * len(unencodable))
            kept = kept and kept_these
            if events or sent:
                outcomes, interruption = self._deliver([*update_envelopes, *events], deadline)
                kept = self._settle_events(events, receipt, outcomes[len(sent) :]) and kept
                again, sent_well = self._settle_updates(sent, outcomes[: len(sent)])
                updates += again
                kept = kept and sent_well
                if interruption is not None:
                    self._give_back(updates)
                    raise interruption
                events, receipt = (), None
            if not updates or self._clock.monotonic() >= deadline:
                break
        self._give_back(updates)
        return kept

    def _encoded_updates(
        self, updates: Iterable[GroupUpdate]
    ) -> tuple[list[GroupUpdate], list[Envelope], list[GroupUpdate]]:
        """The updates that can be encoded, their envelopes, and the updates that can't."""
        sent: list[GroupUpdate] = []
        envelopes: list[Envelope] = []
        unencodable: list[GroupUpdate] = []
        for update in updates:
            envelope = self._encode.group_update(update)
            if envelope is None:
                unencodable.append(update)
            else:
                sent.append(update)
                envelopes.append(envelope)
        return sent, envelopes, unencodable

    def _deliver(
        self, envelopes: Sequence[Envelope], deadline: float
    ) -> tuple[Sequence[Outcome], BaseException | None]:
        """Outcomes in the order of ``envelopes``, and what interrupted the interpreter meanwhile, if so.

        An attempt that was interrupted may have arrived, so its outcome is unknown: the ledger then waits
        for the request to be surely dead before it sends other contents.
        """
        started = self._clock.monotonic()
        try:
            return self._courier.deliver(envelopes, deadline=deadline), None
        except BaseException as error:  # noqa: BLE001 - settled first, then handed to the exporter
            interrupted = Outcome(OutcomeKind.RETRY, "interrupted", unknown_at=started)
            outcomes = [interrupted] * len(envelopes)
            if not isinstance(error, Exception):
                return outcomes, error
            self._diagnostics.error("delivery_error", f"a delivery ended in {type(error).__name__}")
            return outcomes, None

    # -- captures -----------------------------------------------------------------------------------

    def _write_ahead(self, events: Sequence[Envelope]) -> Receipt | None:
        if self._outbox is None or not events or self._outbox_mode is not OutboxMode.WRITE_AHEAD:
            return None
        return self._outbox.put(events)

    def _settle_events(
        self, events: Sequence[Envelope], receipt: Receipt | None, outcomes: Sequence[Outcome]
    ) -> bool:
        """Count every capture exactly once and keep what may be kept. True when none was lost."""
        stored = receipt is not None
        if self._outbox is not None and receipt is not None:
            self._outbox.settle(receipt, outcomes)
        elif self._outbox is not None and self._outbox_mode is OutboxMode.SPILL:
            stored = self._spill(events, outcomes)
        return self._count_events(outcomes, stored=stored)

    def _spill(self, events: Sequence[Envelope], outcomes: Sequence[Outcome]) -> bool:
        """Store what could not be delivered and hand it over to whoever drains. False: it is lost."""
        assert self._outbox is not None
        waiting = [
            (event, outcome)
            for event, outcome in zip(events, outcomes, strict=True)
            if outcome.kind is OutcomeKind.RETRY
        ]
        if not waiting:
            return True
        receipt = self._outbox.put([event for event, _ in waiting])
        if receipt is None:
            return False
        self._outbox.settle(receipt, [outcome for _, outcome in waiting])
        return True

    def _count_events(self, outcomes: Sequence[Outcome], *, stored: bool) -> bool:
        lost = 0
        for (kind, reason), count in tally(outcomes).items():
            if kind is OutcomeKind.DELIVERED:
                self._diagnostics.delivered(count)
            elif kind is OutcomeKind.REFUSED:
                self._diagnostics.refused(reason, count)
                lost += count
            elif stored:
                self._diagnostics.stored(count)
            else:
                self._diagnostics.dropped(reason or Reason.DEADLINE, count)
                lost += count
        return not lost

    # -- group updates ------------------------------------------------------------------------------

    def _settle_updates(
        self, sent: Sequence[GroupUpdate], outcomes: Sequence[Outcome]
    ) -> tuple[list[GroupUpdate], bool]:
        """Tell the ledger what became of its updates: what it grants again, and whether nothing was lost.

        An update that did not arrive is not lost where the ledger is durable: the group stays unconfirmed
        and a sweep sends it. A memory ledger keeps it too, but dies with the process.
        """
        if not sent:
            return [], True
        again = self._ledger.settle(zip(sent, outcomes, strict=True))
        counts = tally(outcomes)
        delivered = sum(n for (kind, _), n in counts.items() if kind is OutcomeKind.DELIVERED)
        refused = sum(n for (kind, _), n in counts.items() if kind is OutcomeKind.REFUSED)
        unknown = sum(o.kind is OutcomeKind.RETRY and o.unknown_at is not None for o in outcomes)
        self._diagnostics.updates(
            granted=len(sent),
            delivered=delivered,
            refused=refused,
            unknown=unknown,
            released=len(sent) - delivered - refused - unknown,
        )
        arrived = delivered == len(sent) or (self._ledger.durable and not refused)
        return again, arrived

    def _give_back(self, updates: Sequence[GroupUpdate]) -> None:
        """Release claims for which no time was left; nothing was sent, so nothing can be in the air."""
        if updates:
            self._settle_updates(updates, [Outcome(OutcomeKind.RETRY, "deadline")] * len(updates))
