"""Which signals become captures, and why not the others.

The order: own scopes and refused requests first, then ``posthog.capture=false`` > the first rule that
matches > ``posthog.event`` > the preset. The answer is the capture's name, or the reason why there is none.
Most signals end here, so each step is a look into a dict.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

from opentelemetry.trace import SpanKind

from .. import attributes as control
from ..reasons import Reason
from ..settings.model import Preset
from .properties import clean_text
from .spans import has_local_parent

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan

    from ..settings.model import Selection, SelectionRule, Settings
    from .constants import Scope
    from .groups import Found
    from .shapes import Shape
    from .signals import Look

Verdict: TypeAlias = str | Reason
"""The capture's name, or why there is none."""

MAX_NAME_BYTES: Final = 200
"""PostHog cuts longer event names on one protocol and drops the event on the other."""

PLAIN_LOG_NAME: Final = "log"
"""What a log line without an event name is called where plain lines were asked for."""

FACTLESS_METHODS: Final = frozenset({"OPTIONS", "HEAD"})
"""Requests that browsers and monitors make on their own."""

_SERVER, _CONSUMER, _INTERNAL = SpanKind.SERVER, SpanKind.CONSUMER, SpanKind.INTERNAL
_CLIENT, _PRODUCER = SpanKind.CLIENT, SpanKind.PRODUCER
"""Before Python 3.12, to look a member up on its enum costs as much as a call."""

_SIDE_EFFECTS: Final = re.compile(r"survey (sent|shown|dismissed)")


class Step(NamedTuple):
    """One step of a decision, for people: what was asked, what came out, the reason if it ended there."""

    name: str
    decision: str
    reason: Reason | None = None


Trail: TypeAlias = list[Step] | None
"""Where steps are written down when somebody wants to read them."""


def event_name(name: str) -> str:
    """A name that PostHog stores as an event and does nothing else with, or "" if nothing is left of it.

    Names with a ``$`` in front and the survey events are PostHog's own: ``$identify`` would merge persons.
    """
    return _usual_name(name) if len(name) <= MAX_NAME_BYTES else _cleaned_name(name)


def _cleaned_name(name: str) -> str:
    name = clean_text(name).strip().lstrip("$").lstrip()
    if _SIDE_EFFECTS.fullmatch(name):
        name = name.replace(" ", "_")
    if len(name) * 4 > MAX_NAME_BYTES:
        name = name.encode()[:MAX_NAME_BYTES].decode(errors="ignore").rstrip()
    return name


_usual_name = lru_cache(maxsize=1_024)(_cleaned_name)  # the same few names come again and again


# -- rules --------------------------------------------------------------------------------------------


class _Rule(NamedTuple):
    name: Callable[[str], object] | None
    scope: Callable[[str], object] | None
    kind: str | None
    attribute: str | None
    value: str | None
    event: str | None
    drop: bool
    said: str


def _wild(pattern: str) -> Callable[[str], object] | None:
    """Matches the whole text; ``*`` and ``?`` are wild, and nothing else is. None: everything matches."""
    if not pattern.strip("*") and pattern:
        return None
    parts = (".*" if char == "*" else "." if char == "?" else re.escape(char) for char in pattern)
    return re.compile("".join(parts), re.DOTALL).fullmatch


def _compiled(number: int, rule: SelectionRule) -> _Rule:
    attribute, equals, value = (rule.attribute or "").partition("=")
    return _Rule(
        _wild(rule.name),
        _wild(rule.scope) if rule.scope is not None else None,
        rule.kind.upper() if rule.kind else None,
        attribute or None,
        value if equals else None,
        rule.event,
        rule.drop,
        f"rule {number}",
    )


def _as_text(value: object) -> str:
    try:
        return str(value).lower() if isinstance(value, bool) else str(value)
    except ValueError:  # an int of thousands of digits equals nothing that a rule says
        return ""


class Rules:
    """The operator's rules; the first match decides."""

    __slots__ = ("_rules",)

    def __init__(self, selection: Selection) -> None:
        self._rules = tuple(_compiled(number, rule) for number, rule in enumerate(selection.rules, 1))

    def match(
        self, name: str, kind: str, scope: Scope, attributes: Mapping[str, object], trail: Trail
    ) -> Verdict | None:
        for rule in self._rules:
            if (
                (rule.name is None or rule.name(name))
                and (rule.kind is None or rule.kind == kind)
                and (rule.scope is None or rule.scope(scope.name))
                and (
                    rule.attribute is None
                    or (
                        rule.attribute in attributes
                        and (rule.value is None or _as_text(attributes[rule.attribute]) == rule.value)
                    )
                )
            ):
                return self._decided(rule, name, trail)
        return None

    @staticmethod
    def _decided(rule: _Rule, name: str, trail: Trail) -> Verdict | None:
        chosen = None if rule.drop else event_name(rule.event or name)
        if trail is not None:
            trail.append(Step(rule.said, f"selects {chosen!r}" if chosen else "drops the signal"))
        if rule.drop:
            return Reason.EXCLUDED_BY_RULE
        return chosen or None


# -- the order of the steps -----------------------------------------------------------------------------


def http_status(attributes: Mapping[str, object], keys: tuple[str, ...]) -> int | None:
    """The answer's status, under the first of these keys that has one."""
    for key in keys:
        status = attributes[key]
        if status is not None:
            if isinstance(status, str) and status.isdecimal() and len(status) == 3:
                return int(status)
            return status if isinstance(status, int) else None
    return None


