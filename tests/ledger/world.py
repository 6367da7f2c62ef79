"""Workers of one ledger, the network between them and PostHog, and everything that may go wrong.

The workers are real (``GroupLedger``), so is the store, the bytes are the real wire's and PostHog is the
double. Played here is only what stands between them: attempts that are answered, refused, lost or arrive
late, and workers that die, sleep or fork. Every act is a method, so that a script or Hypothesis can call them
in any order; each ends with the judge looking at everything.

A claim goes through ``send`` (an attempt starts), ``land`` (PostHog applies it) and ``answer`` (its sender
hears how it went), then ``settle``.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

from opentelemetry.exporter.posthog.errors import LedgerError
from opentelemetry.exporter.posthog.groups import GroupLedger
from opentelemetry.exporter.posthog.groups.pocket_file import PocketFile
from opentelemetry.exporter.posthog.groups.stamp import Digester, canonical_json
from opentelemetry.exporter.posthog.groups.state import GroupState, Haste, Settlement, Terms
from opentelemetry.exporter.posthog.groups.store import (
    SWEEP_LIMIT,
    Call,
    LedgerStore,
    OwnStore,
    Reply,
    Sighting,
    StoreCounts,
    StoreTotals,
    StoreWaiting,
)
from opentelemetry.exporter.posthog.model import Group, GroupUpdate, Observation, Outcome, OutcomeKind
from opentelemetry.exporter.posthog.testing import PostHogDouble
from opentelemetry.exporter.posthog.wire.encoding import Encoder
from opentelemetry.exporter.posthog.wire.legacy import LegacyWire
from tests.ledger.benches import Bench
from tests.ledger.judge import Judge, Key, Times, Violation, times_in
from tests.ledger_kit import OWNER
from tests.manual_clock import ManualClock

WINDOW = 10.0
PROJECT = "project"
SERVER_PAUSE = 20.0  # what a 429 asks for
LONGEST_BACKOFF = 300.0
LONGEST_ROUND = 36.0  # the write-behind of 30 s and a fifth
EARLIEST_HEALING = 24 * 86_400.0
ORG = Group("organization", "org_1")
OTHER = Group("workspace", "w_1")


class SkewedClock(ManualClock):
    """One machine's clock: it measures as all do, and shows another time."""

    def __init__(self, clock: ManualClock, skew: float) -> None:
        self._clock = clock
        self._skew_ns = round(skew * 1e9)

    def time_ns(self) -> int:
        return self._clock.time_ns() + self._skew_ns

    def monotonic(self) -> float:
        return self._clock.monotonic()


class Courier:
    """How a worker carries what it was granted. Subclasses plant bugs."""

    def may_start(self, age: float) -> bool:
        """``age``: seconds since before the call that took the claim."""
        return age < WINDOW

    def taken_at(self, before: float, now: float) -> float:
        """When a claim's window begins, taken by a call that began at ``before`` and was answered ``now``."""
        return before

    def content(self, holding: Holding, world: World) -> GroupUpdate:
        return holding.update

    def unknown(self, how: str) -> bool:
        """Whether an attempt that ended so may have been, or still be, applied."""
        return how in ("timeout", "503")

    def outcome(self, kind: OutcomeKind, retry_after: float, unknown_at: float | None) -> Outcome:
        return Outcome(kind, retry_after=retry_after, unknown_at=unknown_at)

    def store_is_down(self, worker: Worker, seen: Observation, world: World) -> None:
        """Nothing is sent by one's own view."""

    def flushing(self, worker: Worker, world: World) -> None:
        """What was observed has its time already."""


@dataclass(repr=False)
class Flight:
    """An attempt under way."""

    group: Group
    content: str
    body: bytes
    started: float
    strict: bool  # the law of the air binds it
    landed: bool = False


