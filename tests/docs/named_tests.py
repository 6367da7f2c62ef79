"""Tests that a page names as its proof: ``file.py::test_name``, the file below ``tests/``."""

from __future__ import annotations

import re
from pathlib import Path

TESTS = Path(__file__).parents[1]

NAMED = re.compile(r"`([\w/]+\.py)::(\w+)`")


def named_in(text: str) -> list[str]:
    """The tests that a text names, whether they exist or not."""
    return [f"{file}::{name}" for file, name in NAMED.findall(text)]


def missing_in(text: str) -> list[str]:
    """Those of them that do not exist."""
    return [f"{file}::{name}" for file, name in NAMED.findall(text) if not _defines(TESTS / file, name)]


def _defines(file: Path, test: str) -> bool:
    return file.exists() and re.search(rf"^ *def {test}\(", file.read_text(), re.MULTILINE) is not None
