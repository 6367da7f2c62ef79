"""Every code block of the pages is run by a test, or says why it is not."""

from __future__ import annotations

import re

from tests.docs.blocks import PAGES, ROOT, Block, blocks_of, runs


def unproven(blocks: list[Block], proven: set[tuple[str, str]]) -> list[str]:
    """Where a block stands that nobody runs and nobody excuses."""
    return [
        f"{block.page}:{block.line}: {block.language or 'no language'}"
        for block in blocks
        if block.is_code and not block.not_run and (block.page, block.language) not in proven
    ]


def test_every_code_block_is_run_or_says_why_not() -> None:
    proven = {(page, language) for _, page, language in runs()}

    assert unproven([block for page in PAGES for block in blocks_of(page)], proven) == []


def test_a_block_that_nobody_runs_is_found() -> None:
    new = Block("docs/how-to/new.md", 7, "python", "1 / 0\n", "")

    assert unproven([new], {("docs/how-to/new.md", "console")}) == ["docs/how-to/new.md:7: python"]
    assert unproven([new], {("docs/how-to/new.md", "python")}) == []
    assert unproven([new._replace(not_run="needs a cluster")], set()) == []
    assert unproven([new._replace(language="")], set()) == ["docs/how-to/new.md:7: no language"]


def test_what_a_test_says_to_run_is_there_to_run() -> None:
    there = {(block.page, block.language) for page in PAGES for block in blocks_of(page) if not block.not_run}

    assert [entry for entry in runs() if entry[1:] not in there] == []


def test_every_test_that_says_to_run_a_page_names_the_page_outside_of_that_claim() -> None:
    """Or takes its pages from the claim itself; a claim alone runs nothing."""
    for module, page, _ in runs():
        text = (ROOT / module).read_text()
        used = text.count("RUNS") > 1 or text.count(page.rsplit("/", 1)[-1]) > 1
        assert used, f"{module} claims {page} and never touches it"


def test_every_reason_is_a_reason() -> None:
    excuses = [(block.page, block.line, block.not_run) for page in PAGES for block in blocks_of(page)]

    assert [excuse for excuse in excuses if excuse[2] and len(excuse[2].split()) < 3] == []


def test_a_test_that_a_reason_names_exists() -> None:
    for page in PAGES:
        for block in blocks_of(page):
            for path in re.findall(r"tests/[\w/]+\.py", block.not_run):
                assert (ROOT / path).exists(), f"{block.page}:{block.line}: {path}"
