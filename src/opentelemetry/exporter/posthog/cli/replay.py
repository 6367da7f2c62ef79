"""``otel-posthog replay``: recorded telemetry to PostHog, late and once."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, Any

import typer

from ..clock import SystemClock
from ..errors import PostHogExporterError
from ..replay import HISTORICAL_AGE, Figures, Replay, ReplayError, SendReport, beside, fingerprint
from ..replay.profiles import ProfileReport
from ..replay.reading import Read
from ..timestamp import rfc3339
from .environment import usable_settings
from .exits import INTERRUPTED, OK, PROBLEMS, USAGE
from .output import out, out_json, plural, progress, size, table, talk

DEFAULT_RATE = 1_000.0
"""Events a second. PostHog switches persons and groups off for a distinct id above 5,000 a second, so even a
recording of a single organization stays well below."""

SHOWN_REFUSED = 20
SHOWN_NAMES = 50


def replay(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Recorded telemetry, also as .gz.")],
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would be sent, and send nothing.")
    ] = False,
    historical: Annotated[
        bool, typer.Option("--historical", help="Mark as historical: everything must be older than 48 hours.")
    ] = False,
    rate: Annotated[
        float, typer.Option(help="Events a second at most; 0 is as fast as PostHog takes them.", min=0)
    ] = DEFAULT_RATE,
    profiles: Annotated[
        bool, typer.Option("--profiles", help="Also update profiles, through the service's durable ledger.")
    ] = False,
    state: Annotated[
        Path | None, typer.Option(help="Directory of this replay's state. [default: FILE.posthog-replay]")
    ] = None,
    json_output: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
) -> None:
    """Send recorded telemetry through the exporter's own translation, in the order of event time.

    Run the same command again after an interruption: it goes on where it stood, and what may have been sent
    already keeps its uuid, so PostHog replaces it. The state lies beside the first file and holds events, so
    keep it as you keep the recording, and delete it when you are done.

    \b
    otel-posthog replay spans.jsonl --dry-run          events by name and organization
    otel-posthog replay spans.jsonl --historical       not billed, if all is older than 48 hours
    otel-posthog replay spans.jsonl.gz logs.jsonl --rate 200
    otel-posthog replay spans.jsonl --profiles         with OTEL_EXPORTER_POSTHOG_LEDGER set
    """
    for file in files:
        if not file.is_file():
            talk(f"{file} is no file that can be read.")
            raise typer.Exit(USAGE)
    settings, resolution = usable_settings(needs_key=not dry_run)
    dry_run = dry_run or settings.dry_run
    directory = state or beside(files)
    with ExitStack() as stack:
        if dry_run and not directory.exists():  # a look leaves nothing behind
            directory = Path(stack.enter_context(tempfile.TemporaryDirectory())) / "state"
        try:
            work = stack.enter_context(
                Replay(directory, settings, fingerprint(resolution.origins, os.environ), clock=SystemClock())
            )
            code = _run(work, files, dry_run, historical, rate, profiles, json_output=json_output)
        except KeyboardInterrupt:
            talk("Interrupted. Run the same command again to go on.")
            code = INTERRUPTED
        except ReplayError as error:
            talk(str(error))
            code = USAGE
        except (PostHogExporterError, OSError) as error:
            talk(str(error))
            code = PROBLEMS
    raise typer.Exit(code)


def _run(
    work: Replay,
    files: Sequence[Path],
    dry_run: bool,
    historical: bool,
    rate: float,
    profiles: bool,
    *,
    json_output: bool,
) -> int:
    if profiles and not dry_run:
        work.refuse_forgetful_ledger()
    _read(work, files)
    figures = work.figures()
    if dry_run:
        _forecast(work, figures, rate, json_output=json_output)
        return OK if _is_readable(work, figures) else PROBLEMS
    sent = _send(work, figures, historical=historical, rate=rate)
    told = None
    if profiles and not sent.stopped:
        with progress("profiles", figures.groups) as tell:
            told = work.profiles(tell)
    return _report(work, sent, told, json_output=json_output)


def _read(work: Replay, files: Sequence[Path]) -> None:
    for file in files:
        with progress(f"reading {file.name}", file.stat().st_size) as tell:

            def told(path: Path, read: Read) -> None:
                tell(read.at_bytes)

            work.read([file], told)
    figures = work.figures()
    talk(f"Read {plural(figures.signals, 'signal')} in {plural(len(files), 'file')}.")


def _send(work: Replay, figures: Figures, *, historical: bool, rate: float) -> SendReport:
    if figures.pending:
        how = " as historical" if historical else ""
        talk(f"Sending {plural(figures.pending, 'event')}{how}.")
    with progress("sending", figures.pending) as tell:
        return work.send(rate=rate, historical=historical, tell=tell)


def _is_readable(work: Replay, figures: Figures) -> bool:
    """Whether all was read; says what was not."""
    for why, count in work.spool.unreadable().items():
        talk(f"{plural(count, 'time')}: {why}. It was passed over.")
    if figures.cut_off:
        talk(f"{plural(figures.cut_off, 'file')} ends within a record; replay again when it is complete.")
    if not figures.signals:
        talk("No span or log record was found. `otel-posthog explain` shows what a file holds.")
    return not (figures.unreadable or figures.cut_off) and bool(figures.signals)


# -- what would be sent -------------------------------------------------------------------------------


def _forecast(work: Replay, figures: Figures, rate: float, *, json_output: bool) -> None:
    names = work.names()
    if json_output:
        rows = [{"event": n.name, "group": n.owner, "events": n.events, "bytes": n.size} for n in names]
        out_json({**_figures_json(figures), "dry_run": True, "by_name_and_group": rows})
        return
    if names:
        table(
            [(f"{n.events:,}", size(n.size), n.name, n.owner or "(no group)") for n in names[:SHOWN_NAMES]],
            header=("events", "size", "event", "group"),
        )
        if len(names) > SHOWN_NAMES:
            out(f"... and {plural(len(names) - SHOWN_NAMES, 'more row')}; --json has them all")
        out()
    made = figures.pending + figures.delivered + figures.refused
    out(f"{plural(made, 'event')}, {size(figures.size)} before compression, of {_not_made(figures)}")
    if figures.oldest_ns is not None and figures.newest_ns is not None:
        out(f"from {rfc3339(figures.oldest_ns)} to {rfc3339(figures.newest_ns)}")
    if rate and figures.pending:
        out(f"at {rate:g} events a second this takes about {max(1.0, figures.pending / rate):,.0f} s")
    out(f"{plural(figures.groups, 'group')} spoken of; --profiles updates them")
    if figures.newest_ns is not None and _is_old(figures.newest_ns):
        out("everything is older than 48 hours: --historical fits, and PostHog then does not bill it")
    talk("Nothing was sent.")


def _is_old(newest_ns: int) -> bool:
    return SystemClock().time_ns() - newest_ns >= HISTORICAL_AGE * 1e9


def _not_made(figures: Figures) -> str:
    """The other side of the balance, in words."""
    left_out = {**figures.not_selected, **figures.dropped}
    if figures.duplicates:
        left_out["seen before"] = figures.duplicates
    words = "".join(f", {count:,} {why}" for why, count in sorted(left_out.items(), key=lambda p: -p[1]))
    return f"{plural(figures.signals, 'signal')}{words}"


# -- what was sent ------------------------------------------------------------------------------------


def _report(work: Replay, sent: SendReport, told: ProfileReport | None, *, json_output: bool) -> int:
    figures = work.figures()
    if json_output:
        out_json(
            {
                **_figures_json(figures),
                "delivered_now": sent.delivered,
                "refused_events": [row._asdict() for row in work.refused(SHOWN_REFUSED)],
                "stopped": sent.stopped or None,
                "profiles": None if told is None else told._asdict(),
            }
        )
    else:
        out(f"{plural(figures.delivered, 'event')} delivered, {figures.refused:,} refused, "
            f"{figures.pending:,} waiting, of {_not_made(figures)}")  # fmt: skip
        for row in work.refused(SHOWN_REFUSED):
            out(f"refused: {row.name!r} of {row.path} line {row.line}: {row.reason} {row.detail}".rstrip())
        if told is not None:
            out(f"{plural(told.groups, 'group')} told to the ledger: {told.sent:,} updates sent, "
                f"{told.refused:,} refused, {told.waits:,} waiting")  # fmt: skip
    if sent.stopped:
        talk(f"PostHog takes nothing at the moment ({f'{sent.stopped} {sent.detail}'.strip()}). "
             "Run the same command again to go on; `otel-posthog doctor` looks for the cause.")  # fmt: skip
    if told is not None and not told.safe:
        talk("The ledger did not take everything. Run the same command again.")
    if not figures.pending:
        talk(f"The state in {work.spool.directory} is no longer needed, unless you replay these files again.")
    readable = _is_readable(work, figures)
    well = readable and not (sent.stopped or figures.refused or figures.pending)
    return OK if well and (told is None or (told.safe and not told.refused)) else PROBLEMS


def _figures_json(figures: Figures) -> dict[str, Any]:
    not_selected, dropped = dict(figures.not_selected), dict(figures.dropped)
    return {**figures._asdict(), "not_selected": not_selected, "dropped": dropped}
