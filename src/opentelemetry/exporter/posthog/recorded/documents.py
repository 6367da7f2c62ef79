"""A stream of bytes to JSON documents, one in memory at a time, each with the place where it was found.

A document is a line (OTLP/JSON) or spread over lines (what the console exporters print, and people's pretty
printers). Files are cut off, written by two processes at once, and mixed with what an application prints: a
document that can't be read costs itself, and reading goes on with the next line that begins one.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import IO, Any, Final, NamedTuple

LONGEST_DOCUMENT: Final = 64 * 1024 * 1024
"""Bytes of one JSON document; a collector's batch is far smaller, and memory has to stay bounded."""

NO_JSON: Final = "is not JSON"
"""Said of a line that does not even begin like a document: what an application printed in between."""

CUT_OFF: Final = "is not complete JSON"
"""Said of the end of a stream that ends within a document."""

_OPENING: Final = (b"{", b"[")
_CLOSING: Final = (b"}", b"]")


class Document(NamedTuple):
    """One document, or one stretch of the stream that is none: then ``why`` says so. Offsets are bytes."""

    value: Any
    text: bytes
    line: int  # where it begins, from 1
    next_line: int  # where reading goes on
    start: int
    end: int
    why: str = ""


def documents(
    stream: IO[bytes], *, start: int = 0, line: int = 1, longest: int = LONGEST_DOCUMENT
) -> Iterator[Document]:
    """Every document of ``stream``, which stands at byte ``start``, in line ``line``. Never raises for what
    the stream holds.
    """
    return _Reader(stream, start, line, longest).read()


class _Reader:
    def __init__(self, stream: IO[bytes], start: int, line: int, longest: int) -> None:
        self._stream = stream
        self._longest = longest
        self._at, self._line = start, line  # of the next line to be read
        self._pending: list[bytes] = []
        self._size = 0
        self._start, self._begin = start, line  # of the pending document

    def read(self) -> Iterator[Document]:
        while text := self._stream.readline(self._longest + 1):
            at, line = self._at, self._line
            self._at += len(text)
            if len(text) > self._longest and not text.endswith(b"\n"):
                self._skip_rest_of_line()
                self._line += 1
                self._pending.append(text[:1])
                self._size += len(text)
            else:
                self._line += 1
                if self._pending and text.startswith(_OPENING):
                    yield self._given_up("does not end", at, line)
                if not self._pending and not text.lstrip().startswith(_OPENING):
                    if text.strip():
                        yield Document(None, text, line, self._line, at, self._at, NO_JSON)
                    continue
                if not self._pending:
                    self._start, self._begin = at, line
                self._pending.append(text)
                self._size += len(text)
            if self._size > self._longest:
                yield self._given_up(f"is longer than {self._longest} bytes", self._at, self._line)
            elif (found := self._complete()) is not None:
                yield found
        if self._pending:
            yield self._given_up(CUT_OFF, self._at, self._line)

    def _skip_rest_of_line(self) -> None:
        while text := self._stream.readline(1024 * 1024):
            self._at += len(text)
            if text.endswith(b"\n"):
                return

    def _complete(self) -> Document | None:
        """The pending document, if the last line ended it."""
        last = self._pending[-1]
        # Only a line that closes something at its beginning, or a single one, can end a document; to try
        # after each would be quadratic.
        if not last.rstrip().endswith(_CLOSING) or (len(self._pending) > 1 and last[:1].isspace()):
            return None
        text = b"".join(self._pending)
        try:
            value = json.loads(text)
        except (ValueError, RecursionError):
            return None
        found = Document(value, text, self._begin, self._line, self._start, self._at)
        self._pending, self._size = [], 0
        return found

    def _given_up(self, why: str, end: int, next_line: int) -> Document:
        lost = Document(None, b"", self._begin, next_line, self._start, end, why)
        self._pending, self._size = [], 0
        return lost
