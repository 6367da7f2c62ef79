"""Envelopes in, one outcome an envelope out: retries, splitting and giving up, within a deadline.

What to do after an answer is decided in ``retry``, what an answer says in ``wire``; this is the shell that
asks them, waits and sends.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from random import Random
from typing import Final
from uuid import UUID

from ..clock import Clock
from ..model import Envelope, Outcome, OutcomeKind
from ..settings.model import Settings
from ..wire.exchange import ACCEPTED, Judgement, NoAnswer, Request, Response
from .breaker import BRIEF, PROBE, Admission, Breaker
from .protocol import Protocol, wires_for
from .record import DeliveryRecord, Observer, unobserved
from .retry import Act, Decision, decide, delay_after, kept
from .transport import Transport
from .trip import WORTH_TRYING, Parcel, Trip

ATTEMPTS_IN_A_DEADLINE: Final = 2
"""A hung connection may use up its share of the deadline, and a fresh one must still have its own."""


class Courier:
    """Delivers to one host and key. Safe for many threads; ``deliver`` never raises for what the world does.

    ``observer`` is told of each delivery. ``historical_migration`` marks a replay of old telemetry, which
    PostHog then takes on a lane of its own. ``may_probe`` is asked before a probe while the breaker is open:
    of the processes that share an outbox, one an interval goes.
    """

    def __init__(
        self,
        *,
        transport: Transport,
        settings: Settings,
        clock: Clock,
        random: Random,
        observer: Observer = unobserved,
        historical_migration: bool = False,
        may_probe: Callable[[], bool] | None = None,
    ) -> None:
        self._transport = transport
        self._clock = clock
        self._random = random
        self._observer = observer
        self._max_attempts = settings.max_retries + 1
        self._attempt_timeout = settings.timeout / ATTEMPTS_IN_A_DEADLINE
        self._durable = settings.outbox is not None
        self._may_probe = may_probe
        self._protocol = Protocol(
            settings.capture_mode, wires_for(settings, historical_migration=historical_migration)
        )
        self.request_life = max(
            transport.request_life, 2 * settings.timeout if transport.request_life else 0.0
        )
        self._start_afresh()

    def _start_afresh(self) -> None:
        self._lock = threading.Lock()  # guards the breaker
        self._breaker = Breaker(durable=self._durable)
        self._hurry = threading.Event()
        self._stop = False

    # -- delivery -----------------------------------------------------------------------------------

    def deliver(self, envelopes: Sequence[Envelope], *, deadline: float) -> list[Outcome]:
        """Send ``envelopes`` and say what became of each, in order, by ``deadline`` (monotonic seconds).

        No attempt starts at or after the deadline. Group updates should stand first: when time runs out,
        it runs out for the last ones.
        """
        if not envelopes:
            return []
        trip = Trip(envelopes, started=self._clock.monotonic(), new_id=self._new_request_id)
        try:
            self._carry(trip, deadline)
        except Exception as error:  # noqa: BLE001 - a fault of ours costs this delivery, never the application
            trip.give_up(_waits("internal_error", type(error).__name__, unknown_at=trip.started))
        outcomes = trip.outcomes()
        self._tell(trip.record(outcomes, now=self._clock.monotonic(), breaker_open=self._breaker.is_open))
        return outcomes

    def _carry(self, trip: Trip, deadline: float) -> None:
        positions = trip.sound()
        if not positions:
            return
        with self._lock:
            admission = self._breaker.admit(trip.started)
            cause = self._breaker.cause
        if admission is Admission.PROBE and self._may_probe is not None and not self._may_probe():
            admission = Admission.NONE  # another process of the same outbox finds out for all
        if admission is Admission.NONE:
            trip.give_up(_waits(cause, "breaker_open"))
            return
        self._load(trip, positions)
        budget = _Budget(deadline, admission, now=trip.started)
        while (parcel := trip.next()) is not None:
            if (ending := self._not_now(trip, parcel, budget)) is not None:
                trip.put(parcel)
                trip.give_up(ending)
                return
            self._attempt(trip, parcel, budget)

    def _not_now(self, trip: Trip, parcel: Parcel, budget: _Budget) -> Outcome | None:
        """Wait until the parcel is due. Not None: this delivery ends here, so."""
        now = self._clock.monotonic()
        pause = parcel.due - now
        if pause > 0.0 and parcel.due + WORTH_TRYING <= budget.end:
            trip.waited += pause
            self._clock.wait(pause, self._hurry)
            now = self._clock.monotonic()
        if self._stop:
            return _waits("shut_down")
        if parcel.due > now or budget.end - now < WORTH_TRYING:
            self._note_exhaustion(now, budget)
            return parcel.ending or _waits("deadline")
        if budget.is_spent:
            return parcel.ending or _waits(self._breaker.cause or "deadline", "breaker_open")
        return None

    def _note_exhaustion(self, now: float, budget: _Budget) -> None:
        if budget.admission is Admission.FULL and now + WORTH_TRYING > budget.deadline:
            with self._lock:
                self._breaker.exhausted(now, "deadline")

    def _attempt(self, trip: Trip, parcel: Parcel, budget: _Budget) -> None:
        started = self._clock.monotonic()
        parcel.attempt += 1
        request = parcel.wire.request(
            trip.events_of(parcel),
            attempt=parcel.attempt,
            request_id=parcel.request_id,
            created_ns=parcel.created_ns,
            now_ns=self._clock.time_ns(),
            body=parcel.body,
        )
        parcel.body = request.body
        answer = self._send(trip, parcel, request, min(budget.end - started, self._attempt_timeout), started)
        envelopes = [trip.envelopes[position] for position in parcel.members]
        judgement = None if isinstance(answer, NoAnswer) else parcel.wire.judge(answer, envelopes)
        decision = decide(answer, judgement, envelopes=len(envelopes), now_ns=self._clock.time_ns())
        if decision.unknown:
            trip.mark_unknown(parcel.members, started)
        if self._protocol.learn(parcel.wire, answer, judgement):
            if judgement is not None and judgement.undecoded:
                trip.unread = parcel.wire.encoding
            self._load(trip, parcel.members)
            return
        self._tell_breaker(decision, budget)
        self._act(trip, parcel, decision, judgement, budget)

    def _send(
        self, trip: Trip, parcel: Parcel, request: Request, timeout: float, started: float
    ) -> Response | NoAnswer:
        try:
            answer = self._transport.send(request, timeout=timeout)
        except Exception as error:  # noqa: BLE001 - a transport that breaks its promise is no answer
            answer = NoAnswer("transport_error", sent=True, detail=type(error).__name__)
        trip.attempted(parcel, request.body, answer)
        return answer

    def _tell_breaker(self, decision: Decision, budget: _Budget) -> None:
        now = self._clock.monotonic()
        with self._lock:
            if decision.act is Act.STOP:
                self._breaker.stopped(now, decision.reason, retry_after=decision.retry_after)
            elif decision.healthy:
                self._breaker.succeeded()
            else:
                self._breaker.failed(now, decision.reason, retry_after=decision.retry_after)
            is_open = self._breaker.is_open
        budget.learn(healthy=decision.healthy and not is_open, breaker_open=is_open)

    def _act(
        self,
        trip: Trip,
        parcel: Parcel,
        decision: Decision,
        judgement: Judgement | None,
        budget: _Budget,
    ) -> None:
        match decision.act:
            case Act.ACCEPT:
                assert judgement is not None
                self._settle(trip, parcel, decision, judgement, budget)
            case Act.RESEND:
                self._resend(trip, parcel, kept(decision), decision.retry_after, budget)
            case Act.HALVE:
                trip.halve(parcel, created_ns=self._clock.time_ns(), due=self._clock.monotonic())
            case Act.REFUSE:
                trip.end_all(parcel.members, Outcome(OutcomeKind.REFUSED, decision.reason, decision.detail))
            case Act.KEEP:
                trip.end_all(parcel.members, kept(decision))
            case Act.STOP:
                trip.end_all(parcel.members, kept(decision))
                trip.give_up(kept(decision))

    def _settle(
        self, trip: Trip, parcel: Parcel, decision: Decision, judgement: Judgement, budget: _Budget
    ) -> None:
        """Each event by its own verdict; those that PostHog did not keep go again, alone."""
        verdicts = judgement.verdicts or ()
        if verdicts.count(ACCEPTED) == len(parcel.members):
            trip.all_arrived(parcel.members)
            return
        again: list[int] = []
        ending: Outcome | None = None
        for position, verdict in zip(parcel.members, verdicts, strict=True):
            if verdict.resend:
                again.append(position)
                ending = Outcome(verdict.kind, verdict.reason, verdict.detail, decision.retry_after)
            else:
                trip.end_by(position, verdict, retry_after=decision.retry_after)
        if ending is not None:
            parcel.keep_only(again)
            self._resend(trip, parcel, ending, decision.retry_after, budget)

    def _resend(
        self, trip: Trip, parcel: Parcel, ending: Outcome, retry_after: float, budget: _Budget
    ) -> None:
        """Put the parcel back with its next due time, or end it if there will be no time or no try left."""
        now = self._clock.monotonic()
        parcel.ending = ending
        pause = delay_after(parcel.attempt, at_least=retry_after, chance=self._random.random())
        no_time = now + pause + WORTH_TRYING > budget.end
        if no_time or parcel.attempt >= self._max_attempts or budget.is_spent or self._hurry.is_set():
            trip.end_all(parcel.members, ending)
            self._note_exhaustion(now, budget)
        else:
            parcel.due = now + pause
            trip.put(parcel)

    def _load(self, trip: Trip, positions: Sequence[int]) -> None:
        trip.load(
            positions, self._protocol.current, created_ns=self._clock.time_ns(), due=self._clock.monotonic()
        )

    def _new_request_id(self) -> str:
        return str(UUID(int=self._random.getrandbits(128), version=4))

    def _tell(self, record: DeliveryRecord) -> None:
        with suppress(Exception):  # whoever watches must not cost what was delivered
            self._observer(record)

    # -- end of life --------------------------------------------------------------------------------

    def hasten(self) -> None:
        """No more pauses: what would wait for its next attempt is given up. First attempts still go."""
        self._hurry.set()

    def interrupt(self) -> None:
        """End every delivery now: no pause, no further attempt, and the running request is cut off."""
        self._stop = True
        self._hurry.set()
        self._transport.abort()

    def close(self) -> None:
        """Let connections go. No delivery may be running."""
        self._stop = True
        self._hurry.set()
        self._transport.close()

    def after_fork_in_child(self) -> None:
        """New locks, no connection of the parent's. What ``auto`` found out stays true."""
        self._start_afresh()
        self._transport.after_fork_in_child()


class _Budget:
    """What one delivery may still spend."""

    def __init__(self, deadline: float, admission: Admission, *, now: float) -> None:
        self.deadline = deadline
        self.admission = admission
        self.is_spent = False
        allowed = {Admission.BRIEF: BRIEF, Admission.PROBE: PROBE}.get(admission)
        self.end = deadline if allowed is None else min(deadline, now + allowed)

    def learn(self, *, healthy: bool, breaker_open: bool) -> None:
        """A probe that got a sound answer goes on as if nothing had been; else it was the only try."""
        if healthy:
            self.admission, self.end = Admission.FULL, self.deadline
        elif self.admission is not Admission.FULL or breaker_open:
            self.is_spent = True


def _waits(reason: str, detail: str = "", *, unknown_at: float | None = None) -> Outcome:
    return Outcome(OutcomeKind.RETRY, reason, detail, unknown_at=unknown_at)
