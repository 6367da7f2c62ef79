"""Run programs in fresh processes with a clean environment, as a user's shell would."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from importlib.metadata import entry_points
from pathlib import Path

APPS = Path(__file__).with_name("apps")
BIN = Path(sys.executable).parent

PATIENCE = 60.0
"""Seconds until a program counts as hung; Python with the SDK starts in one or two on a busy machine."""


INSTRUMENTATIONS = frozenset(found.name for found in entry_points(group="opentelemetry_instrumentor"))
"""All that zero-code set-up loads here unless told otherwise, frameworks and all: a second a process."""


def instrumenting(*names: str) -> dict[str, str]:
    """The setting under which zero-code set-up instruments these libraries and no other, as where only their
    instrumentations are installed.
    """
    return {"OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": ",".join(sorted(INSTRUMENTATIONS - set(names)))}


def environment(extra: Mapping[str, str]) -> dict[str, str]:
    """This process's environment without any setting of OpenTelemetry or PostHog, and with ``extra``."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("OTEL_", "POSTHOG_"))}
    return {**kept, "PATH": f"{BIN}{os.pathsep}{kept.get('PATH', '')}", "PYTHONWARNINGS": "default", **extra}


def run(command: Sequence[str | Path], env: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """Run to the end; what it printed is in the result and, when a test fails, in pytest's report."""
    done = subprocess.run(
        [str(part) for part in command],
        env=environment(env),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    print(f"$ {' '.join(map(str, command))}\n[exit {done.returncode}]\n{done.stdout}{done.stderr}")
    return done


class Service:
    """A program that runs until it is told to stop; its output is kept line by line."""

    def __init__(self, command: Sequence[str | Path], env: Mapping[str, str], *, cwd: Path = APPS) -> None:
        self._process = subprocess.Popen(
            [str(part) for part in command],
            env=environment({"PYTHONUNBUFFERED": "1", **env}),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=cwd,
        )
        self.lines: list[str] = []
        self._changed = threading.Condition()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            with self._changed:
                self.lines.append(line.rstrip())
                self._changed.notify_all()
        with self._changed:
            self._changed.notify_all()

    def wait_for(self, text: str, *, count: int = 1) -> str:
        """The first of ``count`` lines that have ``text`` in them; fails when the program ends before."""
        with self._changed:
            found = self._changed.wait_for(
                lambda: self._said(text) >= count or not self._reader.is_alive(), PATIENCE
            )
            assert found, f"never said {text!r}:\n" + "\n".join(self.lines)
            assert self._said(text) >= count, f"ended before {text!r}:\n" + "\n".join(self.lines)
            return next(line for line in self.lines if text in line)

    def _said(self, text: str) -> int:
        return sum(text in line for line in self.lines)

    @property
    def pid(self) -> int:
        return self._process.pid

    def stop(self, signum: int = signal.SIGTERM) -> int:
        """Send a signal, wait for the end; the exit code."""
        self._process.send_signal(signum)
        return self.ended()

    def ended(self, patience: float = PATIENCE) -> int:
        """Wait for the end; the exit code."""
        code = self._process.wait(patience)
        self._reader.join(PATIENCE)
        if self._process.stdout is not None:
            self._process.stdout.close()
        return code

    def __enter__(self) -> Service:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self.ended()
        print("\n".join(self.lines))  # pytest shows it when the test failed
