"""The process side of the ledger: observations in, group updates out, and the way back.

Nothing changed: two dictionary look-ups, no store, no network. Something changed: the observation goes into
the pocket, the store is asked once for all groups of the export, and what it grants is sent by the caller,
who comes back with the outcome. While the store is down nothing is sent: a lost observation heals with the
group's next signal, a stale write that the ledger does not know of never does.

Every claim is counted from *before* the call that took it, so a slow store shortens the window, never
lengthens it.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

from ..errors import LedgerError, PostHogExporterError
from ..model import Group, GroupUpdate, LedgerDecision, Observation, Outcome, OutcomeKind
from .decisions import Memory, decide
from .known import Known, Settled, Touch, print_of
from .ledger import SECOND, Answers, Ending, Grant, Haste, Settlement, Standing, Terms
from .pocket import MAX_GROUPS as POCKET_GROUPS
from .pocket import Held, Pocket
from .stamp import PRESENCE, Digester, moment_of
from .store import Call, LedgerStore, Reply, Sighting
from .updates import Claim, Updates

if TYPE_CHECKING:
    from ..clock import Clock

KNOWN_GROUPS: Final = 100_000

STORE_PAUSE: Final = 5.0
"""Seconds without a call after the store failed: a stalled store may cost an export its timeout, but once."""

BACKOFF: Final = 5.0
BACKOFF_MAX: Final = 300.0
"""Seconds before a group that could not be delivered is sent again: doubled each time, half of it chance."""

LATE: Final = 300 * 1_000_000_000
"""Nanoseconds after its event time from which a first sight is worth telling."""

CLOCK_TOLERANCE: Final = 300 * 1_000_000_000
"""Nanoseconds. Below it, hosts differ as hosts do."""

FLAPPING_TURNS: Final = 10
"""Changes of one property of one group within ten minutes. People change plans less often than that."""


class Waiting(NamedTuple):
    """What waits although no export may come for it."""

    unsaved: int  # groups of which the store has not taken everything
    dirty: int  # groups that the store has something to send of
    next_due: float | None  # monotonic seconds; None: nothing is due by itself


class Notice(NamedTuple):
    """Something that people should be told once: ``kind`` is stable, ``message`` names no value."""

    kind: str
    message: str


class Unsaid(NamedTuple):
    """The end of a claim that the store has not heard of yet. Moments are monotonic seconds."""

    group: Group
    claim: Claim
    ending: Ending
    ghost_until: float
    pause_until: float
    backoff_until: float


class GroupLedger:
    """Decides what is sent of every group, and when. Safe for many threads; never raises."""

    def __init__(
        self,
        store: LedgerStore,
        *,
        clock: Clock,
        window: float,
        request_life: float = 60.0,
        group_interval: float = 30.0,
        project: str,
        worker: str,
        random: Callable[[int], int],
        report: Callable[[str, int], None] = lambda name, count: None,
        service: str = "",
        max_groups: int = KNOWN_GROUPS,
        pocket_groups: int = POCKET_GROUPS,
    ) -> None:
        """``window``: seconds from a claim within which its attempts start (the deadline of an export).
        ``request_life``: seconds that a request may be applied after its start. ``random(n)``: n random bits.
        """
        self._store = store
        self._clock = clock
        self._random = random
        self._report = report
        self._worker = worker
        self._service = service
        self._max_groups = max_groups
        self._pocket_groups = pocket_groups
        self._terms = Terms(
            round(window * SECOND), round(request_life * SECOND), round(group_interval * SECOND)
        )
        self._life = request_life
        self._digester = Digester(project)
        self._updates = Updates(random)
        self._notices: list[Notice] = []
        self._noticed: set[str] = set()
        self._start_afresh()

    def _start_afresh(self) -> None:
        self._lock = threading.RLock()  # guards what follows, never held while the store is asked
        self._known = Known(self._max_groups)
        self._pocket = Pocket(self._digester)
        self._unsaid: list[Unsaid] = []
        self._failures: dict[Group, int] = {}
        self._contradicted: set[Group] = set()
        self._ahead_ns = 0  # how far the store's clock is ahead of ours, where that matters
        self._store_back_at = 0.0
        self._next_round = self._clock.monotonic() + self._write_behind()

    @property
    def durable(self) -> bool:
        """Whether what the store took survives this process."""
        return self._store.durable

    # -- in -----------------------------------------------------------------------------------------

    def observe(self, observations: Iterable[Observation]) -> list[GroupUpdate]:
        """Merge what signals said; the updates that this worker may send now, and should.

        Empty while the store is down: the observations wait. One call to the store at most, none when nothing
        changed and no round is due.
        """
        with self._lock:
            urgent, received, saved = self._sort_in(observations)
            round_due = (
                self._clock.monotonic() >= self._next_round or len(self._known.touched) > self._pocket_groups
            )
        updates: list[GroupUpdate] = []
        if round_due:
            updates = self._round(Haste.NONE)
        elif urgent:
            updates = self._ask(urgent, Haste.NONE)
        self._report("identifies_saved", saved + max(0, received - saved - len(updates)))
        return updates

    def _sort_in(self, observations: Iterable[Observation]) -> tuple[dict[Group, None], int, int]:
        """Unchanged ones end here. Which groups the store must hear of now, how many came, how many ended."""
        known, pocket = self._known, self._pocket
        moments, touched = known.moments, known.touched
        urgent: dict[Group, None] = {}
        received = saved = 0
        ahead = self._ahead_ns
        for observation in observations:
            received += 1
            if ahead:
                observation = observation._replace(
                    time_ns=observation.time_ns + ahead, seen_ns=observation.seen_ns + ahead
                )
            group, time_ns, seen_ns, properties, _ = observation
            moment = time_ns << 64 | seen_ns
            print_ = print_of(group, properties)
            if print_ in moments:
                if moment > moments[print_]:
                    moments[print_] = moment
                    touched[print_] = observation
                saved += 1
                continue
            if known.covers(group, moment, properties):
                saved += 1
                continue
            self._carry_over(known.drop(group))
            pocket.add(print_, observation)
            urgent[group] = None
        return urgent, received, saved

    # -- rounds -------------------------------------------------------------------------------------

    def flush(self, *, force: bool) -> list[GroupUpdate]:
        """Tell the store everything and take up what others left. ``force`` passes bucket and back-off,
        never a quiet time: another worker's claim, a cooling, or the server's ``Retry-After``.
        """
        return self._round(Haste.FORCED if force else Haste.NONE)

    def last_act(self) -> list[GroupUpdate]:
        """At shutdown of a memory ledger nobody comes after: what cools goes too, counted ``sent_early``."""
        if self._store.durable:
            return []
        before = self._clock.monotonic()
        updates = self._granted(self._try(lambda call: self._store.last_act(call)), before)
        self._count("sent_early", len(updates))
        return updates

    def _round(self, haste: Haste) -> list[GroupUpdate]:
        """Everything unsaid, everything in the pocket, and a sweep."""
        with self._lock:
            self._next_round = self._clock.monotonic() + self._write_behind()
            self._carry_over(self._known.take_touches())
            groups = self._pocket.groups()
        updates = self._say()
        updates += self._ask(groups, haste)
        before = self._clock.monotonic()
        updates += self._granted(self._try(lambda call: self._store.sweep(call)), before)
        self._take_counts()
        return updates

    def _ask(self, groups: Iterable[Group], haste: Haste) -> list[GroupUpdate]:
        """One observe with a claim, for all of these groups."""
        with self._lock:
            sightings = self._pocket.sightings(groups)
        if not sightings:
            return []
        before = self._clock.monotonic()
        reply = self._try(lambda call: self._store.observe(sightings, call, haste=haste))
        if reply is None:
            self._bound_pocket()
            return []
        asked = {sighting.group: sighting for sighting in sightings}
        with self._lock:
            for seen in reply.seen:
                self._take(asked[seen.group], seen.answers)
        return self._granted(reply, before)

    def _take(self, sighting: Sighting, answers: Answers) -> None:
        group = sighting.group
        standings = Counter(answer.standing for answer in answers.values())
        self._count("forgotten", standings[Standing.FORGOTTEN])
        if standings[Standing.FULL]:
            self._count("ledger_full", 1)
        self._look_for_contradiction(group, answers)
        asked = {name: entry.stamp for name, entry in sighting.entries.items()}
        self._learn(group, self._pocket.answered(group, asked, answers))

    def _learn(self, group: Group, held: Held | None) -> None:
        if held is None:
            return
        if not held.all_settled:
            self._carry_over(self._known.drop(group))
        elif held.print is not None:
            names = tuple(name for name in held.current if name != PRESENCE)
            self._carry_over(self._known.put(group, Settled(held.print, held.oldest, names)))

    def _carry_over(self, touches: Iterable[Touch]) -> None:
        for print_, observation in touches:
            self._pocket.add(print_, observation)

    def _look_for_contradiction(self, group: Group, answers: Answers) -> None:
        """An older stamp than the store has called settled before: somebody restored a copy of it."""
        for settled in self._known.sets(group):
            for name in settled.names:
                answer = answers.get(name)
                if answer is not None and answer.want and moment_of(answer.want) < settled.told:
                    self._contradicted.add(group)

    # -- the way back -------------------------------------------------------------------------------

    def settle(self, results: Iterable[tuple[GroupUpdate, Outcome]]) -> list[GroupUpdate]:
        """Tell the ledger what became of updates. What has moved on is granted again, to be sent next.

        While the store is down the ends are kept and told later; the claim's token makes that safe.
        """
        now = self._clock.monotonic()
        with self._lock:
            for update, outcome in results:
                if isinstance(update.claim, Claim):
                    self._unsaid.append(self._ended(update.group, update.claim, outcome, now))
        return self._say()

    def _ended(self, group: Group, claim: Claim, outcome: Outcome, now: float) -> Unsaid:
        if outcome.kind is OutcomeKind.DELIVERED:
            ending = Ending.DELIVERED
        elif outcome.kind is OutcomeKind.REFUSED:
            ending = Ending.REFUSED
        else:
            ending = Ending.RELEASED if outcome.unknown_at is None else Ending.UNKNOWN
        ghost = now if outcome.unknown_at is None else outcome.unknown_at + self._life
        over = ending in (Ending.DELIVERED, Ending.REFUSED)
        backoff = now if over else now + self._backoff(group)
        if over:
            self._failures.pop(group, None)
        return Unsaid(group, claim, ending, ghost, now + outcome.retry_after, backoff)

    def _backoff(self, group: Group) -> float:
        failures = min(self._failures.get(group, 0) + 1, 16)
        if len(self._failures) < self._pocket_groups or group in self._failures:
            self._failures[group] = failures
        longest = min(BACKOFF_MAX, BACKOFF * 2.0 ** (failures - 1))
        return longest * (0.5 + self._random(16) / (1 << 17))

    def _say(self) -> list[GroupUpdate]:
        with self._lock:
            unsaid, self._unsaid = self._unsaid, []
        if not unsaid:
            return []
        before = self._clock.monotonic()
        ends = [(one.group, _settlement(one, before)) for one in unsaid]
        reply = self._try(lambda call: self._store.settle(ends, call))
        if reply is None:
            with self._lock:
                self._unsaid = unsaid + self._unsaid
            return []
        with self._lock:
            answers = {seen.group: seen.answers for seen in reply.seen}
            for one in unsaid:
                if one.group in answers:
                    stamps = one.claim.stamps
                    self._learn(one.group, self._pocket.answered(one.group, stamps, answers[one.group]))
                else:
                    self._unsaid.append(one)
        return self._granted(reply, before)

    # -- grants -------------------------------------------------------------------------------------

    def _granted(self, reply: Reply | None, before: float) -> list[GroupUpdate]:
        """The updates of a reply's grants, each counted from ``before`` its call."""
        if reply is None:
            return []
        updates: list[GroupUpdate] = []
        now_ns = self._clock.time_ns()
        for seen in reply.seen:
            if seen.grant is not None:
                update = self._updates.of(seen.group, seen.grant, before, now_ns)
                self._look_at(update, seen.grant, now_ns)
                updates.append(update)
        return updates

    def _look_at(self, update: GroupUpdate, granted: Grant, now_ns: int) -> None:
        if (
            update.first_sight
            and not self._store.durable
            and update.properties
            and now_ns - update.time_ns > LATE
        ):
            self._count("late_first_sight", 1)
            self._notice(
                "late_first_sight",
                "a group was first seen through an observation older than five minutes. This ledger lives "
                "in memory, so after a restart such late news can set a profile back until the next newer "
                "signal. "
                "A durable ledger (OTEL_EXPORTER_POSTHOG_LEDGER) prevents it.",
            )
        for name, sent in granted.content.items():
            if sent.history.turns >= FLAPPING_TURNS:
                self._count("flapping", 1)
                sides = sorted({sent.history.service or "?", sent.history.other or "?"})
                who = f"service {sides[0]}" if len(sides) == 1 else f"services {sides[0]} and {sides[1]}"
                self._notice(
                    f"flapping:{update.group.type}:{name}",
                    f"group property {name!r} of type {update.group.type!r} never rests: "
                    f"{sent.history.turns} changes within ten minutes, seen by {who}. "
                    "Each is an update that PostHog bills; leave out counters and times of "
                    "requests, or let one service alone speak of it.",
                )

    # -- the store ----------------------------------------------------------------------------------

    def _try(self, ask: Callable[[Call], Reply]) -> Reply | None:
        """One call to the store; None when it is down, or was a moment ago."""
        if self._clock.monotonic() < self._store_back_at:
            return None
        with self._lock:
            contradicted = frozenset(self._contradicted)
        try:
            reply = ask(Call(self._terms, contradicted))
        except PostHogExporterError as error:
            self._failed(error)
            return None
        except Exception as error:  # noqa: BLE001 - whatever a store runs into must not cost the captures
            self._failed(LedgerError(f"unexpected {type(error).__name__}"))
            return None
        if reply.error is not None:
            self._failed(reply.error)
        with self._lock:
            self._contradicted -= contradicted
            if reply.lost:
                self._carry_over(self._known.forget_all())
                self._pocket.all_unsaved()
                self._next_round = self._clock.monotonic()
                self._count("ledger_lost", 1)
            self._compare_clocks(reply)
        return reply

    def _failed(self, error: PostHogExporterError) -> None:
        """The store is left in peace for a while."""
        self._store_back_at = self._clock.monotonic() + STORE_PAUSE
        self._count("ledger_down", 1)
        self._notice(
            f"ledger_down:{type(error).__name__}", f"the ledger can't be used, group updates wait: {error}"
        )

    def _compare_clocks(self, reply: Reply) -> None:
        """A clock minutes off would freeze profiles or never be believed: follow the store's."""
        if not self._store.remote:
            return
        ahead_ns = reply.now * 1000 - self._clock.time_ns()
        if abs(ahead_ns) <= CLOCK_TOLERANCE:
            self._ahead_ns = 0
            return
        self._ahead_ns = ahead_ns
        self._notice(
            "clock",
            f"this machine's clock and the ledger's differ by {abs(ahead_ns) // 1_000_000_000} s; the times "
            "of observations follow the ledger's. Set the clock.",
        )

    def _bound_pocket(self) -> None:
        """While the store is down the pocket must not grow for ever."""
        with self._lock:
            groups = self._pocket.groups()
            for group in groups[self._pocket_groups :]:
                self._pocket.let_go(group)
            self._count("pocket_full", max(0, len(groups) - self._pocket_groups))

    def _take_counts(self) -> None:
        counts = self._store.counts()
        self._count("evicted", counts.evicted)
        self._count("unspeakable_value", self._pocket.take_unspeakable())

    def _write_behind(self) -> float:
        """Seconds to the next round, ±20 %: the processes of a fleet must not all come at once."""
        return self._store.write_behind * (0.8 + 0.4 * self._random(16) / (1 << 16))

    # -- seen from outside --------------------------------------------------------------------------

    def waiting(self) -> Waiting:
        """What waits, for whoever decides when to come back."""
        with self._lock:
            unsaved = self._pocket.unsaved + len(self._unsaid)
            touches = len(self._known.touched) if self._store.durable else 0
        now = self._clock.monotonic()
        try:
            stored = self._store.waiting(self._terms)
            dirty, due_in = stored.dirty, stored.due_in
        except PostHogExporterError:
            dirty, due_in = 0, None
        moments = [] if due_in is None else [now + due_in]
        if unsaved:
            moments.append(max(now, self._store_back_at))
        elif touches:
            moments.append(self._next_round)
        return Waiting(unsaved + touches, dirty, min(moments, default=None))

    def clean(self) -> bool:
        """Whether a kill now would lose nothing: all acknowledged, or taken by a store that survives."""
        with self._lock:
            if self._unsaid or self._pocket.unsaved or (self._store.durable and self._known.touched):
                return False
        return self._store.durable or not self._store.waiting(self._terms).dirty

    def decisions(
        self, observations: Sequence[Observation], updates: Sequence[GroupUpdate]
    ) -> list[tuple[LedgerDecision, ...]]:
        """For people: what became of each property of ``observations`` that :meth:`observe` has just taken.

        Asks the store once a group, so it is for an inspector only. ``updates``: what it granted.
        """
        memories: dict[Group, Memory] = {}
        for group in {observation.group for observation in observations}:
            try:
                state = self._store.show(group)
            except PostHogExporterError:
                state = None
            with self._lock:
                memories[group] = Memory(state, self._known.newest(group))
        return decide(observations, memories, updates, self._digester, ahead_ns=self._ahead_ns)

    def notices(self) -> Sequence[Notice]:
        """What people should be told; each kind once."""
        with self._lock:
            notices, self._notices = self._notices, []
            return notices

    def _notice(self, kind: str, message: str) -> None:
        with self._lock:
            if (
                kind not in self._noticed and len(self._noticed) < 256
            ):  # names are the application's to choose
                self._noticed.add(kind)
                self._notices.append(Notice(kind, message))

    def _count(self, name: str, count: int) -> None:
        if count:
            self._report(name, count)

    # -- life ---------------------------------------------------------------------------------------

    def before_fork(self) -> None:
        self._store.before_fork()

    def after_fork_in_parent(self) -> None:
        self._store.after_fork_in_parent()

    def after_fork_in_child(self) -> None:
        """What the parent observed and claimed is the parent's to deliver; the child begins with nothing."""
        self._store.after_fork_in_child()
        self._start_afresh()

    def close(self) -> None:
        self._store.close()


def _settlement(one: Unsaid, now: float) -> Settlement:
    def left(until: float) -> int:
        return max(0, round((until - now) * SECOND))

    claim = one.claim
    return Settlement(
        claim.token,
        claim.stamps,
        claim.had,
        claim.took,
        one.ending,
        left(one.ghost_until),
        left(one.pause_until),
        left(one.backoff_until),
    )
