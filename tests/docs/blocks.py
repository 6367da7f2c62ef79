"""The code blocks of the pages, and which tests run them.

A test module that runs blocks says so in a literal, which :func:`runs` reads without importing it::

    RUNS = {"docs/how-to/uvicorn.md": ("python",)}  # page to languages, all blocks of each

A block that no test can run carries its reason, in the line above the fence::

    <!-- not run: needs a cluster -->
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
    *sorted((ROOT / "examples").rglob("*.md")),
]

NOT_CODE = {"text", "mermaid"}
"""What is shown and not run: output, pictures."""

FENCE = re.compile(
    r"^(?:<!-- not run: (?P<reason>.+?) -->\n\n?)?"
    r"^(?P<indent> *)```(?P<language>[\w-]*)[^\n]*\n(?P<code>.*?)^(?P=indent)```$",
    re.MULTILINE | re.DOTALL,
)


class Block(NamedTuple):
    page: str
    line: int
    language: str
    code: str
    not_run: str  # the reason, or nothing

    @property
    def is_code(self) -> bool:
        return self.language not in NOT_CODE


def blocks_of(page: Path) -> list[Block]:
    """All fenced blocks of a page, in order."""
    text, name = page.read_text(), page.relative_to(ROOT).as_posix()
    return [
        Block(
            name,
            text.count("\n", 0, match.start("indent")) + 1,
            match["language"],
            match["code"],
            match["reason"] or "",
        )
        for match in FENCE.finditer(text)
    ]


def code_of(page: str, language: str) -> list[str]:
    """The blocks of one language that a test of this page is to run."""
    return [
        block.code for block in blocks_of(ROOT / page) if block.language == language and not block.not_run
    ]


def runs() -> Iterator[tuple[str, str, str]]:
    """(test module, page, language) of every ``RUNS`` under ``tests/``."""
    for module in sorted((ROOT / "tests").rglob("test_*.py")):
        for statement in ast.parse(module.read_text()).body:
            if isinstance(statement, ast.Assign) and ast.unparse(statement.targets[0]) == "RUNS":
                name = module.relative_to(ROOT).as_posix()
                for page, languages in ast.literal_eval(statement.value).items():
                    yield from ((name, page, language) for language in languages)
