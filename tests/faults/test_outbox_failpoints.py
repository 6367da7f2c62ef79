"""A crash at every named point of the outbox, one after the other: nothing that was accepted is lost.

Random kills find what nobody named; named points make it repeatable. The last test reads the source, so that
a new point can't be forgotten here.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

import opentelemetry.exporter.posthog.delivery as delivery

ROOT = Path(__file__).parents[2]

EVERY_DAY = [
    "put.before_insert",
    "put.before_commit",
    "put.after_commit",
    "claim.before_update",
    "claim.before_commit",
    "claim.after_commit",
    "settle.before_delete",
    "settle.before_commit",
    "settle.after_commit",
    "expire.before_delete",
]
CORRUPTED = [
    "aside.before_link",
    "aside.before_rename",
    "aside.before_unlink",
    "salvage.before_page",
    "salvage.before_end",
]
ORPHANED = ["adopt.before_hand_over", "adopt.before_the_rest", "adopt.before_unlink"]
AFTER_THE_FACT = {"put.after_commit", "claim.after_commit", "settle.after_commit"}
"""Outside of any transaction: what is raised there would leave the outbox, so there is only the kill."""

CRASHES = [
    (point, how)
    for point in EVERY_DAY + CORRUPTED + ORPHANED
    for how in ("kill", "raise")
    if not (how == "raise" and point in {*AFTER_THE_FACT, *CORRUPTED, *ORPHANED})
]


def crash(tmp_path: Path, crashes: list[tuple[str, int, str]]) -> list[dict[str, int]]:
    """One scene a crash, all in one process that forks a worker for each."""
    tmp_path.chmod(0o700)
    done = subprocess.run(
        [sys.executable, "-m", "tests.faults.crash_scenes", str(tmp_path), json.dumps(crashes)],
        cwd=ROOT,
        check=True,
        capture_output=True,
        timeout=600,
    )
    scenes: list[dict[str, int]] = json.loads(done.stdout)
    return scenes


def assert_survived(crashes: list[tuple[str, int, str]], scenes: list[dict[str, int]]) -> None:
    assert len(scenes) == len(crashes)
    for what, scene in zip(crashes, scenes, strict=True):
        assert scene["reached"], f"{what} was never reached, so it proves nothing"
        wrong = {
            name: scene[name] for name in ("lost", "left", "invented", "missing", "unbalanced") if scene[name]
        }
        assert not wrong, (what, scene)
        assert scene["stored"], (what, scene)


def test_a_crash_at_every_point_loses_nothing(tmp_path: Path) -> None:
    crashes = [(point, 1, how) for point, how in CRASHES]
    assert_survived(crashes, crash(tmp_path, crashes))


@pytest.mark.long
@pytest.mark.timeout(600)
def test_later_crashes_at_every_point_lose_nothing(tmp_path: Path) -> None:
    crashes = [(point, hit, how) for point, how in CRASHES if point in EVERY_DAY for hit in (2, 7)]
    assert_survived(crashes, crash(tmp_path, crashes))


def test_no_point_in_the_source_is_left_out() -> None:
    sources = Path(delivery.__path__[0]).glob("*.py")
    named = {
        point
        for source in sources
        for point in re.findall(r'\bat\("([a-z_.]+)"\)|_at\("([a-z_.]+)"\)', source.read_text())
    }
    assert {a or b for a, b in named} == {*EVERY_DAY, *CORRUPTED, *ORPHANED}
