"""The order of the steps: signals in, outcomes out, and the way back to the ledger and the outbox.

::

    batch of signals
      │ translate, encode    → events (envelopes) and observations; most signals end here, with a reason
      │ ledger.observe       → the group updates that this worker may send now
      │ outbox.put           write ahead: from here on a kill loses nothing (captures only)
      │ courier.deliver      group updates first → one outcome an envelope, within the deadline
      │ outbox.settle        delivered rows go, refused ones are kept for people, the rest stays
      ▼ ledger.settle        a delivered update is confirmed, any other leaves the group unconfirmed;
                             what has moved on meanwhile is granted again and goes round once more

One pipeline serves the span and the log exporter of a project, from several threads at once. It holds no
lock while it translates or sends; the parts that have state guard it themselves.

Deadlines. Everything an export does ends by ``start + timeout``. A claim is granted after ``start``, and the
ledger's send window is that same timeout, so no attempt can start after its claim's window: the deadline of
the export keeps the ledger's promise too.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from .model import (
    Capture,
    Envelope,
    GroupUpdate,
    LedgerDecision,
    Observation,
    Outcome,
    OutcomeKind,
    SignalDescription,
)
from .reasons import Reason
from .settings.model import OutboxMode
from .translate.announcements import announcement

if TYPE_CHECKING:
    from .clock import Clock
    from .delivery.caretaker import Caretaker
    from .delivery.drain import Drainer
    from .delivery.outbox import Outbox, Receipt
    from .diagnostics import Diagnostics
    from .groups.group_ledger import GroupLedger
    from .settings.model import Settings

T = TypeVar("T")
SignalT = TypeVar("SignalT")

TOGETHER = 32
"""Signals translated and encoded together: enough for each stage to run from the processor's caches, and few
enough for their values to stay there too. Then other threads get a turn, which halves their worst stalls."""

MAX_ROUNDS = 8
"""Times one export sends what a settle granted again; a group that changes faster waits for the next one."""

MIN_PAUSE = 0.05
"""Seconds between looks at least, whatever a store says is due: a clock step must not make a busy loop."""

CUT_OFF_RESERVE = 0.5
"""Seconds of a shutdown kept for the case that a running request has to be cut off and settled."""

UNENCODABLE = Outcome(OutcomeKind.REFUSED, Reason.INVALID.value)
"""A group update of which no JSON can be made: not again until its value changes."""


class Translated(Protocol):
    """What translation says of one signal (``translate.Translation``)."""

    @property
    def capture(self) -> Capture | None: ...
    @property
    def observations(self) -> Sequence[Observation]: ...
    @property
    def reason(self) -> Reason | None: ...
    @property
    def notes(self) -> Sequence[str]: ...


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


class Encode(Protocol):
    """Turns captures and group updates into envelopes; None for one that can't be encoded."""

    def capture(self, capture: Capture) -> Envelope | None: ...
    def group_update(self, update: GroupUpdate) -> Envelope | None: ...


class Deliver(Protocol):
    """The courier, as the pipeline needs it."""

    def deliver(self, envelopes: Sequence[Envelope], *, deadline: float) -> list[Outcome]: ...
    def hasten(self) -> None: ...
    def interrupt(self) -> None: ...
    def close(self) -> None: ...
    def after_fork_in_child(self) -> None: ...


@dataclass(frozen=True, slots=True)  # a NamedTuple can't be generic on Python 3.10
class Source(Generic[SignalT]):
    """Where a batch comes from: the word for its signals and the function that translates one."""

    signal: str  # "span" or "log"
    translate: Callable[[SignalT], Translated]
    describe: Callable[[SignalT], SignalDescription] | None = None  # for a witness
    translate_together: Callable[[Sequence[SignalT]], Sequence[Translated]] | None = None
    """The same for some signals, one answer a signal, and faster; raises if it would for one of them."""


