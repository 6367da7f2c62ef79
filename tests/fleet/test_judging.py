"""The fleet's judge itself: what it counts, and what it would not let pass."""

from __future__ import annotations

import random
from typing import Any

import pytest

from tests.fleet.judging import collisions, flights, is_late_mark, old_news_allowed, only_touched, strangers
from tests.fleet.oracle import differences, transitions, truth
from tests.fleet.script import SECOND, Shape, Signal, script
from tests.fleet.store_log import LOSS, Step, commands, mark, rebirth, steps_of, sums

LEASE = 6.0


def said(n: int, time: int, plan: Any, *, seen: int | None = None) -> Signal:
    return Signal(n, 1, time, "org_1", time, time if seen is None else seen, {"plan": plan}, "log")


def test_truth_does_not_depend_on_the_order_in_which_signals_are_heard_of() -> None:
    signals = script(Shape(seed=1, processes=3, organizations=10, signals=300, seconds=2.0))
    shuffled = random.Random(1).sample(signals, len(signals))
    assert truth(shuffled) == truth(signals)


def test_of_one_second_the_later_seen_wins_and_a_type_is_part_of_a_value() -> None:
    found = truth([said(0, 5, 1, seen=6), said(1, 5, True, seen=7)])
    assert found == {"org_1": {"plan": {"true"}}}
    assert differences(found, {"org_1": {"plan": 1}})
    assert not differences(found, {"org_1": {"plan": True}})
    assert differences(found, {}), "one that is missing is wrong too"


def test_changes_are_counted_in_the_order_of_arrival_and_late_news_are_none() -> None:
    news = [said(0, 1, "a"), said(1, 3, "b"), said(2, 2, "c"), said(3, 4, "b"), said(4, 5, "a")]
    assert transitions(enumerate(news)) == 3


def step(token: int, quiet: int, plan: str | None = None) -> Step:
    wants = {} if plan is None else {"plan": "0" * 32 + plan}
    return Step("org_1", token, quiet, wants)


def test_a_claim_that_nobody_settled_within_its_lease_was_taken_over() -> None:
    second = 1_000_000
    first, again = 10 * second, 17 * second
    steps = [step(first, 16 * second, "a"), step(first, 16 * second, "b"), step(again, 23 * second)]
    found = sums(steps, lease=LEASE)
    assert (found.transitions, found.claims, found.takeovers) == (2, 2, 1)
    settled = [steps[0], step(first + 1, 10 * second + 5), step(again, 23 * second)]
    assert sums(settled, lease=LEASE).takeovers == 0


def test_a_loss_makes_every_group_that_was_known_worth_one_more() -> None:
    found = sums([step(10, 20, "a"), LOSS, step(0, 0, "a")], lease=LEASE)
    assert (found.transitions, found.forgotten) == (2, 1)


LOST_AT = 100 * SECOND
OLD, NEW = said(0, LOST_AT - 9 * SECOND, "a"), said(1, LOST_AT - 5 * SECOND, "b")


def told(signal: Signal, *, settled: bool) -> Step:
    digest = f"{signal.said['plan']!s:0>16}"
    haves = {"plan": digest if settled else "?"}
    return Step("org_1", 10, 20, {"plan": f"{signal.time:016x}{signal.seen:016x}{digest}"}, haves)


@pytest.mark.parametrize(
    ("signals", "steps", "allowed"),
    [
        pytest.param(
            [OLD, NEW],
            [told(OLD, settled=True), told(NEW, settled=True), LOSS, told(OLD, settled=True)],
            {("org_1", "plan"): {'"a"'}},
            id="old news of the last minute after a loss of what was settled",
        ),
        pytest.param(
            [OLD, NEW],
            [told(NEW, settled=False), LOSS, told(OLD, settled=True)],
            {},
            id="not when PostHog was not known to hold the newest: its observer must tell it again",
        ),
        pytest.param(
            [OLD, NEW],
            [told(NEW, settled=True), told(OLD, settled=True)],
            {},
            id="not without a loss",
        ),
        pytest.param(
            [OLD, NEW],
            [told(NEW, settled=True), LOSS, told(OLD, settled=True), told(NEW, settled=True)],
            {},
            id="not when the new life knows better",
        ),
        pytest.param(
            [OLD, NEW, said(2, LOST_AT + SECOND, "c")],
            [told(NEW, settled=True), LOSS, told(OLD, settled=True)],
            {},
            id="not when something newer was said since, which the new life was never told",
        ),
        pytest.param(
            [said(0, LOST_AT - 61 * SECOND, "a"), NEW],
            [told(NEW, settled=True), LOSS, told(said(0, LOST_AT - 61 * SECOND, "a"), settled=True)],
            {},
            id="not when it is older than what the new life may believe",
        ),
    ],
)  # fmt: skip
def test_a_loss_excuses_old_news(signals: list[Signal], steps: list[Step], allowed: dict[Any, Any]) -> None:
    found = old_news_allowed(signals, rebirth(steps), loss=LOST_AT / SECOND, zero_ns=0)
    assert found == allowed


