"""The line to the store: it never raises, and leaves a store that fails in peace for a while."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from opentelemetry.exporter.posthog.errors import LedgerError
from opentelemetry.exporter.posthog.groups.memory import MemoryStore
from opentelemetry.exporter.posthog.groups.notices import Notices
from opentelemetry.exporter.posthog.groups.stamp import Digester
from opentelemetry.exporter.posthog.groups.store import Call, Late, Reply
from opentelemetry.exporter.posthog.groups.store_line import CLOCK_TOLERANCE, STORE_PAUSE, StoreLine
from opentelemetry.exporter.posthog.model import Observation
from tests.ledger_kit import ORG, TERMS, stamp
from tests.manual_clock import EPOCH_NS, ManualClock


class RemoteStore(MemoryStore):
    """A store on another machine, as far as the line can tell."""

    remote = True


class Desk:
    def __init__(self) -> None:
        self.clock = ManualClock(monotonic=100.0)
        self.counts: Counter[str] = Counter()
        self.notices = Notices()
        self.calls: list[Call] = []
        self.line = StoreLine(
            RemoteStore(self.clock),
            TERMS,
            Digester("project"),
            clock=self.clock,
            notices=self.notices,
            count=lambda name, n: self.counts.update({name: n}),
        )

    def ask(self, reply: Reply | Exception | None = None) -> Reply | None:
        def question(call: Call) -> Reply:
            self.calls.append(call)
            if isinstance(reply, Exception):
                raise reply
            return reply or self.reply()

        return self.line.ask(question)

    def reply(self, ahead_ns: int = 0, **more: Any) -> Reply:
        return Reply((), (self.clock.time_ns() + ahead_ns) // 1000, **more)


@pytest.mark.parametrize(
    "trouble",
    [
        pytest.param(lambda desk: LedgerError("down"), id="it fails"),
        pytest.param(lambda desk: ZeroDivisionError(), id="it fails in a way that nobody foresaw"),
        pytest.param(lambda desk: desk.reply(error=LedgerError("half")), id="it answers in part"),
    ],
)
def test_a_store_that_fails_is_left_in_peace_for_a_while(trouble: Callable[[Desk], Any]) -> None:
    desk = Desk()
    desk.ask(trouble(desk))
    desk.clock.advance(STORE_PAUSE - 0.1)
    assert desk.line.is_down
    assert desk.ask() is None
    assert len(desk.calls) == 1
    desk.clock.advance(0.2)
    assert desk.ask() is not None
    assert desk.counts["ledger_down"] == 1


def test_a_failure_is_told_once_and_without_words_of_others() -> None:
    desk = Desk()
    for _ in range(3):
        desk.ask(ValueError("redis://user:secret@host"))
        desk.clock.advance(STORE_PAUSE)
    (notice,) = desk.notices.take()
    assert "group updates wait" in notice.message
    assert "secret" not in notice.message
    assert desk.counts["ledger_down"] == 3


def test_a_contradiction_is_told_until_a_call_was_answered() -> None:
    desk = Desk()
    desk.line.contradict(ORG)
    desk.ask(LedgerError("down"))
    desk.clock.advance(STORE_PAUSE)
    desk.ask()
    desk.ask()
    assert [set(call.contradicted) for call in desk.calls] == [{ORG}, {ORG}, set()]


def test_totals_are_told_with_the_next_call_that_is_answered_and_once() -> None:
    desk = Desk()
    desk.line.tally(saved=40)
    desk.line.tally(sent=1, saved=2)
    desk.ask(LedgerError("down"))
    desk.clock.advance(STORE_PAUSE)
    desk.ask()
    desk.ask()
    assert [(call.sent, call.saved) for call in desk.calls] == [(1, 42), (1, 42), (0, 0)]


def test_totals_that_an_answered_call_did_not_bring_home_are_told_again() -> None:
    desk = Desk()
    desk.line.tally(sent=1, saved=2)

    def question(call: Call) -> Reply:
        desk.calls.append(call)
        return desk.reply()._replace(tallied=False)

    desk.line.ask(question)
    desk.ask()
    desk.ask()
    assert [(call.sent, call.saved) for call in desk.calls] == [(1, 2), (1, 2), (0, 0)]


def seen(at: int, **properties: Any) -> Observation:
    time_ns = EPOCH_NS + at * 1_000_000_000
    return Observation(ORG, time_ns, time_ns, properties, "api")


def test_late_news_is_told_with_the_next_call_that_is_answered_and_once() -> None:
    desk = Desk()
    desk.line.note([seen(7, plan="free"), seen(8, plan="pro"), seen(6, plan="old")])
    assert desk.calls == []
    desk.ask(LedgerError("down"))
    desk.clock.advance(STORE_PAUSE)
    desk.ask()
    desk.ask()
    told = (Late(ORG, {"plan": stamp(8, "pro")}),)
    assert [call.late for call in desk.calls] == [told, told, ()]


def test_late_news_that_comes_in_while_older_is_told_is_told_next() -> None:
    desk = Desk()

    def question(call: Call) -> Reply:
        desk.line.note([seen(9, plan="newer")])
        return desk.reply()

    desk.line.note([seen(8, plan="pro")])
    desk.line.ask(question)
    desk.ask()
    assert desk.calls[0].late == (Late(ORG, {"plan": stamp(9, "newer")}),)


def test_a_child_tells_no_late_news_of_its_parent() -> None:
    desk = Desk()
    desk.line.note([seen(8, plan="pro")])
    desk.line.start_afresh()
    desk.ask()
    assert desk.calls[0].late == ()


@pytest.mark.parametrize("direction", [1, -1], ids=["the store is ahead", "the store is behind"])
def test_a_clock_that_is_minutes_off_follows_the_stores_and_is_told_once(direction: int) -> None:
    desk = Desk()
    off = direction * (CLOCK_TOLERANCE + 60_000_000_000)
    for _ in range(2):
        desk.ask(desk.reply(off))
        assert desk.line.ahead_ns == off
    (notice,) = desk.notices.take()
    assert notice.kind == "clock"
    assert "360 s" in notice.message
    desk.ask(desk.reply(0))
    assert desk.line.ahead_ns == 0


def test_hosts_that_differ_as_hosts_do_are_not_corrected() -> None:
    desk = Desk()
    desk.ask(desk.reply(CLOCK_TOLERANCE))
    assert desk.line.ahead_ns == 0
    assert list(desk.notices.take()) == []


def test_a_child_begins_with_a_line_that_is_up() -> None:
    desk = Desk()
    desk.ask(LedgerError("down"))
    desk.line.start_afresh()
    assert not desk.line.is_down
