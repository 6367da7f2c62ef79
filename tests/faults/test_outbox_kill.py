"""Workers are killed at random while they put, send, settle and drain: nothing that was accepted is lost."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.faults.outbox_worker import BATCH

ROOT = Path(__file__).parents[2]


def toll(tmp_path: Path, how: str, *, kills: int, workers: int, seed: int = 11) -> dict[str, int]:
    tmp_path.chmod(0o700)
    arguments = [str(tmp_path), how, str(kills), str(workers), str(seed)]
    done = subprocess.run(
        [sys.executable, "-m", "tests.faults.kill_loop", *arguments],
        cwd=ROOT,
        check=True,
        capture_output=True,
        timeout=600,
    )
    summed: dict[str, int] = json.loads(done.stdout)
    return summed


def assert_nothing_lost(summed: dict[str, int]) -> None:
    assert summed["stored"] > 50 * summed["kills"] / 10, (
        "too little happened between the kills to prove anything"
    )
    assert (summed["lost"], summed["left"], summed["invented"], summed["missing"]) == (0, 0, 0, 0), summed
    assert summed["unbalanced"] == 0, summed
    # a kill between commit and word leaves a batch accepted that nobody was told of; it arrives all the same
    assert 0 <= summed["accepted_unsaid"] <= summed["kills"] * BATCH, summed
    # one batch or one page was under way in each killed process
    assert summed["duplicates"] <= 0.05 * summed["stored"] + summed["kills"] * BATCH, summed


@pytest.mark.parametrize("workers", [1, 3])
def test_fifteen_kills_lose_nothing(tmp_path: Path, workers: int) -> None:
    assert_nothing_lost(toll(tmp_path, "right", kills=15, workers=workers))


@pytest.mark.parametrize("how", ["deletes before it sends", "says so early"])
def test_a_planted_bug_is_found_by_the_same_kills(tmp_path: Path, how: str) -> None:
    assert toll(tmp_path, how, kills=12, workers=3)["lost"] > 0


@pytest.mark.long
@pytest.mark.timeout(600)
@pytest.mark.parametrize("workers", [1, 3])
def test_three_hundred_kills_lose_nothing(tmp_path: Path, workers: int) -> None:
    assert_nothing_lost(toll(tmp_path, "right", kills=300, workers=workers))
