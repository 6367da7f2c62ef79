"""Which rooms may know the OpenTelemetry SDK; the import linter cannot see inside a shared namespace."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

PACKAGE = Path(__file__).parents[3] / "src/opentelemetry/exporter/posthog"

MAY_KNOW_THE_SDK = {"sdk", "translate", "testing", "recorded", "replay", "inspector", "cli"}
"""``translate`` reads the SDK's values (types only); the others are the SDK's side or people's tools."""


def imported(file: Path) -> Iterator[str]:
    """Absolute names that a module imports, type checking included."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
            yield node.module


def test_only_the_rooms_that_may_import_the_sdk_do() -> None:
    breaches = [
        f"{file.relative_to(PACKAGE)} imports {name}"
        for file in sorted(PACKAGE.rglob("*.py"))
        if file.relative_to(PACKAGE).parts[0] not in MAY_KNOW_THE_SDK
        for name in imported(file)
        if name.startswith("opentelemetry.sdk")
    ]

    assert breaches == []
