"""``otel-posthog outbox``: what waits on disk, and what PostHog refused."""

from __future__ import annotations

import os
import random
import threading
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..clock import SystemClock
from ..errors import PostHogExporterError
from .environment import usable_settings
from .exits import OK, PROBLEMS, USAGE
from .output import ask, duration, moment, out, out_json, plural, progress, size, table, talk

if TYPE_CHECKING:
    from ..delivery.sqlite_outbox import SqliteOutbox
    from ..sqlite_identity import StateOwner

VARIABLE = "OTEL_EXPORTER_POSTHOG_OUTBOX"

outbox_app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Look at, empty and deliver the events that wait on disk.",
    epilog="All commands take the directory from OTEL_EXPORTER_POSTHOG_OUTBOX unless --directory names one.",
)

Directory = Annotated[
    Path | None, typer.Option("--directory", "-d", help=f"The outbox. [default: ${VARIABLE}]")
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]


class Listener:
    """Hears what an outbox reports: errors and warnings are talk."""

    def delivered(self, count: int, /) -> None: ...
    def refused(self, reason: str, count: int, /) -> None: ...
    def dropped(self, reason: str, count: int, /) -> None: ...
    def stored(self, delta: int, /) -> None: ...
    def note(self, name: str, count: int, /) -> None: ...

    def warn(self, kind: str, message: str, /) -> None:
        talk(message)

    def error(self, kind: str, message: str, /) -> None:
        talk(message)


def opened(directory: Path, owner: StateOwner | None = None, *, max_bytes: int | None = None) -> SqliteOutbox:
    """The outbox in ``directory``. Without an owner it is looked at, and never made."""
    from ..delivery.sqlite_outbox import MAX_BYTES, SqliteOutbox

    return SqliteOutbox(
        directory, owner=owner, clock=SystemClock(), report=Listener(), max_bytes=max_bytes or MAX_BYTES
    )


def _asked_for(directory: Path | None) -> Path:
    """The directory to work on; ends the command where there is no outbox."""
    from ..delivery.outbox_file import NAME

    named = directory or (Path(os.environ[VARIABLE]) if os.environ.get(VARIABLE) else None)
    if named is None:
        talk(f"Which outbox? Set {VARIABLE}, or name it with --directory.")
        raise typer.Exit(USAGE)
    if not (named / NAME).is_file():
        talk(f"{named} holds no outbox: no exporter has stored anything there yet.")
        raise typer.Exit(USAGE)
    return named


@outbox_app.command()
def status(directory: Directory = None, json_output: Json = False) -> None:
    """Show what waits, how long, and what became of everything ever stored.

    Ends with 1 when the outbox can't be used, or holds refused events.
    """
    outbox = opened(_asked_for(directory))
    found = outbox.status()
    outbox.close()
    if json_output:
        out_json({**asdict(found), "counters": dict(found.counters)})
    elif not found.trouble:
        out(f"{plural(found.events, 'event')} waiting in {plural(found.parcels, 'parcel')}, "
            f"{size(found.payload_bytes)}; the file has {size(found.file_bytes)}")  # fmt: skip
        if found.oldest_ns is not None:
            age = (SystemClock().time_ns() - found.oldest_ns) / 1e9
            out(f"the oldest since {moment(found.oldest_ns)}, {duration(age)} ago")
        if found.failures:
            out(f"{plural(found.failures, 'try').replace('trys', 'tries')} to deliver in a row got nowhere")
        out(", ".join(f"{count:,} {name}" for name, count in found.counters.items() if count) or "never used")
    if found.trouble:
        talk(f"{found.path}: {found.trouble}.")
    if found.refused:
        talk(f"{plural(found.refused, 'event')} refused: see `otel-posthog outbox list --refused`.")
    raise typer.Exit(PROBLEMS if found.trouble or found.refused else OK)