def test_a_torn_last_command_of_an_append_only_file_is_left_out() -> None:
    whole = b"*2\r\n$4\r\nPING\r\n$2\r\nab\r\n"
    assert list(commands(whole + whole[:-3])) == [[b"PING", b"ab"]]


def book(*lines: tuple[str, float, dict[str, Any]]) -> list[dict[str, Any]]:
    return [{"what": what, "at": at, **facts} for what, at, facts in lines]


def test_two_contents_in_the_air_collide_and_an_unanswered_one_stays_there_for_its_life() -> None:
    lost = book(
        ("sent", 1.0, {"number": "1", "updates": [("org_1", "u1")]}),
        ("answered", 2.0, {"number": "1", "left": True, "unknown": True}),
    )
    later = book(("sent", 4.0, {"number": "2", "updates": [("org_1", "u2")]}))
    again = book(("sent", 4.0, {"number": "3", "updates": [("org_1", "u1")]}))
    assert [one for one, _, _ in collisions(flights({1: lost, 2: later}, life=4.0))] == ["org_1"]
    assert not list(collisions(flights({1: lost, 2: later}, life=2.5)))
    assert not list(collisions(flights({1: lost, 2: again}, life=4.0))), "the same content may go again"


def at_shard(step: Step) -> Step:
    return step._replace(shard="shard")


@pytest.mark.parametrize(
    ("steps", "heard", "began", "excused"),
    [
        pytest.param(
            [LOSS, at_shard(step(10, 20, "a")), mark("shard")], [], 3.1, True,
            id="granted to a stranger before anybody told of the loss",
        ),
        pytest.param(
            [LOSS, mark("shard"), at_shard(step(10, 20, "a"))], [], 3.1, False,
            id="not when the loss was known",
        ),
        pytest.param(
            [LOSS, at_shard(step(10, 20, "a")), mark("shard")], [0], 3.1, False,
            id="not when who was granted it had known the former life: its own call must tell",
        ),
        pytest.param(
            [at_shard(step(10, 20, "a")), LOSS, mark("shard")], [], 3.1, False,
            id="not when nothing was granted in the new life",
        ),
        pytest.param(
            [LOSS, at_shard(step(10, 20, "a")), mark("shard")], [], 2.9, False,
            id="not when both began before the loss",
        ),
    ],
)  # fmt: skip
def test_a_loss_excuses_a_collision(steps: list[Step], heard: list[int], began: float, excused: bool) -> None:
    signals = [said(0, 1, "a")]
    former = book(("sent", 2.0, {"number": "1", "updates": [("org_1", "u1")]}))
    other = book(
        ("exported", 1.0, {"signals": heard, "ok": True}),
        ("sent", began, {"number": "2", "updates": [("org_1", "u2")]}),
    )
    books = {1: former, 2: other}
    (collision,) = collisions(flights(books, life=4.0))
    new_life = rebirth(steps)
    found = is_late_mark(
        collision[0], collision[1:], new_life.early, strangers(books, signals, new_life, 3.0),
        lost_at=3.0, window=1.5,
    )  # fmt: skip
    assert found is excused


def test_only_what_a_process_had_said_before_is_excused_by_its_death() -> None:
    signals = [said(0, 1, "a"), said(1, 2, "b"), said(2, 3, "a")]
    lines = book(*(("exported", 1.0, {"signals": [n], "ok": True}) for n in range(3)))
    assert only_touched(lines, signals) == {2}


def test_a_property_is_counted_for_its_own_group_however_rows_are_written_together() -> None:
    """Two groups by two calls of one transaction: their rows first, then all their properties."""
    rows = [
        ("org_1", 10, 0, None, ""),
        ("org_2", 20, 0, None, ""),
        ("org_1", 0, 0, "plan", "one"),
        ("org_2", 0, 0, "plan", "two"),
        ("org_1", 11, 0, None, ""),
    ]
    assert steps_of(rows) == [
        Step("org_1", 10, 0, {"plan": "one"}),
        Step("org_2", 20, 0, {"plan": "two"}),
        Step("org_1", 11, 0, {}),
    ]
