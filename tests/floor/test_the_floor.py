"""`make test-floor` really runs on the lowest versions that we declare."""

from __future__ import annotations

import re
from importlib.metadata import version
from pathlib import Path

import pytest

PINS = re.findall(
    r"^([\w-]+)==(\S+)$",
    (Path(__file__).parents[2] / "requirements/floor.txt").read_text(),
    re.MULTILINE,
)


@pytest.mark.floor
@pytest.mark.parametrize(("name", "pin"), PINS)
def test_the_lowest_version_is_the_one_installed(name: str, pin: str) -> None:
    assert version(name) == pin