@outbox_app.command("list")
def list_(
    directory: Directory = None,
    refused: Annotated[
        bool, typer.Option("--refused", help="Events that PostHog refused, with its answer.")
    ] = False,
    limit: Annotated[int, typer.Option(help="At most so many.", min=1)] = 100,
    json_output: Json = False,
) -> None:
    """List waiting parcels, the oldest first, or refused events, the newest first. Shows no properties."""
    outbox = opened(_asked_for(directory))
    rows = outbox.refused(limit) if refused else outbox.stored(limit)
    trouble = outbox.status().trouble
    if json_output:
        out_json([asdict(row) for row in rows])
    elif refused:
        table(
            [
                (moment(r.refused_ns), r.event, r.uuid, f"{r.attempts}", f"{r.reason} {r.detail}".strip())
                for r in outbox.refused(limit)
            ],
            header=("refused", "event", "uuid", "tries", "answer"),
        )
    else:
        table(
            [
                (f"{p.id}", moment(p.created_ns), f"{p.events}", size(p.payload_bytes), f"{p.attempts}",
                 "being sent" if p.leased else p.last_error)
                for p in outbox.stored(limit)
            ],
            header=("parcel", "since", "events", "size", "tries", "state"),
        )  # fmt: skip
    outbox.close()
    if trouble:
        talk(f"{outbox.path}: {trouble}.")
    raise typer.Exit(PROBLEMS if trouble else OK)


@outbox_app.command()
def drain(
    directory: Directory = None,
    timeout: Annotated[float, typer.Option(help="Seconds after which to stop.", min=1)] = 60.0,
    json_output: Json = False,
) -> None:
    """Deliver what waits, for cron or a sidecar. Safe beside running services: one process at a time drains.

    Tries again until --timeout is over, with the pauses that PostHog asks for.
    Ends with 1 when something still waits or was refused.

    \b
    otel-posthog outbox drain --timeout 300
    """
    from ..delivery.courier import Courier
    from ..delivery.drain import LEAST_PAUSE, Drainer
    from ..delivery.httpx_transport import HttpxTransport
    from ..sqlite_identity import StateOwner

    settings, _ = usable_settings()
    place = _asked_for(directory)
    clock = SystemClock()
    outbox = opened(place, StateOwner(settings.host, settings.api_key), max_bytes=settings.outbox_max_bytes)
    try:
        outbox.verify()  # a foreign file is not drained
    except PostHogExporterError as error:
        talk(str(error))
        raise typer.Exit(USAGE) from None
    transport = HttpxTransport(
        proxy=settings.proxy, ca_bundle=settings.ca_bundle, trust_env=settings.proxy_from_environment
    )
    courier = Courier(transport=transport, settings=settings, clock=clock, random=random.SystemRandom())
    never = threading.Event()
    drainer = Drainer(outbox, courier, clock=clock, report=Listener())
    before = outbox.status().events
    end = clock.monotonic() + timeout
    delivered = refused = expired = 0
    with progress("delivering", before) as tell:
        while True:
            done = drainer.drain_once(min(end, clock.monotonic() + settings.timeout))
            delivered += done.delivered
            refused += done.refused
            expired += done.expired
            tell(delivered + refused + expired)
            due = outbox.next_due()
            if due is None:
                break
            pause = max(due, done.wait, 0.0 if done.delivered or done.refused else LEAST_PAUSE)
            if clock.monotonic() + pause >= end:
                break
            clock.wait(pause, never)
    left = outbox.status()
    outbox.close()
    courier.close()
    if json_output:
        out_json({"delivered": delivered, "refused": refused, "expired": expired, "waiting": left.events})
    else:
        out(f"{plural(delivered, 'event')} delivered, {refused:,} refused, {expired:,} expired, "
            f"{left.events:,} waiting")  # fmt: skip
    if left.trouble:
        talk(f"{left.path}: {left.trouble}.")
    if left.events:
        talk("PostHog did not take everything in time: `otel-posthog outbox list` has its last answers.")
    raise typer.Exit(PROBLEMS if left.events or refused or left.trouble else OK)


@outbox_app.command()
def drop(
    directory: Directory = None,
    refused: Annotated[
        bool, typer.Option("--refused", help="Drop the refused events, not the waiting ones.")
    ] = False,
    yes: Yes = False,
) -> None:
    """Let waiting events go for ever, counted as dropped, or empty the list of refused ones."""
    outbox = opened(_asked_for(directory))
    found = outbox.status()
    count = found.refused if refused else found.events
    what = f"{'refused' if refused else 'waiting'} {'event' if count == 1 else 'events'}"
    if count and not yes and not ask(f"Drop {count:,} {what} of {outbox.path} for ever?"):
        talk("Nothing was dropped.")
        raise typer.Exit(USAGE)
    gone = (outbox.forget_refused() if refused else outbox.drop_stored()) if count else 0
    trouble = outbox.status().trouble
    outbox.close()
    out(f"{gone:,} {what} dropped")
    if trouble:
        talk(f"{outbox.path}: {trouble}.")
    raise typer.Exit(PROBLEMS if trouble else OK)
