"""The commands, put together."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from ..errors import PostHogExporterError
from ..version import __version__
from .doctor import doctor
from .exits import PROBLEMS
from .explain import explain
from .inspect import inspect
from .ledger import ledger_app
from .outbox import outbox_app
from .replay import replay

app = typer.Typer(
    name="otel-posthog",
    no_args_is_help=True,
    rich_markup_mode=None,  # plain help: the same on a terminal, in a file and in the docs
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Exit codes: 0 all is well, 1 something is wrong, 2 it was asked for wrongly.",
)
app.command("doctor", short_help="Is it set up, and if not, what mends it?")(doctor)
app.command("inspect", short_help="A local PostHog with a page that shows events as they arrive.")(inspect)
app.command("explain", short_help="What recorded signals become, and why not.")(explain)
app.command("replay", short_help="Send recorded telemetry, in order and once.")(replay)
app.add_typer(outbox_app, name="outbox")
app.add_typer(ledger_app, name="ledger")


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"otel-posthog {__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and end.")
    ] = False,
) -> None:
    """See, check and mend what the PostHog exporter for OpenTelemetry does.

    \b
    Is it set up?               otel-posthog doctor
    See events as they arrive   otel-posthog inspect
    Why is my event not there?  otel-posthog explain spans.jsonl
    Send a recording            otel-posthog replay spans.jsonl --dry-run
    What waits on disk?         otel-posthog outbox status
    What does PostHog know?     otel-posthog ledger show org_42

    Commands read the same OTEL_EXPORTER_POSTHOG_* variables as the exporter.
    """


def run() -> int:
    """Run the command line; the exit code of what can't be done."""
    try:
        app(prog_name="otel-posthog")
    except PostHogExporterError as error:
        sys.stderr.write(f"{error}\n")
    return PROBLEMS
