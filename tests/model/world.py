"""Tiny worlds of the ledger, searched breadth-first: every interleaving of a few observations and faults.

The rule is the real one (``groups.ledger``), the store applies it atomically as all stores do; processes, the
network and PostHog are modelled here, in ticks instead of seconds. A request may land while it is younger
than its life, whatever its sender believes. The judge only looks at what PostHog holds when nothing is left
to happen.

Uniform random walks rarely meet the traces that matter; a search of a world with two or three observations
and one or two faults meets them all, the shortest first.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from opentelemetry.exporter.posthog.groups import ledger
from opentelemetry.exporter.posthog.groups.stamp import digest_of
from opentelemetry.exporter.posthog.groups.state import (
    Answer,
    Ending,
    Entry,
    Grant,
    GroupState,
    Settlement,
    Standing,
    StoreState,
    Terms,
)

NAME: Final = "p"
NOTHING: Final = ""
BEGIN: Final = 100_000_000  # a store's clock never starts at nought


def stamp(value: str, at: int, seen: int | None = None) -> str:
    """``value`` is one letter; times are ticks after the beginning, as the floor counts them."""

    def time(tick: int) -> str:
        return f"{(BEGIN + tick) * 1000:016x}"

    return time(at) + time(at if seen is None else seen) + value * 16


class Claim(NamedTuple):
    token: int
    stamp: str
    had: str
    took: bool
    t0: int
    flying: int = -1  # when the attempt under way was started
    ghost: int = -1  # when the last attempt of unknown outcome was started
    ending: Ending | None = None  # known to the process, not yet to the store


class Process(NamedTuple):
    pocket: str = NOTHING
    known: str = NOTHING
    claims: tuple[Claim, ...] = ()
    birth: int = 0
    took: str = NOTHING  # for the judge: the newest stamp taken that the store has not answered for yet


class Request(NamedTuple):
    stamp: str
    started: int
    landed: bool
    token: int


class State(NamedTuple):
    now: int
    store: StoreState
    group: GroupState | None
    processes: tuple[Process, ...]
    air: tuple[Request, ...]
    posthog: str
    unseen: tuple[str, ...]  # observations that no process has taken yet
    faults: tuple[tuple[str, int], ...]  # what may still go wrong, how often
    owed: str  # the newest stamp that the store has merged in its life, or has called delivered before
    delivered: str  # the newest stamp that was settled as delivered
    flushed: bool = False


class Protocol:
    """How processes and the store behave. Subclasses plant one bug each."""

    slack = 1

    # the rule, as the store applies it
    def meet(self, store: StoreState, birth: int, now: int) -> StoreState:
        if birth and birth != store.birth and not store.marked:
            return store._replace(
                marked=now, floor=max(store.floor, ledger.floor_at(store.birth - self.slack))
            )
        return ledger.meet(store, birth, now)

    def doubt(self, group: GroupState, store: StoreState, now: int) -> GroupState:
        return ledger.doubt(group, store, now)

    def observe(
        self, group: GroupState | None, seen: str, store: StoreState, now: int, terms: Terms
    ) -> tuple[GroupState, Answer]:
        state, answers = ledger.observe(group, {NAME: Entry(seen, digest_of(seen))}, store, now, terms)
        return state, answers[NAME]

    def grant(
        self, group: GroupState, store: StoreState, now: int, terms: Terms
    ) -> tuple[GroupState, Grant | None]:
        return ledger.grant(group, store, now, terms)

    def settle(
        self, group: GroupState, end: Settlement, store: StoreState, now: int, terms: Terms
    ) -> tuple[GroupState, Grant | None]:
        return ledger.settle(group, end, store, now, terms)

    # the process
    def hit(self, process: Process, seen: str) -> Process:
        return process._replace(known=seen, pocket=max(process.pocket, seen))

    def answered(self, process: Process, asked: str, answer: Answer) -> Process:
        pocket, known = process.pocket, process.known
        if answer.standing is Standing.SETTLED:
            known = answer.want
            pocket = NOTHING if pocket <= answer.want else pocket
        elif answer.standing is Standing.SUPERSEDED:
            pocket = NOTHING if pocket <= answer.want else pocket
        elif answer.standing is Standing.FORGOTTEN:
            pocket = NOTHING if pocket <= asked else pocket
        else:
            known = NOTHING
        return process._replace(pocket=pocket, known=known)

    def may_start(self, claim: Claim, now: int, terms: Terms) -> bool:
        return now - claim.t0 < terms.window

    def ending_of(self, claim: Claim, ending: Ending) -> Ending:
        """A claim of which one attempt is unknown ends as unknown, however surely another was refused."""
        return Ending.UNKNOWN if ending is Ending.RELEASED and claim.ghost >= 0 else ending

    def ghost(self, claim: Claim, now: int, terms: Terms) -> int:
        return 0 if claim.ghost < 0 else max(0, claim.ghost + terms.life - now)


@dataclass(frozen=True)
class World:
    """What may happen: observations (any process may take each), faults, durations in ticks."""

    observations: tuple[str, ...]
    faults: dict[str, int] = field(default_factory=dict)
    processes: int = 2
    window: int = 1
    life: int = 2
    protocol: Protocol = field(default_factory=Protocol)

    @property
    def terms(self) -> Terms:
        return Terms(self.window, self.life, 0)

    def first(self) -> State:
        return State(
            BEGIN, StoreState(BEGIN), None, (Process(),) * self.processes, (), NOTHING,
            tuple(sorted(self.observations)), tuple(sorted(self.faults.items())), NOTHING, NOTHING,
        )  # fmt: skip

    # -- what may happen next ---------------------------------------------------------------------------

    def steps(self, state: State) -> Iterator[tuple[str, State]]:
        for index, process in enumerate(state.processes):
            yield from self._process_steps(state, index, process)
        for request in state.air:
            if not request.landed:
                air = swapped(state.air, request, request._replace(landed=True))
                yield f"{request.stamp[-1]} lands", state._replace(air=air, posthog=request.stamp)
        if may(state, "flushall"):
            fresh = StoreState(state.now)
            yield (
                "FLUSHALL",
                spent(state, "flushall")._replace(
                    store=fresh, group=None, owed=state.delivered, flushed=True
                ),
            )
        yield "tick", self.tick(state)

    def tick(self, state: State) -> State:
        now = state.now + 1
        return state._replace(now=now, air=tuple(r for r in state.air if now - r.started < self.life))

    def _process_steps(self, state: State, index: int, process: Process) -> Iterator[tuple[str, State]]:
        name = f"P{index}"
        for seen in dict.fromkeys(state.unseen):
            yield f"{name} sees {seen[-1]}@{int(seen[:16], 16) // 1000 - BEGIN}", self.see(state, index, seen)
        if process.pocket and not process.claims:  # an export settles what it was granted before it ends
            yield f"{name} observes", self.flush(state, index)
        if state.group is not None and not process.claims:
            swept = self.sweep(state, index)
            if swept is not state:
                yield f"{name} sweeps", swept
        for claim in process.claims:
            yield from self._claim_steps(state, index, claim, name)
        if may(state, "kill") and process != Process():
            yield f"{name} is killed", self.put(spent(state, "kill"), index, Process())

    def _claim_steps(self, state: State, index: int, claim: Claim, name: str) -> Iterator[tuple[str, State]]:
        letter = claim.stamp[-1]
        if claim.ending is not None:
            yield f"{name} settles {letter} as {claim.ending.name}", self.settle(state, index, claim)
            return
        if claim.flying < 0:
            if self.protocol.may_start(claim, state.now, self.terms):
                yield f"{name} sends {letter}", self.send(state, index, claim)
            elif may(state, "pause"):
                yield f"{name} sends {letter} late", self.send(spent(state, "pause"), index, claim)
            ended = self.protocol.ending_of(claim, Ending.RELEASED)
            yield f"{name} gives {letter} up", self.end(state, index, claim, ended)
            return
        request = next((r for r in state.air if r.token == claim.token and r.started == claim.flying), None)
        if request is not None and request.landed:
            gone = state._replace(air=without(state.air, request))
            yield f"{name} is answered {letter}", self.end(gone, index, claim, Ending.DELIVERED)
        if request is not None and not request.landed:
            gone = state._replace(air=without(state.air, request))
            for fault, ending in (("release", Ending.RELEASED), ("poison", Ending.REFUSED)):
                if may(state, fault):
                    ended = self.protocol.ending_of(claim, ending)
                    yield (
                        f"{name} is refused {letter} ({fault})",
                        self.end(spent(gone, fault), index, claim, ended),
                    )
        if may(state, "timeout") or request is None:
            after = spent(state, "timeout") if request is not None else state
            if request is not None and request.landed:
                after = after._replace(air=without(after.air, request))
            unsure = claim._replace(flying=-1, ghost=claim.flying)
            yield f"{name} gives up waiting for {letter}", self.swap(after, index, claim, unsure)

    # -- the acts of a process --------------------------------------------------------------------------

    def see(self, state: State, index: int, seen: str) -> State:
        process = state.processes[index]._replace(took=max(state.processes[index].took, seen))
        unseen = list(state.unseen)
        unseen.remove(seen)
        state = state._replace(unseen=tuple(unseen))
        if process.known and seen <= process.known:
            return state  # settled with something newer
        if process.known and digest_of(seen) == digest_of(process.known):
            return self.put(state, index, self.protocol.hit(process, seen))
        return self.put(state, index, process._replace(pocket=max(process.pocket, seen)))

    def _called(self, state: State, index: int) -> State:
        """The beginning of every call: the loss mark, the doubt."""
        process = state.processes[index]
        store = self.protocol.meet(state.store, process.birth, state.now)
        group = state.group
        if group is not None:
            group = self.protocol.doubt(group, store, state.now)
        return state._replace(store=store, group=group)

    def _replied(self, state: State, index: int) -> State:
        process = state.processes[index]
        if process.birth and process.birth != state.store.birth:
            process = process._replace(known=NOTHING)
        return self.put(state, index, process._replace(birth=state.store.birth))

    def flush(self, state: State, index: int) -> State:
        state = self._called(state, index)
        asked = state.processes[index].pocket
        group, answer = self.protocol.observe(state.group, asked, state.store, state.now, self.terms)
        if answer.standing is not Standing.FORGOTTEN:
            state = state._replace(owed=max(state.owed, asked))
            if state.flushed and asked < state.delivered:
                # News from before the loss, too young for the floor: until newer comes it is the truth
                # as far as anybody can know.
                want = group.properties[NAME].want
                state = state._replace(owed=want, delivered=want)
        group, granted = self.protocol.grant(group, state.store, state.now, self.terms)
        state = self._replied(state._replace(group=group), index)
        process = self.protocol.answered(state.processes[index], asked, answer)
        state = self.put(state, index, accounted(process, asked, answer))
        return self._claimed(state, index, granted)

    def sweep(self, state: State, index: int) -> State:
        called = self._called(state, index)
        if called.group is None:
            return state
        group, granted = self.protocol.grant(called.group, called.store, called.now, self.terms)
        if granted is None and called == state:
            return state
        return self._claimed(self._replied(called._replace(group=group), index), index, granted)

    def settle(self, state: State, index: int, claim: Claim) -> State:
        state = self._called(state, index)
        assert claim.ending is not None
        if claim.ending is Ending.DELIVERED:
            state = state._replace(delivered=max(state.delivered, claim.stamp))
        granted = None
        if state.group is not None:
            end = Settlement(
                claim.token, {NAME: claim.stamp}, {NAME: claim.had}, claim.took, claim.ending,
                self.protocol.ghost(claim, state.now, self.terms),
            )  # fmt: skip
            group, granted = self.protocol.settle(state.group, end, state.store, state.now, self.terms)
            state = state._replace(group=group)
        state = self._replied(state, index)
        process = state.processes[index]
        process = process._replace(claims=without(process.claims, claim))
        if state.group is not None:
            answers = ledger.standing_of(state.group, (NAME,))
            if NAME in answers:
                process = self.protocol.answered(process, claim.stamp, answers[NAME])
                process = accounted(process, claim.stamp, answers[NAME])
        return self._claimed(self.put(state, index, process), index, granted)

    def _claimed(self, state: State, index: int, granted: Grant | None) -> State:
        if granted is None:
            return state
        sent = granted.content[NAME]
        claim = Claim(granted.token, sent.stamp, sent.had, granted.took, state.now)
        process = state.processes[index]
        return self.put(state, index, process._replace(claims=(*process.claims, claim)))

    def send(self, state: State, index: int, claim: Claim) -> State:
        request = Request(claim.stamp, state.now, landed=self.life == 0, token=claim.token)
        state = state._replace(air=tuple(sorted((*state.air, request))))
        if self.life == 0:  # a function call: nothing lands after it returned
            state = state._replace(posthog=claim.stamp)
        return self.swap(state, index, claim, claim._replace(flying=state.now))

    def end(self, state: State, index: int, claim: Claim, ending: Ending) -> State:
        return self.swap(state, index, claim, claim._replace(flying=-1, ending=ending))

    def swap(self, state: State, index: int, old: Claim, new: Claim) -> State:
        process = state.processes[index]
        return self.put(state, index, process._replace(claims=swapped(process.claims, old, new)))

    @staticmethod
    def put(state: State, index: int, process: Process) -> State:
        processes = list(state.processes)
        processes[index] = process
        return state._replace(processes=tuple(processes))

    # -- the judge --------------------------------------------------------------------------------------

    def at_rest(self, state: State) -> bool:
        return (
            not state.unseen
            and not state.air
            and not any(process.pocket or process.claims for process in state.processes)
            and (state.group is None or ledger.due_at(state.group, self.terms) is None)
        )

    def verdict(self, state: State) -> str | None:
        """What is wrong with a state at rest; None when it is as it should be."""
        if state.flushed and not state.store.marked:
            return None  # a loss that nobody noticed can't be made good
        group = state.group
        if group is not None and NAME in group.properties and group.properties[NAME].dirty:
            return "stuck: dirty, and nothing will be sent"
        refused = group is not None and NAME in group.properties and group.properties[NAME].refused
        truth = max(state.owed, *(process.took for process in state.processes))
        if state.posthog >= truth or digest_of(state.posthog) == digest_of(truth) or refused:
            return None
        return f"PostHog keeps {state.posthog[-1:] or 'nothing'}, the truth is {truth[-1:]}"

    def two_contents_in_the_air(self, state: State) -> bool:
        """The law of the air, which every world without a pause must keep."""
        return len({digest_of(request.stamp) for request in state.air if not request.landed}) > 1

    def fair_ending(self, state: State) -> str | None:
        """From any state, without further faults, everything must come to rest, and rightly."""
        state = state._replace(faults=())
        for _ in range(12 * (self.window + self.life) + 20):
            if self.at_rest(state):
                return self.verdict(state)
            for request in state.air:
                if not request.landed:
                    state = state._replace(
                        air=swapped(state.air, request, request._replace(landed=True)), posthog=request.stamp
                    )
            for index in range(len(state.processes)):
                state = self._act_fairly(state, index)
            state = self.tick(state)
        return "does not come to rest"

    def _act_fairly(self, state: State, index: int) -> State:
        while state.unseen:
            state = self.see(state, index, state.unseen[0])
        claims = state.processes[index].claims
        if state.processes[index].pocket and not claims:
            state = self.flush(state, index)
            claims = state.processes[index].claims
        if not claims and state.group is not None and ledger.due_at(state.group, self.terms) is not None:
            state = self.sweep(state, index)
        for _ in range(8):
            claims = state.processes[index].claims
            if not claims:
                break
            claim = claims[0]
            for label, after in self._claim_steps(state, index, claim, ""):
                if "sends" in label or "answered" in label or "settles" in label:
                    state = after
                    break
            else:
                request = [r for r in state.air if r.token == claim.token and not r.landed]
                if request:
                    landed = request[0]._replace(landed=True)
                    state = state._replace(
                        air=swapped(state.air, request[0], landed), posthog=request[0].stamp
                    )
                elif claim.flying >= 0:
                    unsure = claim._replace(flying=-1, ghost=claim.flying)
                    state = self.swap(state, index, claim, unsure)
                else:
                    ended = self.protocol.ending_of(claim, Ending.RELEASED)
                    state = self.end(state, index, claim, ended)
        return state


class Found(NamedTuple):
    """What a search found: nothing wrong, or the shortest way to something wrong."""

    states: int
    wrong: str | None = None
    trace: tuple[str, ...] = ()
    complete: bool = True


def search(world: World, *, limit: int = 2_000_000, fair_every: int = 31, law: bool = True) -> Found:
    """Visit all states within reach, at most ``limit``; from one in ``fair_every`` try a fair ending."""
    first = world.first()
    seen = {key_of(first, world): None}
    parents: dict[object, tuple[object, str]] = {}
    queue = deque([(first, key_of(first, world))])
    while queue:
        state, key = queue.popleft()
        for label, after in world.steps(state):
            after_key = key_of(after, world)
            if after_key in seen:
                continue
            seen[after_key] = None
            parents[after_key] = (key, label)
            wrong = world.verdict(after) if world.at_rest(after) else None
            if wrong is None and law and world.two_contents_in_the_air(after):
                wrong = "two contents in the air"
            if wrong is None and len(seen) % fair_every == 0:
                wrong = world.fair_ending(after)
            if wrong is not None:
                return Found(len(seen), wrong, trace_to(after_key, parents))
            if len(seen) >= limit:
                return Found(len(seen), complete=False)
            queue.append((after, after_key))
    return Found(len(seen))


def trace_to(key: object, parents: dict[object, tuple[object, str]]) -> tuple[str, ...]:
    labels: list[str] = []
    while key in parents:
        key, label = parents[key]
        labels.append(label)
    return tuple(reversed(labels))


def key_of(state: State, world: World) -> object:
    """Equal for states that behave alike: times from now, tokens by their order, processes by content."""
    now = state.now
    group = state.group
    tokens = {claim.token for process in state.processes for claim in process.claims}
    births = {process.birth for process in state.processes if process.birth} | {state.store.birth}
    marked = state.store.marked
    if group is not None:
        tokens.add(group.token)
    order = {token: place for place, token in enumerate(sorted({*tokens, marked, 0}))}
    born = {birth: place for place, birth in enumerate(sorted(births))}
    waits = max(0, ledger.grants_from(state.store, world.terms) - now)

    def claim_key(claim: Claim) -> object:
        return (
            order[claim.token], claim.stamp, claim.had, claim.took, min(now - claim.t0, world.window + 1),
            min(now - claim.flying, world.life) if claim.flying >= 0 else -1,
            min(now - claim.ghost, world.life) if claim.ghost >= 0 else -1, claim.ending,
        )  # fmt: skip

    processes = sorted(
        (
            (
                p.pocket,
                p.known,
                born.get(p.birth, -1),
                p.took,
                tuple(sorted(map(claim_key, p.claims), key=repr)),
            )
            for p in state.processes
        ),
        key=repr,
    )
    group_key = None
    if group is not None:
        group_key = (
            tuple((k.want, k.value, k.have, k.refused) for k in group.properties.values()),
            order[group.token], max(0, group.quiet_until - now), max(0, group.retry_at - now),
        )  # fmt: skip
    air = tuple(sorted((r.stamp, now - r.started, r.landed, order.get(r.token, -1)) for r in state.air))
    return (
        group_key, tuple(processes), air, state.posthog, state.unseen, state.faults, state.owed,
        born[state.store.birth], state.store.floor, order[marked], waits, state.flushed, state.delivered,
    )  # fmt: skip


def accounted(process: Process, asked: str, answer: Answer) -> Process:
    """For the judge: from here on the store answers for what was taken, not the process."""
    answered = asked if answer.standing is Standing.FORGOTTEN else answer.want
    over = answer.standing is not Standing.PENDING and process.took <= answered
    return process._replace(took=NOTHING) if over else process


# -- small tuples ---------------------------------------------------------------------------------------


def may(state: State, fault: str) -> bool:
    return any(name == fault and left > 0 for name, left in state.faults)


def spent(state: State, fault: str) -> State:
    return state._replace(faults=tuple((name, left - (name == fault)) for name, left in state.faults))


def without(items: tuple[object, ...], item: object) -> tuple:  # type: ignore[type-arg]
    rest = list(items)
    rest.remove(item)
    return tuple(rest)


def swapped(items: tuple[object, ...], old: object, new: object) -> tuple:  # type: ignore[type-arg]
    return tuple(new if item is old else item for item in items)
