"""Which attribute carries whose key: the group types of a project, their attributes and prefixes."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from .model import GroupRule
from .parsing import Mistake, UnusableError, attempt, collected, pairs, shape, text, unusable

MAX_GROUP_TYPES = 5  # of a PostHog project; a sixth is ignored there without a warning

NO_PREFIX = "-"

SHARED_NAMESPACES = frozenset(
    {
        "aws", "azure", "browser", "client", "cloud", "code", "container", "db", "deployment", "destination",
        "device", "dns", "enduser", "error", "event", "exception", "faas", "feature_flag", "gcp", "gen_ai",
        "graphql", "host", "http", "k8s", "log", "messaging", "net", "network", "os", "otel", "peer",
        "posthog", "process", "rpc", "server", "service", "session", "source", "system", "telemetry",
        "thread", "tls", "url", "user", "user_agent",
    }
)  # fmt: skip
"""First words of attribute keys that describe something else than a group: what stands beside a group's
key under one of these (``user.email`` beside ``user.org_id``) says nothing of the group."""

GENERIC_PREFIXES = frozenset({"app."})
"""Prefixes that applications use for everything; ``app.workspace.`` is fine, ``app.`` alone is not."""


def groups(value: object) -> Mapping[str, str]:
    """Group type → attribute key, in the order written; raises for all wrong entries at once."""
    entries = pairs(value)
    seen: set[str] = set()
    mistakes: list[Mistake] = []

    def entry(pair: tuple[object, object]) -> tuple[str, str]:
        name, key = _group_type(pair[0]), _attribute(pair[1])
        if name in seen:
            raise unusable("names a group type a second time", "One attribute a group type.")
        seen.add(name)
        return name, key

    found = [attempt(entry, pair, mistakes, f"entry {place}") for place, pair in enumerate(entries, 1)]
    if not entries:
        mistakes.append(Mistake("names no group type", "Leave it out for organization=organization.id."))
    if len(entries) > MAX_GROUP_TYPES:
        mistakes.append(
            Mistake(
                f"names {len(entries)} group types, and a PostHog project has at most {MAX_GROUP_TYPES}",
                "PostHog makes a group type when it first sees it and never gives its place back: choose the "
                f"{MAX_GROUP_TYPES} with care.",
            )
        )
    if mistakes:
        raise UnusableError(*mistakes)
    return MappingProxyType(dict(pair for pair in found if pair is not None))


def _group_type(value: object) -> str:
    name = text(value)
    if not name:
        raise unusable("has no group type before the =")
    if name.startswith("$") or "," in name or "=" in name:
        raise unusable("has a group type that starts with $ or has a comma or = in it")
    if len(name.encode()) > 200:
        raise unusable(f"has a group type of {len(name.encode())} bytes, more than 200")
    return name


def _attribute(value: object) -> str:
    if not isinstance(value, str):
        raise unusable(f"{shape(value)} where an attribute key is needed")
    key = text(value)
    if not key:
        raise unusable("has no attribute key")
    return key


def prefixes(value: object) -> Mapping[str, str | None]:
    """Group type → prefix of the attributes that describe the group; None for a group without any."""
    return MappingProxyType(
        dict(collected(pairs(value), lambda pair: (_group_type(pair[0]), _prefix(pair[1]))))
    )


def _prefix(value: object) -> str | None:
    if value is None:
        return None
    prefix = text(value)
    if prefix == NO_PREFIX:
        return None
    if not prefix.endswith((".", "_")) or len(prefix) < 2:
        raise unusable(
            "has a prefix that does not end with a dot or an underscore",
            f"Write it whole, like `organization.`, or `{NO_PREFIX}` for none.",
        )
    return prefix


def default_prefix(attribute: str) -> str | None:
    """What stands before the last dot of the key's attribute, unless others write there too.

    ``organization.id`` → ``organization.``; None for a key without a dot and under ``user.``, ``http.``…
    """
    stem, dot, _ = attribute.rpartition(".")
    if not dot or not stem or stem.split(".", 1)[0] in SHARED_NAMESPACES or stem + dot in GENERIC_PREFIXES:
        return None
    return stem + dot


def rules(attributes: Mapping[str, str], chosen: Mapping[str, str | None]) -> tuple[GroupRule, ...]:
    """One rule a group type, with the chosen prefix or the default one.

    Raises :class:`UnusableError` when a prefix is chosen for a type that is not among the groups.
    """
    unknown = sum(type_ not in attributes for type_ in chosen)
    if unknown:
        raise unusable(f"names {unknown} group type{'s' if unknown > 1 else ''} that `groups` does not have")
    return tuple(
        GroupRule(
            type=type_,
            attribute=attribute,
            prefix=chosen[type_] if type_ in chosen else default_prefix(attribute),
        )
        for type_, attribute in attributes.items()
    )
