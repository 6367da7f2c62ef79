"""``otel-posthog`` in this process: all that a command does but the start of an interpreter of its own, which
takes a second. Where the start, the end by a signal or the terminal is the point, run the program.
"""

from __future__ import annotations

import io
import os
import subprocess
import sys
from collections.abc import Mapping
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from unittest.mock import patch

from opentelemetry.exporter.posthog.cli import main
from tests.e2e.processes import environment

WIDTH = "80"
"""What the program takes where there is no terminal to ask."""


def call(
    env: Mapping[str, str], *arguments: str | Path, stdin: str = "", together: bool = False
) -> subprocess.CompletedProcess[str]:
    """One command to its end, with this environment and no terminal. ``together``: all that it says is in
    ``stdout``, as in a shell.
    """
    out = _stream()
    err = out if together else _stream()
    with (
        patch.dict(os.environ, {"COLUMNS": WIDTH, **environment(env)}, clear=True),
        patch.object(sys, "argv", ["otel-posthog", *map(str, arguments)]),
        patch.object(sys, "stdin", _stream(stdin)),
        redirect_stdout(out),
        redirect_stderr(err),
    ):
        try:
            main()
            code: object = 0
        except SystemExit as end:
            code = end.code
    assert isinstance(code, int), code
    said, talk = _text(out), "" if together else _text(err)
    print(f"$ otel-posthog {' '.join(map(str, arguments))}\n[exit {code}]\n{said}{talk}")
    return subprocess.CompletedProcess(["otel-posthog", *map(str, arguments)], code, said, talk)


def _stream(text: str = "") -> io.TextIOWrapper:
    return io.TextIOWrapper(io.BytesIO(text.encode()), encoding="utf-8", write_through=True)


def _text(stream: io.TextIOWrapper) -> str:
    stream.seek(0)
    return stream.read()
