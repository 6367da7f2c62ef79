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

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Protocol, TypeVar

from .batch_translation import BatchTranslation, EncodeCapture
from .carrier import Carrier, Deliver, EncodeUpdate
from .reasons import Reason
from .running import Running
from .turns import Turns

if TYPE_CHECKING:
    from .clock import Clock
    from .delivery.caretaker import Caretaker
    from .delivery.drain import Drainer
    from .delivery.outbox import Outbox
    from .diagnostics import Diagnostics
    from .groups.group_ledger import GroupLedger
    from .settings.model import Settings
    from .source import Source
    from .witness import Witness

SignalT = TypeVar("SignalT")

MIN_PAUSE = 0.05
"""Seconds between looks at least, whatever a store says is due: a clock step must not make a busy loop."""

CUT_OFF_RESERVE = 0.5
"""Seconds of a shutdown kept for the case that a running request has to be cut off and settled."""


class Encode(EncodeCapture, EncodeUpdate, Protocol):
    """Turns captures and group updates into envelopes; None for what can't be encoded."""


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
        self._courier = courier
        self._outbox = outbox
        self._drainer = drainer
        self._caretaker: Caretaker | None = None
        self._witness: Witness | None = None
        self._diagnostics = diagnostics
        self._clock = clock
        self._translation = BatchTranslation(encode, diagnostics)
        self._turns = Turns(clock)
        self._carrier = Carrier(
            ledger=ledger,
            encode=encode,
            courier=courier,
            outbox=outbox,
            outbox_mode=settings.outbox_mode,
            diagnostics=diagnostics,
            clock=clock,
        )
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
            events, observations = self._translation.translate(
                source, batch, look, give_turn=self._turns.begin(source.signal)
            )
            if self._settings.dry_run:
                self._diagnostics.dropped(Reason.DRY_RUN, len(events))
                return True
            updates = self._ledger.observe(observations) if observations else []
            if look is not None and observations:
                look.decided(self._ledger.decisions(observations, updates))
            del observations  # a fifth of what would be held while the request is under way
            carried = not (events or updates) or self._carrier.carry(events, updates, deadline)
            kept = carried and self._ledger.is_safe()
        self._diagnostics.tick()
        self._pass_notices_on()
        self._wake_caretaker()
        self._turns.end(source.signal)
        return kept

    def _pass_notices_on(self) -> None:
        for notice in self._ledger.notices():
            say = self._diagnostics.error if notice.grave else self._diagnostics.warn
            say(notice.kind, notice.message)

    def _wake_caretaker(self) -> None:
        if self._caretaker is not None and self._something_waits():
            self._caretaker.attend()

    def _something_waits(self) -> bool:
        """After each export, so the ledger is not allowed to ask its store."""
        return self._ledger.something_waits() or (
            self._outbox is not None and self._outbox.next_due() is not None
        )

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
            if self._closed:
                return False
            self._flush_groups(deadline)
            if self._drainer is not None:
                self._drainer.drain_once(self._end_of_round(deadline))
        self._pass_notices_on()
        self._wake_caretaker()  # what was not delivered waits, and no export may come for it
        return self._ledger.clean()

    def _flush_groups(self, deadline: float) -> None:
        end = self._end_of_round(deadline)  # before the claims: their window counts from here
        self._carrier.carry((), self._ledger.flush(force=True), end)

    def _end_of_round(self, deadline: float) -> float:
        """A round of claims and attempts lasts at most one send window."""
        return min(deadline, self._clock.monotonic() + self._settings.timeout)

    def tend(self) -> float | None:
        """Do what no export may come for. Seconds until the next call is due, None when nothing waits."""
        deadline = self._clock.monotonic() + self._settings.timeout
        with self._running():
            if self._closed:  # looked at inside: a shutdown waits for who came before it, and only for them
                return None
            self._carrier.carry((), self._ledger.tend(), deadline)
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
        carried is then settled as unknown: stored, or counted as dropped. Raises only what interrupts the
        interpreter itself, after everything was closed.
        """
        if self._closed:
            return
        self._closed = True
        deadline = self._clock.monotonic() + timeout
        steps: list[Callable[[], object]] = [
            self._courier.hasten,
            partial(self._last_round, timeout, deadline),
            partial(self._dismiss_caretaker, deadline),
            self._pass_notices_on,
            self._ledger.close,
        ]
        if self._outbox is not None:
            steps.append(self._outbox.close)
        steps.append(self._courier.close)
        if self._witness is not None:
            steps.append(self._witness.close)
        self._take_all([*steps, self._diagnostics.final_line])

    def _last_round(self, timeout: float, deadline: float) -> None:
        if self._running.wait(timeout - CUT_OFF_RESERVE):
            with self._running():
                self._flush_groups(deadline)
                end = self._end_of_round(deadline)  # before the claims, as there
                self._carrier.carry((), self._ledger.last_act(), end)
        else:
            self._courier.interrupt()
            self._running.wait(CUT_OFF_RESERVE)

    def _dismiss_caretaker(self, deadline: float) -> None:
        if self._caretaker is not None:
            self._caretaker.stop(max(0.0, deadline - self._clock.monotonic()))

    def _take_all(self, steps: Iterable[Callable[[], object]]) -> None:
        """Whatever one of them runs into, the others follow: each closes something that would stay open."""
        interruptions = [one for step in steps if (one := self._interruption_of(step)) is not None]
        if interruptions:
            raise interruptions[0]

    def _interruption_of(self, step: Callable[[], object]) -> BaseException | None:
        """What interrupted the interpreter in this step, to be passed on once nothing is left open."""
        try:
            step()
        except Exception as error:  # noqa: BLE001 - an application that ends must not end in our error
            self._diagnostics.error(
                "shutdown_error", f"a step of the shutdown ended in {type(error).__name__}"
            )
        except BaseException as error:  # noqa: BLE001 - passed on, once all is closed
            return error
        return None

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
