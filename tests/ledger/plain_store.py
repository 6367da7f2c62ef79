"""A ledger store that is a dictionary and a rule that can be exchanged: where bugs are planted.

The sound :class:`Rule` is the package's own; a subclass breaks one of its laws. Everything else is as short
as a store can be, so what a test finds here is the bug that was planted.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from opentelemetry.exporter.posthog.groups import ledger
from opentelemetry.exporter.posthog.groups.state import (
    Answer,
    Entry,
    Grant,
    GroupState,
    Haste,
    Settlement,
    StoreState,
    Terms,
)
from opentelemetry.exporter.posthog.groups.store import (
    SWEEP_LIMIT,
    Call,
    Reply,
    Seen,
    Sighting,
    StoreCounts,
    StoreTotals,
    StoreWaiting,
    healing_of,
)
from opentelemetry.exporter.posthog.model import Group
from tests.manual_clock import ManualClock


class Rule:
    """What a store asks of the rule."""

    marks_before_the_call = True

    def meet(self, store: StoreState, birth: int, now: int, *, contradicted: bool) -> StoreState:
        return ledger.meet(store, birth, now, contradicted=contradicted)

    def doubt(self, group: GroupState, store: StoreState, now: int) -> GroupState:
        return ledger.doubt(group, store, now)

    def observe(
        self,
        group: GroupState | None,
        entries: Mapping[str, Entry],
        store: StoreState,
        now: int,
        terms: Terms,
        healing: int,
    ) -> tuple[GroupState, dict[str, Answer]]:
        return ledger.observe(group, entries, store, now, terms, healing=healing)

    def grant(
        self, group: GroupState, store: StoreState, now: int, terms: Terms, haste: Haste
    ) -> tuple[GroupState, Grant | None]:
        return ledger.grant(group, store, now, terms, haste)

    def settle(
        self, group: GroupState, end: Settlement, store: StoreState, now: int, terms: Terms
    ) -> tuple[GroupState, Grant | None]:
        return ledger.settle(group, end, store, now, terms)

    def faded(self, group: GroupState, now: int, terms: Terms) -> GroupState:
        return ledger.without_old_values(group, now, terms)

    def evictable(self, group: GroupState, now: int) -> bool:
        return ledger.is_clean(group) and now >= group.quiet_until

    def floor_of(self, evicted: GroupState) -> str:
        return ledger.newest_times(evicted)


class Shelf:
    """What several :class:`PlainStore` of one world share: the state, and a server's clock."""

    def __init__(self, clock: ManualClock, rule: Rule) -> None:
        self.clock = clock
        self.rule = rule
        self.lose()

    def lose(self) -> None:
        self.groups: dict[Group, GroupState] = {}
        self.store = StoreState(self.now())

    def now(self) -> int:
        return self.clock.time_ns() // 1000

    def evict(self, group: Group) -> bool:
        """As a full memory does. False: the rule says that this one has to stay."""
        state = self.groups.get(group)
        if state is None or not self.rule.evictable(state, self.now()):
            return False
        del self.groups[group]
        self.store = self.store._replace(floor=max(self.store.floor, self.rule.floor_of(state)))
        return True


class PlainStore:
    """One process's view of a shelf. Implements ``groups.store.LedgerStore``."""

    durable = True
    remote = False
    write_behind = 30.0

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf
        self._birth = 0

    def observe(
        self, sightings: Sequence[Sighting], call: Call, *, claim: bool = True, haste: Haste = Haste.NONE
    ) -> Reply:
        self._meet(call)
        rule, groups, now, seen = self._shelf.rule, self._shelf.groups, self._shelf.now(), []
        for one in sightings:
            state, answers = rule.observe(
                self._met(one.group), one.entries, self._shelf.store, now, call.terms, healing_of(one.group)
            )
            granted = None
            if claim:
                state, granted = rule.grant(state, self._shelf.store, now, call.terms, haste)
            groups[one.group] = rule.faded(state, now, call.terms)
            seen.append(Seen(one.group, answers, granted))
        return self._reply(seen, call)

    def settle(self, ends: Sequence[tuple[Group, Settlement]], call: Call) -> Reply:
        self._meet(call)
        rule, groups, now, seen = self._shelf.rule, self._shelf.groups, self._shelf.now(), []
        for group, end in ends:
            state = self._met(group)
            if state is None:
                seen.append(Seen(group, {}))
                continue
            state, again = rule.settle(state, end, self._shelf.store, now, call.terms)
            groups[group] = rule.faded(state, now, call.terms)
            seen.append(Seen(group, ledger.standing_of(state, end.stamps), again))
        return self._reply(seen, call)

    def sweep(self, call: Call, *, limit: int = SWEEP_LIMIT) -> Reply:
        self._meet(call)
        rule, groups, now, seen = self._shelf.rule, self._shelf.groups, self._shelf.now(), []
        for group in list(groups):
            state = self._met(group)
            assert state is not None
            state, granted = rule.grant(state, self._shelf.store, now, call.terms, Haste.NONE)
            groups[group] = rule.faded(state, now, call.terms)
            if granted is not None:
                seen.append(Seen(group, {}, granted))
        return self._reply(seen, call)

    def last_act(self, call: Call) -> Reply:
        return Reply((), self._shelf.now())

    def _meet(self, call: Call) -> None:
        if self._shelf.rule.marks_before_the_call:
            self._mark(call)

    def _mark(self, call: Call) -> None:
        self._shelf.store = self._shelf.rule.meet(
            self._shelf.store, self._birth, self._shelf.now(), contradicted=bool(call.contradicted)
        )

    def _met(self, group: Group) -> GroupState | None:
        state = self._shelf.groups.get(group)
        if state is None:
            return None
        return self._shelf.rule.doubt(state, self._shelf.store, self._shelf.now())

    def _reply(self, seen: list[Seen], call: Call) -> Reply:
        for late in call.late:
            known = self._shelf.groups.get(late.group)
            if known is not None:
                self._shelf.groups[late.group] = ledger.note(known, late.stamps)
        if not self._shelf.rule.marks_before_the_call:
            self._mark(call)
        lost = self._birth not in (0, self._shelf.store.birth)
        self._birth = self._shelf.store.birth
        return Reply(seen, self._shelf.now(), lost=lost)

    def waiting(self, terms: Terms) -> StoreWaiting:
        moments = [
            max(due, ledger.grants_from(self._shelf.store, terms))
            for state in self._shelf.groups.values()
            if (due := ledger.due_at(state, terms)) is not None
        ]
        due_in = max(0.0, (min(moments) - self._shelf.now()) / 1e6) if moments else None
        return StoreWaiting(len(moments), due_in)

    def counts(self) -> StoreCounts:
        return StoreCounts()

    def totals(self) -> StoreTotals:
        return StoreTotals(0, 0, 0)

    def show(self, group: Group) -> GroupState | None:
        return self._shelf.groups.get(group)

    def groups(self) -> Iterator[Group]:
        return iter(list(self._shelf.groups))

    def forget(self, group: Group | None, terms: Terms) -> int:
        chosen = [one for one in self._shelf.groups if group in (None, one)]
        for one in chosen:
            self._shelf.groups[one] = ledger.forget(self._shelf.groups[one], self._shelf.now(), terms)
        return len(chosen)

    def before_fork(self) -> None:
        """Nothing is open."""

    def after_fork_in_parent(self) -> None:
        """Nothing was closed."""

    def after_fork_in_child(self) -> None:
        self._birth = 0

    def close(self) -> None:
        """Nothing to close."""
