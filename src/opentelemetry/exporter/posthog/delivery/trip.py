"""One delivery: which envelopes are still on their way, in which requests, and what became of the others.

A parcel is one request's worth of envelopes. Parcels wait independently of each other, so an event that has
to be tried again, or hunted down among its neighbours, holds nobody up.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from ..model import DELIVERED, Envelope, Outcome, OutcomeKind
from ..tallies import tally
from ..wire.batching import pack, too_large
from ..wire.exchange import NoAnswer, Response, Verdict, Wire
from ..wire.validity import all_sound, fault_of
from .record import DeliveryRecord

WORTH_TRYING: Final = 0.02
"""Seconds that must be left for an attempt; a shorter one only makes an outcome unknown."""


_DELIVERED: Final = OutcomeKind.DELIVERED  # before Python 3.12 a look at the enum costs as much as a call


@dataclass(slots=True, eq=False)
class Parcel:
    """One request, over all its attempts."""

    wire: Wire
    members: list[int]  # positions among the delivery's envelopes
    events: list[bytes] | None = field(repr=False)  # None once they are in ``body``, which is a tenth of them
    request_id: str
    created_ns: int
    due: float  # monotonic; no attempt before
    attempt: int = 0  # made so far
    body: bytes | None = field(default=None, repr=False)  # of the last attempt, if the events are the same
    ending: Outcome | None = None  # its members', if there is no further attempt

    def keep_only(self, positions: Sequence[int]) -> None:
        """Keep only these members for the next attempt."""
        if len(positions) < len(self.members):
            self.members = list(positions)
            self.events = self.body = None


class Trip:
    """The state of one ``deliver`` call; used by one thread. ``new_id`` makes request ids."""

    def __init__(self, envelopes: Sequence[Envelope], *, started: float, new_id: Callable[[], str]) -> None:
        self.envelopes = envelopes
        self.started = started
        self._new_id = new_id
        self._outcomes: list[Outcome | None] = [None] * len(envelopes)
        self._unknown_at: dict[int, float] = {}  # by position
        self._twins: list[tuple[int, int]] = []  # (position, position of the equal envelope before it)
        self._waiting: list[tuple[float, int, Parcel]] = []  # heap by due time, then by age
        self._age = 0
        self._requests: set[str] = set()
        self._attempts = 0
        self._statuses: Counter[int] = Counter()
        self._no_answers: Counter[str] = Counter()
        self._sent_bytes = 0
        self._details: dict[str, str] = {}
        self._protocol = self._encoding = ""
        self.unread = ""
        self.waited = 0.0

    # -- in -----------------------------------------------------------------------------------------

    def sound(self) -> Sequence[int]:
        """The envelopes that may leave. The others have their outcome already."""
        if all_sound(self.envelopes):
            return range(len(self.envelopes))
        first_of: dict[str, int] = {}
        positions: list[int] = []
        for position, envelope in enumerate(self.envelopes):
            if fault := fault_of(envelope):
                self.end(position, Outcome(OutcomeKind.REFUSED, "invalid", fault))
                continue
            first = first_of.setdefault(envelope.uuid, position)
            if first == position:
                positions.append(position)
            elif self.envelopes[first] == envelope:
                self._twins.append((position, first))  # sent once, it is there for both
            else:
                self.end(position, Outcome(OutcomeKind.REFUSED, "duplicate_uuid"))
        return positions

    def load(self, positions: Sequence[int], wire: Wire, *, created_ns: int, due: float) -> None:
        """Put these envelopes into new parcels for ``wire``; one that no request can carry ends here."""
        members = list(positions)
        events = wire.events([self.envelopes[position] for position in members])
        for number in reversed(too_large(events)):
            size = f"{len(events.pop(number))}_bytes"
            self.end(members.pop(number), Outcome(OutcomeKind.REFUSED, "too_large", size))
        for batch in pack(list(map(len, events))):
            cut = slice(batch.start, batch.stop)
            self.put(Parcel(wire, members[cut], events[cut], self._new_id(), created_ns, due))

    def halve(self, parcel: Parcel, *, created_ns: int, due: float) -> None:
        """Two parcels of half the events each: new requests, so with new ids."""
        middle = (len(parcel.members) + 1) // 2
        for half in (slice(None, middle), slice(middle, None)):
            self.put(Parcel(parcel.wire, parcel.members[half], None, self._new_id(), created_ns, due))

    # -- under way ----------------------------------------------------------------------------------

    def events_of(self, parcel: Parcel) -> list[bytes]:
        """What is to be joined into the parcel's body; nothing if it has one. They are not kept beside it."""
        if parcel.body is not None:
            return []
        events, parcel.events = parcel.events, None
        if events is None:
            events = parcel.wire.events([self.envelopes[position] for position in parcel.members])
        return events

    def put(self, parcel: Parcel) -> None:
        self._age += 1
        heapq.heappush(self._waiting, (parcel.due, self._age, parcel))

    def next(self) -> Parcel | None:
        """The parcel that is due first; None when none is under way any more."""
        return heapq.heappop(self._waiting)[2] if self._waiting else None

    def attempted(self, parcel: Parcel, body: bytes, answer: Response | NoAnswer) -> None:
        self._requests.add(parcel.request_id)
        self._attempts += 1
        self._sent_bytes += len(body)
        self._protocol, self._encoding = parcel.wire.name, parcel.wire.encoding
        if isinstance(answer, NoAnswer):
            self._no_answers[answer.reason] += 1
        else:
            self._statuses[answer.status] += 1

    def mark_unknown(self, positions: Sequence[int], at: float) -> None:
        """An attempt that began ``at`` may have been applied, or may yet be."""
        self._unknown_at.update(dict.fromkeys(positions, at))

    # -- out ----------------------------------------------------------------------------------------

    def end(self, position: int, outcome: Outcome) -> None:
        if outcome.unknown_at is None and position in self._unknown_at:
            outcome = outcome._replace(unknown_at=self._unknown_at[position])
        if outcome.reason and outcome.detail:
            self._details.setdefault(outcome.reason, outcome.detail)
        self._outcomes[position] = outcome

    def end_by(self, position: int, verdict: Verdict, *, retry_after: float = 0.0) -> None:
        asked = retry_after if verdict.kind is OutcomeKind.RETRY else 0.0
        self.end(position, Outcome(verdict.kind, verdict.reason, verdict.detail, asked))

    def all_arrived(self, positions: Sequence[int]) -> None:
        """PostHog keeps every one of these, and says nothing else of them."""
        if self._unknown_at:
            self.end_all(positions, DELIVERED)
        else:
            for position in positions:
                self._outcomes[position] = DELIVERED

    def end_all(self, positions: Sequence[int], outcome: Outcome) -> None:
        for position in positions:
            self.end(position, outcome)

    def give_up(self, outcome: Outcome) -> None:
        """Everything that is still under way ends so; what was tried before, as that try ended."""
        while (parcel := self.next()) is not None:
            self.end_all(parcel.members, parcel.ending or outcome)
        twins = {position for position, _ in self._twins}
        for position, known in enumerate(self._outcomes):
            if known is None and position not in twins:
                self.end(position, outcome)

    def outcomes(self) -> list[Outcome]:
        """One an envelope, in order."""
        for position, first in self._twins:
            self._outcomes[position] = self._outcomes[first]
        missing = Outcome(OutcomeKind.RETRY, "internal_error", unknown_at=self.started)
        return [outcome or missing for outcome in self._outcomes]

    def record(self, outcomes: Sequence[Outcome], *, now: float, breaker_open: bool) -> DeliveryRecord:
        counts = tally(outcomes)
        return DeliveryRecord(
            envelopes=len(outcomes),
            protocol=self._protocol,
            encoding=self._encoding,
            unread=self.unread,
            requests=len(self._requests),
            attempts=self._attempts,
            statuses=dict(self._statuses),
            no_answers=dict(self._no_answers),
            sent_bytes=self._sent_bytes,
            delivered=sum(count for (kind, _), count in counts.items() if kind is _DELIVERED),
            reasons=_reasons((reason, n) for (kind, reason), n in counts.items() if kind is not _DELIVERED),
            remarks=_reasons((reason, n) for (kind, reason), n in counts.items() if kind is _DELIVERED),
            details=dict(self._details),
            seconds=now - self.started,
            waited=self.waited,
            breaker_open=breaker_open,
        )


def _reasons(counts: Iterable[tuple[str, int]]) -> dict[str, int]:
    """A refusal and a wait may have one reason."""
    reasons: Counter[str] = Counter()
    for reason, count in counts:
        if reason:
            reasons[reason] += count
    return dict(reasons)
