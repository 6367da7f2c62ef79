"""Where the examples play: a local PostHog, the real processes of a service, and a look at what was stored.

Nothing here is needed to use the exporter. An example is its service and its settings; this is the theatre.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

BIN = Path(sys.executable).parent

START_LIMIT = 30.0
"""Seconds in which a process must be up; a loaded machine needs some."""

STOP_LIMIT = 30.0
"""Seconds a service may take after SIGTERM: what an orchestrator usually grants."""

STORE_LIMIT = 15.0
"""Seconds until an event must be stored; the batch processors wait half a second."""

POLL = 0.02
"""Seconds between looks at a log or at the double."""


class Process:
    """A child with its output in a file. Leaving the ``with`` block kills what still runs."""

    def __init__(
        self, name: str, command: Sequence[str], environment: Mapping[str, str], log: Path, *, cwd: Path
    ) -> None:
        self._name = name
        self._log = log
        inherited = {k: v for k, v in os.environ.items() if not k.startswith(("OTEL_", "POSTHOG_"))}
        path = f"{BIN}{os.pathsep}{inherited.get('PATH', '')}"
        with log.open("wb") as output:
            self._child = subprocess.Popen(
                [str(BIN / command[0]) if (BIN / command[0]).exists() else command[0], *command[1:]],
                cwd=cwd,
                env={**inherited, "PATH": path, "PYTHONUNBUFFERED": "1", **environment},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    def __enter__(self) -> Process:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._child.poll() is None:
            self._child.kill()
            self._child.wait()

    @property
    def output(self) -> str:
        return self._log.read_text(errors="replace")

    def url(self) -> str:
        """The address that the process printed once it listened."""
        return self.said(r"http://127\.0\.0\.1:\d+")

    def said(self, pattern: str, *, count: int = 1, limit: float = START_LIMIT) -> str:
        """The text of ``pattern`` in the output, once it stands there ``count`` times."""

        def printed() -> str | None:
            found = [match[0] for match in re.finditer(pattern, self.output)]
            return found[0] if len(found) >= count else None

        return wait_for(
            printed, limit, lambda: f"{self._name} never said {pattern}:\n{self.output}", self.alive
        )

    def alive(self) -> bool:
        return self._child.poll() is None

    def terminate(self) -> int:
        """SIGTERM, as an orchestrator sends it, and the exit status."""
        self._child.send_signal(signal.SIGTERM)
        return self.ended()

    def ended(self) -> int:
        """Wait for the end; the exit status."""
        return self._child.wait(STOP_LIMIT)


def wait_for(
    look: Callable[[], str | None], limit: float, complaint: Callable[[], str], alive: Callable[[], bool]
) -> str:
    """The first answer of ``look``; ``TimeoutError`` after ``limit`` seconds or at the process's end."""
    end = time.monotonic() + limit
    while True:
        answer = look()
        if answer is not None:
            return answer
        if time.monotonic() > end or not alive():
            raise TimeoutError(complaint())
        time.sleep(POLL)


def double(log: Path) -> Process:
    """A local PostHog that enforces the real rules."""
    command = ["python", "-m", "opentelemetry.exporter.posthog.testing", "--port", "0", "--print-url"]
    return Process("the double", command, {}, log, cwd=log.parent)


@contextmanager
def redis(folder: Path) -> Generator[str]:
    """A Redis or Valkey server of our own that writes nothing to disk; yields its URL."""
    program = shutil.which("redis-server") or shutil.which("valkey-server")
    if program is None:
        raise SystemExit("This needs redis-server or valkey-server (Debian: apt-get install redis-server).")
    socket = folder / "redis.sock"
    command = [program, "--port", "0", "--unixsocket", str(socket), "--save", "", "--appendonly", "no"]
    with Process("redis", command, {}, folder / "redis.log", cwd=folder) as server:
        server.said("(?i)ready to accept connections")
        yield f"unix://{socket}"


