"""The README's first screen and the form of every code block in the pages."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)

FIRST_SCREEN = 15
"""Lines that a person sees without scrolling."""


def blocks(language: str) -> list[tuple[str, str]]:
    return [
        (page.relative_to(ROOT).as_posix(), text)
        for page in PAGES
        for found, text in BLOCK.findall(page.read_text())
        if found == language
    ]


def test_both_commands_stand_on_the_first_screen() -> None:
    screen = (ROOT / "README.md").read_text().splitlines()[:FIRST_SCREEN]

    assert [line.split()[:2] for line in screen if line.startswith("make ")] == [
        ["make", "demo"],
        ["make", "test"],
    ]


def test_every_python_block_is_python() -> None:
    for page, text in blocks("python"):
        compile(text, page, "exec")


def test_every_yaml_block_is_yaml() -> None:
    for page, text in blocks("yaml"):
        assert all(yaml.safe_load_all(text)), page


def test_every_make_target_that_a_page_names_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = {
        name
        for page in PAGES
        for name in re.findall(r"(?:^|[`/ ])make ([a-z-]+)(?=[`\s;.,)]|$)", code_of(page))
    }

    assert named
    assert named - targets == set()


def code_of(page: Path) -> str:
    """The code spans and blocks of a page; prose may make sense."""
    text = page.read_text()
    return "\n".join([*re.findall(r"`(make [^`\n]+)`", text), *(body for _, body in BLOCK.findall(text))])


@pytest.mark.parametrize("name", ["SECURITY.md", "CONTRIBUTING.md", "CHANGELOG.md", "LICENSE"])
def test_the_page_that_people_look_for_exists(name: str) -> None:
    assert (ROOT / name).stat().st_size > 200
