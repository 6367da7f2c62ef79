"""What a process of the fleet did, line by line, in a file of its own that outlives a kill.

One line is one ``write`` to a file opened for appending, which a killed process either did or did not.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any


class Book:
    """Safe for many threads; after a fork each process writes its own."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._file: tuple[int, int] | None = None  # process id, descriptor

    def write(self, what: str, **facts: Any) -> None:
        pid = os.getpid()
        if self._file is None or self._file[0] != pid:
            path = self._directory / f"{pid}.jsonl"
            self._file = pid, os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        line = json.dumps({"what": what, "at": time.monotonic(), **facts})
        os.write(self._file[1], line.encode() + b"\n")


def read_books(directory: Path) -> dict[int, list[dict[str, Any]]]:
    """Process id -> its lines in order."""
    return {int(path.stem): list(_lines(path)) for path in sorted(directory.glob("*.jsonl"))}


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    whole, _, _ = path.read_bytes().rpartition(b"\n")  # who reads while it is written may see half a line
    for line in whole.splitlines():
        yield json.loads(line)
