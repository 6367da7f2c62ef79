"""Draining: in order, page by page, one at a time."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import pytest

from opentelemetry.exporter.posthog.delivery.drain import LEAST_PAUSE, Drainer, DrainReport
from opentelemetry.exporter.posthog.delivery.outbox import Outbox
from opentelemetry.exporter.posthog.model import DELIVERED, Envelope, Outcome, OutcomeKind
from tests.manual_clock import ManualClock
from tests.outbox_kit import (
    REFUSED,
    RETRY,
    ObedientCourier,
    ReferenceOutbox,
    Remembered,
    assert_balanced,
    envelopes,
    sqlite_outbox,
    uuids,
)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture(params=["sqlite", "reference"])
def outbox(request: pytest.FixtureRequest, tmp_path: Path, clock: ManualClock) -> Outbox:
    if request.param == "sqlite":
        return sqlite_outbox(tmp_path / "box", clock, jitter=lambda: 0.0)
    return ReferenceOutbox(clock)


def store(outbox: Outbox, batches: int, *, size: int = 40) -> list[str]:
    ids: list[str] = []
    for _ in range(batches):
        batch = envelopes(4, size=size)
        receipt = outbox.put(batch)
        assert receipt is not None
        outbox.settle(receipt, [RETRY] * 4)
        ids += uuids(batch)
    return ids


def drainer(
    outbox: Outbox,
    courier: ObedientCourier,
    clock: ManualClock,
    report: Remembered | None = None,
    page: int = 700,
) -> Drainer:
    return Drainer(outbox, courier, clock=clock, report=report or Remembered(), claim_bytes=page)


def test_everything_is_delivered_in_order_and_once(outbox: Outbox, clock: ManualClock) -> None:
    ids, courier, report = store(outbox, 20), ObedientCourier(), Remembered()
    done = drainer(outbox, courier, clock, report).drain_once(clock.monotonic() + 10)
    assert done == DrainReport(delivered=80)
    assert [uuid for call in courier.calls for uuid in call] == ids
    assert len(courier.calls) > 4, "page by page"
    assert report.counts == {"delivered": 80, "stored": -80}
    assert outbox.next_due() is None
    assert_balanced(outbox.status(), accepted=80)


def test_a_failure_ends_the_drain_and_the_rest_is_not_touched(outbox: Outbox, clock: ManualClock) -> None:
    store(outbox, 20)
    courier = ObedientCourier(lambda _: RETRY)
    done = drainer(outbox, courier, clock).drain_once(clock.monotonic() + 10)
    assert len(courier.calls) == 1
    assert (done.delivered, done.waiting, done.wait) == (0, len(courier.calls[0]), 1.0)
    assert outbox.status().events == 80


def test_an_outage_costs_one_try_an_interval_and_is_over_when_it_is_over(
    outbox: Outbox, clock: ManualClock
) -> None:
    ids = store(outbox, 20)
    courier = ObedientCourier(lambda _: RETRY)
    caretaker = drainer(outbox, courier, clock)
    end = clock.monotonic() + 3600
    while clock.monotonic() < end:
        wait = caretaker.tend(clock.monotonic() + 10)
        assert wait is not None
        assert wait >= LEAST_PAUSE
        clock.advance(wait)
    assert len(courier.calls) < 25
    courier.verdict = lambda _: DELIVERED
    end = clock.monotonic() + 300
    while (wait := caretaker.tend(clock.monotonic() + 10)) is not None:
        assert clock.monotonic() < end, "the longest back-off is over, and still something waits"
        clock.advance(wait)
    assert set(courier.arrived) == set(ids)
    assert_balanced(outbox.status(), accepted=80)


def test_a_poison_does_not_hold_up_those_behind_it(outbox: Outbox, clock: ManualClock) -> None:
    """[P-OUTBOX-POISON]"""
    ids = store(outbox, 10)
    poison = {ids[0], ids[17]}
    courier = ObedientCourier(lambda e: REFUSED if e.uuid in poison else DELIVERED)
    report = Remembered()
    done = drainer(outbox, courier, clock, report).drain_once(clock.monotonic() + 10)
    assert (done.delivered, done.refused) == (38, 2)
    assert report.counts == {"delivered": 38, "refused invalid": 2, "stored": -40}
    assert outbox.status().refused == 2
    assert outbox.next_due() is None


def test_one_event_that_keeps_failing_is_tried_ever_more_rarely(outbox: Outbox, clock: ManualClock) -> None:
    ids = store(outbox, 2)
    courier = ObedientCourier(lambda e: RETRY if e.uuid == ids[0] else DELIVERED)
    one = drainer(outbox, courier, clock)
    assert one.drain_once(clock.monotonic() + 10).delivered == 7
    assert outbox.next_due() == 2.0
    assert one.tend(clock.monotonic() + 10) == 2.0


def test_what_the_server_asks_for_is_kept_even_when_forced(outbox: Outbox, clock: ManualClock) -> None:
    store(outbox, 1)
    courier = ObedientCourier(lambda _: Outcome(OutcomeKind.RETRY, "http_429", retry_after=40.0))
    one = drainer(outbox, courier, clock)
    assert one.drain_once(clock.monotonic() + 10).wait == 40.0
    assert one.drain_once(clock.monotonic() + 10, force=True).wait == 40.0
    assert len(courier.calls) == 1


def test_the_deadline_ends_a_drain_between_two_pages(outbox: Outbox, clock: ManualClock) -> None:
    store(outbox, 20)

    class Slow(ObedientCourier):
        def deliver(self, events: Sequence[Envelope], *, deadline: float) -> list[Outcome]:
            clock.advance(3)
            return super().deliver(events, deadline=deadline)

    courier = Slow()
    done = drainer(outbox, courier, clock).drain_once(clock.monotonic() + 7)
    assert len(courier.calls) == 3
    assert 0 < done.delivered < 80
    assert done.wait == 0.0


def test_expired_events_are_let_go_before_anything_is_sent(outbox: Outbox, clock: ManualClock) -> None:
    store(outbox, 1)
    clock.advance(8 * 86_400)
    fresh, courier = store(outbox, 1), ObedientCourier()
    done = drainer(outbox, courier, clock).drain_once(clock.monotonic() + 10)
    assert (done.expired, done.delivered) == (4, 4)
    assert set(courier.arrived) == set(fresh)


def test_an_interruption_gives_the_page_back_before_it_goes_on(outbox: Outbox, clock: ManualClock) -> None:
    store(outbox, 1)

    class Interrupted(ObedientCourier):
        def deliver(self, events: Sequence[Envelope], *, deadline: float) -> list[Outcome]:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        drainer(outbox, Interrupted(), clock).drain_once(clock.monotonic() + 10)
    assert drainer(outbox, ObedientCourier(), clock).drain_once(clock.monotonic() + 10).delivered == 4


def test_a_courier_that_raises_costs_a_try_and_nothing_else(outbox: Outbox, clock: ManualClock) -> None:
    store(outbox, 1)
    report = Remembered()

    class Broken(ObedientCourier):
        def deliver(self, events: Sequence[Envelope], *, deadline: float) -> list[Outcome]:
            raise RuntimeError("a bug")

    done = drainer(outbox, Broken(), clock, report).drain_once(clock.monotonic() + 10)
    assert (done.waiting, done.wait) == (4, 1.0)
    assert report.kinds == ["delivery_error"]


def test_whoever_comes_while_another_thread_drains_is_told_to_come_back(
    outbox: Outbox, clock: ManualClock
) -> None:
    store(outbox, 1)
    seen: list[DrainReport] = []

    class Nosy(ObedientCourier):
        def deliver(self, events: Sequence[Envelope], *, deadline: float) -> list[Outcome]:
            seen.append(one.drain_once(deadline))
            return super().deliver(events, deadline=deadline)

    one = drainer(outbox, Nosy(), clock)
    assert one.drain_once(clock.monotonic() + 10).delivered == 4
    assert seen == [DrainReport(wait=LEAST_PAUSE)]


def test_nothing_stored_is_nothing_to_do(outbox: Outbox, clock: ManualClock) -> None:
    courier = ObedientCourier()
    assert drainer(outbox, courier, clock).tend(clock.monotonic() + 10) is None
    assert courier.calls == []


def test_what_an_export_is_sending_is_waited_for(outbox: Outbox, clock: ManualClock) -> None:
    outbox.put(envelopes(1))
    courier = ObedientCourier()
    one = drainer(outbox, courier, clock)
    assert one.tend(clock.monotonic() + 10) == 30.0
    assert courier.calls == []
    clock.advance(30)
    assert one.tend(clock.monotonic() + 10) is None
    assert courier.arrived.total() == 1


def test_four_drainers_of_one_outbox_are_never_two_at_a_time(tmp_path: Path, clock: ManualClock) -> None:
    boxes = [sqlite_outbox(tmp_path / "box", clock) for _ in range(4)]
    store(boxes[0], 20)
    courier = ObedientCourier(lambda _: RETRY)
    drainers = [drainer(box, courier, clock) for box in boxes]
    due = [0.0] * 4
    end = clock.monotonic() + 1800
    tries: list[float] = []
    while clock.monotonic() < end:
        for number, one in enumerate(drainers):
            if due[number] <= clock.monotonic():
                before = len(courier.calls)
                wait = one.tend(clock.monotonic() + 10)
                assert wait is not None
                due[number] = clock.monotonic() + wait
                tries += [clock.monotonic()] * (len(courier.calls) - before)
        clock.advance(max(0.1, min(due) - clock.monotonic()))
    pauses = [b - a for a, b in pairwise(tries)]
    assert len(tries) < 25
    assert min(pauses[-5:]) >= 128, "one probe an interval, however many processes there are"
