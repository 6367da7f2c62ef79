"""A process that puts, hands over and settles, and says so in a log, while the record shim watches.

``python power_cut_workload.py DIRECTORY HOW ROUNDS``, HOW being ``full`` (as shipped), ``normal`` or ``off``
(SQLite's weaker modes) or ``early`` (says "stored" before it is); all but the first must be found out.
"""

from __future__ import annotations

import os
import random
import sys
from pathlib import Path

from opentelemetry.exporter.posthog.clock import SystemClock
from opentelemetry.exporter.posthog.model import DELIVERED
from tests.outbox_kit import envelopes, sqlite_outbox, uuids


def main(directory: Path, how: str, rounds: int) -> None:
    outbox = sqlite_outbox(directory / "box", SystemClock())
    assert outbox.put(envelopes(1)) is not None  # opens the file
    connection = outbox._file._file._connection
    assert connection is not None
    connection.execute("PRAGMA wal_autocheckpoint=60")  # many checkpoints in a short run
    if how in ("normal", "off"):
        connection.execute(f"PRAGMA synchronous={how.upper()}")
    log = os.open(directory / "told.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    held = []
    dice = random.Random(7)
    for _ in range(rounds):
        batch = envelopes(dice.randint(1, 6), size=dice.randint(100, 3000))
        if how == "early":
            os.write(log, f"stored {' '.join(uuids(batch))}\n".encode())
        receipt = outbox.put(batch)
        assert receipt is not None
        os.write(log, f"stored {' '.join(uuids(batch))}\n".encode())
        held.append(receipt)
        while held and dice.random() < 0.45:
            receipt = held.pop(dice.randrange(len(held)))
            os.write(log, f"handed {' '.join(uuids(receipt.envelopes))}\n".encode())
            outbox.settle(receipt, [DELIVERED] * len(receipt.envelopes))
    os._exit(0)  # no closing: a power cut does not close files either


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
