"""``python -m tests.faults.disk_scenes DIRECTORY SCENE``: bad disks, met by a process of its own. Says JSON.

The inject shim, a ``ulimit`` or a small file system does the damage; ``DIRECTORY/on`` switches the shim on.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from opentelemetry.exporter.posthog.clock import SystemClock
from opentelemetry.exporter.posthog.delivery.drain import Drainer
from opentelemetry.exporter.posthog.delivery.outbox import COUNTERS, Receipt
from opentelemetry.exporter.posthog.delivery.sqlite_outbox import SqliteOutbox
from opentelemetry.exporter.posthog.model import DELIVERED
from tests.faults.outbox_worker import LEASE
from tests.outbox_kit import RETRY, ObedientCourier, Remembered, envelopes, sqlite_outbox, uuids

MIB = 1024 * 1024
SIZE = 10


class Scene:
    """An outbox, what was said to be stored in it, and what arrived."""

    def __init__(self, directory: Path, **options: Any) -> None:
        self.directory = directory
        self.report = Remembered()
        self.outbox: SqliteOutbox = sqlite_outbox(
            directory / "box", SystemClock(), self.report, lease=LEASE, **options
        )
        self.courier = ObedientCourier()
        self.drainer = Drainer(self.outbox, self.courier, clock=SystemClock(), report=self.report)
        self.stored: set[str] = set()
        self.refused_to_store = 0
        self.slowest = 0.0

    def timed(self, act: Callable[[], Any]) -> Any:
        start = time.monotonic()
        answer = act()
        self.slowest = max(self.slowest, time.monotonic() - start)
        return answer

    def put(self, *, size: int = 1000) -> Receipt | None:
        batch = envelopes(SIZE, size=size)
        receipt: Receipt | None = self.timed(lambda: self.outbox.put(batch))
        if receipt is None:
            self.refused_to_store += SIZE
        else:
            self.stored.update(uuids(batch))
            self.timed(lambda: self.outbox.settle(receipt, [RETRY] * SIZE))
        return receipt

    def fill(self, most: int = 2000) -> int:
        """Put until nothing more is taken. The number of batches that were."""
        for number in range(most):
            if self.put() is None:
                return number
        return most

    def break_disk(self) -> None:
        (self.directory / "on").touch()

    def mend_disk(self) -> None:
        (self.directory / "on").unlink()

    def drain(self) -> None:
        time.sleep(LEASE)
        self.timed(lambda: self.drainer.drain_once(time.monotonic() + 20))

    def result(self, **more: Any) -> dict[str, Any]:
        status = self.outbox.status()
        counters = status.counters or dict.fromkeys(COUNTERS, 0)
        gone = sum(counters[name] for name in COUNTERS if name not in ("accepted", "reappeared"))
        return {
            "stored": len(self.stored),
            "not stored": self.refused_to_store,
            "arrived": len(self.courier.arrived),
            "lost": len(self.stored - set(self.courier.arrived)),
            "duplicates": self.courier.arrived.total() - len(self.courier.arrived),
            "left": status.events,
            "accepted": counters["accepted"],
            "unbalanced": counters["accepted"] + counters["reappeared"] - gone - status.events,
            "trouble": status.trouble,
            "lines": sorted(set(self.report.kinds)),
            "slowest ms": round(self.slowest * 1000),
            **more,
        }


def full_disk(directory: Path) -> dict[str, Any]:
    """The file system is full (a small one, or the shim): refuse the new, drain the old by the reserve."""
    scene = Scene(directory, reserve_bytes=2 * MIB)
    batches = scene.fill()
    blocked = scene.put() is None
    scene.drain()
    drained = scene.result()
    scene.outbox.tidy()
    return {**drained, "batches": batches, "blocked": blocked, "again": scene.put() is not None}


def full_disk_without_reserve(directory: Path) -> dict[str, Any]:
    """Nothing can be removed either: what is stored must not be sent again and again meanwhile."""
    scene = Scene(directory, reserve_bytes=0)
    for _ in range(5):
        scene.put()
    time.sleep(LEASE)
    claimed = scene.outbox.claim(MIB)
    assert claimed is not None
    scene.courier.deliver(claimed.envelopes, deadline=0.0)
    scene.break_disk()
    scene.outbox.settle(claimed, [DELIVERED] * len(claimed.envelopes))
    for _ in range(5):
        scene.drain()
    sent_while_full = scene.courier.arrived.total() - len(claimed.envelopes)
    scene.mend_disk()
    scene.drain()
    return scene.result(sent_while_full=sent_while_full)


def failing_calls(directory: Path) -> dict[str, Any]:
    """Some system calls fail for a while, then the disk is well again."""
    scene = Scene(directory)
    for _ in range(4):
        scene.put()
    scene.break_disk()
    for _ in range(6):
        scene.put()
    told = len(scene.stored)
    scene.mend_disk()
    for _ in range(4):
        scene.put()
    scene.drain()
    return scene.result(told=told)


def limited_file_size(directory: Path) -> dict[str, Any]:
    """``ulimit -f``: writing beyond a size is an I/O error, not a full disk."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    scene = Scene(directory, reserve_bytes=0)
    scene.put()
    resource.setrlimit(resource.RLIMIT_FSIZE, (3 * MIB, resource.RLIM_INFINITY))
    batches = scene.fill()
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    scene.drain()
    return scene.result(batches=batches, again=scene.put() is not None)


def read_only(directory: Path) -> dict[str, Any]:
    """The file can be read but not written."""
    scene = Scene(directory)
    scene.put()
    scene.outbox.close()
    os.chmod(directory / "box" / "outbox.db", 0o400)
    as_nobody(directory / "box")
    told = scene.put() is None
    return scene.result(told=told)


def as_nobody(box: Path) -> None:
    """Root may write what is read-only; become somebody who may not."""
    if os.getuid() == 0:
        for path in (box, *box.iterdir()):
            os.chown(path, 65534, 65534)
        os.setuid(65534)


def unlinked(directory: Path) -> dict[str, Any]:
    """Somebody removes the files under us: what was in them is gone, and counted; the next is stored."""
    scene = Scene(directory)
    for _ in range(3):
        scene.put()
    for suffix in ("", "-wal", "-shm"):
        (directory / "box" / f"outbox.db{suffix}").unlink(missing_ok=True)
    lost = set(scene.stored)
    scene.put()
    missing = scene.outbox.status().counters["missing"]
    scene.drain()
    scene.stored -= lost
    return scene.result(missing=missing, gone=len(lost))


SCENES = {
    "full disk": full_disk,
    "full disk without reserve": full_disk_without_reserve,
    "failing calls": failing_calls,
    "limited file size": limited_file_size,
    "read-only": read_only,
    "unlinked": unlinked,
}

if __name__ == "__main__":
    print(json.dumps(SCENES[sys.argv[2]](Path(sys.argv[1]))))
