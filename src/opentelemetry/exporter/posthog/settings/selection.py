"""Which signals become captures: a preset and rules, written as text or as YAML.

Text, in the environment: entries with ``;`` between them. The first may be a preset; every other one is a
rule ``<name pattern>=<event name>``, split at its last ``=``. ``-`` instead of an event name drops the
signal, nothing at all keeps the signal's own name::

    entry;POST /orgs/{org_id}/members=member invited;GET /reports/*=;GET *=-

YAML and Python: a preset, text as above, a list of rules, or ``{preset: …, rules: […]}``; a rule is
``{name, scope, kind, attribute, event | drop: true}``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import cast

from .model import Preset, Selection, SelectionRule
from .parsing import (
    Mistake,
    UnusableError,
    attempt,
    boolean,
    collected,
    is_given,
    near_miss,
    shape,
    text,
    unusable,
)

DROP = "-"

SPAN_PRESETS = (Preset.ENTRY, Preset.NAMED, Preset.ALL, Preset.OFF)
LOG_PRESETS = (Preset.EVENTS, Preset.NAMED, Preset.ALL, Preset.OFF)

KINDS = ("server", "client", "internal", "producer", "consumer")

RULE_KEYS = ("name", "scope", "kind", "attribute", "event", "drop")

MAX_EVENT_NAME_BYTES = 200  # beyond, PostHog cuts (legacy) or drops (v1)


def selection(default: Preset, presets: tuple[Preset, ...], *, kinds: bool) -> Callable[[object], Selection]:
    """Parser of one signal's selection; ``kinds`` says whether its rules may ask for a span kind."""
    words = {preset.value: preset for preset in presets}

    def parse(value: object) -> Selection:
        match value:
            case False:  # what YAML makes of an unquoted `off`
                return Selection(preset=Preset.OFF)
            case str():
                return _from_text(value, words, default)
            case Mapping():
                return _from_mapping(cast("Mapping[object, object]", value), words, default, kinds=kinds)
            case list() | tuple():
                return Selection(preset=default, rules=_rules(cast("list[object]", value), kinds=kinds))
            case _:
                raise unusable(f"{shape(value)} where a preset or rules are needed", _preset_fix(words))

    return parse


def _preset_fix(words: Mapping[str, Preset]) -> str:
    return f"Write one of {', '.join(words)}, rules, or both."


def _preset(value: object, words: Mapping[str, Preset]) -> Preset:
    if value is False:
        return Preset.OFF
    found = words.get(value.strip().lower()) if isinstance(value, str) else None
    if found is None:
        raise unusable(f"is none of {', '.join(words)}", near_miss(value, words) or _preset_fix(words))
    return found


# -- text -------------------------------------------------------------------------------------------


def _from_text(value: str, words: Mapping[str, Preset], default: Preset) -> Selection:
    entries = [entry for entry in (piece.strip() for piece in value.split(";")) if entry]
    preset = default
    if entries and "=" not in entries[0]:
        preset = _preset(entries.pop(0), words)
    return Selection(preset=preset, rules=tuple(collected(entries, _rule_from_text)))


def _rule_from_text(entry: object) -> SelectionRule:
    pattern, equals, event = text(entry).rpartition("=")
    if not equals:
        raise unusable(
            "has no =, and only the first entry may be a preset", "Write <name pattern>=<event name>."
        )
    if not pattern.strip():
        raise unusable("has no name pattern before the =", "Write * for every name.")
    if event.strip() == DROP:
        return SelectionRule(name=pattern.strip(), drop=True)
    return SelectionRule(name=pattern.strip(), event=_event_name(event) if event.strip() else None)


# -- YAML and Python --------------------------------------------------------------------------------


def _from_mapping(
    value: Mapping[object, object], words: Mapping[str, Preset], default: Preset, *, kinds: bool
) -> Selection:
    mistakes = unknown_keys(value, ("preset", "rules"))
    preset: Preset | None = default
    rules: tuple[SelectionRule, ...] | None = ()
    if is_given(value.get("preset")):
        preset = attempt(lambda given: _preset(given, words), value["preset"], mistakes, "`preset`")
    if is_given(value.get("rules")):
        rules = attempt(lambda given: _rules(given, kinds=kinds), value["rules"], mistakes, "`rules`")
    if mistakes:
        raise UnusableError(*mistakes)
    return Selection(preset=preset or default, rules=rules or ())


def _rules(value: object, *, kinds: bool) -> tuple[SelectionRule, ...]:
    if not isinstance(value, (list, tuple)):
        raise unusable(f"{shape(value)} where a list of rules is needed")
    return tuple(collected(cast("list[object]", value), lambda entry: _rule(entry, kinds=kinds)))


def _rule(entry: object, *, kinds: bool) -> SelectionRule:
    if isinstance(entry, str):
        return _rule_from_text(entry)
    if not isinstance(entry, Mapping):
        raise unusable(
            f"{shape(entry)} where a rule is needed", f"A rule has the keys {', '.join(RULE_KEYS)}."
        )
    rule = cast("Mapping[object, object]", entry)
    mistakes = unknown_keys(rule, RULE_KEYS)

    def take(key: str, parse: Callable[[object], object]) -> object:
        given = rule.get(key)
        return attempt(parse, given, mistakes, f"`{key}`") if is_given(given) else None

    name, scope, attribute = take("name", text), take("scope", text), take("attribute", text)
    kind, event, drop = take("kind", _kind), take("event", _event_name), take("drop", boolean)
    if kind is not None and not kinds:
        mistakes.append(Mistake("asks for a kind, and log records have none", "Leave `kind` out."))
    if event is not None and drop:
        mistakes.append(Mistake("has an event and drop: true", "A rule names a signal or drops it."))
    if mistakes:
        raise UnusableError(*mistakes)
    return SelectionRule(
        name="*" if name is None else str(name),
        scope=None if scope is None else str(scope),
        kind=None if kind is None else str(kind),
        attribute=None if attribute is None else str(attribute),
        event=None if event is None else str(event),
        drop=bool(drop),
    )


def _kind(value: object) -> str:
    kind = text(value).lower()
    if kind not in KINDS:
        raise unusable(f"is none of {', '.join(KINDS)}", near_miss(kind, KINDS))
    return kind


def _event_name(value: object) -> str:
    name = text(value)
    if name.startswith("$"):
        raise unusable(
            "gives an event name that starts with $, and those are PostHog's own",
            "Choose a name without the $.",
        )
    if len(name.encode()) > MAX_EVENT_NAME_BYTES:
        raise unusable(f"gives an event name of {len(name.encode())} bytes, more than {MAX_EVENT_NAME_BYTES}")
    return name


def unknown_keys(value: Mapping[object, object], known: tuple[str, ...]) -> list[Mistake]:
    """One mistake for every key that is not known. The key is not told: it may be a misplaced value."""
    return [
        Mistake("has a key that is not known", near_miss(key, known) or f"Known keys: {', '.join(known)}.")
        for key in value
        if key not in known
    ]
