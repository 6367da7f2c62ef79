"""The process side of the ledger: when it asks the store, when it does not, and what it never loses."""

from __future__ import annotations

import copy
import random
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from opentelemetry.exporter.posthog.errors import LedgerError
from opentelemetry.exporter.posthog.groups import GroupLedger, MemoryStore
from opentelemetry.exporter.posthog.groups.pocket_file import PocketFile
from opentelemetry.exporter.posthog.groups.stamp import times_of
from opentelemetry.exporter.posthog.groups.state import Haste
from opentelemetry.exporter.posthog.groups.store import SWEEP_LIMIT, Call, Reply, Sighting
from opentelemetry.exporter.posthog.model import (
    DELIVERED,
    Group,
    GroupUpdate,
    Observation,
    Outcome,
    OutcomeKind,
)
from tests.ledger_kit import ORG, OWNER, stamp
from tests.manual_clock import EPOCH_NS, ManualClock

ROUND = 36.1  # seconds: thirty and a fifth


class WatchedStore(MemoryStore):
    """Counts its calls, and is down when it is told to be; durable, so that it is believed to outlive us."""

    durable = True

    def __init__(self, clock: ManualClock) -> None:
        super().__init__(clock)
        self.down = False
        self.calls: Counter[str] = Counter()

    def _asked(self, what: str) -> None:
        self.calls[what] += 1
        if self.down:
            raise LedgerError("down")

    def observe(
        self, sightings: Sequence[Sighting], call: Call, *, claim: bool = True, haste: Haste = Haste.NONE
    ) -> Reply:
        self._asked("observe")
        return super().observe(sightings, call, claim=claim, haste=haste)

    def settle(self, ends: Any, call: Call) -> Reply:
        self._asked("settle")
        return super().settle(ends, call)

    def sweep(self, call: Call, *, limit: int = SWEEP_LIMIT) -> Reply:
        self._asked("sweep")
        return super().sweep(call, limit=limit)


class Desk:
    def __init__(self, **options: Any) -> None:
        self.clock = ManualClock(monotonic=1000.0)
        self.store = WatchedStore(self.clock)
        self.counts: Counter[str] = Counter()
        self.ledger = GroupLedger(
            self.store,
            **options,
            clock=self.clock,
            window=10.0,
            project="project",
            random=random.Random(0).getrandbits,
            report=lambda name, count: self.counts.update({name: count}),
        )
        self.ledger.tend()  # what an earlier life may have left is looked for once
        self.ledger.due_in()
        self.store.calls.clear()

    def see(self, at: int, group: Group = ORG, **properties: Any) -> list[GroupUpdate]:
        time_ns = EPOCH_NS + at * 1_000_000_000
        return self.ledger.observe([Observation(group, time_ns, time_ns, properties, "api")])

    def deliver(self, updates: Sequence[GroupUpdate], outcome: Outcome = DELIVERED) -> list[GroupUpdate]:
        return self.ledger.settle([(update, outcome) for update in updates])


def test_nothing_changed_asks_nobody() -> None:
    desk = Desk()
    desk.deliver(desk.see(1, plan="team"))
    desk.ledger.due_in()
    desk.store.calls.clear()
    for at in range(2, 2_000):
        assert desk.see(at, plan="team") == []
    assert not desk.store.calls
    assert desk.counts["identifies_saved"] == 1_998


def test_a_newer_time_of_an_unchanged_value_is_told_within_a_round() -> None:
    desk = Desk()
    desk.deliver(desk.see(1, plan="team"))
    desk.see(9, plan="team")
    desk.clock.advance(ROUND)
    desk.ledger.tend()
    state = desk.store.show(ORG)
    assert state is not None
    assert int(state.properties["plan"].want[:16], 16) == EPOCH_NS + 9_000_000_000


def test_many_groups_of_one_export_are_one_call() -> None:
    desk = Desk()
    groups = [Group("organization", f"org_{i}") for i in range(50)]
    updates = desk.ledger.observe(
        [Observation(group, EPOCH_NS, EPOCH_NS, {"plan": "team"}, "api") for group in groups]
    )
    assert {update.group for update in updates} == set(groups)
    assert desk.store.calls == {"observe": 1}


