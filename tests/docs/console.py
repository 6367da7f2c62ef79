"""The ``console`` blocks of a page, run as a reader would, with a double where the page says port 8009.

``python -m tests.docs.console PAGE...`` writes what the commands really print into the pages.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from tests.e2e.command_line import call
from tests.e2e.processes import environment

from opentelemetry.exporter.posthog.testing import PostHogDouble

ROOT = Path(__file__).parents[2]
BLOCK = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)
ADDRESS = "http://127.0.0.1:8009"

VOLATILE = (
    (re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"), "UUID"),
    (re.compile(r"(?<=opentelemetry-sdk )[\w.]+|(?<=-posthog )[\d.]+|(?<=-distro )[\w.]+"), "VERSION"),
)
"""What differs from run to run and from release to release."""


class Command(NamedTuple):
    lines: list[str]  # without the prompt
    output: str

    @property
    def text(self) -> str:
        return "\n".join(self.lines)


def commands(block: str) -> Iterator[Command]:
    """The commands of one block, each with the output below it."""
    lines: list[str] = []
    output: list[str] = []
    for line in block.splitlines():
        if line.startswith("$ "):
            if lines:
                yield Command(lines, "".join(output))
            lines, output = [line[2:]], []
        elif line.startswith("> ") and not output:
            lines.append(line[2:])
        else:
            output.append(line + "\n")
    if lines:
        yield Command(lines, "".join(output))


def real_outputs(page: str) -> list[str]:
    """What all commands of a page print, run in order in one folder."""
    asked = [command.text for block in BLOCK.findall(page) for command in commands(block)]
    with tempfile.TemporaryDirectory() as folder, PostHogDouble.listening() as double:
        shutil.copy(ROOT / "examples/recorded/shop.jsonl", folder)
        shell = Shell(Path(folder).resolve())
        said = [shell.run(text.replace(ADDRESS, double.url)) for text in asked]
        return [one.replace(double.url, ADDRESS).replace(f"{shell.folder}/", "") for one in said]


class Shell:
    """A shell in ``folder``, whose exports hold for the next commands. Our own program, asked for by plain
    words, is called in this process: another interpreter takes a second.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._exported: dict[str, str] = {}

    def run(self, text: str) -> str:
        """All that it prints."""
        if re.search(r"[|<>;&`(\n]", text) is None:
            program, *words = shlex.split(text.replace("$PWD", str(self.folder)))
            if program == "export":
                self._exported.update(word.split("=", 1) for word in words)
                return ""
            if program == "otel-posthog":
                return self._called(words)
        return self._in_bash(text)

    def _called(self, words: Sequence[str]) -> str:
        here = Path.cwd()
        os.chdir(self.folder)
        try:
            return call(self._exported, *words, together=True).stdout
        finally:
            os.chdir(here)

    def _in_bash(self, text: str) -> str:
        done = subprocess.run(
            ["bash", "-c", text],
            cwd=self.folder,
            env=environment(self._exported),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=110,
            check=False,
        )
        return done.stdout


def with_real_outputs(page: str) -> str:
    outputs = iter(real_outputs(page))

    def block(match: re.Match[str]) -> str:
        parts = ["```console\n"]
        for command in commands(match[1]):
            first, *more = command.lines
            parts.append(f"$ {first}\n" + "".join(f"> {line}\n" for line in more))
            said = next(outputs)
            parts.append(said if said.endswith("\n") or not said else f"{said}\n")
        return "".join([*parts, "```"])

    return BLOCK.sub(block, page)


def steady(text: str) -> str:
    """Without what differs from run to run."""
    for pattern, word in VOLATILE:
        text = pattern.sub(word, text)
    return text


if __name__ == "__main__":
    for name in sys.argv[1:]:
        path = Path(name)
        path.write_text(with_real_outputs(path.read_text()))
