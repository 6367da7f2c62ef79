"""``python -m tests.faults.fork_scenes DIRECTORY SCENE``: fork in every order, then count in a third process.

A process of its own, because the forks here must not happen in the test runner, which has threads.
Prints JSON. Scenes whose names begin with ``bad`` use the obvious recipes that lose data.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Callable
from pathlib import Path

from opentelemetry.exporter.posthog.clock import SystemClock
from opentelemetry.exporter.posthog.delivery.sqlite_outbox import SqliteOutbox, pass_by
from opentelemetry.exporter.posthog.model import DELIVERED
from tests.faults.outbox_worker import LEASE
from tests.outbox_kit import RETRY, envelopes, sqlite_outbox

BATCHES = 12
SIZE = 10


def open_box(directory: Path) -> SqliteOutbox:
    return sqlite_outbox(directory / "box", SystemClock(), lease=LEASE)


def put_some(outbox: SqliteOutbox, batches: int = BATCHES) -> int:
    """Store batches; the number of events that were said to be stored."""
    stored = 0
    for _ in range(batches):
        receipt = outbox.put(envelopes(SIZE))
        if receipt is not None:
            stored += SIZE
            outbox.settle(receipt, [RETRY] * SIZE)
    return stored


def count_elsewhere(directory: Path) -> int:
    """What a process that had no part in it finds, after it has drained: orphans' files included."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.faults.fork_scenes", str(directory), "count"],
        capture_output=True,
        check=True,
    )
    return int(done.stdout)


def count(directory: Path) -> int:
    outbox = open_box(directory)
    time.sleep(LEASE)
    outbox.take_turn(force=True)
    found = 0
    while (receipt := outbox.claim(1 << 20)) is not None:
        found += len(receipt.envelopes)
        outbox.settle(receipt, [DELIVERED] * len(receipt.envelopes))
    outbox.end_turn(failed=False)
    return found


def child_of(
    fork: Callable[[], int], life: Callable[[], int], *, timeout: float = 10.0
) -> tuple[int, Callable[[], int]]:
    """Fork a child that lives and tells what it stored; the function waits for that number. -1: silence."""
    read, write = os.pipe()
    pid = fork()
    if pid == 0:
        os.close(read)
        signal.alarm(int(timeout) + 5)
        os.write(write, str(life()).encode())
        os.kill(os.getpid(), signal.SIGKILL)
    os.close(write)

    def answer() -> int:
        with os.fdopen(read) as told:
            said = told.read()
        os.waitpid(pid, 0)
        return int(said) if said else -1

    return pid, answer


def hooked(outbox: SqliteOutbox) -> Callable[[], int]:
    """``os.fork`` with the outbox's own hooks, as the runtime registers them."""

    def fork() -> int:
        outbox.before_fork()
        pid = os.fork()
        if pid == 0:
            outbox.after_fork_in_child()
        else:
            outbox.after_fork_in_parent()
        return pid

    return fork


def c_fork() -> int:
    """A fork that Python's hooks never see, as uWSGI does it."""
    return int(ctypes.CDLL(None).fork())


def quiet_parent(directory: Path) -> dict[str, int]:
    """The master opens the outbox, forks, and shuts down while the child writes (gunicorn with preload)."""
    outbox = open_box(directory)
    stored = put_some(outbox, 1)
    gate_read, gate_write = os.pipe()

    def life() -> int:
        told = put_some(outbox, 1)
        os.read(gate_read, 1)  # the parent has closed
        return told + put_some(outbox, BATCHES - 1)

    _, answer = child_of(hooked(outbox), life)
    put_some_more = put_some(outbox, 1)
    outbox.close()
    os.write(gate_write, b"x")
    return {"stored": stored + put_some_more + answer(), "found": count_elsewhere(directory)}


def bad_reopen(directory: Path) -> dict[str, int]:
    """The same with "check the pid and open a new connection", which is what everybody does first."""
    path = directory / "bad.db"

    def opened() -> sqlite3.Connection:
        connection = sqlite3.connect(path, isolation_level=None)
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        return connection

    parents = opened()
    parents.execute("CREATE TABLE t(x)")
    parents.execute("INSERT INTO t VALUES(1)")
    gate_read, gate_write = os.pipe()

    def life() -> int:
        own = opened()
        own.execute("INSERT INTO t VALUES(2)")
        os.read(gate_read, 1)
        for _ in range(100):
            own.execute("INSERT INTO t VALUES(3)")
        return 101

    _, answer = child_of(os.fork, life)
    time.sleep(0.2)
    parents.close()
    os.write(gate_write, b"x")
    stored = 1 + answer()
    question = f"sqlite3.connect({str(path)!r}).execute('SELECT count(*) FROM t').fetchone()[0]"
    counting = f"import sqlite3; print({question})"
    third = subprocess.run([sys.executable, "-c", counting], capture_output=True, check=True)
    return {"stored": stored, "found": int(third.stdout)}


