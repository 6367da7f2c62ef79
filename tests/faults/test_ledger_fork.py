"""Forks beside every ledger: parent and child go on as two, and each claim has one holder."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from opentelemetry.exporter.posthog.testing import Fault, PostHogDouble
from tests.e2e.processes import environment
from tests.servers import RedisServer, running_redis

ROOT = Path(__file__).parents[2]


@pytest.fixture
def double() -> Iterator[PostHogDouble]:
    with PostHogDouble.listening() as running:
        yield running


@pytest.fixture(scope="module")
def redis_server() -> Iterator[RedisServer]:
    with running_redis() as server:
        yield server


@pytest.fixture(params=["memory", "sqlite", "redis"])
def ledger(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "redis":
        server: RedisServer = request.getfixturevalue("redis_server")
        return server.url
    return "memory" if request.param == "memory" else str(tmp_path / "state" / "ledger.db")


def started(double: PostHogDouble, ledger: str, scene: str, key: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [
            sys.executable,
            "-W",
            "ignore",
            "-m",
            "tests.faults.ledger_fork_scene",
            double.url,
            key,
            ledger,
            scene,
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env=environment({}),
    )


def test_a_child_that_shares_the_ledger_sends_nothing_again_and_one_that_does_not_is_billed_nothing(
    double: PostHogDouble, ledger: str, tmp_path: Path
) -> None:
    with started(double, ledger, "between", f"phc_{tmp_path.name}") as service:
        assert service.wait(60) == 0
    assert double.organization("org_1").properties == {"plan": "pro"}
    assert double.organization("org_2").properties == {"plan": "free"}
    assert len(double.identifies) == 3  # two first sights and a change
    again = sum(repeat.count for repeat in double.repeats if repeat.event == "$groupidentify")
    assert again == (1 if ledger == "memory" else 0)


def test_what_is_under_way_at_the_fork_stays_the_parents_and_newer_news_arrive_after_it(
    double: PostHogDouble, ledger: str, tmp_path: Path
) -> None:
    double.fail(Fault(), Fault(stall=1.5))  # the parent's second export
    with started(double, ledger, "middle", f"phc_{tmp_path.name}") as service:
        assert service.stdin is not None
        wait_for_request(double, 2)
        service.stdin.write("\n")
        service.stdin.flush()
        assert service.wait(60) == 0
    sets = [
        row.properties["$group_set"]["plan"]
        for row in double.identifies
        if row.properties["$group_key"] == "org_1"
    ]
    if ledger == "memory":
        # Two ledgers: each sends what it saw, and nobody orders them. Nothing is sent twice.
        assert sorted(sets) == ["pro", "team"]
    else:
        assert sets == ["team", "pro"]
        assert double.organization("org_1").properties == {"plan": "pro"}


def wait_for_request(double: PostHogDouble, number: int) -> None:
    deadline = time.monotonic() + 30.0
    while len(double.requests) < number:
        assert time.monotonic() < deadline
        time.sleep(0.01)
