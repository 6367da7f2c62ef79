"""``otel-posthog explain``: what recorded signals become, step by step, and why not."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Annotated, Any

import typer
from opentelemetry.sdk.trace import ReadableSpan

from ..model import Capture, Observation
from ..reasons import Reason
from ..recorded import Recorded, Signal, Unreadable, read_recorded
from ..timestamp import rfc3339
from ..translate.notes import GROUP_PROPERTY
from ..translate.selection import Step
from ..translate.translator import Translation, Translator
from .environment import usable_settings
from .exits import OK, PROBLEMS, USAGE
from .output import out, out_json, plural, talk

STDIN = "-"


def explain(
    file: Annotated[
        str, typer.Argument(metavar="[FILE]", help="Recorded telemetry; - is standard input.")
    ] = STDIN,
    only: Annotated[
        str | None,
        typer.Option(
            metavar="events|not-exported", help="Show only what became an event, or only what did not."
        ),
    ] = None,
    name: Annotated[str | None, typer.Option(help="Show only signals whose name contains this.")] = None,
    limit: Annotated[int, typer.Option(help="Show at most so many signals.", min=1)] = 20,
    json_output: Annotated[
        bool, typer.Option("--json", help="One JSON object a signal, a line each.")
    ] = False,
) -> None:
    """Show decision by decision what spans and log records become, and why not.

    Takes OTLP/JSON as the collector's file exporter writes it, and what the SDK's console exporters print.
    Decides as the exporter would under the settings of this environment, and sends nothing.

    \b
    otel-posthog explain spans.jsonl
    OTEL_TRACES_EXPORTER=console my-service | otel-posthog explain
    otel-posthog explain spans.jsonl --only not-exported --name "POST /orders"
    otel-posthog explain spans.jsonl --json | jq 'select(.reason == "no_group") | .signal'
    """
    if only not in (None, "events", "not-exported"):
        talk("--only is either events or not-exported.")
        raise typer.Exit(USAGE)
    settings, _ = usable_settings(needs_key=False)
    translator = Translator(settings)
    seen, shown, unreadable, reasons = 0, 0, list[Unreadable](), Counter[str]()
    with _opened(file) as stream:
        for found in read_recorded(stream):
            if isinstance(found, Unreadable):
                unreadable.append(found)
                continue
            seen += 1
            translation = translate(translator, found.signal)
            reasons[_outcome(translation)] += 1
            if not _asked_for(found.signal, translation, only, name):
                continue
            shown += 1
            if shown > limit:
                continue
            steps = translator.explain(found.signal)
            if json_output:
                out_json(as_json(found, translation, steps), indent=None)
            else:
                _show(found, translation, steps)
    raise typer.Exit(_conclude(file, seen, shown, limit, unreadable, reasons))


@contextmanager
def _opened(file: str) -> Generator[IO[bytes]]:
    if file == STDIN:
        if sys.stdin.isatty():
            talk("Reading standard input; paste a record and press Ctrl-D, or name a file.")
        yield sys.stdin.buffer
        return
    try:
        with Path(file).open("rb") as stream:
            yield stream
    except OSError as error:
        talk(f"{file}: {error.strerror}. Name a file that can be read, or - for standard input.")
        raise typer.Exit(USAGE) from None


def translate(translator: Translator, signal: Signal) -> Translation:
    """What the exporter would make of it. A record's uuid holds random bits, here none: it is not sent."""
    if isinstance(signal, ReadableSpan):
        return translator.span(signal, now_ns=time.time_ns())
    return translator.log(signal, now_ns=time.time_ns(), random_bits=lambda count: 0)


def _outcome(translation: Translation) -> str:
    if translation.capture is not None:
        return "event"
    return (translation.reason or Reason.NOT_NAMED).value


def _asked_for(signal: Signal, translation: Translation, only: str | None, name: str | None) -> bool:
    if only is not None and (translation.capture is not None) != (only == "events"):
        return False
    return name is None or name in name_of(signal)


def name_of(signal: Signal) -> str:
    """The signal's name as people know it."""
    if isinstance(signal, ReadableSpan):
        return signal.name
    attributes = signal.log_record.attributes or {}
    found = signal.log_record.event_name or attributes.get("otel.event.name") or attributes.get("event.name")
    return str(found) if found else "(log line)"


