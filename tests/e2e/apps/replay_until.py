"""``replay_until.py POINT TIMES FILE``: replay as the command does, and die by SIGKILL at a named point."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from opentelemetry.exporter.posthog.clock import SystemClock
from opentelemetry.exporter.posthog.replay import Replay, beside, fingerprint
from opentelemetry.exporter.posthog.settings.sources import resolve

point, times, file = sys.argv[1], int(sys.argv[2]), Path(sys.argv[3])
passed = 0


def at(name: str) -> None:
    global passed
    passed += name == point
    if name == point and passed == times:
        os.kill(os.getpid(), signal.SIGKILL)


resolution = resolve({}, os.environ)
assert resolution.settings is not None
about = fingerprint(resolution.origins, os.environ)
with Replay(beside([file]), resolution.settings, about, clock=SystemClock(), at=at) as work:
    work.read([file], lambda path, read: None)
    work.send(rate=200.0, historical=False, tell=lambda done: None)
