"""At any bytecode a signal handler may export or flush, or end the interpreter: no newer time is lost."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import pytest

from opentelemetry.exporter.posthog.model import GroupUpdate, Observation
from tests.ledger_kit import ORG
from tests.manual_clock import EPOCH_NS
from tests.unit.groups.test_group_ledger import Desk

OURS = (
    "group_ledger",
    "observed",
    "known",
    "pocket",
    "store_line",
    "notices",
    "backlog",
    "keeping",
    "grants",
)
"""The process side. A store in the middle of a call of its own is another matter."""

Act = Callable[[Desk], object]


class AtTheBytecode:
    """Does something once, before the given one of the bytecodes of our own modules."""

    def __init__(self, number: int, act: Callable[[], object]) -> None:
        self._left = number
        self._act = act

    @property
    def came(self) -> bool:
        return self._left <= 0

    def __call__(self, frame: Any, event: str, arg: object) -> Any:
        path: str = frame.f_code.co_filename
        if self.came or not path.endswith(tuple(f"groups/{name}.py" for name in OURS)):
            return None
        frame.f_trace_opcodes = True
        if event == "opcode":
            self._left -= 1
            if self.came:
                sys.settrace(None)
                self._act()
        return self


def exports(desk: Desk) -> None:
    desk.deliver(desk.see(7, plan="pro"))


def flushes(desk: Desk) -> None:
    desk.deliver(desk.ledger.flush(force=True))


def looks_after_what_waits(desk: Desk) -> None:
    desk.clock.advance(40.0)
    desk.deliver(desk.ledger.tend())


def ends(desk: Desk) -> None:
    raise SystemExit


def seen(at: int, **properties: Any) -> Observation:
    time_ns = EPOCH_NS + at * 1_000_000_000
    return Observation(ORG, time_ns, time_ns, properties, "api")


def interrupted(number: int, act: Act) -> tuple[Desk, bool]:
    """A ledger that was interrupted there, and has been flushed since; whether it came to that."""
    desk = Desk()
    desk.deliver(desk.see(1, plan="team"))
    desk.see(5, plan="team")  # a newer time, of which the store has not heard
    tracer = AtTheBytecode(number, lambda: act(desk))
    updates: list[GroupUpdate] = []
    former = sys.gettrace()
    sys.settrace(tracer)
    try:
        updates = desk.ledger.observe(
            [seen(6, plan="team"), seen(4, plan="team", seats=3), seen(8, plan="team")]
        )
    except SystemExit:
        assert act is ends
        if desk.ledger._is_interrupted():  # where a with block ends; signals are not handled there
            desk.ledger._lock.release()
    finally:
        sys.settrace(former)
    desk.deliver(updates)
    for _ in range(2):
        desk.deliver(desk.ledger.flush(force=True))
        desk.clock.advance(80.0)
    return desk, tracer.came


def newest(desk: Desk) -> dict[str, int]:
    state = desk.store.show(ORG)
    assert state is not None
    return {
        name: (int(known.want[:16], 16) - EPOCH_NS) // 1_000_000_000
        for name, known in state.properties.items()
        if name
    }


def play(act: Act, first: int, step: int) -> int:
    """Interrupt at each ``step``th bytecode from the ``first`` on. How many times it came to that."""
    number, came = first, True
    while came:
        desk, came = interrupted(number, act)
        times = newest(desk)
        if act is ends and came:
            assert times["plan"] >= 5, f"bytecode {number}: what was seen before is forgotten"
        else:
            assert times == {"plan": 8, "seats": 4}, f"bytecode {number}"
            assert desk.ledger.clean()
        number += step
    return (number - first) // step - 1


ACTS = [exports, flushes, looks_after_what_waits, ends]


@pytest.mark.parametrize("act", ACTS)
def test_whatever_comes_in_the_middle_of_an_export_no_newer_time_is_lost(act: Act) -> None:
    assert play(act, 3, 29) > 20


@pytest.mark.long
@pytest.mark.timeout(600)
@pytest.mark.parametrize("act", ACTS)
def test_whatever_comes_at_any_bytecode_of_an_export_no_newer_time_is_lost(act: Act) -> None:
    assert play(act, 1, 1) > 600
