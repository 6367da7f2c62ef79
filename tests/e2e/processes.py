"""Run programs in fresh processes with a clean environment, as a user's shell would."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

APPS = Path(__file__).with_name("apps")
BIN = Path(sys.executable).parent

PATIENCE = 60.0
"""Seconds until a program counts as hung; Python with the SDK starts in one or two on a busy machine."""


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
