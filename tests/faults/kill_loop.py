"""``python -m tests.faults.kill_loop DIRECTORY HOW KILLS WORKERS SEED``: kill workers at random, then sum up.

A process of its own, so that workers can be forked off quickly and without threads around. Prints JSON.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import time
from pathlib import Path

from opentelemetry.exporter.posthog.delivery.outbox import COUNTERS
from tests.faults.outbox_worker import Tally, drain_all, work


def main(directory: Path, how: str, kills: int, workers: int, seed: int) -> None:
    dice = random.Random(seed)
    done = 0
    while done < kills:
        children = []
        for number in range(workers):
            child = os.fork()
            if child == 0:
                work(directory, seed=seed * 1000 + done * 10 + number, how=how)
            children.append(child)
        time.sleep(dice.uniform(0.03, 0.2))
        for child in children:
            os.kill(child, signal.SIGKILL)
        for child in children:
            os.waitpid(child, 0)
        done += workers
    outbox = drain_all(directory)
    tally, status = Tally.of(directory), outbox.status()
    gone = sum(status.counters[name] for name in COUNTERS if name not in ("accepted", "reappeared"))
    print(
        json.dumps(
            {
                "kills": done,
                "stored": len(tally.stored),
                "lost": tally.lost,
                "duplicates": tally.duplicates,
                "invented": tally.invented,
                "left": status.events,
                "unbalanced": status.counters["accepted"]
                + status.counters["reappeared"]
                - gone
                - status.events,
                "missing": status.counters["missing"],
                "accepted_unsaid": status.counters["accepted"] - len(tally.stored),
            }
        )
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), int(sys.argv[5]))
