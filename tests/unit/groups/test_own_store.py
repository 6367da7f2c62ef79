"""The ledger in the process's own memory hears of newer times late, and nothing is lost by that."""

from __future__ import annotations

import random
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import pytest

from opentelemetry.exporter.posthog.groups.group_ledger import GroupLedger
from opentelemetry.exporter.posthog.groups.memory import MemoryStore
from opentelemetry.exporter.posthog.model import DELIVERED, Group, Observation
from tests.ledger_kit import ORG
from tests.manual_clock import EPOCH_NS, ManualClock

ROUND = 36.1  # seconds: thirty and a fifth


class CountedStore(MemoryStore):
    """``deaf``: a bug. It is not told of the newer times."""

    def __init__(self, clock: ManualClock, *, max_groups: int, deaf: bool) -> None:
        super().__init__(clock, max_groups=max_groups)
        self.deaf = deaf
        self.calls = 0

    def observe(self, *arguments: Any, **options: Any) -> Any:
        self.calls += 1
        return super().observe(*arguments, **options)

    def seen_again(self, group: Group, names: Sequence[str], moment: int) -> None:
        if not self.deaf:
            super().seen_again(group, names, moment)


class Desk:
    def __init__(self, *, max_groups: int = 100, deaf: bool = False) -> None:
        self.clock = ManualClock(monotonic=1000.0)
        self.store = CountedStore(self.clock, max_groups=max_groups, deaf=deaf)
        self.ledger = GroupLedger(
            self.store,
            clock=self.clock,
            window=10.0,
            project="project",
            random=random.Random(0).getrandbits,
            max_groups=max_groups,
        )

    def see(self, at: float, group: Group = ORG, /, **properties: Any) -> dict[str, Any]:
        """What PostHog is sent because of this."""
        time_ns = EPOCH_NS + round(at * 1e9)
        updates = self.ledger.observe([Observation(group, time_ns, time_ns, properties, "api")])
        self.ledger.settle([(update, DELIVERED) for update in updates])
        return {name: value for update in updates for name, value in update.properties.items()}


@pytest.mark.parametrize(
    ("deaf", "sent"), [(False, {"name": "Acme"}), (True, {"name": "Acme", "plan": "free"})]
)
def test_a_time_that_only_the_process_knew_stands_against_late_news(deaf: bool, sent: dict[str, Any]) -> None:
    desk = Desk(deaf=deaf)
    desk.see(1, plan="team")
    assert desk.see(9, plan="team") == {}
    assert desk.see(7, plan="free") == {}
    assert desk.see(7, plan="free", name="Acme") == sent


def test_what_is_seen_again_and_again_asks_nobody_and_leaves_nothing_that_waits() -> None:
    desk = Desk()
    desk.see(1, plan="team")
    desk.clock.advance(ROUND)
    desk.ledger.tend()
    desk.store.calls = 0
    for at in range(2, 600):
        assert desk.see(at, plan="team") == {}
    desk.clock.advance(ROUND)
    desk.ledger.tend()
    assert desk.store.calls == 0
    assert not desk.ledger.something_waits()


def test_a_value_that_never_changes_is_sent_again_about_once_a_month() -> None:
    desk = Desk()
    sent: list[float] = []
    for hour in range(0, 24 * 80, 4):
        if desk.see(hour * 3600.0, plan="team"):
            sent.append(hour / 24)
        desk.clock.advance(4 * 3600.0)
    assert 3 <= len(sent) <= 4
    assert all(24 <= later - former <= 38 for former, later in pairwise(sent))


def test_where_memory_is_full_who_is_seen_stays_and_who_is_not_is_forgotten() -> None:
    desk = Desk(max_groups=4)
    busy = Group("organization", "busy")
    desk.see(0, busy, plan="team")
    for at in range(1, 40):
        desk.clock.advance(200.0)
        desk.see(at * 200.0, Group("organization", f"org_{at}"), plan="free")
        assert desk.see(at * 200.0, busy, plan="team") == {}
    assert busy in set(desk.store.groups())
