"""Judges a world of workers by what they observed, what the store said it took, and what PostHog holds.

It shares no code with the rule: times and values are compared as numbers and texts, the floor and the bound
are counted here a second time.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from opentelemetry.exporter.posthog.groups.stamp import PRESENCE, Digester, canonical_json
from opentelemetry.exporter.posthog.groups.state import GroupState, Standing
from opentelemetry.exporter.posthog.groups.store import Seen, Sighting
from opentelemetry.exporter.posthog.model import Group, Observation

X_NS = 60_000_000_000
"""Slack of the floor after a loss."""


class Violation(AssertionError):
    """A promise of the ledger was broken."""


class Key(NamedTuple):
    group: Group
    name: str


class Times(NamedTuple):
    """Event time and seen time: what orders observations, but for ties."""

    time_ns: int
    seen_ns: int


class Told(NamedTuple):
    times: Times
    value: str  # canonical JSON


DISK = -1
"""Answers for what is on it as a worker does, and does not die."""

NO_TIMES = Times(-1, -1)


def times_in(stamp: str) -> Times:
    return Times(int(stamp[:16], 16), int(stamp[16:32], 16))


class Judge:
    """``marked(group)``: whether the store knows of a loss that concerns the group."""

    def __init__(self, marked: Callable[[Group], bool], now_ns: Callable[[], int]) -> None:
        self._marked = marked
        self._now_ns = now_ns
        self._newest: dict[Key, list[Told]] = {}  # of this life of the store; several are a tie
        self._remembered: set[Key] = set()
        self._groups: set[Group] = set()  # that the store has taken in this life
        self._kept: set[Group] = set()  # the same, but for those that were evicted since
        self._open: dict[int, dict[Key, list[Told]]] = {}  # by worker: observed, nobody answers for it yet
        self._settled: dict[tuple[int, Key], Times] = {}  # what a worker was told to be settled
        self._refused: set[tuple[Key, str]] = set()
        self._wants: dict[Key, str] = {}
        self._tokens: dict[Group, int] = {}
        self.life = 0
        self._life_began_ns = 0
        self._evicted_floor = NO_TIMES
        self.in_danger: set[Group] = set()  # under way when the store forgot
        self.excused: set[Group] = set()
        self.loose = False  # a worker slept across its lease, or the store forgot
        self.counts: Counter[str] = Counter()

    # -- what workers and the store say -----------------------------------------------------------------

    def observed(self, worker: int, observation: Observation) -> None:
        times = Times(observation.time_ns, observation.seen_ns)
        for name, value in observation.properties.items():
            key = Key(observation.group, name)
            if times > self._settled.get((worker, key), NO_TIMES):
                told = Told(times, canonical_json(value))
                self._open.setdefault(worker, {}).setdefault(key, []).append(told)

    def wrote(self, observation: Observation) -> None:
        """The store did not take it, and a worker has put it on disk, from where any worker may tell it."""
        self.observed(DISK, observation)

    def died(self, worker: int) -> None:
        self._open.pop(worker, None)

    def merged(self, sighting: Sighting, seen: Seen) -> None:
        """The store has applied an observe, whether or not its caller heard of it."""
        changed = False
        for name, answer in seen.answers.items():
            entry = sighting.entries[name]
            if answer.standing is Standing.FULL:
                continue
            if name == PRESENCE:
                changed = changed or seen.group not in self._kept
                self._kept.add(seen.group)
                self._groups.add(seen.group)
            elif answer.standing is Standing.FORGOTTEN:
                self._check_forgotten(Key(seen.group, name), times_in(entry.stamp))
            else:
                told = Told(times_in(entry.stamp), entry.value)
                changed = self._take(Key(seen.group, name), told) or changed
        self.counts["changes"] += changed

    def _take(self, key: Key, told: Told) -> bool:
        if key not in self._remembered and told.times <= self._floor(key.group):
            raise Violation(f"{key}: news not newer than the floor was believed")
        new = key not in self._remembered
        self._remembered.add(key)
        best = self._newest.get(key)
        if best is None or told.times > best[0].times:
            self._newest[key] = [told]
            return new or best is None or len(best) > 1 or told.value != best[0].value
        if told.times == best[0].times and told not in best:
            best.append(told)
            return True
        return False

    def _floor(self, group: Group) -> Times:
        """At least so far up the store must not believe news of what it has forgotten."""
        if not self.life or not self._marked(group):
            return self._evicted_floor
        at = self._life_began_ns - X_NS
        return max(self._evicted_floor, Times(at, at))

    def _check_forgotten(self, key: Key, times: Times) -> None:
        at = self._now_ns() - X_NS
        highest = max(self._evicted_floor, Times(at, at)) if self.life else self._evicted_floor
        if times > highest:
            raise Violation(f"{key}: newer news than the floor was forgotten")

    def answered(self, worker: int, seen: Seen, asked: Mapping[str, str]) -> None:
        """A worker heard how what it asked about stands."""
        for name, answer in seen.answers.items():
            key = Key(seen.group, name)
            if name == PRESENCE or answer.standing is Standing.PENDING:
                continue
            upto = times_in(answer.want) if answer.want else times_in(asked[name])
            if answer.standing is Standing.SETTLED:
                self._settled[worker, key] = max(upto, self._settled.get((worker, key), NO_TIMES))
            for who in (worker, DISK):
                mine = self._open.get(who, {})
                if key in mine:
                    mine[key] = [told for told in mine[key] if told.times > upto]

    def left(self, worker: int, held: set[Group]) -> None:
        """A worker holds these groups. For others the store answers, as far as it took them, or the disk."""
        for key, mine in self._open.get(worker, {}).items():
            if key.group not in held:
                taken = max((told.times for told in self._newest.get(key, ())), default=NO_TIMES)
                on_disk = self._open.get(DISK, {}).get(key, [])
                mine[:] = [told for told in mine if told.times > taken and told not in on_disk]

    def remembers(self, worker: int, key: Key, upto: Times) -> None:
        """The one process that writes to a store saw what is settled again, at last at this time. It answers
        for that as long as the store lives, which is its own."""
        mine = self._open.get(worker, {}).get(key, [])
        late = [told for told in mine if told.times <= upto]
        mine[:] = [told for told in mine if told.times > upto]
        newest = max(late, default=None)
        if newest is not None and newest.value not in {told.value for told in self._newest.get(key, ())}:
            raise Violation(f"{key}: {newest} is taken for settled")
        self._settled[worker, key] = max(upto, self._settled.get((worker, key), NO_TIMES))

    def forgot(self, times: Times) -> None:
        """The store was told that a group of which it knows nothing more was last seen then."""
        self._evicted_floor = max(self._evicted_floor, times)

    def heard_of_loss(self, worker: int) -> None:
        for known in [known for known in self._settled if known[0] == worker]:
            del self._settled[known]

    def refused(self, group: Group, properties: Mapping[str, Any]) -> None:
        self._refused.add((Key(group, PRESENCE), ""))  # an update may say no more than that the group exists
        self._refused |= {(Key(group, name), canonical_json(v)) for name, v in properties.items()}

    def lost(self, under_way: set[Group]) -> None:
        """The store has forgotten everything; requests of these groups may still arrive."""
        self.counts["losses"] += 1
        self.life += 1
        self._life_began_ns = self._now_ns()
        self._newest, self._remembered, self._groups, self._kept = {}, set(), set(), set()
        self._wants, self._tokens = {}, {}
        self._evicted_floor = NO_TIMES
        self.in_danger |= under_way
        self.loose = True

    def evicted(self, group: Group) -> None:
        self.counts["evictions"] += 1
        mine = [told[0].times for key, told in self._newest.items() if key.group == group]
        self._evicted_floor = max([self._evicted_floor, *mine])
        self._remembered = {key for key in self._remembered if key.group != group}
        self._kept.discard(group)
        self._wants = {key: want for key, want in self._wants.items() if key.group != group}
        self._tokens.pop(group, None)

    def heals(self) -> None:
        """So much time has passed that each confirmed value is sent once more when it is seen."""
        self.counts["healings"] += len({*self._remembered, *self._groups})

    # -- verdicts ---------------------------------------------------------------------------------------

    def truth(self, key: Key) -> list[Told]:
        """The newest observation that the store has taken or that a living worker still answers for."""
        candidates = list(self._newest.get(key, ()))
        for mine in self._open.values():
            candidates += mine.get(key, ())
        newest = max((told.times for told in candidates), default=NO_TIMES)
        return [told for told in candidates if told.times == newest]

    @property
    def keys(self) -> set[Key]:
        return {*self._newest, *(key for mine in self._open.values() for key, told in mine.items() if told)}

    def judge_profiles(self, profile: Callable[[Group], Mapping[str, Any] | None]) -> None:
        """At rest PostHog holds the truth, and nothing is missing."""
        for group in self._groups:
            if profile(group) is None and not any(key.group == group for key, _ in self._refused):
                raise Violation(f"{group} was seen, and PostHog has never heard of it")
        for key in self.keys:
            if key.group in self.excused or (key.group in self.in_danger and not self._marked(key.group)):
                continue
            truth = {told.value for told in self.truth(key)}
            if any((key, value) in self._refused for value in truth):
                continue
            held = (profile(key.group) or {}).get(key.name, ...)
            if held is ... or canonical_json(held) not in truth:
                raise Violation(f"PostHog keeps {key.name}={held!r}, the truth is {sorted(truth)}")

    def judge_memories(self) -> None:
        """At rest the store, and not a worker, answers for everything that was observed."""
        for worker, mine in self._open.items():
            for key, told in mine.items():
                if told:
                    raise Violation(f"worker {worker} still answers for {key}: {told}")

    def judge_bound(self) -> None:
        counts = self.counts
        once_a_group = counts["losses"] + counts["evictions"] + counts["forgets"]
        bound = (
            counts["changes"]
            + counts["unknown"]
            + counts["released"]
            + counts["takeovers"]
            + 2 * counts["confessions"]
            + counts["lost settles"]
            + counts["healings"]
            + once_a_group * max(1, len(self._groups))
        )
        if counts["attempts"] > bound:
            raise Violation(f"{counts['attempts']} requests, and at most {bound} were called for: {counts}")

    def judge_state(
        self,
        group: Group,
        state: GroupState,
        *,
        left_quiet: float,
        longest_quiet: float,
        digester: Digester,
        profile: Mapping[str, Any] | None,
    ) -> None:
        """What must hold of a group after every step."""
        if state.token and state.token < self._tokens.get(group, 0):
            raise Violation(f"the token of {group} went back")
        self._tokens[group] = max(state.token, self._tokens.get(group, 0))
        if left_quiet > longest_quiet:
            raise Violation(f"{group} is quiet for {left_quiet} s")
        for name, known in state.properties.items():
            key = Key(group, name)
            if known.want < self._wants.get(key, ""):
                raise Violation(f"{key}: an older observation took the place of a newer one")
            self._wants[key] = known.want
            if self.loose or name == PRESENCE or known.refused or known.have in ("", "?"):
                continue
            held = (profile or {}).get(name, ...)
            if held is ... or digester.digest(canonical_json(held)) != known.have:
                raise Violation(f"{key}: the ledger believes PostHog to hold something else than {held!r}")