def test_while_the_store_is_down_nothing_is_sent_and_nothing_lost() -> None:
    desk = Desk()
    desk.store.down = True
    assert desk.see(1, plan="team") == []
    assert desk.see(2, plan="pro") == []
    assert desk.store.calls["observe"] == 1  # it is left in peace after that
    assert desk.ledger.waiting().unsaved == 1
    assert desk.ledger.something_waits()
    desk.store.down = False
    desk.clock.advance(5.1)
    (update,) = desk.ledger.tend()
    assert update.properties == {"plan": "pro"}


def test_an_end_that_the_store_did_not_hear_of_is_told_later() -> None:
    desk = Desk()
    updates = desk.see(1, plan="team")
    desk.store.down = True
    assert desk.deliver(updates) == []
    assert not desk.ledger.clean()
    desk.store.down = False
    desk.clock.advance(5.1)
    desk.ledger.tend()
    assert desk.ledger.clean()
    assert desk.store.waiting(desk.ledger._terms) == (0, None)


def test_what_moved_on_while_it_was_sent_is_granted_by_the_settling() -> None:
    desk = Desk()
    updates = desk.see(1, plan="team")
    assert desk.see(2, plan="pro") == []
    (again,) = desk.deliver(updates)
    assert again.properties == {"plan": "pro"}


def test_it_says_when_somebody_should_come_back_and_then_there_is_something_to_do() -> None:
    desk = Desk()
    for at in range(6):  # the bucket is empty after five
        desk.deliver(desk.see(at, plan=at))
    waits = 0.0
    while not (updates := desk.ledger.tend()):
        due = desk.ledger.due_in()
        assert due is not None
        desk.clock.advance(due)
        waits += due
    assert updates[0].properties == {"plan": 5}
    assert waits == pytest.approx(30.0, abs=1.0)


def test_at_rest_nobody_need_come_back() -> None:
    desk = Desk()
    desk.deliver(desk.see(1, plan="team"))
    desk.clock.advance(ROUND)
    desk.ledger.tend()
    assert desk.ledger.due_in() is None
    assert not desk.ledger.something_waits()


@pytest.mark.parametrize(("force", "sent"), [(True, True), (False, False)])
def test_a_forced_flush_passes_the_back_off_and_no_other_does(force: bool, sent: bool) -> None:
    desk = Desk()
    desk.deliver(desk.see(1, plan="team"), Outcome(OutcomeKind.RETRY))
    assert bool(desk.ledger.flush(force=force)) == sent


def test_no_flush_passes_what_the_server_asked_for() -> None:
    desk = Desk()
    desk.deliver(desk.see(1, plan="team"), Outcome(OutcomeKind.RETRY, retry_after=20.0))
    assert desk.ledger.flush(force=True) == []
    desk.clock.advance(20.1)
    assert desk.ledger.flush(force=True)


def test_a_child_begins_with_nothing_and_the_parent_keeps_what_it_has() -> None:
    desk = Desk()
    desk.store.down = True
    desk.see(1, plan="team")
    child = copy.copy(desk.ledger)  # as a fork does; what the child replaces is its own
    for name, part in vars(child).items():
        if hasattr(part, "after_fork_in_child") or hasattr(part, "start_afresh"):
            setattr(child, name, copy.copy(part))
    child.after_fork_in_child()
    assert child.waiting().unsaved == 0
    assert desk.ledger.waiting().unsaved == 1


def test_whatever_a_store_runs_into_costs_no_export() -> None:
    desk = Desk()

    def broken(*_: Any, **__: Any) -> Reply:
        raise RuntimeError("a bug")

    desk.store.observe = broken  # type: ignore[method-assign]
    assert desk.see(1, plan="team") == []
    assert desk.counts["ledger_down"] == 1


def test_a_late_observation_asks_nobody_and_is_noted_by_the_next_round() -> None:
    desk = Desk()
    desk.deliver(desk.see(9, plan="team"))
    desk.ledger.due_in()
    desk.store.calls.clear()
    for _ in range(3):
        assert desk.see(8, plan="free") == []
        assert not desk.ledger.something_waits()
        assert desk.ledger.due_in() is None
    assert not desk.store.calls
    assert ignored(desk) == ""
    desk.clock.advance(ROUND)
    desk.see(8, plan="free")
    assert desk.store.calls == {"sweep": 1}
    assert ignored(desk) == times_of(stamp(8, "free"))