def busy_parent(directory: Path) -> dict[str, int]:
    """Two threads write without pause while children are forked off, each of which writes too."""
    warnings.simplefilter(
        "ignore", DeprecationWarning
    )  # 3.12 warns of forks with threads; servers do it anyway
    outbox = open_box(directory)
    forks = int(os.environ.get("FORKS", "20"))
    stop, stored, lock = threading.Event(), [0], threading.Lock()

    def writer() -> None:
        while not stop.is_set():
            told = put_some(outbox, 1)
            with lock:
                stored[0] += told

    threads = [threading.Thread(target=writer, daemon=True) for _ in range(2)]
    for thread in threads:
        thread.start()
    answers, slowest = [], 0.0
    for _ in range(forks):
        start = time.monotonic()
        _, answer = child_of(hooked(outbox), lambda: put_some(outbox, 2))
        slowest = max(slowest, time.monotonic() - start)
        answers.append(answer)
        time.sleep(0.005)
    told = [answer() for answer in answers]
    stop.set()
    for thread in threads:
        thread.join()
    outbox.close()
    return {
        "stored": stored[0] + sum(told),
        "found": count_elsewhere(directory),
        "silent children": told.count(-1),
        "children that could not store everything": sum(0 <= t < 2 * SIZE for t in told),
        "slowest fork ms": round(slowest * 1000),
    }


def without_hooks(directory: Path) -> dict[str, int]:
    """A C-level fork with the outbox open: the child goes on with a file of its own, which others adopt."""
    outbox = open_box(directory)
    stored = put_some(outbox, 2)
    gate_read, gate_write = os.pipe()

    def life() -> int:
        told = put_some(outbox, 1)
        own = len(list((directory / "box").glob("outbox.fork-*.db")))
        os.read(gate_read, 1)
        # its own child, by Python's fork, shares the new file
        _, answer = child_of(hooked(outbox), lambda: put_some(outbox, 2))
        told += answer() + put_some(outbox, BATCHES)
        return told if own == 1 else -1

    _, answer = child_of(c_fork, life)
    stored += put_some(outbox, 2)
    outbox.close()
    os.write(gate_write, b"x")
    stored += answer()
    found = count_elsewhere(directory)
    return {
        "stored": stored,
        "found": found,
        "left files": len(list((directory / "box").glob("outbox.fork-*"))),
    }


def without_hooks_and_closed(directory: Path) -> dict[str, int]:
    """A C-level fork before the outbox was opened is harmless: no file of its own is needed."""
    outbox = open_box(directory)
    _, answer = child_of(c_fork, lambda: put_some(outbox, 2))
    stored = put_some(outbox, 2) + answer()
    return {
        "stored": stored,
        "own files": len(list((directory / "box").glob("outbox.fork-*"))),
        "found": count_elsewhere(directory),
    }


def in_a_transaction(directory: Path) -> dict[str, int]:
    """A signal handler that forks in the middle of a transaction of the same thread."""
    outbox = open_box(directory)
    stored = put_some(outbox, 1)
    forked: list[Callable[[], int]] = []

    def fork_now(point: str) -> None:
        if point == "put.before_commit":
            outbox._at = pass_by
            _, answer = child_of(hooked(outbox), lambda: put_some(outbox, 2))
            forked.append(answer)

    outbox._at = fork_now
    stored += put_some(outbox, 1)
    stored += forked[0]()
    outbox.close()
    return {"stored": stored, "found": count_elsewhere(directory)}


SCENES = {
    "quiet parent": quiet_parent,
    "bad: reopen in the child": bad_reopen,
    "busy parent": busy_parent,
    "without hooks": without_hooks,
    "without hooks, closed": without_hooks_and_closed,
    "in a transaction": in_a_transaction,
}

if __name__ == "__main__":
    place = Path(sys.argv[1])
    if sys.argv[2] == "count":
        print(count(place))
    else:
        print(json.dumps(SCENES[sys.argv[2]](place)))
