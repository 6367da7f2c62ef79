"""A power cut loses nothing that was said to be stored. Kills can not show this: the page cache survives."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import tempfile
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import pytest

from opentelemetry.exporter.posthog.delivery.outbox_parcel import unpack
from tests.faults.power_cut import Disk, cuts, read_trace
from tests.faults.shims import compiled
from tests.manual_clock import ManualClock
from tests.outbox_kit import PAGE, Remembered, assert_balanced, sqlite_outbox, uuids

ROOT = Path(__file__).parents[2]


class Toll(NamedTuple):
    """What a number of cuts cost."""

    cuts: int = 0
    losing: int = 0  # cuts after which an event that was said to be stored is not there
    corrupt: int = 0


def recorded(tmp_path: Path, how: str, rounds: int) -> Path:
    """The trace of a process that put, handed over and settled ``rounds`` batches."""
    place, trace = tmp_path / "place", tmp_path / "trace"
    place.mkdir(mode=0o700)
    environment = {
        **os.environ,
        "LD_PRELOAD": compiled("record"),
        "TRACE_DIR": str(place),
        "TRACE_OUT": str(trace),
        "PYTHONPATH": str(ROOT),
    }
    command = [sys.executable, "-m", "tests.faults.power_cut_workload", str(place), how, str(rounds)]
    subprocess.run(command, env=environment, check=True, cwd=ROOT, timeout=120)
    return trace


def found_on(disk: Disk) -> tuple[set[str], bool]:
    """The uuids that plain SQLite finds, and whether it calls the file sound."""
    with tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as place:
        disk.write(Path(place))
        try:
            with closing(sqlite3.connect(Path(place) / "box" / "outbox.db")) as connection:
                sound = connection.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
                rows = connection.execute("SELECT body, n FROM parcel").fetchall()
                return {u for body, n in rows for u in uuids(unpack(body, n).envelopes)}, sound
        except sqlite3.DatabaseError:
            return set(), False


def toll_of(trace: Path, *, points: int) -> Toll:
    losing = corrupt = total = 0
    for disk in cuts(read_trace(trace), points=points, seed=20261124):
        found, sound = found_on(disk)
        total += 1
        losing += not disk.owed <= found
        corrupt += not sound
    return Toll(total, losing, corrupt)


def test_a_hundred_power_cuts_lose_nothing_that_was_said_to_be_stored(tmp_path: Path) -> None:
    """[P-OUTBOX-POWER]"""
    trace = recorded(tmp_path, "full", 60)
    assert toll_of(trace, points=25) == Toll(cuts=100, losing=0, corrupt=0)


@pytest.mark.parametrize(
    "how",
    [
        pytest.param("normal", id="SQLite's NORMAL mode does not sync a commit"),
        pytest.param("off", id="SQLite's OFF mode syncs nothing"),
        pytest.param("early", id="said to be stored before the commit"),
    ],
)
def test_the_weaker_ways_are_found_out(tmp_path: Path, how: str) -> None:
    """The detector's own test: without it, a test that finds nothing proves nothing."""
    toll = toll_of(recorded(tmp_path, how, 60), points=25)
    assert toll.losing >= 5, toll


def test_after_a_power_cut_the_outbox_goes_on_and_its_balance_is_exact(tmp_path: Path) -> None:
    trace = recorded(tmp_path, "full", 30)
    for number, disk in enumerate(cuts(read_trace(trace), points=5, seed=5)):
        place = tmp_path / f"disk{number}"
        disk.write(place)
        report = Remembered()
        clock = ManualClock()
        outbox = sqlite_outbox(place / "box", clock, report)
        clock.advance(40 * 86_400)  # every lease of the dead process is over
        found: set[str] = set()
        while (claimed := outbox.claim(PAGE)) is not None:
            found.update(uuids(claimed.envelopes))
        assert disk.owed <= found
        status = outbox.status()
        assert_balanced(status)
        assert status.counters["missing"] == 0, (
            "a log that ends early is no loss: it ends after the last sync"
        )
        outbox.close()


@pytest.mark.long
@pytest.mark.timeout(600)
def test_a_thousand_power_cuts(tmp_path: Path) -> None:
    trace = recorded(tmp_path, "full", 400)
    assert toll_of(trace, points=250) == Toll(cuts=1000, losing=0, corrupt=0)


@pytest.mark.long
@pytest.mark.timeout(600)
@pytest.mark.parametrize("how", ["normal", "off", "early"])
def test_a_thousand_power_cuts_find_the_weaker_ways_out(tmp_path: Path, how: str) -> None:
    toll = toll_of(recorded(tmp_path, how, 400), points=250)
    assert toll.losing > 100, toll