def test_a_late_observation_of_one_batch_is_noted_by_the_call_that_tells_of_the_newer() -> None:
    desk = Desk()
    at = [EPOCH_NS + seconds * 1_000_000_000 for seconds in (9, 8)]
    newer, late = (
        Observation(ORG, t, t, {"plan": p}, "api") for t, p in zip(at, ("team", "free"), strict=True)
    )
    desk.deliver(desk.ledger.observe([newer, late]))
    assert ignored(desk) == times_of(stamp(8, "free"))


def test_a_flush_notes_what_was_late() -> None:
    desk = Desk()
    desk.deliver(desk.see(9, plan="team"))
    desk.see(8, plan="free")
    assert desk.ledger.flush(force=True) == []
    assert ignored(desk) == times_of(stamp(8, "free"))


def ignored(desk: Desk) -> str:
    state = desk.store.show(ORG)
    assert state is not None
    return state.properties["plan"].history.ignored


def test_while_posthog_is_away_memory_is_bounded_and_all_is_sent_once_it_is_back() -> None:
    desk = Desk(pocket_groups=10)
    groups = [Group("organization", f"org_{i}") for i in range(50)]
    away = Outcome(OutcomeKind.RETRY)
    for at, group in enumerate(groups):
        desk.deliver(desk.see(at, group, plan="team"), away)
    for _ in range(20):  # rounds in which PostHog stays away
        desk.clock.advance(ROUND)
        desk.deliver(desk.ledger.tend(), away)
        assert len(desk.ledger._pocket) <= 10
    assert desk.counts["left_to_store"] >= 40
    assert desk.ledger.is_safe()
    sent: dict[Group, Any] = {}
    while (pause := desk.ledger.due_in()) is not None:
        desk.clock.advance(pause)
        updates = desk.ledger.tend()
        sent.update({update.group: update.properties for update in updates})
        desk.deliver(updates)
    assert sent == {group: {"plan": "team"} for group in groups}
    assert desk.ledger.waiting()[:2] == (0, 0)


def test_what_left_memory_for_the_disk_outlives_even_the_loss_of_the_store(tmp_path: Path) -> None:
    def file() -> PocketFile:
        return PocketFile(tmp_path, owner=OWNER, clock=ManualClock(), failed=pytest.fail)

    desk = Desk(pocket_groups=10, pocket_file=file())
    groups = [Group("organization", f"org_{i}") for i in range(50)]
    for at, group in enumerate(groups):
        desk.deliver(desk.see(at, group, plan="team"), Outcome(OutcomeKind.RETRY))
    assert len(desk.ledger._pocket) == 10
    assert desk.counts["left_to_store"] == 0
    desk.ledger.close()
    page = file().page(0, 100)
    assert page is not None
    assert {one.group for one in page.sightings} >= set(groups[:40])
    later = Desk(pocket_file=file())  # another life of the process, and an empty store
    sent = {update.group for update in later.ledger.flush(force=True)}
    while (pause := later.ledger.due_in()) is not None:
        later.clock.advance(pause)
        updates = later.ledger.tend()
        sent |= {update.group for update in updates}
        later.deliver(updates)
    assert sent >= set(groups[:40])


def test_a_memory_ledger_keeps_what_it_can_not_deliver_once_and_its_last_act_sends_all_of_it() -> None:
    clock = ManualClock(monotonic=1000.0)
    counts: Counter[str] = Counter()
    ledger = GroupLedger(
        MemoryStore(clock), clock=clock, window=10.0, project="project", random=random.Random(0).getrandbits,
        report=lambda name, count: counts.update({name: count}), pocket_groups=10,
    )  # fmt: skip
    groups = [Group("organization", f"org_{i}") for i in range(50)]
    seen = [Observation(group, EPOCH_NS, EPOCH_NS, {"plan": "team"}, "api") for group in groups]
    ledger.settle([(update, Outcome(OutcomeKind.RETRY)) for update in ledger.observe(seen)])
    assert len(ledger._pocket) == 10
    flushed = ledger.flush(force=True)
    ledger.settle([(update, DELIVERED) for update in flushed])
    assert {update.group for update in flushed + ledger.last_act()} == set(groups)
    assert not {"left_to_store", "pocket_full"} & set(counts)
