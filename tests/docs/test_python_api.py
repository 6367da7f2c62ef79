"""docs/reference/python-api.md says of every public name what it is for, in the code's own words."""

from __future__ import annotations

import doctest
import functools
import importlib
import re
import runpy
from typing import Any

import pytest
from tests.docs.blocks import ROOT, code_of

PAGE = "docs/reference/python-api.md"
RUNS = {"docs/reference/python-api.md": ("py", "pycon")}
"""The signatures are compared with the code, the examples are run."""


@pytest.fixture(scope="module")
def reference() -> dict[str, Any]:
    return runpy.run_path(str(ROOT / "scripts/api_reference.py"))


def test_the_page_is_the_generated_one(reference: dict[str, Any]) -> None:
    assert (ROOT / PAGE).read_text() == reference["page"](), "run: python scripts/api_reference.py --write"


def test_every_public_name_has_a_docstring(reference: dict[str, Any]) -> None:
    assert reference["undocumented"]() == []


def test_every_announced_name_has_its_place_on_the_page(reference: dict[str, Any]) -> None:
    announced = (ROOT / "docs/reference/public-api.txt").read_text()
    names = set(
        re.findall(r"^(?:class )?opentelemetry\.exporter\.posthog(?:\.testing)?\.([\w.]+)", announced, re.M)
    )

    headings = set(re.findall(r"^#{3,4} `([\w.]+)`$", (ROOT / PAGE).read_text(), re.MULTILINE))
    assert names - headings == set()


def test_the_examples_of_the_docstrings_run(reference: dict[str, Any]) -> None:
    names: dict[str, Any] = {}
    for module in reference["MODULES"]:
        names |= {
            name: getattr(importlib.import_module(module), name) for name in reference["_in_order"](module)
        }

    for text in code_of(PAGE, "pycon"):
        here = dict(names)
        here["upgrade"] = functools.partial(upgrade, here)
        for example in doctest.DocTestParser().get_examples(text):
            exec(compile(example.source, PAGE, "exec", dont_inherit=True), here)


def upgrade(names: dict[str, Any], org: str, plan: str) -> None:
    """The application of the example."""
    tracer = names["captured"].tracer_provider.get_tracer("billing")
    with names["organization"](org, plan=plan), tracer.start_as_current_span("plan_upgraded") as span:
        span.set_attribute("plan", plan)
