"""The ends of claims: kept until the store has heard of them, each as what it was."""

from __future__ import annotations

import pytest

from opentelemetry.exporter.posthog.groups.endings import BACKOFF, BACKOFF_MAX, Endings
from opentelemetry.exporter.posthog.groups.state import SECOND, Ending
from opentelemetry.exporter.posthog.groups.updates import Claim
from opentelemetry.exporter.posthog.model import DELIVERED, Group, GroupUpdate, Outcome, OutcomeKind

CLAIM = Claim(7, {"plan": "stamp"}, {"plan": ""}, True)


def update(key: str = "org_1", claim: object = CLAIM) -> GroupUpdate:
    return GroupUpdate(Group("organization", key), {}, 0, "", "", False, claim)


def endings(chance: int = 0) -> Endings:
    return Endings(life=60.0, random=lambda bits: chance)


def retry(*, unknown_at: float | None = None, after: float = 0.0) -> Outcome:
    return Outcome(OutcomeKind.RETRY, retry_after=after, unknown_at=unknown_at)


@pytest.mark.parametrize(
    ("outcome", "ending", "ghost"),
    [
        pytest.param(DELIVERED, Ending.DELIVERED, 0, id="acknowledged"),
        pytest.param(
            Outcome(OutcomeKind.DELIVERED, unknown_at=90.0), Ending.DELIVERED, 50,
            id="acknowledged, and an earlier attempt may still arrive",
        ),
        pytest.param(Outcome(OutcomeKind.REFUSED), Ending.REFUSED, 0, id="refused"),
        pytest.param(retry(), Ending.RELEASED, 0, id="surely not applied"),
        pytest.param(retry(unknown_at=95.0), Ending.UNKNOWN, 55, id="nobody knows"),
    ],
)  # fmt: skip
def test_an_outcome_ends_a_claim(outcome: Outcome, ending: Ending, ghost: int) -> None:
    ends = endings()
    ends.add([(update(), outcome)], 100.0)
    (one,) = ends.take()
    told = one.settlement(100.0)
    assert (told.ending, told.ghost) == (ending, ghost * SECOND)
    assert (told.token, told.stamps, told.took) == (7, {"plan": "stamp"}, True)


def test_what_is_told_later_has_less_time_left() -> None:
    ends = endings()
    ends.add([(update(), retry(unknown_at=100.0, after=20.0))], 100.0)
    (one,) = ends.take()
    assert one.settlement(115.0).ghost == 45 * SECOND
    assert one.settlement(115.0).pause == 5 * SECOND
    assert one.settlement(500.0)[5:] == (0, 0, 0)


@pytest.mark.parametrize(("chance", "share"), [(0, 0.5), ((1 << 16) - 1, 1.0)], ids=["least", "most"])
def test_failures_in_a_row_wait_twice_as_long_each_and_half_of_it_is_chance(
    chance: int, share: float
) -> None:
    ends, waits = endings(chance), []
    for _ in range(9):
        ends.add([(update(), retry())], 100.0)
        (one,) = ends.take()
        waits.append(one.backoff_until - 100.0)
    longest = [min(BACKOFF * 2**n, BACKOFF_MAX) for n in range(9)]
    assert waits == pytest.approx([share * one for one in longest], rel=1e-3)


@pytest.mark.parametrize("outcome", [DELIVERED, Outcome(OutcomeKind.REFUSED)], ids=["yes", "no"])
def test_an_answer_ends_the_row_of_failures_of_its_group_alone(outcome: Outcome) -> None:
    ends = endings()
    ends.add([(update("org_1"), retry()), (update("org_2"), retry())] * 3, 100.0)
    ends.take()
    ends.add([(update("org_1"), outcome)], 100.0)
    ends.take()
    ends.add([(update("org_1"), retry()), (update("org_2"), retry())], 100.0)
    first, second = ends.take()
    assert first.backoff_until < second.backoff_until


def test_what_the_store_did_not_hear_of_comes_first_the_next_time() -> None:
    ends = endings()
    ends.add([(update("org_1"), DELIVERED)], 100.0)
    unheard = ends.take()
    ends.add([(update("org_2"), DELIVERED)], 101.0)
    ends.put_back(unheard)
    assert [one.group.key for one in ends.take()] == ["org_1", "org_2"]
    assert len(ends) == 0


def test_an_update_that_no_ledger_granted_ends_nothing() -> None:
    ends = endings()
    ends.add([(update(claim=None), DELIVERED)], 100.0)
    assert len(ends) == 0
