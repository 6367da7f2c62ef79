"""What it costs that six processes share a ledger.

A fleet sees one world: at each tick ten of 1,000 organizations change, and every process says so, at the same
time, among 512 signals that tell how things are. So six processes ask six times about each change, since each
has to learn it, and send it once.

Three fleets take turns, round by round: one process; six, each with a ledger of its own; six on one ledger.
The second is what the third is compared with: six processes on the cores of this machine make each other
dearer, whether they share anything or not.
"""

from __future__ import annotations

import json
import logging
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from random import Random
from typing import IO, TYPE_CHECKING, cast

from .paired import Rounds

if TYPE_CHECKING:
    from .stores import Store

ORGANIZATIONS = 1_000
CHANGES = 10
"""At each tick: 2 % of a batch."""

TICKS = 16
"""In a round."""

PROCESSES = 6

ALONE, APART, TOGETHER = "one process", "six, a ledger each", "six on one ledger"


def shared(store: Store, rounds: int) -> Rounds:
    """CPU seconds a signal, by fleet; of six processes the mean."""
    with tempfile.TemporaryDirectory() as directory, store(Path(directory)) as setting, ExitStack() as stack:
        fleets = {
            ALONE: stack.enter_context(_fleet([setting("alone")])),
            APART: stack.enter_context(_fleet([setting(f"apart{n}") for n in range(PROCESSES)])),
            TOGETHER: stack.enter_context(_fleet([setting("together")] * PROCESSES)),
        }
        costs: dict[str, list[float]] = {name: [] for name in fleets}
        names = list(fleets)
        for number in range(rounds + 1):
            turn = number % len(names)
            for name in names[turn:] + names[:turn]:
                cost = fleets[name].live(number * TICKS)
                if number:
                    costs[name].append(cost)
        return Rounds(costs)


class _Fleet:
    def __init__(self, workers: Sequence[subprocess.Popen[str]]) -> None:
        self._workers = workers

    def live(self, tick: int) -> float:
        """CPU seconds a signal of a round that begins at ``tick``; all begin at once."""
        for worker in self._workers:
            print(tick, file=cast("IO[str]", worker.stdin), flush=True)
        return statistics.mean(json.loads(cast("IO[str]", one.stdout).readline()) for one in self._workers)


@contextmanager
def _fleet(settings: Sequence[str]) -> Iterator[_Fleet]:
    """A process a setting; what it says first is that it has begun."""
    workers: list[subprocess.Popen[str]] = []
    try:
        for number, setting in enumerate(settings):
            command = [sys.executable, "-m", "benchmarks.sharing", setting, str(number)]
            worker = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            workers.append(worker)
            cast("IO[str]", worker.stdout).readline()
        yield _Fleet(workers)
    finally:
        for worker in workers:
            worker.communicate()


def work(setting: str, seed: int) -> None:
    """A process: takes ticks from standard input, and says what a signal of that round has cost."""
    from .records import BATCH
    from .stores import new_ledger, seen, settled

    ledger, chance = new_ledger(setting), Random(seed)
    versions = [0] * ORGANIZATIONS
    settled(ledger, [seen(number, 0, 0) for number in range(ORGANIZATIONS)])
    print(json.dumps("begun"), flush=True)
    for line in sys.stdin:
        spent = 0.0
        for tick in range(int(line) + 1, int(line) + TICKS + 1):
            changed = Random(tick).sample(range(ORGANIZATIONS), CHANGES)
            for number in changed:
                versions[number] = tick
            met = changed + [chance.randrange(ORGANIZATIONS) for _ in range(BATCH - CHANGES)]
            batch = [seen(number, versions[number], tick) for number in met]
            started = time.process_time()
            settled(ledger, batch)
            spent += time.process_time() - started
        print(json.dumps(spent / TICKS / BATCH), flush=True)
    ledger.close()


if __name__ == "__main__":
    logging.disable(logging.CRITICAL)
    work(sys.argv[1], int(sys.argv[2]))
