"""A promise in the docs carries an id, and each id stands in a test."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PROMISE = re.compile(r"\[(P-[A-Z0-9]+(?:-[A-Z0-9]+)*)\]")


def ids_in(files: list[Path]) -> dict[str, set[str]]:
    """Promise id to the files that carry it."""
    found: dict[str, set[str]] = {}
    for file in files:
        for name in PROMISE.findall(file.read_text()):
            found.setdefault(name, set()).add(str(file.relative_to(ROOT)))
    return found


def promised() -> dict[str, set[str]]:
    return ids_in([ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))])


def held() -> dict[str, set[str]]:
    tests = [path for path in sorted((ROOT / "tests").rglob("test_*.py")) if path != Path(__file__)]
    return ids_in(tests)


def test_the_docs_make_promises_at_all() -> None:
    assert len(promised()) >= 10


def test_every_promise_of_the_docs_stands_in_a_test() -> None:
    without_test = {name: pages for name, pages in promised().items() if name not in held()}

    assert without_test == {}


def test_every_promise_that_a_test_holds_stands_in_the_docs() -> None:
    without_page = {name: tests for name, tests in held().items() if name not in promised()}

    assert without_page == {}
