"""What may leave the process as a property, written as text or as YAML.

YAML and Python::

    {default: drop, patterns: {email: hash, phone: keep}, keep: [organization.billing_email],
     drop: [app.note], group_properties: {organization: [name, plan_name]}, conventions: [url.path]}

Text, in the environment: the same with dots into the mappings, ``;`` between entries and ``,`` in lists::

    default=drop;patterns.email=hash;keep=organization.billing_email;group_properties.organization=name,plan_name
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar, cast

from .model import PRIVACY_PATTERNS, PrivacyAction, PrivacyPolicy
from .parsing import (
    Mistake,
    UnusableError,
    attempt,
    choice,
    collected,
    is_given,
    items,
    near_miss,
    shape,
    text,
    unusable,
    word_list,
)
from .selection import unknown_keys

T = TypeVar("T")

KEYS = ("default", "patterns", "keep", "drop", "group_properties", "conventions")

MAX_PROPERTIES = 50  # names a group type; more would not be sent anyway

MIN_HASH_KEY = 16  # characters; e-mail addresses hashed under a guessable key can be guessed back

_action = choice(PrivacyAction)


def privacy(value: object) -> PrivacyPolicy:
    """A policy without its hash key; raises for all that is wrong with it at once."""
    given = _from_text(value) if isinstance(value, str) else value
    if not isinstance(given, Mapping):
        raise unusable(f"{shape(given)} where a mapping is needed", f"Its keys: {', '.join(KEYS)}.")
    parts = cast("Mapping[object, object]", given)
    mistakes = unknown_keys(parts, KEYS)

    def take(key: str, parse: Callable[[object], T], default: T) -> T:
        if not is_given(parts.get(key)):
            return default
        parsed = attempt(parse, parts[key], mistakes, f"`{key}`")
        return default if parsed is None else parsed

    unset = PrivacyPolicy()
    policy = PrivacyPolicy(
        default=take("default", _action, unset.default),
        patterns=take("patterns", _patterns, unset.patterns),
        keep=take("keep", word_list, unset.keep),
        drop=take("drop", word_list, unset.drop),
        group_properties=take("group_properties", _group_properties, unset.group_properties),
        conventions=take("conventions", _conventions, unset.conventions),
    )
    both = len(policy.keep & policy.drop)
    if both:
        mistakes.append(Mistake(f"has {both} key{'s' if both > 1 else ''} under `keep` and under `drop`"))
    if mistakes:
        raise UnusableError(*mistakes)
    return policy


def needs_hash_key(policy: PrivacyPolicy) -> bool:
    return PrivacyAction.HASH in {policy.default, *policy.patterns.values()}


def hash_key(value: object) -> bytes:
    """The secret under which values are hashed (HMAC-SHA-256)."""
    secret = text(value)
    if len(secret) < MIN_HASH_KEY:
        raise unusable(f"has {len(secret)} characters, fewer than {MIN_HASH_KEY}")
    return secret.encode()


# -- parts ------------------------------------------------------------------------------------------


def _patterns(value: object) -> Mapping[str, PrivacyAction]:
    def pattern(name: str) -> str:
        if name not in PRIVACY_PATTERNS:
            raise unusable(
                "is no pattern that is known",
                near_miss(name, PRIVACY_PATTERNS) or f"Patterns: {', '.join(sorted(PRIVACY_PATTERNS))}.",
            )
        return name

    return _mapped(value, pattern, _action)


def _group_properties(value: object) -> Mapping[str, frozenset[str]]:
    def names(given: object) -> frozenset[str]:
        found = word_list(given)
        if len(found) > MAX_PROPERTIES:
            raise unusable(f"lists {len(found)} properties, more than {MAX_PROPERTIES}")
        return found

    return _mapped(value, lambda type_: type_, names)


def _conventions(value: object) -> frozenset[str]:
    def convention(item: object) -> str:
        key = text(item)
        if not re.fullmatch(r"[A-Za-z0-9_\-.]+(\.\*)?", key):
            raise unusable(
                "is neither an attribute key nor a prefix with .* after it", "Like url.path or db.*."
            )
        return key

    return frozenset(collected(items(value), convention))


def _mapped(value: object, name: Callable[[str], str], parse: Callable[[object], T]) -> dict[str, T]:
    if not isinstance(value, Mapping):
        raise unusable(f"{shape(value)} where a mapping is needed")
    entries = cast("Mapping[object, object]", value).items()
    return dict(collected(entries, lambda entry: (name(text(entry[0])), parse(entry[1]))))


def _from_text(value: str) -> Mapping[str, object]:
    """The mapping that dotted text stands for."""
    policy: dict[str, Any] = {}
    mistakes: list[Mistake] = []
    for place, entry in enumerate(_entries(value), 1):
        name, equals, content = entry.partition("=")
        head, dot, rest = (part.strip() for part in name.partition("."))
        if not equals:
            mistakes.append(Mistake(f"entry {place} has no =", "Write name=value, with ; between entries."))
        elif dot and head not in {"patterns", "group_properties"}:
            mistakes.append(Mistake(f"entry {place} has a dot in a name that takes none"))
        elif not dot and head in {"patterns", "group_properties"}:
            mistakes.append(Mistake(f"entry {place} does not say of what", f"Write {head}.name=value."))
        elif (rest in policy.get(head, ())) if dot else (head in policy):
            mistakes.append(Mistake(f"entry {place} gives something a second time"))
        elif dot:
            policy.setdefault(head, {})[rest] = content.strip()
        else:
            policy[head] = content.strip()
    if mistakes:
        raise UnusableError(*mistakes)
    return policy


def _entries(value: str) -> Iterable[str]:
    return [entry for entry in (piece.strip() for piece in value.split(";")) if entry]
