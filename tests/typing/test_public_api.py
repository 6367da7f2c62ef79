"""The public names change only when somebody says so."""

from __future__ import annotations

import difflib
import runpy
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_public_names_and_signatures_are_those_of_the_snapshot() -> None:  # [P-API]
    now = runpy.run_path(str(ROOT / "scripts/public_api.py"))["lines"]()
    announced = (ROOT / "docs/reference/public-api.txt").read_text().splitlines()

    changes = list(difflib.unified_diff(announced, now, "announced", "now", lineterm="", n=0))

    assert not changes, "\n".join(
        ["Tell it in CHANGELOG.md, then: python scripts/public_api.py --write", *changes]
    )
