"""What every outbox promises, whatever it is made of."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from opentelemetry.exporter.posthog.delivery.outbox import Outbox
from opentelemetry.exporter.posthog.model import DELIVERED, Outcome, OutcomeKind
from tests.manual_clock import ManualClock
from tests.outbox_kit import (
    PAGE,
    REFUSED,
    RETRY,
    ReferenceOutbox,
    assert_balanced,
    envelope,
    envelopes,
    sqlite_outbox,
    uuids,
)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture(params=["sqlite", "reference"])
def outbox(request: pytest.FixtureRequest, tmp_path: Path, clock: ManualClock) -> Iterator[Outbox]:
    made: Outbox = (
        sqlite_outbox(tmp_path / "box", clock, jitter=lambda: 0.0)
        if request.param == "sqlite"
        else ReferenceOutbox(clock)
    )
    yield made
    assert_balanced(made.status())
    made.close()


def test_what_was_put_is_stored_until_it_is_settled(outbox: Outbox) -> None:
    receipt = outbox.put(envelopes(3))
    assert receipt is not None
    assert outbox.status().events == 3
    outbox.settle(receipt, [DELIVERED] * 3)
    assert outbox.status().events == 0
    assert outbox.status().counters["delivered"] == 3


def test_nothing_put_is_nothing_stored(outbox: Outbox) -> None:
    assert outbox.put([]) is None
    assert outbox.status().events == 0


def test_envelopes_come_back_byte_for_byte(outbox: Outbox, clock: ManualClock) -> None:
    strange = envelope()._replace(
        event="\ud800 lone\0 Ünïcode", properties=bytes(range(256)), personless=True, session_id="s"
    )
    batch = [*envelopes(2), strange]
    outbox.put(batch)
    clock.advance(31)
    claimed = outbox.claim(PAGE)
    assert claimed is not None
    assert list(claimed.envelopes) == batch


def test_what_its_sender_holds_is_not_claimed(outbox: Outbox, clock: ManualClock) -> None:
    outbox.put(envelopes(1))
    clock.advance(29)
    assert outbox.claim(PAGE) is None


def test_a_sender_that_died_loses_its_lease_after_thirty_seconds(outbox: Outbox, clock: ManualClock) -> None:
    outbox.put(envelopes(1))
    clock.advance(30)
    assert outbox.claim(PAGE) is not None


def test_who_lost_its_lease_can_not_settle_any_more(outbox: Outbox, clock: ManualClock) -> None:
    outbox.put(envelopes(1))
    clock.advance(30)
    second = outbox.claim(PAGE)
    assert second is not None
    outbox.settle(replace(second, owner="somebody else"), [DELIVERED])
    assert outbox.status().events == 1
    outbox.settle(second, [DELIVERED])
    assert outbox.status().events == 0


def test_the_oldest_come_first_and_order_is_kept(outbox: Outbox, clock: ManualClock) -> None:
    batches = [envelopes(2) for _ in range(3)]
    for batch in batches:
        outbox.put(batch)
    clock.advance(30)
    claimed = outbox.claim(PAGE)
    assert claimed is not None
    assert uuids(claimed.envelopes) == [uuid for batch in batches for uuid in uuids(batch)]


def test_a_claim_is_about_as_large_as_asked_but_never_empty(outbox: Outbox, clock: ManualClock) -> None:
    for _ in range(4):
        outbox.put([envelope(size=10_000)])
    clock.advance(30)
    sizes = []
    while (claimed := outbox.claim(25_000)) is not None:
        sizes.append(len(claimed.envelopes))
    assert sizes == [2, 2]
    clock.advance(30)
    smallest = outbox.claim(1)
    assert smallest is not None
    assert len(smallest.envelopes) == 1


def test_a_partial_answer_splits_the_parcel(outbox: Outbox, clock: ManualClock) -> None:
    batch = envelopes(4)
    receipt = outbox.put(batch)
    assert receipt is not None
    outbox.settle(receipt, [DELIVERED, RETRY, REFUSED, RETRY])
    status = outbox.status()
    assert (status.events, status.parcels, status.refused) == (2, 1, 1)
    assert (status.counters["delivered"], status.counters["refused"]) == (1, 1)
    clock.advance(2)
    rest = outbox.claim(PAGE)
    assert rest is not None
    assert uuids(rest.envelopes) == [batch[1].uuid, batch[3].uuid]


def test_what_failed_is_due_again_at_once(outbox: Outbox) -> None:
    """The turn bounds the rate of an outage, not the parcel: on recovery everything is ready to go."""
    receipt = outbox.put(envelopes(1))
    assert receipt is not None
    assert outbox.next_due() == 30.0
    outbox.settle(receipt, [RETRY])
    assert outbox.next_due() == 0.0
    assert outbox.claim(PAGE) is not None


def test_a_retry_after_is_a_minimum(outbox: Outbox, clock: ManualClock) -> None:
    receipt = outbox.put(envelopes(1))
    assert receipt is not None
    outbox.settle(receipt, [Outcome(OutcomeKind.RETRY, "http_429", retry_after=20.0)])
    clock.advance(19)
    assert outbox.claim(PAGE) is None
    clock.advance(1)
    assert outbox.claim(PAGE) is not None


def test_a_retry_after_of_a_year_is_five_minutes(outbox: Outbox, clock: ManualClock) -> None:
    receipt = outbox.put(envelopes(1))
    assert receipt is not None
    outbox.settle(receipt, [Outcome(OutcomeKind.RETRY, "http_429", retry_after=3e7)])
    clock.advance(300)
    assert outbox.claim(PAGE) is not None


def test_the_same_envelopes_twice_are_stored_once(outbox: Outbox) -> None:
    batch = envelopes(3)
    outbox.put(batch)
    again = outbox.put(batch)
    assert outbox.status().events == 3
    assert outbox.status().counters["accepted"] == 3
    assert again is not None
    outbox.settle(again, [DELIVERED] * 3)
    assert outbox.status().events == 0


def test_an_outage_alone_kills_nothing(outbox: Outbox, clock: ManualClock) -> None:
    receipt = outbox.put(envelopes(1))
    for _ in range(50):
        assert receipt is not None
        outbox.settle(receipt, [RETRY])
        clock.advance(3 * 3600)
        receipt = outbox.claim(PAGE)
    assert outbox.status().events == 1
    assert outbox.status().refused == 0


def test_a_poison_dies_after_ten_tries_and_three_days_while_others_went_through(
    outbox: Outbox, clock: ManualClock
) -> None:
    receipt = outbox.put(envelopes(1))
    hours = 0
    while outbox.status().events:
        assert receipt is not None
        assert hours <= 72, "it should be dead by now"
        clock.advance(6)
        other = outbox.put(envelopes(1))
        assert other is not None
        outbox.settle(other, [DELIVERED])
        outbox.settle(receipt, [RETRY])
        if not outbox.status().events:
            break
        clock.advance(3600 - 6)
        hours += 1
        receipt = outbox.claim(PAGE)
    assert hours == 72
    assert outbox.status().counters["refused"] == 1


def test_what_is_older_than_seven_days_expires(outbox: Outbox, clock: ManualClock) -> None:
    outbox.put(envelopes(2))
    clock.advance(7 * 86_400)
    assert outbox.expire() == 0
    clock.advance(1)
    outbox.put(envelopes(1))
    assert outbox.expire() == 2
    assert outbox.status().events == 1
    assert outbox.status().counters["expired"] == 2


def test_the_turn_is_taken_and_given_back(outbox: Outbox) -> None:
    assert outbox.take_turn(force=False) == 0.0
    assert outbox.end_turn(failed=False) == 0.0
    assert outbox.take_turn(force=False) == 0.0


def test_failures_in_a_row_double_the_pause_up_to_five_minutes(outbox: Outbox, clock: ManualClock) -> None:
    pauses = []
    for _ in range(11):
        assert outbox.take_turn(force=False) == 0.0
        pauses.append(outbox.end_turn(failed=True))
        assert outbox.take_turn(force=False) == pauses[-1]
        clock.advance(pauses[-1])
    assert pauses == [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]
    assert outbox.take_turn(force=False) == 0.0
    outbox.end_turn(failed=False)
    assert outbox.status().failures == 0


def test_force_passes_the_back_off_but_not_the_servers_wish(outbox: Outbox, clock: ManualClock) -> None:
    outbox.take_turn(force=False)
    assert outbox.end_turn(failed=True, retry_after=0.5) == 1.0
    assert outbox.take_turn(force=True) == 0.5
    clock.advance(0.5)
    assert outbox.take_turn(force=False) == 0.5
    assert outbox.take_turn(force=True) == 0.0


def test_one_probe_an_interval_until_somebody_gets_through(outbox: Outbox, clock: ManualClock) -> None:
    receipt = outbox.put(envelopes(1))
    assert receipt is not None
    assert outbox.may_probe()
    assert not outbox.may_probe()
    clock.advance(29)
    assert not outbox.may_probe()
    clock.advance(1)
    assert outbox.may_probe()
    clock.advance(1)
    outbox.settle(receipt, [DELIVERED])
    assert outbox.may_probe(), "somebody got through: everybody may find out"


def test_a_delivery_by_anybody_ends_everybodys_back_off(outbox: Outbox) -> None:
    receipt = outbox.put(envelopes(1))
    assert receipt is not None
    outbox.take_turn(force=False)
    outbox.end_turn(failed=True)
    assert outbox.take_turn(force=False) > 0
    outbox.settle(receipt, [DELIVERED])
    assert outbox.take_turn(force=False) == 0.0
