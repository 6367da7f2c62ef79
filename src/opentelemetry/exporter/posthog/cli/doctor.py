"""``otel-posthog doctor``: is everything set up, and if not, what mends it."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Annotated

import typer

from ..clock import SystemClock
from ..settings.model import Settings
from ..settings.sources import Resolution
from ..settings.surroundings import resolve_here
from ..version import __version__
from . import config_file, facts, probing
from .checks import Finding, Level
from .checks.connection import connection_findings
from .checks.process import hot_ids, process_findings
from .checks.sdk import sdk_findings
from .checks.settings import settings_findings
from .checks.state import ledger_findings, outbox_findings
from .checks.zero_code import config_file_findings, installation_findings, loading_findings
from .exits import OK, PROBLEMS
from .output import marked, out, out_json, plural, talk
from .trial_event import send_test_event

MARKS = {
    Level.OK: ("✓", "green"),
    Level.HINT: ("·", "cyan"),
    Level.WARNING: ("!", "yellow"),
    Level.ERROR: ("✗", "red"),
}


def doctor(
    offline: Annotated[bool, typer.Option("--offline", help="Ask no host.")] = False,
    send: Annotated[
        bool, typer.Option("--send-test-event", help="Send one real event and say how to find it.")
    ] = False,
    organization: Annotated[
        str | None, typer.Option(help="Give the test event this group of the first group type.")
    ] = None,
    strict: Annotated[bool, typer.Option("--strict", help="End with 1 for warnings too.")] = False,
    json_output: Annotated[bool, typer.Option("--json", help="Print the findings as JSON.")] = False,
) -> None:
    """Check settings, installation, connection, key, clock, outbox and ledger, and say what mends each.

    Reads what the exporter reads: this shell's environment, or the file in OTEL_CONFIG_FILE. Run it where the
    service runs. The host is asked in a way that stores nothing there.

    Ends with 1 when an error was found (with --strict also for warnings), else with 0.

    \b
    otel-posthog doctor
    env $(cat service.env) otel-posthog doctor
    otel-posthog doctor --send-test-event --organization acme-test
    otel-posthog doctor --json | jq '.findings[] | select(.level == "error")'
    """
    findings = list(_examined(os.environ, offline=offline, send=send, organization=organization))
    counts = Counter(finding.level for finding in findings)
    if json_output:
        out_json(
            {
                "version": __version__,
                "errors": counts[Level.ERROR],
                "warnings": counts[Level.WARNING],
                "findings": [
                    {"level": f.level.value, "subject": f.subject, "sentence": f.sentence, "fix": f.fix}
                    for f in findings
                ],
            }
        )
    else:
        for finding in findings:
            _print(finding)
    talk(f"{plural(counts[Level.ERROR], 'error')}, {plural(counts[Level.WARNING], 'warning')}")
    bad = counts[Level.ERROR] or (strict and counts[Level.WARNING])
    raise typer.Exit(PROBLEMS if bad else OK)


def _print(finding: Finding) -> None:
    mark, style = MARKS[finding.level]
    marked(mark, style, f"{finding.subject}: {finding.sentence}")
    if finding.fix:
        out(f"  → {finding.fix}")


def _examined(
    env: Mapping[str, str], *, offline: bool, send: bool, organization: str | None
) -> Iterator[Finding]:
    installed = facts.installed()
    yield from installation_findings(installed)
    sources: list[tuple[str, Mapping[str, object]]] = [("", {})]
    path = env.get("OTEL_CONFIG_FILE", "")
    if path:
        file = config_file.read(path, env)
        yield from config_file_findings(path, len(file.blocks), file.problem, env)
        sources = [(block.place, block.keywords) for block in file.blocks] or sources
    else:
        yield from loading_findings(env, installed)
    usable: list[tuple[Settings, Resolution]] = []
    said: set[Finding] = set()
    for place, keywords in sources:
        resolution = resolve_here(keywords, env)
        for finding in settings_findings(resolution, env, keywords, place):
            if finding not in said:  # two exporters of one environment have the same to say
                said.add(finding)
                yield finding
        if resolution.settings is not None:
            usable.append((resolution.settings, resolution))
    yield from sdk_findings(env, usable[0][0] if usable else None)
    projects: set[tuple[str, str]] = set()
    for settings, resolution in usable:
        if (settings.host, settings.api_key) not in projects:
            projects.add((settings.host, settings.api_key))
            yield from process_findings(env, settings, resolution.values, installed.distributions)
            yield from _state(settings)
            if not (offline or settings.disabled):
                yield from _connection(settings, send=send, organization=organization)


def _state(settings: Settings) -> Iterator[Finding]:
    clock = SystemClock()
    if settings.outbox is not None:
        status, trouble, ids = facts.outbox_of(settings)
        yield from outbox_findings(settings.outbox, status, trouble, clock.time_ns(), settings.outbox_max_age)
        yield from hot_ids(ids)
    yield from ledger_findings(facts.ledger_of(settings, clock))


def _connection(settings: Settings, *, send: bool, organization: str | None) -> Iterator[Finding]:
    from ..delivery.httpx_transport import HttpxTransport

    clock = SystemClock()
    transport = HttpxTransport(
        proxy=settings.proxy, ca_bundle=settings.ca_bundle, trust_env=settings.proxy_from_environment
    )
    try:
        yield from connection_findings(
            settings.host, settings.capture_mode, probing.probe(settings, transport, clock)
        )
        if send:
            yield from send_test_event(settings, transport, clock, organization)
    finally:
        transport.close()
