"""``otel-posthog inspect``: the options of the inspector."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..errors import MissingExtraError
from .exits import USAGE
from .output import talk


def inspect(
    port: Annotated[
        int, typer.Option(help="Port on this machine; 0 takes a free one.", min=0, max=65535)
    ] = 8009,
    file: Annotated[
        Path | None, typer.Option(help="Keep what is seen as JSON lines, and read it first.")
    ] = None,
    mask: Annotated[bool, typer.Option("--mask", help="Hide property values and ids.")] = False,
    legacy: Annotated[bool, typer.Option("--legacy", help="Play a PostHog without the v1 protocol.")] = False,
    json_output: Annotated[
        bool, typer.Option("--json", help="Print one line of JSON instead of shell lines.")
    ] = False,
) -> None:
    """Start a local PostHog with a page that shows events as they arrive, and why others do not.

    \b
    otel-posthog inspect                       then paste the lines it prints where your service starts
    otel-posthog inspect --port 0 --json       for scripts: address and environment as JSON
    otel-posthog inspect --file seen.jsonl     keep what was seen over restarts
    """
    try:
        from ..inspector.command import inspect as serve
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("opentelemetry"):
            raise
        talk(str(MissingExtraError("otel-posthog inspect", "inspector")))
        raise typer.Exit(USAGE) from None
    raise typer.Exit(serve(port, file, mask=mask, legacy=legacy, json_output=json_output))
