"""What is set, from where, and what is wrong with it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ...settings.addresses import REGIONS, is_this_machine
from ...settings.model import PrivacyAction, Settings
from ...settings.options import OPTIONS
from ...settings.sources import DEFAULT, KEYWORD, Resolution
from .finding import Finding, error, hint, ok, warning

ALWAYS_SHOWN = frozenset({"host", "groups", "spans", "logs", "ledger", "outbox"})
"""Options that people look for even where nobody set them."""

MOST_GROUP_TYPES = 5  # PostHog's, a project


def settings_findings(
    resolution: Resolution, env: Mapping[str, str], keywords: Mapping[str, object], block: str = ""
) -> Iterator[Finding]:
    """``block`` names the exporter's place in a configuration file; empty for the environment."""
    wrong = {problem.name for problem in resolution.problems}
    for option in OPTIONS:
        origin = resolution.origins.get(option.name, DEFAULT)
        if origin == DEFAULT and (
            option.name not in ALWAYS_SHOWN or wrong & {option.name, *option.variables}
        ):
            continue
        if origin == DEFAULT:
            yield ok(option.name, f"{option.default or 'not set'} (default)")
            continue
        written = keywords.get(option.name) if origin == KEYWORD else env.get(origin, "")
        source = f"{block}.{option.name}" if origin == KEYWORD else origin
        yield ok(option.name, f"{_shown(option.name, written, secret=option.secret)} (from {source})")
    for notice in resolution.notices:
        yield hint("host", notice)
    for problem in resolution.problems:
        make = error if problem.fatal else warning
        yield make(problem.name, problem.got, problem.fix)
    if resolution.settings is not None:
        yield from _consequences(resolution.settings)


def _shown(name: str, written: object, *, secret: bool) -> str:
    text = str(written).strip()
    if name == "api_key":
        return f"phc_…{text[-4:]}, {len(text)} characters" if len(text) > 8 else f"{len(text)} characters"
    if name == "ledger":
        return text.partition("://")[0] + "://…" if "://" in text else text
    if secret or name in ("proxy", "opt_out", "inspector"):
        return f"set, {len(text)} characters"
    return text


def _consequences(settings: Settings) -> Iterator[Finding]:
    if settings.disabled:
        yield warning("disabled", "the exporter is switched off", "Unset it when events are wanted.")
    if settings.dry_run:
        yield warning(
            "dry_run", "everything is counted and nothing is sent", "Unset it when events are wanted."
        )
    if not settings.api_key.startswith("phc_") and settings.api_key:
        yield hint(
            "api_key",
            "it does not start with phc_, as keys of PostHog Cloud do",
            "Copy the project API key from Settings > Project, unless yours is an old or self-hosted one.",
        )
    yield _region(settings.host)
    types = len(settings.groups)
    yield (ok if types < MOST_GROUP_TYPES else hint)(
        "groups", f"{types} of the {MOST_GROUP_TYPES} group types that a PostHog project can have"
    )
    if settings.privacy.group_properties is None:
        yield hint(
            "privacy",
            "every attribute under a group's prefix becomes a property of its profile",
            "In production, list the names that may leave: privacy group_properties.",
        )
    kept = [name for name, act in settings.privacy.patterns.items() if act is PrivacyAction.KEEP]
    if kept or settings.privacy.default is PrivacyAction.KEEP:
        yield warning(
            "privacy",
            f"patterns are kept: {', '.join(sorted(kept)) or 'all'}",
            "Check that such values may leave: PostHog can't scrub past events.",
        )


def _region(host: str) -> Finding:
    region = next((word for word, url in REGIONS.items() if url == host), None)
    if region is not None:
        return ok(
            "region",
            f"PostHog Cloud {region.upper()}; the key must be of a project there, since the other region "
            "accepts it and loses the events",
        )
    if is_this_machine(host):
        return hint("region", f"{host} is this machine", "Fine for an inspector; production needs us or eu.")
    return hint("region", f"{host} is no host of PostHog Cloud, so self-hosted or a proxy")
