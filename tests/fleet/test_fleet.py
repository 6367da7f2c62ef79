"""Six processes, one ledger, ten thousand signals and everything that goes wrong: PostHog ends on the truth.

What went wrong is in the plans below, and in the network (``voice.mood_of``): of 12 requests with group
updates of a process, one is held up until long after its sender gave up, one loses its answer, one is turned
away. What must hold is in ``judging.Run``, from what processes and ledgers wrote down by themselves.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.fleet.fleet import Plan, run
from tests.fleet.script import Shape
from tests.fleet.stores import memory_ledgers, redis_ledger, sqlite_ledger


def test_a_fleet_on_redis_ends_on_the_truth(tmp_path: Path) -> None:
    plan = Plan(
        Shape(seed=7, processes=7, organizations=200, signals=10_000, seconds=8.0, loss=1.2),
        deeds=[(1.5, "die"), (1.8, "come back"), (6.2, "stall"), (6.9, "resume")],
        dies_at=5.9,
        web_dies_at=7.0,
    )
    with redis_ledger() as ledger:
        done = run(plan, ledger, tmp_path)
    print(done.figures())
    assert not done.complaints, "\n".join(done.complaints)


def test_a_fleet_on_sqlite_ends_on_the_truth(tmp_path: Path) -> None:
    plan = Plan(
        Shape(seed=7, processes=7, organizations=200, signals=10_000, seconds=6.0),
        deeds=[(0.8, "lock"), (3.2, "unlock")],
        dies_at=0.5,
        web_dies_at=4.5,
    )
    with sqlite_ledger(tmp_path) as ledger:
        done = run(plan, ledger, tmp_path)
    print(done.figures())
    assert not done.complaints, "\n".join(done.complaints)


# -- planted bugs: the judge sees them --------------------------------------------------------------------

SMALL = Plan(Shape(seed=3, processes=4, organizations=40, signals=1_600, seconds=2.0), web=False)


def kinds(complaints: list[str]) -> set[str]:
    return {complaint.partition(":")[0] for complaint in complaints}


def test_a_ledger_of_its_own_in_each_process_would_not_pass(tmp_path: Path) -> None:
    with memory_ledgers() as ledger:
        done = run(SMALL, ledger, tmp_path)
    print(done.figures())
    assert {"profile", "bound"} <= kinds(done.complaints), done.complaints


@pytest.mark.long
def test_neither_would_order_by_arrival(tmp_path: Path) -> None:
    with sqlite_ledger(tmp_path) as ledger:
        done = run(replace(SMALL, bug="by arrival"), ledger, tmp_path)
    print(done.figures())
    assert "profile" in kinds(done.complaints), done.complaints


@pytest.mark.long
def test_neither_would_a_lease_that_forgets_requests_in_the_air(tmp_path: Path) -> None:
    with sqlite_ledger(tmp_path) as ledger:
        done = run(replace(SMALL, bug="no life"), ledger, tmp_path)
    print(done.figures())
    assert "air" in kinds(done.complaints), done.complaints
