"""The two processes beside the driver: a PostHog to send to, and the service as its operator starts it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType

HERE = Path(__file__).parent
BIN = Path(sys.executable).parent

START_LIMIT = 30.0
"""Seconds in which a process must be up; a loaded machine needs some."""

STOP_LIMIT = 30.0
"""Seconds the service may take after SIGTERM: what an orchestrator usually grants."""

POLL = 0.02
"""Seconds between looks at a log or at the double."""


class Process:
    """A child with its output in a file. Leaving the ``with`` block kills what still runs."""

    def __init__(self, name: str, command: list[str], environment: Mapping[str, str], log: Path) -> None:
        self._name = name
        self._log = log
        inherited = {k: v for k, v in os.environ.items() if not k.startswith(("OTEL_", "POSTHOG_"))}
        path = f"{BIN}{os.pathsep}{inherited.get('PATH', '')}"
        with log.open("wb") as output:
            self._child = subprocess.Popen(
                command,
                cwd=HERE,
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

        def printed() -> str | None:
            found = re.search(r"http://127\.0\.0\.1:\d+", self.output)
            return found[0] if found else None

        return wait_for(
            printed, START_LIMIT, lambda: f"{self._name} did not start:\n{self.output}", self.alive
        )

    def alive(self) -> bool:
        return self._child.poll() is None

    def terminate(self) -> int:
        """SIGTERM, as an orchestrator sends it, and the exit status."""
        self._child.send_signal(signal.SIGTERM)
        return self._child.wait(STOP_LIMIT)


def double(log: Path) -> Process:
    """A local PostHog that enforces the real rules."""
    command = [sys.executable, "-m", "opentelemetry.exporter.posthog.testing", "--port", "0", "--print-url"]
    return Process("the double", command, {}, log)


def service(environment: Mapping[str, str], log: Path) -> Process:
    """The service under uvicorn, instrumented without code and told by its environment alone."""
    command = ["opentelemetry-instrument", "uvicorn", "service:app", "--host", "127.0.0.1", "--port", "0"]
    return Process("the service", [str(BIN / command[0]), *command[1:]], environment, log)


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
