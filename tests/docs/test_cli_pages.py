"""What the pages on the command line show is what the commands print.

After a wanted change: ``python -m tests.docs.console docs/reference/cli.md ...``, and read the diff.
"""

from __future__ import annotations

import re

import pytest
from tests.docs.console import ROOT, steady, with_real_outputs
from typer.main import get_command

from opentelemetry.exporter.posthog.cli.app import app

REFERENCE = ROOT / "docs/reference/cli.md"

RUNS = {
    "docs/reference/cli.md": ("console",),
    "docs/how-to/check-your-setup.md": ("console",),
    "docs/how-to/explain-a-signal.md": ("console",),
    "docs/how-to/replay-recorded-telemetry.md": ("console",),
}


@pytest.mark.parametrize("page", RUNS)
def test_the_output_on_the_page_is_real(page: str) -> None:
    text = (ROOT / page).read_text()
    assert steady(text) == steady(with_real_outputs(text))


def all_commands() -> set[str]:
    names = set()
    for name, command in get_command(app).commands.items():
        names.add(name)
        names |= {f"{name} {inner}" for inner in getattr(command, "commands", {})}
    return names


def test_every_command_has_its_place_in_the_reference() -> None:
    documented = set(re.findall(r"^## otel-posthog (.+)$", REFERENCE.read_text(), re.MULTILINE))
    assert documented == all_commands()