def _kind_of(signal: Signal) -> str:
    if isinstance(signal, ReadableSpan):
        return f"{signal.kind.name.lower()} span"
    return "log record"


def _show(found: Recorded, translation: Translation, steps: tuple[Step, ...]) -> None:
    out(f"{_kind_of(found.signal)} {name_of(found.signal)!r} (line {found.line})", style="bold")
    for step in steps:
        out(f"  {step.name}: {step.decision}" + (f" ({step.reason.value})" if step.reason else ""))
    if translation.capture is not None:
        _show_event(translation.capture)
    else:
        text = (translation.reason or Reason.NOT_NAMED).text
        out("  = no event", style="yellow")
        out(f"    {text.sentence}")
        out(f"    {text.remedy}")
    for observation in translation.observations:
        said = ", ".join(f"{name}={value!r}" for name, value in observation.properties.items())
        out(f"  = profile of {observation.group.type} {observation.group.key}: {said or 'it exists'}")
    left_out = left_out_of(translation)
    if left_out:
        out(f"  left out or changed: {', '.join(left_out)}")
    out()


def left_out_of(translation: Translation) -> list[str]:
    """Its counted words, but for those that only announce a new property of a profile."""
    return [note for note in translation.notes if not note.startswith(f"{GROUP_PROPERTY}:")]


def _show_event(capture: Capture) -> None:
    out(f"  = event {capture.name!r}", style="green")
    out(f"    time         {rfc3339(capture.time_ns)}")
    out(f"    distinct id  {capture.distinct_id}" + (" (no person)" if capture.personless else ""))
    for type_, key in capture.groups.items():
        out(f"    group        {type_} {key}")
    for key, value in sorted(capture.properties.items()):
        out(f"    {key} = {value!r}")


def as_json(found: Recorded, translation: Translation, steps: tuple[Step, ...]) -> dict[str, Any]:
    """One signal as ``--json`` prints it; ``docs/reference/cli.md`` describes the keys."""
    reason = None if translation.capture is not None else (translation.reason or Reason.NOT_NAMED)
    return {
        "line": found.line,
        "signal": name_of(found.signal),
        "kind": _kind_of(found.signal),
        "event": _event_json(translation.capture),
        "reason": reason.value if reason else None,
        "sentence": reason.text.sentence if reason else None,
        "remedy": reason.text.remedy if reason else None,
        "profiles": [_profile_json(one) for one in translation.observations],
        "notes": left_out_of(translation),
        "steps": [
            {"asked": s.name, "decision": s.decision, "reason": s.reason.value if s.reason else None}
            for s in steps
        ],
    }


def _event_json(capture: Capture | None) -> dict[str, Any] | None:
    if capture is None:
        return None
    return {
        "name": capture.name,
        "distinct_id": capture.distinct_id,
        "time": rfc3339(capture.time_ns),
        "groups": dict(capture.groups),
        "personless": capture.personless,
        "properties": dict(capture.properties),
    }


def _profile_json(observation: Observation) -> dict[str, Any]:
    return {
        "type": observation.group.type,
        "key": observation.group.key,
        "time": rfc3339(observation.time_ns),
        "properties": dict(observation.properties),
    }


def _conclude(
    file: str, seen: int, shown: int, limit: int, unreadable: list[Unreadable], reasons: Counter[str]
) -> int:
    if shown > limit:
        talk(f"{plural(shown - limit, 'more signal')} not shown: raise --limit, or use --only or --name.")
    broken = [one for one in unreadable if not one.is_chatter]
    for one in broken[:10]:
        talk(f"line {one.line}: {one.why}")
    if not seen:
        talk(
            f"No span or log record in {'standard input' if file == STDIN else file}. Give OTLP/JSON as the "
            "collector's file exporter writes it, or the output of the SDK's console exporters."
        )
        return PROBLEMS
    events = reasons.pop("event", 0)
    others = "".join(f", {count:,} {word}" for word, count in reasons.most_common())
    talk(f"{plural(seen, 'signal')}: {plural(events, 'event')}{others}")
    if broken:
        talk(f"{plural(len(broken), 'record')} could not be read.")
        return PROBLEMS
    return OK
