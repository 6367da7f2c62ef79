"""The security page claims nothing that no test proves: every threat names tests, and they exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/explanation/security.md").read_text()

THREATS = PAGE[PAGE.index("## Threats") : PAGE.index("## What it does not do")]
ROW = re.compile(r"^\| (?!Threat |---)(.+?) \| (.+?) \| (.*?) \| (.*) ?\|$", re.MULTILINE)
TEST = re.compile(r"`([\w/]+\.py)::(\w+)`")


def test_every_row_of_the_tables_is_read() -> None:
    lines = [line for line in THREATS.splitlines() if line.startswith("|")]
    heads = [line for line in lines if line.startswith(("| Threat |", "|---"))]

    assert len(ROW.findall(THREATS)) == len(lines) - len(heads) > 30


@pytest.mark.parametrize(("threat", "proof"), [(row[0], row[2]) for row in ROW.findall(THREATS)])
def test_each_threat_names_tests_that_exist(threat: str, proof: str) -> None:
    named = TEST.findall(proof)

    assert named, f"{threat}: nothing proves it"
    assert [f"{file}::{name}" for file, name in named if not defines(ROOT / "tests" / file, name)] == []


def defines(file: Path, test: str) -> bool:
    return file.exists() and re.search(rf"^ *def {test}\(", file.read_text(), re.MULTILINE) is not None
