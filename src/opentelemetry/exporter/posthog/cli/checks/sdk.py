"""Settings of the SDK itself that decide what reaches an exporter at all."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ...settings.model import Preset, Settings
from .finding import Finding, hint, ok, warning

KEY_LENGTH = 64
"""Ids are shorter; a limit below it may cut them, and then they are no keys any more."""

RATIO_SAMPLERS = ("traceidratio", "parentbased_traceidratio")


def sdk_findings(env: Mapping[str, str], settings: Settings | None) -> Iterator[Finding]:
    if env.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        yield warning(
            "OTEL_SDK_DISABLED", "the whole SDK is switched off", "Unset it when events are wanted."
        )
    if not env.get("OTEL_CONFIG_FILE"):
        yield _sampler(env)
    for variable in ("OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT", "OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT"):
        limit = env.get(variable, "").strip()
        if limit.isdigit() and int(limit) < KEY_LENGTH:
            yield warning(
                variable,
                f"values are cut at {limit} characters, and a group key that was cut is not used",
                f"Set it to {KEY_LENGTH} or more, or above the length of your ids.",
            )
    if settings is not None and settings.logs.preset is Preset.ALL:
        yield warning(
            "logs",
            "every log line becomes an event, and is billed as one",
            "Set logs to events, and name the lines that count.",
        )
    if settings is not None and settings.spans.preset is Preset.ALL:
        yield warning(
            "spans",
            "every span becomes an event, and is billed as one",
            "Set spans to entry, and add rules for what else counts.",
        )


def _sampler(env: Mapping[str, str]) -> Finding:
    sampler = env.get("OTEL_TRACES_SAMPLER", "").strip()
    if sampler in ("always_off", "parentbased_always_off"):
        return warning(
            "sampler",
            f"{sampler}: no span of a new trace reaches any exporter",
            "Use parentbased_always_on, or log events, which are not sampled.",
        )
    if sampler in RATIO_SAMPLERS:
        share = env.get("OTEL_TRACES_SAMPLER_ARG", "").strip() or "1.0"
        if _is_whole(share):
            return ok("sampler", f"{sampler} {share}: every span is kept")
        return warning(
            "sampler",
            f"{sampler} {share}: the other spans never reach an exporter, so counts in "
            "PostHog are too low and nobody can correct them",
            "Send what must be counted as log events, which are not sampled.",
        )
    if sampler and sampler not in ("always_on", "parentbased_always_on"):
        return hint(
            "sampler",
            f"{sampler} decides which spans reach an exporter",
            "Send what must be counted as log events, which are not sampled.",
        )
    return ok("sampler", f"{sampler or 'parentbased_always_on (default)'}: spans of new traces are kept")


def _is_whole(share: str) -> bool:
    try:
        return float(share) >= 1.0
    except ValueError:
        return False
