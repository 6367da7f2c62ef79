"""reasons.md, mapping.md and testing.md say what the code's tables say, and what real events hold."""

from __future__ import annotations

import runpy
from typing import Any

import pytest
from tests.docs.blocks import ROOT

from opentelemetry.exporter.posthog.reasons import Reason


@pytest.fixture(scope="module")
def tables() -> dict[str, Any]:
    return runpy.run_path(str(ROOT / "scripts/reference_tables.py"))


@pytest.mark.parametrize("name", ["reasons.md", "mapping.md", "testing.md"])
def test_the_page_is_the_generated_one(tables: dict[str, Any], name: str) -> None:
    committed = (ROOT / "docs/reference" / name).read_text()

    assert committed == tables["PAGES"][name](), "run: python scripts/reference_tables.py --write"


def test_every_reason_has_a_row() -> None:
    page = (ROOT / "docs/reference/reasons.md").read_text()

    assert [reason.value for reason in Reason if f"| `{reason.value}` | " not in page] == []


def test_the_properties_that_we_add_are_those_that_stand_on_real_events(tables: dict[str, Any]) -> None:
    assert tables["added_properties"](tables["example_events"]()) == set(tables["ADDED"])


def test_every_word_for_a_refusal_is_one_that_the_code_says(tables: dict[str, Any]) -> None:
    package = ROOT / "src/opentelemetry/exporter/posthog"
    code = "".join(
        path.read_text() for room in ("delivery", "wire") for path in (package / room).glob("*.py")
    )

    words = [word for word in tables["REFUSED"] if not word.startswith("http_")]
    assert [word for word in words if f'"{word}"' not in code] == []
