"""What a release uploads, and empty environments to install it into and use it from."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import distributions
from pathlib import Path

ROOT = Path(__file__).parents[2]

PATIENCE = 100.0
"""Seconds for one command. Installing takes 3 to 8 of them, with a near index."""


@dataclass(frozen=True, slots=True)
class Built:
    """What a release uploads, and the wheel that the working tree gives without the detour by the archive."""

    wheel: Path
    sdist: Path
    wheel_of_the_tree: Path


@dataclass(frozen=True, slots=True)
class Home:
    """A virtual environment that holds what was installed into it and nothing else, not even pip."""

    folder: Path

    @property
    def bin(self) -> Path:
        return self.folder / "bin"

    @property
    def python(self) -> Path:
        return self.bin / "python"

    def install(self, *requirements: str) -> None:
        pip = [sys.executable, "-m", "pip", "--python", str(self.python)]
        run_checked([*pip, "install", "--quiet", "--no-compile", *requirements])

    def installed(self) -> set[str]:
        """Names of the distributions in it."""
        (site,) = self.folder.glob("lib/python*/site-packages")
        return {found.metadata["Name"].lower().replace("_", "-") for found in distributions(path=[str(site)])}

    def run(
        self, *command: str, env: Mapping[str, str] | None = None, cwd: Path | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a program of this environment, in its folder, seeing nothing of the repository."""
        done = subprocess.run(
            [str(self.bin / command[0]), *command[1:]],
            cwd=cwd or self.folder,
            env=self.environment(env or {}),
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        print(f"$ {' '.join(command)}\n[exit {done.returncode}]\n{done.stdout}{done.stderr}")
        return done

    def answer(self, code: str) -> str:
        """What the code prints, without a word on stderr."""
        done = self.run("python", "-W", "error", "-c", code)
        assert done.returncode == 0, done.stderr
        assert done.stderr == ""
        return done.stdout.strip()

    def environment(self, extra: Mapping[str, str]) -> dict[str, str]:
        foreign = ("OTEL_", "POSTHOG_", "PYTHON", "VIRTUAL_ENV", "PYTEST_")
        kept = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
        return {**kept, "PATH": f"{self.bin}{os.pathsep}{kept.get('PATH', '')}", **extra}


def run_checked(command: list[str], *, cwd: Path | None = None) -> None:
    done = subprocess.run(
        command, cwd=cwd, capture_output=True, text=True, timeout=PATIENCE, check=False, env=clean()
    )
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}{done.stderr}"


def clean() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}


def empty_home(folder: Path) -> Home:
    run_checked([sys.executable, "-m", "venv", "--without-pip", str(folder)])
    return Home(folder)
