"""The feed on disk, one record a line, so that an inspector can be closed and opened again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import IO, Any, Final

from .feed import Feed, Record

KEPT: Final = frozenset({"event", "change", "group", "decision", "origin", "sample"})
"""Kinds that mean something later; requests and their numbers belong to one run."""

COUNTED: Final = frozenset({"event", "change", "sample"})
"""Kinds whose ids are numbers that every run uses again; on disk they carry a word of their run."""


class Archive:
    """Appends every record of a feed to a file that it has just been filled from."""

    def __init__(self, path: Path, feed: Feed) -> None:
        """Raises ``OSError`` when the file can't be read or written."""
        self.restored = _restore(path, feed) if path.exists() else 0
        self._file: IO[str] = path.open("a", encoding="utf-8")
        self._run = feed.epoch
        feed.listen(self._write)

    def _write(self, record: Record) -> None:
        if record.kind in KEPT:
            id_ = f"{self._run}:{record.id}" if record.kind in COUNTED else record.id
            line = json.dumps({**record.to_json(), "id": id_}, ensure_ascii=False, default=str)
            self._file.write(line.encode("utf-8", "replace").decode() + "\n")
            self._file.flush()

    def close(self) -> None:
        self._file.close()


def _restore(path: Path, feed: Feed) -> int:
    """Fill ``feed`` from the lines of an earlier run; a line that was cut off by a kill is skipped."""
    count = 0
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            try:
                record: dict[str, Any] = json.loads(line)
                kind, id_ = record.pop("kind"), record.pop("id")
            except (ValueError, KeyError, AttributeError):
                continue
            if kind in KEPT:
                feed.put(kind, str(id_), {**record, "request": 0})
                count += 1
    return count
