"""When somebody must come back to a ledger, and that a question that was not answered stays open."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from opentelemetry.exporter.posthog.errors import LedgerError
from opentelemetry.exporter.posthog.groups.group_ledger import GroupLedger
from opentelemetry.exporter.posthog.groups.memory import MemoryStore
from opentelemetry.exporter.posthog.groups.state import Terms
from opentelemetry.exporter.posthog.groups.store import StoreWaiting
from opentelemetry.exporter.posthog.model import Observation
from tests.ledger_kit import ORG
from tests.manual_clock import EPOCH_NS, ManualClock


class Elsewhere(MemoryStore):
    """As if on another machine: durable, and it may not answer how much waits in it."""

    durable = True
    silent: Exception | None = None
    questions = 0
    meanwhile: Callable[[], object] | None = None  # happens while the answer is on its way

    def waiting(self, terms: Terms) -> StoreWaiting:
        self.questions += 1
        if self.silent is not None:
            raise self.silent
        answer = super().waiting(terms)
        happens, self.meanwhile = self.meanwhile, None
        if happens is not None:
            happens()
        return answer


class Desk:
    def __init__(self) -> None:
        self.clock = ManualClock(monotonic=1000.0)
        self.store = Elsewhere(self.clock)
        self.ledger = GroupLedger(
            self.store, clock=self.clock, window=10.0, project="project",
            random=random.Random(0).getrandbits,
        )  # fmt: skip

    def sees(self, at: int, plan: str) -> int:
        time_ns = EPOCH_NS + at * 1_000_000_000
        return len(self.ledger.observe([Observation(ORG, time_ns, time_ns, {"plan": plan}, "api")]))


def test_an_earlier_life_may_have_left_something_so_the_store_is_asked_once() -> None:
    desk = Desk()
    assert desk.ledger.something_waits()
    assert desk.ledger.due_in() is None
    assert not desk.ledger.something_waits()
    assert desk.ledger.due_in() is None
    assert desk.store.questions == 1


@pytest.mark.parametrize(
    "silent",
    [
        pytest.param(LedgerError("no answer"), id="it is away"),
        pytest.param(RuntimeError("a bug"), id="it fails in a way that nobody foresaw"),
    ],
)
def test_a_store_that_did_not_answer_is_asked_again_once_it_may_be_back(silent: Exception) -> None:
    desk = Desk()
    desk.ledger.due_in()
    assert desk.sees(1, "team") == 1
    assert desk.sees(2, "pro") == 0, "its claim is open, so what changed waits"
    desk.store.silent = silent
    pause = desk.ledger.due_in()
    assert pause is not None
    assert desk.ledger.something_waits()
    desk.store.silent = None
    desk.clock.advance(pause)
    due_in = desk.ledger.due_in()
    assert due_in is not None
    desk.clock.advance(due_in)
    assert len(desk.ledger.tend()) == 1, "the lease is over, and the sweep takes it up"


def test_a_sweep_that_came_in_vain_is_not_repeated_at_once() -> None:
    desk = Desk()
    desk.ledger.due_in()
    desk.sees(1, "team")
    desk.sees(2, "pro")
    due_in = desk.ledger.due_in()
    assert due_in is not None
    desk.clock.advance(due_in)
    assert len(desk.ledger.tend()) == 1  # taken, and its holder never comes back
    pauses: list[float] = []
    for _ in range(5):
        pause = desk.ledger.due_in()
        assert pause is not None
        pauses.append(pause)
        desk.ledger.tend()
    assert min(pauses) > 1.0, pauses


def test_what_comes_in_while_the_store_answers_is_not_answered_for() -> None:
    desk = Desk()
    assert desk.sees(1, "team") == 1
    desk.store.meanwhile = lambda: desk.sees(2, "pro")
    asked_first = desk.store.questions
    due_in = desk.ledger.due_in()
    assert desk.store.questions == asked_first + 1
    assert due_in == 0.0, "its answer may be older than what another thread has told it"
    due_in = desk.ledger.due_in()
    assert due_in is not None
    desk.clock.advance(due_in)
    (update,) = desk.ledger.tend()
    assert update.properties == {"plan": "pro"}
