"""The quickstart's blocks, run in order in fresh shells, give what the page says (on other ports)."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

PAGE = Path(__file__).parents[2] / "docs/tutorial/quickstart.md"
RUNS = {"docs/tutorial/quickstart.md": ("python", "console")}
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)

UP_WITHIN = 30.0
"""Seconds until a server of the page must answer; Python with the SDK takes one or two."""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Terminal:
    """Runs the page's commands in a folder, with the ports replaced by free ones."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._ports = {"8009": str(free_port()), "8000": str(free_port())}
        self._running: list[subprocess.Popen[bytes]] = []
        kept = {
            name: value for name, value in os.environ.items() if not name.startswith(("OTEL_", "POSTHOG_"))
        }
        self._environment = {**kept, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{kept['PATH']}"}

    def url(self, port: str) -> str:
        return f"http://127.0.0.1:{self._ports[port]}"

    def save(self, name: str, text: str) -> None:
        (self._folder / name).write_text(text)

    def start(self, commands: str, *, answers: str) -> None:
        """Run ``commands``, the last of which is a server, until ``answers`` (a URL) answers."""
        shell = subprocess.Popen(
            ["bash", "-ec", self._with_ports(commands)],
            cwd=self._folder,
            env=self._environment,
            start_new_session=True,
        )
        self._running.append(shell)
        end = time.monotonic() + UP_WITHIN
        while not answered(answers):
            assert shell.poll() is None, "the server ended"
            assert time.monotonic() < end, "the server does not answer"

    def run(self, commands: str) -> str:
        done = subprocess.run(
            ["bash", "-ec", self._with_ports(commands)],
            cwd=self._folder,
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
        return done.stdout

    def _with_ports(self, commands: str) -> str:
        for port, free in self._ports.items():
            commands = commands.replace(port, free)
        return commands

    def close(self) -> None:
        for shell in self._running:
            os.killpg(shell.pid, signal.SIGKILL)
            shell.wait()


def answered(url: str) -> bool:
    """One try; False, after a moment, when nobody listens yet."""
    try:
        with urllib.request.urlopen(url, timeout=1):
            return True
    except urllib.error.HTTPError:
        return True
    except OSError:
        time.sleep(0.05)  # between looks at another process
        return False


def json_values(text: str) -> Iterator[Any]:
    """The JSON documents that stand one after another in ``text``."""
    decoder, rest = json.JSONDecoder(), text.strip()
    while rest:
        value, end = decoder.raw_decode(rest)
        yield value
        rest = rest[end:].lstrip()


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    opened = Terminal(tmp_path)
    yield opened
    opened.close()


@pytest.mark.xdist_group("quickstart")
def test_the_quickstart_ends_with_the_events_it_promises(terminal: Terminal) -> None:
    blocks = BLOCK.findall(PAGE.read_text())
    (service,) = (text for language, text in blocks if language == "python")
    _install, double, switch_on, act, *_ = (text for language, text in blocks if language == "console")

    terminal.save("app.py", service)
    terminal.start(double, answers=f"{terminal.url('8009')}/_double/state")
    terminal.start(switch_on, answers=f"{terminal.url('8000')}/docs")
    *_answers, state = json_values(terminal.run(act))

    names = Counter(event["event"] for event in state["events"])
    assert names["order paid"] == 2
    assert names["POST /orgs/{org_id}/orders"] == 2
    assert names["$groupidentify"] == 1
