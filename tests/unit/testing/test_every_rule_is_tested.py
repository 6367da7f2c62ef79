"""The contract has 46 rules; each is named by a test."""

from __future__ import annotations

import re
from pathlib import Path

from opentelemetry.exporter.posthog.testing.findings import RULES

HERE = Path(__file__).parent


def test_every_one_of_the_46_rules_has_a_test_named_by_its_number() -> None:
    source = "".join(path.read_text() for path in HERE.glob("test_*.py"))

    tested = {int(number) for number in re.findall(r"def test_rule_(\d\d)_", source)}

    assert tested == set(range(1, 47))


def test_every_finding_is_met_by_a_test() -> None:
    source = "".join(path.read_text() for path in HERE.glob("test_*.py"))

    assert [name for name in RULES if f'"{name}"' not in source] == []
