"""The command line: ``otel-posthog``. Everything that is typer or rich is in this room, behind the extra."""

from __future__ import annotations

import sys

NEEDED = ("typer", "rich", "click")


def main() -> None:
    """The console script. Without the ``cli`` extra it says what to install, and ends with 2."""
    try:
        from .app import run
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in NEEDED:
            raise
        from ..errors import MissingExtraError

        sys.stderr.write(f"{MissingExtraError('otel-posthog', 'cli')}\n")
        sys.exit(2)
    sys.exit(run())
