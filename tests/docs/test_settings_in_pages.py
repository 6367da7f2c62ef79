"""Every setting that a page exports is one that the exporters take."""

from __future__ import annotations

import re
import subprocess

import pytest
from tests.docs.blocks import PAGES, Block, blocks_of, code_of
from tests.e2e.processes import environment

from opentelemetry.exporter.posthog.settings.sources import resolve

RUNS = {
    "docs/explanation/cost.md": ("console",),
    "docs/how-to/operate-an-outbox.md": ("console",),
    "docs/reference/metrics.md": ("shell",),
}
"""Pages whose blocks do nothing but set variables."""

SHELL = ("console", "sh", "shell", "bash")
ASSIGNMENT = r"[A-Z][A-Z_]*=(?:'[^'\n]*'|\"[^\"\n]*\"|[^\s;|&'\"]*)+"
EXPORT = re.compile(rf"^(?:\$ )?(?:export )?(?:{ASSIGNMENT}\s*)+(?=\s|$|#)", re.MULTILINE)


def exported_by(block: Block) -> dict[str, str]:
    """What bash puts into the environment for the assignments of a block."""
    lines = [found.removeprefix("$ ").removeprefix("export ") for found in EXPORT.findall(block.code)]
    script = "set -a\n" + "\n".join(lines) + "\nenv -0"
    said = subprocess.run(
        ["bash", "-ec", script], env=environment({}), capture_output=True, text=True, check=True
    ).stdout
    return dict(entry.split("=", 1) for entry in said.split("\0") if "=" in entry)


def shell_blocks() -> list[Block]:
    return [
        block
        for page in PAGES
        for block in blocks_of(page)
        if block.language in SHELL
        and "OTEL_EXPORTER_POSTHOG_" in block.code
        # Shown to be wrong, and run by the test of that page.
        and block.page != "docs/reference/cli.md"
    ]


@pytest.mark.parametrize("block", shell_blocks(), ids=lambda block: f"{block.page}:{block.line}")
def test_every_setting_that_a_page_exports_is_one_that_the_exporters_take(block: Block) -> None:
    said = exported_by(block)
    said.setdefault("OTEL_EXPORTER_POSTHOG_API_KEY", "phc_your_project_key")
    said.setdefault("OTEL_EXPORTER_POSTHOG_HOST", "eu")
    said.setdefault("OTEL_EXPORTER_POSTHOG_PRIVACY_HASH_KEY", "0123456789abcdef" * 2)

    assert resolve({}, said).problems == ()


@pytest.mark.parametrize("page", RUNS)
def test_a_page_that_only_sets_variables_does_nothing_else(page: str) -> None:
    codes = [code for _language in RUNS[page] for code in code_of(page, _language)]

    assert codes
    assert [EXPORT.sub("", code).strip() for code in codes] == [""] * len(codes)


def test_a_wrong_setting_on_a_page_would_be_found() -> None:
    block = Block("docs/new.md", 1, "console", "export OTEL_EXPORTER_POSTHOG_TIMEOUT=soon\n", "")

    assert exported_by(block)["OTEL_EXPORTER_POSTHOG_TIMEOUT"] == "soon"
    assert "OTEL_EXPORTER_POSTHOG_TIMEOUT" in [
        problem.name for problem in resolve({}, exported_by(block)).problems
    ]
