"""Every point of the checklist names tests that exist, or a decision record that says why not."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from tests.docs.named_tests import missing_in, named_in

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs/reference/otel-checklist.md"
POINTS = range(1, 49)

ROW = re.compile(r"^\| (\d+) \| (.+?) \| (.*) \|$", re.MULTILINE)
RECORD = re.compile(r"\]\(\.\./adr/([\w-]+\.md)\)")


def rows() -> dict[int, str]:
    """Point to the cell that proves it."""
    return {int(number): cell for number, _, cell in ROW.findall(PAGE.read_text())}


def test_the_table_has_every_point_once() -> None:
    numbers = [int(number) for number, _, _ in ROW.findall(PAGE.read_text())]

    assert numbers == list(POINTS)


@pytest.mark.parametrize("point", POINTS)
def test_each_point_has_a_test_or_a_decision(point: int) -> None:
    cell = rows()[point]

    assert named_in(cell) or RECORD.findall(cell), f"point {point} is not proved"


@pytest.mark.parametrize("point", POINTS)
def test_the_named_tests_exist(point: int) -> None:
    assert missing_in(rows()[point]) == []
