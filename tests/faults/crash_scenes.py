"""``python -m tests.faults.crash_scenes DIRECTORY CRASHES``: a scene for each crash, and its cost, as JSON.

A scene is: an ordinary life (and a corrupted file, or an orphan's, where the point needs one), a process that
crashes at the point, its restart, and a drain of everything that is left.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sqlite3
import sys
import time
from collections.abc import Callable
from pathlib import Path

from opentelemetry.exporter.posthog.clock import SystemClock
from opentelemetry.exporter.posthog.delivery.drain import Drainer
from opentelemetry.exporter.posthog.delivery.outbox import COUNTERS
from tests.faults.outbox_worker import (
    LEASE,
    Log,
    LoggingCourier,
    Tally,
    _Willing,
    crash_at,
    drain_all,
    open_outbox,
    work,
)
from tests.outbox_kit import RETRY, Remembered, envelopes


def in_a_child(act: Callable[[], object]) -> int:
    """How the child that did ``act`` ended: 0, or minus the signal that killed it."""
    child = os.fork()
    if child == 0:
        with contextlib.suppress(OSError):
            act()
        os._exit(0)
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status)


def store_some(directory: Path) -> None:
    """Six batches that nobody holds."""
    outbox, log = open_outbox(directory), Log(directory / "told.log")
    for _ in range(6):
        batch = envelopes(4, size=2000)
        log.say("asked", batch)
        receipt = outbox.put(batch)
        assert receipt is not None
        log.say("stored", batch)
        outbox.settle(receipt, [RETRY] * 4)
    outbox.close()


def corrupt(directory: Path) -> None:
    """Overwrite the root page of the table ``turn``: every drain stumbles over it, all rows are untouched."""
    path = directory / "box" / "outbox.db"
    connection = sqlite3.connect(path)
    root, size = connection.execute(
        "SELECT rootpage, (SELECT page_size FROM pragma_page_size) FROM sqlite_master WHERE name='turn'"
    ).fetchone()
    connection.close()
    with path.open("r+b") as file:
        file.seek((root - 1) * size)
        file.write(b"\xff" * size)


def live_as_an_orphan(directory: Path) -> None:
    """Write into a file of our own, as a process forked behind Python's back does, and die."""
    outbox = open_outbox(directory)
    assert outbox._file._go_own_way()
    log = Log(directory / "told.log")
    for _ in range(3):
        batch = envelopes(4, size=2000)
        log.say("asked", batch)
        receipt = outbox.put(batch)
        assert receipt is not None
        log.say("stored", batch)
        outbox.settle(receipt, [RETRY] * 4)
    os.kill(os.getpid(), signal.SIGKILL)


def drain(directory: Path, at: Callable[[str], None]) -> None:
    clock = SystemClock()
    courier = LoggingCourier(Log(directory / "told.log"), _Willing())
    drainer = Drainer(open_outbox(directory, at), courier, clock=clock, report=Remembered())
    for _ in range(4):
        drainer.drain_once(clock.monotonic() + 2)


def play(directory: Path, point: str, hit: int, how: str) -> dict[str, int]:
    directory.mkdir(mode=0o700)
    told = directory / "reached"

    def at(here: str) -> None:
        if here == point:
            told.touch()
        planted(here)

    planted = crash_at(point, hit, how)
    scene = point.split(".")[0]
    in_a_child(lambda: store_some(directory))
    if scene in ("aside", "salvage"):
        corrupt(directory)
    if scene == "adopt":
        in_a_child(lambda: live_as_an_orphan(directory))
    if scene in ("aside", "salvage", "adopt", "expire"):
        in_a_child(lambda: drain(directory, at))
    else:
        in_a_child(lambda: work(directory, seed=3, at=at, rounds=15))
    time.sleep(LEASE)
    outbox = drain_all(directory)
    tally, status = Tally.of(directory), outbox.status()
    gone = sum(status.counters[name] for name in COUNTERS if name not in ("accepted", "reappeared"))
    return {
        "reached": told.exists(),
        "stored": len(tally.stored),
        "lost": tally.lost,
        "duplicates": tally.duplicates,
        "invented": tally.invented,
        "left": status.events,
        "missing": status.counters["missing"],
        "unbalanced": status.counters["accepted"] + status.counters["reappeared"] - gone - status.events,
    }


def main(directory: Path, crashes: list[tuple[str, int, str]]) -> None:
    scenes = [play(directory / f"{n}", point, hit, how) for n, (point, hit, how) in enumerate(crashes)]
    print(json.dumps(scenes))


if __name__ == "__main__":
    main(Path(sys.argv[1]), [tuple(crash) for crash in json.loads(sys.argv[2])])