@dataclass(repr=False)
class Holding:
    """A claim in a worker's hand."""

    worker: Worker
    update: GroupUpdate
    t0: float
    life: int
    marked: bool
    flight: Flight | None = None
    unknown_at: float | None = None
    late: bool = False
    ended: tuple[OutcomeKind, float] = (OutcomeKind.RETRY, 0.0)

    @property
    def over(self) -> bool:
        """Nothing is left to try: PostHog has said yes or no."""
        return self.ended[0] is not OutcomeKind.RETRY


class Worker:
    def __init__(
        self,
        number: int,
        clock: SkewedClock,
        ledger: GroupLedger,
        store: Tap,
        file: PocketFile | None = None,
    ) -> None:
        self.number = number
        self.file = file
        self.clock = clock
        self.ledger = ledger
        self.store = store
        self.holdings: list[Holding] = []
        self.future: list[Observation] = []


class Tap:
    """A store whose calls may fail, be applied although they failed, or later. The judge listens."""

    def __init__(self, store: LedgerStore, world: World, number: int) -> None:
        self.store = store
        self._world = world
        self._number = number
        self.fate = ""  # of the next call: "down", "lost", "late", or seconds it takes to answer
        self.calls = 0
        self.durable = store.durable
        self.remote = store.remote
        self.write_behind = store.write_behind

    def observe(
        self, sightings: Sequence[Sighting], call: Call, *, claim: bool = True, haste: Haste = Haste.NONE
    ) -> Reply:
        def applied() -> Reply:
            reply = self.store.observe(sightings, call, claim=claim, haste=haste)
            by_group = {one.group: one for one in sightings}
            for seen in reply.seen:
                self._world.judge.merged(by_group[seen.group], seen)
            return reply

        reply = self._fated(applied)
        asked = {one.group: {n: e.stamp for n, e in one.entries.items()} for one in sightings}
        return self._heard(reply, asked)

    def settle(self, ends: Sequence[tuple[Group, Settlement]], call: Call) -> Reply:
        def applied() -> Reply:
            for group, end in ends:
                state = self.store.show(group)
                self._world.judge.counts["confessions"] += state is not None and state.token != end.token
            return self.store.settle(ends, call)

        if self.fate in ("lost", "late"):
            self._world.judge.counts["lost settles"] += len(ends)
        return self._heard(self._fated(applied), {group: end.stamps for group, end in ends})

    def sweep(self, call: Call, *, limit: int = SWEEP_LIMIT) -> Reply:
        return self._heard(self._fated(lambda: self.store.sweep(call, limit=limit)), {})

    def _fated(self, applied: Callable[[], Reply]) -> Reply:
        self.calls += 1
        fate, self.fate = self.fate, ""
        if fate == "late":
            self._world.late_calls.append(applied)
        if fate in ("down", "late"):
            raise LedgerError("the store is down")
        reply = applied()
        if fate == "lost":
            raise LedgerError("the answer was lost")
        if fate:
            self._world.advance(float(fate), look=False)
        return reply

    def _heard(self, reply: Reply, asked: dict[Group, Any]) -> Reply:
        if reply.lost:
            self._world.judge.heard_of_loss(self._number)
        for seen in reply.seen:
            self._world.judge.answered(self._number, seen, asked.get(seen.group, {}))
        return reply

    def last_act(self, call: Call) -> Reply:
        return self.store.last_act(call)

    def waiting(self, terms: Terms) -> StoreWaiting:
        return self.store.waiting(terms)

    def counts(self) -> StoreCounts:
        return self.store.counts()

    def totals(self) -> StoreTotals:
        return self.store.totals()

    def show(self, group: Group) -> GroupState | None:
        return self.store.show(group)

    def groups(self) -> Iterator[Group]:
        return self.store.groups()

    def forget(self, group: Group | None, terms: Terms) -> int:
        return self.store.forget(group, terms)

    def before_fork(self) -> None:
        self.store.before_fork()

    def after_fork_in_parent(self) -> None:
        self.store.after_fork_in_parent()

    def after_fork_in_child(self) -> None:
        self.store.after_fork_in_child()

    def close(self) -> None:
        self.store.close()