@dataclass(frozen=True, slots=True)
class Stage:
    """One performance: a folder for its files, the PostHog to send to, settings that the caller changed."""

    folder: Path
    posthog: str
    overrides: Mapping[str, str]

    def settings(self, **more: str) -> dict[str, str]:
        """What the operator of a service says about telemetry; batches leave after half a second."""
        return {
            "OTEL_TRACES_EXPORTER": "posthog",
            "OTEL_LOGS_EXPORTER": "posthog",
            "OTEL_METRICS_EXPORTER": "none",
            "OTEL_BSP_SCHEDULE_DELAY": "500",
            "OTEL_BLRP_SCHEDULE_DELAY": "500",
            "OTEL_EXPORTER_POSTHOG_API_KEY": "phc_example_key_of_the_local_double",
            "OTEL_EXPORTER_POSTHOG_HOST": self.posthog,
            "OTEL_EXPORTER_POSTHOG_GROUP_PROCESSOR": "true",
            **more,
            **self.overrides,
        }

    def start(
        self, name: str, command: Sequence[str], environment: Mapping[str, str], *, cwd: Path
    ) -> Process:
        return Process(name, command, environment, self.folder / f"{name}.log", cwd=cwd)

    def stored(self) -> Stored:
        with urllib.request.urlopen(f"{self.posthog}/_double/state", timeout=30) as answer:
            return Stored(json.load(answer))

    def stored_once(self, count: int) -> Stored:
        """What PostHog holds, once there are ``count`` events."""

        def enough() -> str | None:
            return "stored" if len(self.stored().events) >= count else None

        def complaint() -> str:
            return f"{len(self.stored().events)} of {count} events arrived within {STORE_LIMIT:.0f} s"

        wait_for(enough, STORE_LIMIT, complaint, lambda: True)
        return self.stored()


@dataclass(frozen=True, slots=True)
class Stored:
    """What PostHog holds, as the double tells it."""

    state: dict[str, Any]

    @property
    def events(self) -> list[dict[str, Any]]:
        """Without the group updates."""
        return [event for event in self.state["events"] if event["event"] != "$groupidentify"]

    @property
    def profiles(self) -> dict[str, dict[str, Any]]:
        """``organization org_42`` to its properties."""
        return {f"{group['type']} {group['key']}": group["properties"] for group in self.state["groups"]}

    @property
    def updates(self) -> dict[str, int]:
        """``organization org_42`` to the number of group updates that PostHog stored for it."""
        return {f"{group['type']} {group['key']}": group["updates"] for group in self.state["groups"]}

    @property
    def complaints(self) -> list[str]:
        """What PostHog refused, or took and will not show as meant."""
        return [
            f"{complaint['name']} ({complaint['event']})"
            for kind in ("refused", "findings", "warnings")
            for complaint in self.state[kind]
        ]

    def counts(self) -> Counter[tuple[str, str, str]]:
        """Events by (name, distinct id, groups)."""
        return Counter((event["event"], event["distinct_id"], groups_of(event)) for event in self.events)


def groups_of(event: dict[str, Any]) -> str:
    return ", ".join(f"{kind} {key}" for kind, key in sorted(event["groups"].items())) or "no group"


def show(stored: Stored) -> None:
    """Print what PostHog holds."""
    print("\nEVENTS IN POSTHOG")
    for (name, who, groups), count in stored.counts().items():
        print(f"  {count:>3}  {name:<26} {who:<26} {groups}")
    print("\nPROFILES, AND THE GROUP UPDATES THEY TOOK")
    for group, properties in sorted(stored.profiles.items()):
        print(f"  {stored.updates[group]:>3}  {group:<26} {properties}")


def difference(what: str, found: object, expected: object) -> list[str]:
    """A line for a person to act on, or nothing."""
    return [] if found == expected else [f"{what}: {found!r}, expected {expected!r}"]


def perform(play: Callable[[Stage], list[str]], about: str) -> int:
    """Set the stage, play, say what is wrong. The exit status: 0 when PostHog holds what it must."""
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("--posthog", metavar="URL", help="a double that runs already; else one is started")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="another setting")
    given = parser.parse_args()
    overrides = dict(pair.split("=", 1) for pair in given.set)
    with tempfile.TemporaryDirectory(prefix="example-") as name:
        folder = Path(name)
        try:
            if given.posthog:
                problems = play(Stage(folder, given.posthog, overrides))
            else:
                with double(folder / "double.log") as posthog:
                    problems = play(Stage(folder, posthog.url(), overrides))
        except TimeoutError as error:
            problems = [str(error)]
    print()
    for problem in problems:
        print(f"  - {problem}")
    print("PostHog does not hold what it must." if problems else "PostHog holds exactly what it must.")
    return 1 if problems else 0