def http_method(attributes: Mapping[str, object], keys: tuple[str, ...]) -> str:
    """The request's method in capitals, under the first of these keys that has one; "" without one."""
    for key in keys:
        method = attributes[key]
        if method:
            return method.upper() if isinstance(method, str) else ""
    return ""


class _Selector:
    """What spans and log records have in common."""

    __slots__ = ("_ai", "_all", "_named", "_refused", "_rules", "off")

    def __init__(self, selection: Selection, settings: Settings) -> None:
        self._named = selection.preset is Preset.NAMED
        self._all = selection.preset is Preset.ALL
        self._rules = Rules(selection) if selection.rules else None
        self._refused = settings.refused_statuses
        self._ai = settings.ai_spans
        self.off = selection.preset is Preset.OFF

    def _asked_for(
        self,
        name: str,
        kind: str,
        scope: Scope,
        attributes: Mapping[str, object],
        trail: Trail,
    ) -> Verdict | None:
        """What the application and the operator said of this very signal."""
        capture = attributes.get(control.CAPTURE)
        if capture is False or (isinstance(capture, str) and capture.strip().lower() == "false"):
            return Reason.CAPTURE_FALSE
        if self._rules is not None:
            verdict = self._rules.match(name, kind, scope, attributes, trail)
            if verdict is not None:
                return verdict
        named = attributes.get(control.EVENT)
        if named is not None and isinstance(named, str):
            if trail is not None:
                trail.append(Step(control.EVENT, f"names it {named!r}"))
            return event_name(named) or None
        return None


class SpanSelector(_Selector):
    __slots__ = ("_group", "_other_groups", "_short")

    def __init__(self, selection: Selection, settings: Settings) -> None:
        super().__init__(selection, settings)
        self._short = (
            selection.preset is Preset.ENTRY and self._rules is None and not settings.groups_from_resource
        )
        # Nearly everybody has one: asking for it by itself takes half the time of asking for a set.
        self._group, *self._other_groups = [rule.attribute for rule in settings.groups] or [control.EVENT]

    def without_dull(
        self, looks: Sequence[Look], scope_of: Callable[[object], Scope]
    ) -> Sequence[Look | None]:
        """None for a span of which it is plain that it is no entry and that nothing on it speaks for it.

        So are four of five spans of a service, and :meth:`verdict` would say NOT_AN_ENTRY of each after
        several times the work.
        """
        if not self._short:
            return looks
        event, capture, group, others = control.EVENT, control.CAPTURE, self._group, self._other_groups
        left: list[Look | None] = []
        foreign: object = None  # the last scope that was not our own: most often the next span's, too
        for look in looks:
            kind, parent, scope, attributes = look
            if (
                (
                    kind is _CLIENT
                    or (kind is _INTERNAL and parent is not None and not parent.is_remote)
                    or kind is _PRODUCER
                )
                and event not in attributes
                and capture not in attributes
                and group not in attributes
                and not (others and any(other in attributes for other in others))
                and (scope is foreign or not scope_of(scope).own)
            ):
                foreign = scope
                left.append(None)
            else:
                left.append(look)
        return left

    def verdict(
        self,
        span: ReadableSpan,
        kind: SpanKind,
        scope: Scope,
        shape: Shape,
        attributes: Mapping[str, object],
        found: Found,
        status: int | None,
        trail: Trail = None,
    ) -> Verdict:
        """The capture's name or the reason. ``found`` are the groups of the span, ``status`` is how a server
        answered, if it is a server's span.
        """
        if status in self._refused:
            return Reason.REFUSED_REQUEST
        name = span.name
        if shape.steered or self._rules is not None:
            verdict = self._asked_for(name, kind.name, scope, attributes, trail)
            if verdict is not None:
                return verdict
        if self._named:
            return Reason.NOT_NAMED
        entry = kind is _SERVER or kind is _CONSUMER or (kind is _INTERNAL and not has_local_parent(span))
        if not self._all:
            refusal = self._entry_refusal(kind, entry, scope, shape, attributes, found)
            if trail is not None:
                trail.append(Step("preset entry", "refuses it" if refusal else "takes it", refusal))
            if refusal is not None:
                return refusal
        if shape.ai and not entry and not self._ai:
            return Reason.AI_SPAN
        return event_name(name) or Reason.NOT_NAMED

    @staticmethod
    def _entry_refusal(
        kind: SpanKind,
        entry: bool,
        scope: Scope,
        shape: Shape,
        attributes: Mapping[str, object],
        found: Found,
    ) -> Reason | None:
        if not entry:
            own = found.keys and found.application and not scope.instrumentation
            if not own or kind is not _INTERNAL:
                return Reason.NOT_AN_ENTRY
        elif not found.keys:
            return found.problem or Reason.NO_GROUP
        if shape.methods and http_method(attributes, shape.methods) in FACTLESS_METHODS:
            return Reason.PREFLIGHT
        return None


class LogSelector(_Selector):
    __slots__ = ()

    def verdict(
        self, name: str, scope: Scope, shape: Shape, attributes: Mapping[str, object], trail: Trail = None
    ) -> Verdict:
        """``name`` is the record's event name, or "" for a plain log line."""
        if shape.steered or self._rules is not None:
            verdict = self._asked_for(name, "", scope, attributes, trail)
            if verdict is not None:
                return verdict
        if self._named:
            return Reason.NOT_NAMED
        if name.startswith("gen_ai.") and not self._ai:
            return Reason.AI_SPAN
        chosen = event_name(name)
        if chosen:
            return chosen
        return PLAIN_LOG_NAME if self._all else Reason.PLAIN_LOG
