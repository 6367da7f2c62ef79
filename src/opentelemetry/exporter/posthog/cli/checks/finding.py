"""One thing that doctor has to say."""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple


class Level(Enum):
    """How bad it is. Errors mean that events do not arrive; warnings that some do not, or not as meant."""

    OK = "ok"
    HINT = "hint"
    WARNING = "warning"
    ERROR = "error"


class Finding(NamedTuple):
    """``subject`` names what it is about; ``fix`` says what to do, and is empty where nothing needs doing."""

    level: Level
    subject: str
    sentence: str
    fix: str = ""


def ok(subject: str, sentence: str) -> Finding:
    return Finding(Level.OK, subject, sentence)


def hint(subject: str, sentence: str, fix: str = "") -> Finding:
    return Finding(Level.HINT, subject, sentence, fix)


def warning(subject: str, sentence: str, fix: str) -> Finding:
    return Finding(Level.WARNING, subject, sentence, fix)


def error(subject: str, sentence: str, fix: str) -> Finding:
    return Finding(Level.ERROR, subject, sentence, fix)
