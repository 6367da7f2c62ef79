"""What a set of attribute keys says before any value is looked at, worked out once a set.

A service emits few different sets of keys, and most of them hold none of the attributes that steer us. So
each question that starts with "is there such an attribute" is answered here, and a signal pays only for
those of its attributes that mean something. The table of shapes is bounded: keys are user input.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from .. import attributes as control
from ..settings.model import GroupRule
from .plain import Pick, picking

if TYPE_CHECKING:
    from .plans import Plan

MAX_SHAPES: Final = 1_024
"""Sets of keys remembered; a service has dozens. With one more all are forgotten and made again as needed."""

MAX_KEYS: Final = 256
"""A longer set is twice what the SDK's own limit lets through: it would be kept for one signal."""

AI_PREFIXES: Final = ("gen_ai.", "ai.", "eve.", "traceloop.", "llm.request.type", "pydantic_ai.")
"""Spans with such a key are what PostHog's own AI ingestion takes; it would count them twice."""

STATUS_KEYS: Final = ("http.response.status_code", "http.status_code")
METHOD_KEYS: Final = ("http.request.method", "http.method")


@dataclass(slots=True, eq=False, kw_only=True)
class Shape:
    """Which of the attributes that mean something are there. A None among the values is as good as absent."""

    keys: tuple[str, ...]
    groups: tuple[tuple[str, str], ...]  # group type and its attribute, in the order of the settings
    keys_of_groups: Pick  # the values of those attributes
    users: tuple[str, ...]  # where the user may be, the first one first
    steered: bool  # by posthog.capture or posthog.event
    stamped: bool  # by our processor
    ambiguous: bool  # says our processor
    keyed: bool  # an idempotency key
    in_session: bool
    unset: bool  # names of group properties that are known to be empty
    dated: bool  # posthog.observed_at
    statuses: tuple[str, ...]  # where the answer's status may be, the new name first
    methods: tuple[str, ...]  # where the request's method may be, the new name first
    ai: bool
    plan: Plan | None = None  # once a signal of this shape was translated


class Shapes:
    """The shapes of one set of group rules. Safe from many threads: a shape made twice says the same."""

    __slots__ = ("_groups", "_shapes")

    def __init__(self, rules: tuple[GroupRule, ...]) -> None:
        self._groups = tuple((rule.type, rule.attribute) for rule in rules)
        self._shapes: dict[tuple[str, ...], Shape] = {}

    def __len__(self) -> int:
        return len(self._shapes)

    def of(self, attributes: Mapping[str, object]) -> Shape:
        keys = tuple(attributes)
        shape = self._shapes.get(keys)
        return self._made(keys) if shape is None else shape

    def _made(self, keys: tuple[str, ...]) -> Shape:
        present = frozenset(keys)
        groups = tuple(pair for pair in self._groups if pair[1] in present)
        shape = Shape(
            keys=keys,
            groups=groups,
            keys_of_groups=picking(tuple(attribute for _, attribute in groups)),
            users=tuple(key for key in control.USER_KEYS if key in present),
            steered=control.CAPTURE in present or control.EVENT in present,
            stamped=control.GROUP_STAMPED in present,
            ambiguous=control.GROUP_AMBIGUOUS in present,
            keyed=control.IDEMPOTENCY_KEY in present or control.CLOUDEVENT_ID in present,
            in_session=not present.isdisjoint(control.SESSION_KEYS),
            unset=control.GROUP_UNSET in present,
            dated=control.OBSERVED_AT in present,
            statuses=tuple(key for key in STATUS_KEYS if key in present),
            methods=tuple(key for key in METHOD_KEYS if key in present),
            ai=any(str(key).startswith(AI_PREFIXES) for key in keys),
        )
        if len(keys) <= MAX_KEYS:
            if len(self._shapes) >= MAX_SHAPES:
                self._shapes = {}
            self._shapes[keys] = shape
        return shape
