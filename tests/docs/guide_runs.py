"""Programs made of a page's blocks, run as its reader would run them, against doubles."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from opentelemetry.sdk.trace import TracerProvider
from tests.docs.blocks import ROOT, Block, blocks_of
from tests.docs.test_settings_in_pages import SHELL, exported_by
from tests.e2e.processes import instrumenting, run

HOW_TO = "docs/how-to/"
HOST = "OTEL_EXPORTER_POSTHOG_HOST"


def exports_of(page: str, *, without: Iterable[str] = ()) -> dict[str, str]:
    """Everything that the page's shell blocks export; a later one wins."""
    found: dict[str, str] = {}
    for block in blocks_of(ROOT / page):
        if block.language in SHELL and not block.not_run:
            found.update({name: value for name, value in exported_by(block).items() if is_ours(name)})
    return {name: value for name, value in found.items() if name not in set(without)}


def is_ours(name: str) -> bool:
    return name.startswith(("OTEL_", "POSTHOG_"))


def instrumented(program: str, folder: Path, env: Mapping[str, str]) -> str:
    """Run a program under zero-code set-up in ``folder``; what it said. It has to end well."""
    path = folder / "program.py"
    path.write_text(program)
    nothing_else = {"PYTHONPATH": str(folder), **instrumenting()}
    done = run(["opentelemetry-instrument", "python", path], {**nothing_else, **env})
    assert done.returncode == 0
    return done.stdout + done.stderr


def python_blocks(page: str) -> list[Block]:
    return [block for block in blocks_of(ROOT / page) if block.language == "python" and not block.not_run]


def lead_of(block: Block) -> str:
    """The last line of text before a block."""
    lines = (ROOT / block.page).read_text().splitlines()[: block.line - 1]
    return next(line for line in reversed(lines) if line.strip())


def emit(provider: TracerProvider, name: str, **attributes: Any) -> None:
    """One span, begun and ended."""
    with provider.get_tracer("shop").start_as_current_span(name, attributes=attributes):
        pass
