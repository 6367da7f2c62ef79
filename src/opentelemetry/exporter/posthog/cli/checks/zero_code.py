"""What OpenTelemetry's zero-code set-up would load, and what keeps it from loading anything."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from .finding import Finding, Level, error, hint, ok, warning

TRACES, LOGS, METRICS = (
    "opentelemetry_traces_exporter",
    "opentelemetry_logs_exporter",
    "opentelemetry_metrics_exporter",
)

OURS = (
    TRACES,
    LOGS,
    "opentelemetry_environment_variables",
    "opentelemetry_pre_instrument",
)
"""Entry point groups in which this package stands under the name posthog."""

VARIABLES = {
    "OTEL_TRACES_EXPORTER": TRACES,
    "OTEL_LOGS_EXPORTER": LOGS,
    "OTEL_METRICS_EXPORTER": METRICS,
}

OTLP_NAMES = {"grpc": "otlp_proto_grpc", "http/protobuf": "otlp_proto_http", "http": "otlp_proto_http"}


class Installed(NamedTuple):
    """Names of entry points by group, and distributions."""

    entry_points: Mapping[str, frozenset[str]]
    distributions: Mapping[str, str]  # name -> version

    def has(self, group: str, name: str) -> bool:
        return name in self.entry_points.get(group, frozenset())


def installation_findings(installed: Installed) -> Iterator[Finding]:
    versions = [
        f"{name} {installed.distributions[name]}"
        for name in ("opentelemetry-exporter-posthog", "opentelemetry-sdk", "opentelemetry-distro")
        if name in installed.distributions
    ]
    yield ok("versions", ", ".join(versions))
    missing = [group for group in OURS if not installed.has(group, "posthog")]
    if missing:
        yield error(
            "entry points",
            f"posthog is not registered under {', '.join(missing)}",
            "Install the package into this very environment: pip install opentelemetry-exporter-posthog",
        )
    else:
        yield ok("entry points", f"posthog is registered under all {len(OURS)} groups")


def loading_findings(env: Mapping[str, str], installed: Installed) -> Iterator[Finding]:
    """Without a configuration file: what the variables make the SDK load."""
    distro = "opentelemetry-distro" in installed.distributions
    written = {variable: env.get(variable, "").strip() for variable in VARIABLES}
    listed = {
        variable: [name.strip() for name in (text or ("otlp" if distro else "")).split(",") if name.strip()]
        for variable, text in written.items()
    }
    named = [variable for variable, names in listed.items() if "posthog" in names]
    for variable, names in listed.items():
        for finding in _exporters(variable, written[variable], names, env, installed):
            # Where the variables load nothing of ours, zero-code set-up may not be in use at all.
            is_beside = finding.level is Level.ERROR and not named
            yield finding._replace(level=Level.HINT) if is_beside else finding
    if not named:
        yield hint(
            "zero-code",
            "no OTEL_*_EXPORTER variable names posthog",
            "Fine where your code makes the exporters; else set OTEL_TRACES_EXPORTER=posthog.",
        )
    elif not distro:
        yield warning(
            "zero-code",
            "without opentelemetry-distro, opentelemetry-instrument configures nothing",
            "pip install opentelemetry-distro",
        )


def _exporters(
    variable: str, written: str, names: list[str], env: Mapping[str, str], installed: Installed
) -> Iterator[Finding]:
    if not names or names == ["none"]:
        yield ok(variable, "none: nothing is loaded" if names else "not set: nothing is loaded")
        return
    group = VARIABLES[variable]
    source = "" if written else " (the distro's default)"
    for name in names:
        entry = _entry_point(name, group, env)
        if installed.has(group, entry):
            yield ok(variable, f"{name}{source}")
        elif group == METRICS and name == "posthog":
            yield error(
                variable,
                "posthog exports no metrics, and this ends the whole set-up",
                "Set OTEL_METRICS_EXPORTER=none.",
            )
        else:
            fix = "none" if group == METRICS else "posthog"
            yield error(
                variable,
                f"{name}{source} is not installed (no {entry} in {group}), and this ends the whole set-up: "
                "no telemetry at all",
                f"Set {variable}={fix}, or install the package that brings {entry}.",
            )


def _entry_point(name: str, group: str, env: Mapping[str, str]) -> str:
    """``otlp`` is a word for one of two, by protocol; the distro's default is grpc."""
    if name != "otlp":
        return name
    signal = {TRACES: "TRACES", LOGS: "LOGS", METRICS: "METRICS"}[group]
    protocol = (
        env.get(f"OTEL_EXPORTER_OTLP_{signal}_PROTOCOL") or env.get("OTEL_EXPORTER_OTLP_PROTOCOL") or "grpc"
    )
    return OTLP_NAMES.get(protocol.strip(), "otlp_proto_grpc")


def config_file_findings(path: str, blocks: int, problem: str, env: Mapping[str, str]) -> Iterator[Finding]:
    """With ``OTEL_CONFIG_FILE``: ``blocks`` exporters of ours in it, or the ``problem`` with it."""
    if problem:
        yield error("OTEL_CONFIG_FILE", f"{path}: {problem}", "The SDK sets up nothing until it can be read.")
        return
    if not blocks:
        yield warning(
            "OTEL_CONFIG_FILE",
            f"{path} has no posthog exporter in a batch or simple processor",
            "Add `exporter: {posthog: {}}` to a processor in it.",
        )
    else:
        yield ok("OTEL_CONFIG_FILE", f"{path} with {blocks} posthog exporter{'s' if blocks > 1 else ''}")
    ignored = [
        name
        for name in ("OTEL_TRACES_EXPORTER", "OTEL_LOGS_EXPORTER", "OTEL_TRACES_SAMPLER")
        if env.get(name)
    ]
    if ignored:
        yield hint("OTEL_CONFIG_FILE", f"{', '.join(ignored)} beside it have no effect")
