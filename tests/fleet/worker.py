"""A process of the fleet that works through its share of the script: ``python -m tests.fleet.worker NUMBER``.

``--only FILE``: the numbers of the signals to say instead, those that a killed process had not been
acknowledged. Says "said" when it has said everything, "flushed" when a kill would lose nothing any more, and
stays until SIGTERM: what waits in the shared ledger is for whoever lives.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import threading
from pathlib import Path

from tests.fleet.voice import Orders, Voice


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("number", type=int)
    parser.add_argument("--only", type=Path)
    arguments = parser.parse_args()
    over = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: over.set())
    voice = Voice(Orders.given())
    share = [told for told in voice.signals if told.process == arguments.number]
    if arguments.only is not None:
        share = [voice.signals[n] for n in json.loads(arguments.only.read_text())]
    for told in share:
        voice.wait_for(told)
        voice.say(told)
    voice.die_if_told_to()
    print("said", flush=True)
    while not voice.flush() and not over.wait(0.2):
        pass
    print("flushed", flush=True)
    parent = os.getppid()
    while not over.wait(1.0) and os.getppid() == parent:
        pass
    voice.end()


if __name__ == "__main__":
    main()
