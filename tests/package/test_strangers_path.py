"""A stranger, an empty folder and the README: its quickstart, block by block, ends with an event."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.package.homes import PATIENCE, ROOT, Built

pytestmark = pytest.mark.xdist_group("package")

MOST_COMMANDS = 20
"""From a shell in an empty folder to an event. Saving a file counts as one."""

PORT = "8009"
"""The one of the page; the test takes a free one, since others may run on this machine."""

SECTION = re.compile(r"^## Quickstart\n(.*?)^## ", re.MULTILINE | re.DOTALL)
BLOCK = re.compile(
    r"^(?P<before>[^\n]*)\n\n(?:<!--[^\n]*\n)*```(?P<language>\w+)\n(?P<text>.*?)^```",
    re.MULTILINE | re.DOTALL,
)


class Step(NamedTuple):
    """A block of commands, or a file to be saved under the name that the line above it says."""

    text: str
    save_as: str | None

    @property
    def commands(self) -> int:
        if self.save_as is not None:
            return 1
        lines = [line for line in self.text.splitlines() if line and not line.startswith("#")]
        return sum(1 + line.count("&&") for line in lines if not line.endswith("\\"))


def steps() -> list[Step]:
    section = SECTION.search((ROOT / "README.md").read_text())
    assert section is not None, "the README has no section `## Quickstart`"
    found: list[Step] = []
    for block in BLOCK.finditer(section[1]):
        name = re.search(r"`([\w.]+\.\w+)`", block["before"])
        if block["language"] == "console":
            found.append(Step(block["text"], None))
        elif name is not None:
            found.append(Step(block["text"], name[1]))
    return found


@pytest.fixture
def shell(built: Built, tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A shell in an empty folder, where ``pip install`` finds the built wheel as if it were released."""
    foreign = ("OTEL_", "POSTHOG_", "PYTHON", "VIRTUAL_ENV", "PYTEST_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
    interpreters = Path(sys.base_prefix) / "bin"
    running = subprocess.Popen(
        ["bash", "-e"],
        cwd=tmp_path,
        env={
            **kept,
            "PATH": f"{interpreters}{os.pathsep}{kept['PATH']}",
            "PIP_FIND_LINKS": f"{built.wheel.parent} {kept.get('PIP_FIND_LINKS', '')}".strip(),
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
            "PIP_COMPILE": "0",  # seconds of work for one run of one script
        },
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    yield running
    os.killpg(running.pid, signal.SIGKILL)
    running.communicate()


def free_port() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return str(probe.getsockname()[1])


def installed_from(wheel: Path, folder: Path) -> bool:
    """Whether the environment in ``folder`` holds this wheel's modules, and not those of some release."""
    (site,) = folder.glob(".venv/lib/python*/site-packages")
    with zipfile.ZipFile(wheel) as archive:
        modules = [name for name in archive.namelist() if name.endswith(".py")]
        return all((site / name).read_bytes() == archive.read(name) for name in modules)


def test_the_readme_leads_a_stranger_to_an_event(
    shell: subprocess.Popen[str], built: Built, tmp_path: Path
) -> None:
    """[P-QUICKSTART]"""
    path = steps()
    for step in path:
        if step.save_as is not None:
            (tmp_path / step.save_as).write_text(step.text)
    typed = "".join(step.text for step in path if step.save_as is None).replace(PORT, free_port())
    *before, last = typed.rstrip("\n").split("\n")
    script = "\n".join([*before, f"{last} > answer.json", "kill $!", ""])

    said = shell.communicate(script, timeout=PATIENCE)

    assert shell.returncode == 0, said
    events = json.loads((tmp_path / "answer.json").read_text())
    grouped = [event for event in events if event["groups"] and not event["distinct_id"].startswith("$")]
    assert grouped, events
    assert [event["event"] for event in events if event not in grouped] == ["$groupidentify"]
    assert installed_from(built.wheel, tmp_path)
    assert sum(step.commands for step in path) <= MOST_COMMANDS