class Pipeline:
    """Takes batches, delivers what they make, and settles what became of it. Safe for many threads."""

    def __init__(
        self,
        *,
        settings: Settings,
        ledger: GroupLedger,
        encode: Encode,
        courier: Deliver,
        outbox: Outbox | None,
        drainer: Drainer | None,
        diagnostics: Diagnostics,
        clock: Clock,
    ) -> None:
        self._settings = settings
        self._ledger = ledger
        self._encode = encode
        self._courier = courier
        self._outbox = outbox
        self._drainer = drainer
        self._caretaker: Caretaker | None = None
        self._witness: Witness | None = None
        self._diagnostics = diagnostics
        self._clock = clock
        self._running = Running()
        self._closed = False

    def show_to(self, witness: Witness) -> None:
        """Let ``witness`` watch every export from now on."""
        self._witness = witness

    def employ(self, caretaker: Caretaker) -> None:
        """Let ``caretaker`` call :meth:`tend` while something waits, be it of an earlier life."""
        self._caretaker = caretaker
        if self._outbox is not None:
            caretaker.wake()

    # -- the way of a batch -------------------------------------------------------------------------

    def export(self, source: Source[SignalT], batch: Sequence[SignalT]) -> bool:
        """Deliver or durably store what ``batch`` makes. True when nothing of it was lost.

        Ends within ``settings.timeout`` seconds. Raises only what interrupts the interpreter itself
        (``KeyboardInterrupt``, ``SystemExit``), after everything was counted and settled.
        """
        deadline = self._clock.monotonic() + self._settings.timeout
        with self._running():
            self._diagnostics.received(source.signal, len(batch))
            if self._closed:
                self._diagnostics.not_selected(Reason.SHUT_DOWN, len(batch))
                return False
            look = None if self._witness is None else self._witness.export(source)
            events, observations = self._translate(source, batch, look)
            if self._settings.dry_run:
                self._diagnostics.dropped(Reason.DRY_RUN, len(events))
                return True
            updates = self._ledger.observe(observations) if observations else []
            if look is not None and observations:
                look.decided(self._ledger.decisions(observations, updates))
            kept = self._carry(events, updates, deadline) and self._ledger.is_safe()
        self._diagnostics.tick()
        self._pass_notices_on()
        self._wake_caretaker()
        return kept

    def _pass_notices_on(self) -> None:
        for notice in self._ledger.notices():
            say = self._diagnostics.error if notice.grave else self._diagnostics.warn
            say(notice.kind, notice.message)

    def _wake_caretaker(self) -> None:
        if self._caretaker is not None and not self._caretaker.alive and self._something_waits():
            self._caretaker.wake()

    def _something_waits(self) -> bool:
        """After each export, so the ledger is not allowed to ask its store."""
        return self._ledger.something_waits() or (
            self._outbox is not None and self._outbox.next_due() is not None
        )

    def _translate(
        self, source: Source[SignalT], batch: Sequence[SignalT], look: ExportWitness | None
    ) -> tuple[list[Envelope], list[Observation]]:
        """A few signals at a time, encoded while what they are made of is still near the processor."""
        events: list[Envelope] = []
        observations: list[Observation] = []
        made: list[str] = []
        gone: list[Reason] = []
        seen: set[str] = set()
        for start in range(0, len(batch), TOGETHER):
            if start:
                time.sleep(0)
            signals = batch[start : start + TOGETHER]
            captures: list[Capture] = []
            for signal, result in zip(signals, self._translated(source, signals), strict=True):
                if look is not None:
                    _show(look, signal, result)
                if result is None:
                    gone.append(Reason.TRANSLATION_ERROR)
                    continue
                observations.extend(result.observations)
                if result.notes:
                    self._take_notes(result.notes)
                capture = result.capture
                if capture is None:
                    gone.append(result.reason or Reason.NOT_NAMED)
                    continue
                made.append(capture.name)
                if capture.uuid in seen:
                    self._diagnostics.dropped(Reason.DUPLICATE_UUID, 1)
                    continue
                seen.add(capture.uuid)
                captures.append(capture)
            envelopes = [envelope for envelope in map(self._encode.capture, captures) if envelope is not None]
            events.extend(envelopes)
            if len(envelopes) < len(captures):
                self._diagnostics.dropped(Reason.INVALID, len(captures) - len(envelopes))
        for reason, count in counted(gone):
            self._diagnostics.let_go(reason, count)
        self._diagnostics.made(made)
        return events, observations

    def _translated(self, source: Source[SignalT], signals: Sequence[SignalT]) -> Sequence[Translated | None]:
        """One answer a signal; None for one that can't be read, which must not cost the others."""
        if source.translate_together is not None:
            try:
                return source.translate_together(signals)
            except Exception:  # noqa: BLE001, S110 - translated one by one, those that can be read get through
                pass
        return [self._translated_alone(source, signal) for signal in signals]

    def _translated_alone(self, source: Source[SignalT], signal: SignalT) -> Translated | None:
        try:
            return source.translate(signal)
        except Exception as error:  # noqa: BLE001 - foreign objects may raise anything
            self._unreadable(error)
            return None

    def _unreadable(self, error: Exception) -> None:
        self._diagnostics.error(
            "translation_error", f"a signal could not be translated: {type(error).__name__}"
        )

    def _take_notes(self, notes: Iterable[str]) -> None:
        for note in notes:
            line = announcement(note)
            if line is None:
                self._diagnostics.note(note, 1)
            else:
                self._diagnostics.info_once(note, line)

    def _carry(self, events: Sequence[Envelope], updates: Sequence[GroupUpdate], deadline: float) -> bool:
        """Write ahead, deliver, settle; then whatever the settling granted. True: nothing lost."""
        receipt = self._write_ahead(events)
        kept = True
        for _ in range(MAX_ROUNDS):
            sent, update_envelopes = self._encoded_updates(updates)
            if not events and not sent:
                return kept
            outcomes, interruption = self._deliver([*update_envelopes, *events], deadline)
            kept = self._settle_events(events, receipt, outcomes[len(sent) :]) and kept
            updates, sent_well = self._settle_updates(sent, outcomes[: len(sent)])
            kept = kept and sent_well
            if interruption is not None:
                self._give_back(updates)
                raise interruption
            events, receipt = (), None
            if not updates or self._clock.monotonic() >= deadline:
                break
        self._give_back(updates)
        return kept

    def _encoded_updates(self, updates: Iterable[GroupUpdate]) -> tuple[list[GroupUpdate], list[Envelope]]:
        """The updates that can be encoded, and their envelopes; one that can't is settled as refused."""
        sent: list[GroupUpdate] = []
        envelopes: list[Envelope] = []
        for update in updates:
            envelope = self._encode.group_update(update)
            if envelope is None:
                self._settle_updates([update], [UNENCODABLE])
            else:
                sent.append(update)
                envelopes.append(envelope)
        return sent, envelopes

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
        if self._outbox is None or not events or self._settings.outbox_mode is not OutboxMode.WRITE_AHEAD:
            return None
        return self._outbox.put(events)

    def _settle_events(
        self, events: Sequence[Envelope], receipt: Receipt | None, outcomes: Sequence[Outcome]
    ) -> bool:
        """Count every capture exactly once and keep what may be kept. True when none was lost."""
        stored = receipt is not None
        if self._outbox is not None and receipt is not None:
            self._outbox.settle(receipt, outcomes)
        elif self._outbox is not None and self._settings.outbox_mode is OutboxMode.SPILL:
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

    # -- flush, care and shutdown -------------------------------------------------------------------

    def force_flush(self, timeout: float) -> bool:
        """Send what waits, as far as it may be sent now. True: nothing is left that a kill would lose.

        Passes the ledger's bucket and back-off, never another worker's claim, a cooling or the server's
        ``Retry-After``. ``timeout`` is seconds.
        """
        deadline = self._clock.monotonic() + timeout
        if not self._running.wait(timeout):
            return False
        with self._running():
            self._flush_groups(deadline)
            if self._drainer is not None:
                self._drainer.drain_once(self._end_of_round(deadline))
        self._pass_notices_on()
        self._wake_caretaker()  # what was not delivered waits, and no export may come for it
        return self._ledger.clean()

    def _flush_groups(self, deadline: float) -> None:
        end = self._end_of_round(deadline)  # before the claims: their window counts from here
        self._carry((), self._ledger.flush(force=True), end)

    def _end_of_round(self, deadline: float) -> float:
        """A round of claims and attempts lasts at most one send window."""
        return min(deadline, self._clock.monotonic() + self._settings.timeout)

    def tend(self) -> float | None:
        """Do what no export may come for. Seconds until the next call is due, None when nothing waits."""
        if self._closed:
            return None
        deadline = self._clock.monotonic() + self._settings.timeout
        with self._running():
            self._carry((), self._ledger.tend(), deadline)
            drain_again = self._drainer.tend(deadline) if self._drainer is not None else None
        self._pass_notices_on()
        waits = [wait for wait in (self._until_ledger_is_due(), drain_again) if wait is not None]
        return min(waits, default=None)

    def _until_ledger_is_due(self) -> float | None:
        due_in = self._ledger.due_in()
        return None if due_in is None else max(MIN_PAUSE, due_in)

    def shutdown(self, timeout: float) -> None:
        """Let running exports end, send what may be sent, leave the rest where it is durable.

        Pauses between attempts end at once. A running request is cut off only when the time is up; what it
        carried is then settled as unknown: stored, or counted as dropped.
        """
        if self._closed:
            return
        self._closed = True
        deadline = self._clock.monotonic() + timeout
        self._courier.hasten()
        if self._running.wait(timeout - CUT_OFF_RESERVE):
            with self._running():
                self._flush_groups(deadline)
                self._carry((), self._ledger.last_act(), self._end_of_round(deadline))
        else:
            self._courier.interrupt()
            self._running.wait(CUT_OFF_RESERVE)
        if self._caretaker is not None:
            self._caretaker.stop(max(0.0, deadline - self._clock.monotonic()))
        self._ledger.close()
        if self._outbox is not None:
            self._outbox.close()
        self._courier.close()
        if self._witness is not None:
            self._witness.close()
        self._diagnostics.final_line()

    # -- fork ---------------------------------------------------------------------------------------

    def before_fork(self) -> None:
        self._ledger.before_fork()
        if self._outbox is not None:
            self._outbox.before_fork()

    def after_fork_in_parent(self) -> None:
        if self._outbox is not None:
            self._outbox.after_fork_in_parent()
        self._ledger.after_fork_in_parent()

    def after_fork_in_child(self) -> None:
        """The exports that ran in the parent go on there; nothing runs here yet."""
        self._running = Running()
        for part in (
            self._ledger,
            self._outbox,
            self._courier,
            self._drainer,
            self._caretaker,
            self._witness,
        ):
            if part is not None:
                part.after_fork_in_child()


