"""Forks in every order: what the parent and the child were told is stored is found by a third process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def play(tmp_path: Path, scene: str, **environment: str) -> dict[str, int]:
    tmp_path.chmod(0o700)
    done = subprocess.run(
        [sys.executable, "-m", "tests.faults.fork_scenes", str(tmp_path), scene],
        cwd=ROOT,
        env={**os.environ, **environment},
        check=True,
        capture_output=True,
        timeout=300,
    )
    result: dict[str, int] = json.loads(done.stdout)
    return result


@pytest.mark.parametrize("scene", ["quiet parent", "without hooks", "in a transaction"])
def test_nothing_is_lost_by_a_fork(tmp_path: Path, scene: str) -> None:
    """[P-OUTBOX-FORK]"""
    result = play(tmp_path, scene)
    assert result["stored"] >= 40
    assert result["found"] == result["stored"], result


def test_the_obvious_recipe_loses_what_it_committed(tmp_path: Path) -> None:
    """Why we close before the fork: a new connection in the child is not enough."""
    result = play(tmp_path, "bad: reopen in the child")
    assert result["stored"] == 102
    assert result["found"] < 20, result


def test_forks_while_threads_write_neither_hang_nor_lose(tmp_path: Path) -> None:
    result = play(tmp_path, "busy parent", FORKS="20")
    assert result["found"] == result["stored"], result
    assert result["silent children"] == 0, result
    assert result["children that could not store everything"] == 0, result
    assert result["slowest fork ms"] < 2000, result


def test_the_file_of_a_child_forked_without_hooks_is_adopted_and_gone(tmp_path: Path) -> None:
    result = play(tmp_path, "without hooks")
    assert (result["found"], result["left files"]) == (result["stored"], 0), result


def test_a_fork_before_anything_was_opened_needs_no_file_of_its_own(tmp_path: Path) -> None:
    result = play(tmp_path, "without hooks, closed")
    assert (result["found"], result["own files"]) == (result["stored"], 0), result


@pytest.mark.long
@pytest.mark.timeout(600)
def test_a_hundred_forks_while_threads_write(tmp_path: Path) -> None:
    result = play(tmp_path, "busy parent", FORKS="100")
    assert result["found"] == result["stored"], result
    assert result["silent children"] == 0, result
    assert result["children that could not store everything"] == 0, result
