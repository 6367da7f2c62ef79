"""A page that nobody links to is not read."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"


def linked_from(page: Path) -> set[Path]:
    targets = re.findall(r"\]\(([^)#\s]+\.(?:md|txt))", page.read_text())
    return {(page.parent / target).resolve() for target in targets if "://" not in target}


def test_every_page_is_reached_from_the_index() -> None:
    reached, todo = {DOCS / "README.md"}, [DOCS / "README.md"]
    while todo:
        for page in linked_from(todo.pop()) - reached:
            reached.add(page)
            if page.suffix == ".md" and page.is_relative_to(DOCS):
                todo.append(page)

    assert sorted(str(page.relative_to(ROOT)) for page in set(DOCS.rglob("*.md")) - reached) == []


def test_every_link_of_the_markdown_files_leads_somewhere() -> None:
    check = runpy.run_path(str(ROOT / "scripts/check_links.py"))

    assert check["main"]() == 0


def test_a_broken_link_is_found() -> None:
    problem = runpy.run_path(str(ROOT / "scripts/check_links.py"))["problem"]

    assert problem(DOCS / "README.md", "no-such-page.md") == "no such file"
    assert problem(DOCS / "README.md", "explanation/architecture.md#no-such-heading") == "no such heading"
    assert problem(DOCS / "README.md", "explanation/architecture.md#rooms") is None
    assert problem(DOCS / "README.md", "../../etc/passwd") == "leaves the repository"


def test_every_room_stands_in_the_architecture_page() -> None:
    package = ROOT / "src/opentelemetry/exporter/posthog"
    page = (DOCS / "explanation/architecture.md").read_text()
    rooms = [path.parent.name for path in package.glob("*/__init__.py")]

    assert [room for room in rooms if f"`{room}/`" not in page] == []