def _show(look: ExportWitness, signal: object, result: Translated | None) -> None:
    if result is None:
        look.let_go(signal, Reason.TRANSLATION_ERROR, ())
    elif result.capture is not None:
        look.made(signal, result.capture, result.observations)
    else:
        look.let_go(signal, result.reason or Reason.NOT_NAMED, result.observations)


def counted(values: Sequence[T]) -> list[tuple[T, int]]:
    """How often each object occurs. By identity: hashing an enum's member runs Python code."""
    counts = Counter(map(id, values))
    return [(value, counts[id(value)]) for value in {id(value): value for value in values}.values()]


class Running:
    """Knows which calls are inside, so that a flush can wait for those before it, and only those."""

    def __init__(self) -> None:
        self._changed = threading.Condition()  # guards what follows
        self._tickets: set[int] = set()
        self._next_ticket = 0

    @contextmanager
    def __call__(self) -> Generator[None]:
        with self._changed:
            ticket = self._next_ticket
            self._next_ticket += 1
            self._tickets.add(ticket)
        try:
            yield
        finally:
            with self._changed:
                self._tickets.discard(ticket)
                self._changed.notify_all()

    def wait(self, timeout: float) -> bool:
        """True once every call that is inside now has left; False when ``timeout`` seconds went by first."""
        with self._changed:
            mark = self._next_ticket
            return self._changed.wait_for(lambda: min(self._tickets, default=mark) >= mark, max(0.0, timeout))


def tally(outcomes: Sequence[Outcome]) -> Counter[tuple[OutcomeKind, str]]:
    """How many outcomes of each kind and reason."""
    tally: Counter[tuple[OutcomeKind, str]] = Counter()
    for outcome, count in counted(outcomes):
        tally[outcome.kind, outcome.reason] += count
    return tally
