"""Full, failing, read-only, vanished: the application never notices, and what is said to be stored is."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.faults.shims import compiled

ROOT = Path(__file__).parents[2]


def play(place: Path, scene: str, **environment: str) -> dict[str, Any]:
    place.chmod(0o711)
    done = subprocess.run(
        [sys.executable, "-m", "tests.faults.disk_scenes", str(place), scene],
        cwd=ROOT,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1", **environment},
        check=True,
        capture_output=True,
        timeout=300,
    )
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def injecting(
    place: Path, call: str, error: int, *, suffix: str = "-wal", after: int = 1, times: int = 0
) -> dict[str, str]:
    return {
        "LD_PRELOAD": compiled("inject"),
        "INJECT_OP": call,
        "INJECT_ERRNO": str(error),
        "INJECT_SUFFIX": suffix,
        "INJECT_AFTER": str(after),
        "INJECT_TIMES": str(times),
        "INJECT_SWITCH": str(place / "on"),
    }


def assert_balanced(result: dict[str, Any]) -> None:
    assert (result["lost"], result["left"], result["unbalanced"]) == (0, 0, 0), result


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 8 MiB. Skips, visibly, where we may not mount one."""
    place = tmp_path / "small"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(place)], capture_output=True
    )
    if mounted.returncode:
        pytest.skip(f"no right to mount a small file system: {mounted.stderr.decode().strip()}")
    try:
        yield place
    finally:
        subprocess.run(["umount", str(place)], check=True)


def test_a_full_disk_refuses_the_new_and_is_drained_by_the_reserve(small_disk: Path) -> None:
    """[P-OUTBOX-DISK]"""
    result = play(small_disk, "full disk")
    assert result["batches"] > 100
    assert result["blocked"]
    assert result["not stored"] == 20
    assert "outbox_full" in result["lines"]
    assert_balanced(result)
    assert result["duplicates"] == 0
    assert result["again"], "after draining there is room again"


def test_while_nothing_can_be_removed_nothing_stored_is_sent_again(tmp_path: Path) -> None:
    result = play(tmp_path, "full disk without reserve", **injecting(tmp_path, "pwrite", errno.ENOSPC))
    assert result["sent_while_full"] == 0
    assert result["duplicates"] == 0
    assert_balanced(result)


@pytest.mark.parametrize(
    ("call", "error", "after", "times"),
    [
        pytest.param("pwrite", errno.EIO, 1, 0, id="every write fails"),
        pytest.param("pwrite", errno.ENOSPC, 1, 0, id="every write finds the disk full"),
        pytest.param("pwrite", errno.EIO, 3, 1, id="one write fails"),
        pytest.param("fsync", errno.EIO, 1, 0, id="every sync fails"),
        pytest.param("fsync", errno.ENOSPC, 1, 1, id="one sync fails, its commit may have happened"),
        pytest.param("fsync", errno.EIO, 2, 2, id="two syncs fail"),
    ],
)
def test_calls_that_fail_lose_nothing_and_invent_nothing(
    tmp_path: Path, call: str, error: int, after: int, times: int
) -> None:
    result = play(tmp_path, "failing calls", **injecting(tmp_path, call, error, after=after, times=times))
    assert_balanced(result)
    assert result["stored"] + result["not stored"] == 140
    assert result["stored"] >= 80
    if times:
        assert result["stored"] == 140, "one bad moment is survived by trying again"
    # nothing else is on disk than what was said to be: who was told "not stored" may count it as lost
    assert result["accepted"] == result["stored"], result
    assert result["duplicates"] <= 10, result


def test_a_limit_of_the_file_size_is_survived(tmp_path: Path) -> None:
    result = play(tmp_path, "limited file size")
    assert result["batches"] > 50
    assert result["again"]
    assert result["unbalanced"] == 0
    assert result["lost"] == result["left"] == 10, "the last batch is still there"


def test_a_read_only_file_stores_nothing_and_raises_nothing(tmp_path: Path) -> None:
    for parent in tmp_path.parents[:3]:
        parent.chmod(0o711)
    result = play(tmp_path, "read-only")
    assert result["told"]
    assert result["not stored"] == 10
    assert "outbox_trouble" in result["lines"]


def test_files_that_vanish_are_counted_and_made_anew(tmp_path: Path) -> None:
    result = play(tmp_path, "unlinked")
    assert result["missing"] == result["gone"] == 30
    assert "outbox_missing" in result["lines"]
    assert_balanced(result)