class OwnTap(Tap):
    """Of a store that only this process writes to."""

    def seen_again(self, group: Group, names: Sequence[str], moment: int) -> None:
        assert isinstance(self.store, OwnStore)
        self.store.seen_again(group, names, moment)
        if names and self.store.show(group) is None:
            self._world.judge.forgot(times_in(f"{moment:032x}"))


class World:
    """``bench``: the kind of store. ``life``: seconds that a request may still land after its start.

    ``disk``: where observations wait that the store has not taken; the workers are of one machine then.
    ``room``: groups that a worker may hold in memory; None: more than there are.
    """

    def __init__(
        self,
        bench: Bench,
        *,
        workers: int = 2,
        skews: Sequence[float] = (),
        life: float = 60.0,
        courier: Courier | None = None,
        disk: Path | None = None,
        file: type[PocketFile] = PocketFile,
        groups: Sequence[Group] = (ORG, OTHER),
        room: int | None = None,
        project_of: Callable[[int], str] = lambda number: PROJECT,
    ) -> None:
        self.bench = bench
        self.clock = bench.clock
        self.life = life
        self.terms = Terms(round(WINDOW * 1e6), round(life * 1e6), 30_000_000)
        self.courier = courier or Courier()
        self.groups = groups
        self.judge = Judge(self._marked, self.clock.time_ns)
        self.double = PostHogDouble(clock=self.clock, min_retry_delay=0.0)
        self.flights: list[Flight] = []
        self.late_calls: list[Callable[[], Reply]] = []
        self.base_ns = self.clock.time_ns() - 1_000 * 1_000_000_000
        self._encoder = Encoder()
        self._wire = LegacyWire(host="https://us.i.posthog.com", api_key="phc_test", agent="world/1")
        self._digester = Digester(PROJECT)
        self._random = Random(0)
        self._project_of = project_of
        self._born = 0
        self._disk, self._file = disk, file
        self._room = room
        self._skews = skews
        self.workers: list[Worker] = []
        for _ in range(workers):
            self.workers.append(self._worker())

    def _worker(self) -> Worker:
        if self.bench.one_process and self.workers:
            first = self.workers[0]
            return Worker(first.number, first.clock, first.ledger, first.store)
        number = self._born
        self._born += 1
        skew = self._skews[number % len(self._skews)] if self._skews else 0.0
        clock = SkewedClock(self.clock, skew)
        store, file = self.bench.open(), self._pocket_file()
        tap = (OwnTap if self.bench.one_process else Tap)(store, self, number)
        ledger = GroupLedger(
            tap,
            clock=clock,
            window=WINDOW,
            request_life=self.life,
            project=self._project_of(number),
            random=self._random.getrandbits,
            pocket_groups=self._room or 10_000,
            pocket_file=file,
        )
        return Worker(number, clock, ledger, tap, file)

    def _pocket_file(self) -> PocketFile | None:
        if self._disk is None:
            return None

        def failed(why: str) -> None:
            raise Violation(why)

        return self._file(self._disk, owner=OWNER, clock=self.clock, failed=failed)

    def _marked(self, group: Group) -> bool:
        return self.bench.marked(group)

    # -- acts of a worker -------------------------------------------------------------------------------

    def see(
        self, worker: int, at: float, group: Group = ORG, *, seen: float | None = None, **properties: Any
    ) -> list[Holding]:
        """A signal of ``at`` seconds by this worker's clock goes through an export."""
        one = self.workers[worker]
        skew_ns = one.clock.time_ns() - self.clock.time_ns()
        time_ns = self.base_ns + round(at * 1e9) + skew_ns
        seen_ns = time_ns if seen is None else self.base_ns + round(seen * 1e9) + skew_ns
        observation = Observation(group, time_ns, seen_ns, properties, f"service {worker}")
        self.judge.observed(one.number, observation)
        before = self.clock.monotonic()
        updates = one.ledger.observe([observation])
        if self._disk is not None and not one.ledger.is_safe():
            raise Violation("neither the store nor the disk has what was observed")
        if self._is_on_disk(one, observation):
            self.judge.wrote(observation)
        if one.ledger.waiting().unsaved:
            self.courier.store_is_down(one, observation, self)
        return self._hold(one, updates, before)

    def _is_on_disk(self, one: Worker, observation: Observation) -> bool:
        page = None if one.file is None else PocketFile.page(one.file, 0, 1_000)  # whatever bug was planted
        times = Times(observation.time_ns, observation.seen_ns)
        return page is not None and any(
            times_in(entry.stamp) == times
            for sighting in page.sightings
            for name, entry in sighting.entries.items()
            if sighting.group == observation.group and name in observation.properties
        )

    def flush(self, worker: int, *, force: bool = False) -> list[Holding]:
        one = self.workers[worker]
        self.courier.flushing(one, self)
        before = self.clock.monotonic()
        return self._hold(one, one.ledger.flush(force=force), before)

    def tend(self, worker: int) -> list[Holding]:
        """What a worker does by itself when something waits that no export comes for."""
        one = self.workers[worker]
        self.courier.flushing(one, self)
        before = self.clock.monotonic()
        return self._hold(one, one.ledger.tend(), before)

    def _hold(self, worker: Worker, updates: Sequence[GroupUpdate], before: float) -> list[Holding]:
        taken: list[Holding] = []
        for update in updates:
            t0 = self.courier.taken_at(before, self.clock.monotonic())
            taken.append(Holding(worker, update, t0, self.judge.life, self._marked(update.group)))
        worker.holdings += taken
        self.look()
        return taken

    def send(self, holding: Holding, *, asleep: bool = False) -> Flight | None:
        """Start an attempt, if the worker may. ``asleep``: it slept after its look at the clock."""
        now = self.clock.monotonic()
        if holding.over or (not asleep and not self.courier.may_start(now - holding.t0)):
            return None
        if asleep:
            holding.late = True
            self.judge.loose = True
        update = self.courier.content(holding, self)
        # After a loss that nobody had noticed when this claim was granted, nobody can keep the law.
        strict = not holding.late and (not holding.life or holding.marked)
        return self.fly(holding, update, strict=strict)

    def fly(self, holding: Holding | None, update: GroupUpdate, *, strict: bool = True) -> Flight:
        now = self.clock.monotonic()
        content = canonical_json(dict(update.properties))
        for other in self.flights:
            if other.group == update.group and other.content != content and strict and other.strict:
                raise Violation(f"{content} and {other.content} are in the air together")
        self.judge.counts["attempts"] += 1
        flight = Flight(update.group, content, self._body(update), now, strict)
        self.flights.append(flight)
        if holding is not None:
            holding.flight = flight
        if self.life == 0:  # a function call: it has landed when it returns
            self.land(flight)
            self.flights.remove(flight)
        return flight

    def _body(self, update: GroupUpdate) -> bytes:
        envelope = self._encoder.group_update(update)
        assert envelope is not None
        events = self._wire.events([envelope])
        return self._wire.request(events, attempt=1, request_id="", created_ns=0, now_ns=0).body

    def land(self, flight: Flight) -> None:
        if not flight.landed:
            flight.landed = True
            status, _, _ = self.double.answer(
                "POST", "/batch/", {"Content-Type": "application/json"}, flight.body
            )
            assert status == 200

    def answer(self, holding: Holding, how: str) -> None:
        """``ok``, ``429``, ``400``; ``timeout`` and ``503`` tell the sender nothing."""
        flight = holding.flight
        assert flight is not None
        holding.flight = None
        if how == "ok":
            self.land(flight)
            holding.ended = (OutcomeKind.DELIVERED, 0.0)
        elif how in ("429", "400"):
            assert not flight.landed
            refused = how == "400"
            holding.ended = (OutcomeKind.REFUSED, 0.0) if refused else (OutcomeKind.RETRY, SERVER_PAUSE)
            self.judge.counts["released"] += not refused
            if refused:
                self.judge.refused(holding.update.group, holding.update.properties)
        else:
            self.judge.counts["unknown"] += 1
            holding.ended = (OutcomeKind.RETRY, 0.0)
            if self.courier.unknown(how):
                holding.unknown_at = flight.started
        if how not in ("timeout", "503") and flight in self.flights:
            self.flights.remove(flight)
        self.look()

    def settle(self, holding: Holding) -> list[Holding]:
        """The delivery is over: the last answer counts, and an earlier attempt that nobody answered."""
        assert holding.flight is None
        holding.worker.holdings.remove(holding)
        if holding.late:
            self._settles_late(holding)
        kind, retry_after = holding.ended
        outcome = self.courier.outcome(kind, retry_after, holding.unknown_at)
        before = self.clock.monotonic()
        return self._hold(holding.worker, holding.worker.ledger.settle([(holding.update, outcome)]), before)

    def _settles_late(self, holding: Holding) -> None:
        """A confession comes too late once the value is gone or the store was lost."""
        asleep = self.clock.monotonic() - holding.t0
        if asleep > 2 * (WINDOW + self.life) or holding.life != self.judge.life:
            self.judge.excused.add(holding.update.group)

    def deliver(self, holding: Holding, *answers: str) -> list[Holding]:
        """All of it at once, as an export does: an attempt an answer, as long as the window lasts."""
        for how in answers or ("ok",):
            if self.send(holding) is None:
                break
            self.answer(holding, how)
        return self.settle(holding)

    # -- what befalls workers and the store -------------------------------------------------------------

    def kill(self, worker: int) -> None:
        """Another worker takes its place; what it had under way may still arrive."""
        one = self.workers[worker]
        self.judge.counts["takeovers"] += len(one.holdings)
        self.judge.excused |= {holding.update.group for holding in one.holdings if holding.late}
        if not self.bench.one_process:
            self.judge.counts["lost settles"] += len(one.ledger._endings)  # the store was down, now they die
            self.judge.died(one.number)
        self._close(one)
        self.workers[worker] = self._worker()

    def close(self) -> None:
        for worker in self.workers:
            self._close(worker)

    @staticmethod
    def _close(worker: Worker) -> None:
        """A process that is gone keeps no file open."""
        if worker.file is not None:
            worker.file.close()

    def fork(self, worker: int) -> Worker:
        """A child whose memory is a copy of the worker's, with its own way to the store."""
        parent = self.workers[worker]
        parent.ledger.before_fork()
        child = copy.copy(parent.ledger)
        for name, part in vars(child).items():
            if hasattr(part, "after_fork_in_child") or hasattr(part, "start_afresh"):
                setattr(child, name, copy.copy(part))
        parent.ledger.after_fork_in_parent()
        number = self._born
        self._born += 1
        tap = Tap(self.bench.open(), self, number)
        child._store = tap
        child._file = None  # tests/faults forks for real, and beside open files
        child.after_fork_in_child()
        self.workers.append(Worker(number, parent.clock, child, tap))
        return self.workers[-1]

    def lose(self) -> None:
        """The store forgets everything."""
        assert self.bench.lose is not None
        under_way = {flight.group for flight in self.flights}
        under_way |= {holding.update.group for worker in self.workers for holding in worker.holdings}
        self.bench.lose()
        self.judge.lost(under_way)

    def evict(self, group: Group = ORG) -> None:
        assert self.bench.evict is not None
        for gone in self.bench.evict(group):
            self.judge.evicted(gone)

    def forget(self, worker: int, group: Group = ORG) -> None:
        """As ``otel-posthog ledger forget`` does."""
        self.workers[worker].store.forget(group, self.terms)
        self.judge.counts["forgets"] += 1
        self.look()

    def apply_late_call(self) -> None:
        self.late_calls.pop(0)()
        self.look()

    def advance(self, seconds: float, *, look: bool = True) -> None:
        self.bench.advance(seconds)
        if seconds > EARLIEST_HEALING:
            self.judge.heals()
        now = self.clock.monotonic()
        self.flights = [flight for flight in self.flights if now < flight.started + self.life]
        if look:
            self.look()

    # -- the judge --------------------------------------------------------------------------------------

    def profile(self, group: Group) -> dict[str, Any] | None:
        try:
            return dict(self.double.group(group.type, group.key).properties)
        except LookupError:
            return None

    def _remember(self) -> None:
        """What the one process knows is as good as what its store knows."""
        for one in self.workers[:1] if self.bench.one_process else ():
            for group in self.groups:
                for name, times in one.ledger._known.newest(group).items():
                    self.judge.remembers(one.number, Key(group, name), times_in(times))

    def look(self) -> None:
        self._remember()
        for worker in self.workers if self._room is not None else ():
            self.judge.left(worker.number, set(worker.ledger._pocket.groups()))
        now = self.bench.now()
        for group in self.groups:
            state = self.workers[0].store.show(group)
            if state is not None:
                self.judge.judge_state(
                    group,
                    state,
                    left_quiet=(state.quiet_until - now) / 1e6,
                    longest_quiet=WINDOW + self.life + 1.0,
                    digester=self._digester,
                    profile=self.profile(group),
                )

    def moves(self) -> bool:
        """Whether something is under way, or the store has something to send."""
        states = [self.workers[0].store.show(group) for group in self.groups]
        return bool(
            self.flights
            or any(worker.holdings for worker in self.workers)
            or any(
                known.dirty for state in states if state is not None for known in state.properties.values()
            )
        )

    def waits(self) -> bool:
        """As the workers say it."""
        return any(worker.ledger.waiting()[:2] != (0, 0) for worker in self.workers)

    def end_well(self) -> None:
        """Without further faults everything comes to rest, and PostHog holds the truth.

        What may still arrive arrives as late as it can. At the end every worker says once more what it saw
        last, as attributes on every signal do: a doubt is only noticed then.
        """
        self._come_to_rest()
        self._remember()
        self.judge.judge_memories()
        if not self.judge.loose:
            self.judge.judge_profiles(self.profile)
        for key in sorted(self.judge.keys):
            values = [json.loads(told.value) for told in self.judge.truth(key)]
            held = (self.profile(key.group) or {}).get(key.name)
            value = held if held in values else values[0]  # of a tie, what won it
            at = (self.clock.time_ns() - self.base_ns) / 1e9
            for worker in range(len(self.workers)):
                self.see(worker, at, key.group, **{key.name: value})
        self._come_to_rest()
        self.judge.judge_profiles(self.profile)
        self.judge.judge_bound()

    def _come_to_rest(self) -> None:
        self.late_calls.clear()
        for worker in self.workers:
            worker.store.fate = ""
        lease = WINDOW + self.life
        steps = int((3 * lease + LONGEST_BACKOFF + LONGEST_ROUND) / 10)
        quiet = 0
        for _ in range(steps):
            for worker in range(len(self.workers)):
                self._end_claims(worker)
                self.tend(worker)
                self._end_claims(worker)
            for flight in self.flights:
                if self.clock.monotonic() + 10.0 >= flight.started + self.life:
                    self.land(flight)
            self.advance(10.0)
            quiet = 0 if self.moves() else quiet + 1
            if quiet * 10 > LONGEST_ROUND + 10:  # each has asked once more how what it observed stands
                if not self.waits():
                    return
                quiet = 0
        for group in self.groups:
            self._look_for_stuck(group)
        raise Violation(f"does not come to rest: {[worker.ledger.waiting() for worker in self.workers]}")

    def _look_for_stuck(self, group: Group) -> None:
        state = self.workers[0].store.show(group)
        if state is not None and any(known.dirty for known in state.properties.values()):
            raise Violation(f"{group} is stuck: something to send, and nothing is sent")

    def _end_claims(self, worker: int) -> None:
        for _ in range(8):
            for holding in list(self.workers[worker].holdings):
                if holding.flight is not None:
                    self.answer(holding, "ok" if holding.flight in self.flights else "timeout")
                    self.settle(holding)
                else:
                    self.deliver(holding)
