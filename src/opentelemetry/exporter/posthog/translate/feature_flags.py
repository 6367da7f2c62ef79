"""Evaluated feature flags, as OpenTelemetry tells them, in PostHog's own words. Only with ``feature_flags``.

========================================================= ==================================================
what a signal holds                                       what PostHog gets
========================================================= ==================================================
a log event ``feature_flag.evaluation``                   ``$feature_flag_called``, an experiment's exposure
a span with span events of that name (OpenFeature's hook) its own event, with ``$feature/<key>`` for each
any other signal with the attributes of one evaluation    its own event, with ``$feature/<key>``
========================================================= ==================================================

PostHog is never asked for flags. An evaluation happens at each request, and an exposure is wanted once: all
that say the same of the same user, flag, answer and groups share the uuid of their UTC day, as the facts of
one idempotency key do.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final

from ..identifiers import keyed_uuid
from .captures import idempotency_key
from .privacy import OMITTED
from .properties import clean_text, name_of
from .signals import copied

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import Event

    from ..model import Capture, JsonValue
    from .properties import Converter

EVALUATION: Final = "feature_flag.evaluation"
CALLED: Final = "$feature_flag_called"

MAX_FLAGS: Final = 64
"""Flags of one event; a request evaluates a handful, and a loop may evaluate one for each row."""

_KEY: Final = "feature_flag.key"
_VARIANT: Final = "feature_flag.result.variant"
_VALUE: Final = "feature_flag.result.value"
_SAID: Final = {
    "feature_flag.result.reason": "$feature_flag_reason",
    "feature_flag.version": "$feature_flag_version",
    "error.type": "$feature_flag_error",
}
"""What OpenTelemetry says of an evaluation -> what PostHog calls it."""

_SWITCH: Final = {"true": True, "false": False}
"""OpenFeature's hook writes values as JSON text."""


class FlagTeller:
    """Adds to captures what PostHog wants to know of flags. ``prefix``: of the names of events here."""

    __slots__ = ("_converter", "_evaluation")

    def __init__(self, prefix: str, converter: Converter) -> None:
        self._evaluation = prefix + EVALUATION
        self._converter = converter

    def told(self, capture: Capture, attributes: Mapping[str, object], events: Iterable[Event]) -> Capture:
        """The capture, with the flags of the signal's own attributes and of its span events."""
        answers: dict[str, bool | str] = {}
        for event in events:
            if event.name == EVALUATION and len(answers) < MAX_FLAGS:
                self._note(answers, copied(event.attributes))
        # What privacy or before_send took off the event itself is not told by other means.
        evaluated = {**attributes, **{key: capture.properties.get(key) for key in (_KEY, _VARIANT)}}
        own = self._note(answers, evaluated)
        if not answers:
            return capture
        properties = {**capture.properties, **{name_of(f"$feature/{key}"): answers[key] for key in answers}}
        if own is None or capture.name != self._evaluation:
            return capture._replace(properties=properties)
        return _called(capture, own, answers[own], attributes, properties)

    def _note(self, answers: dict[str, bool | str], attributes: Mapping[str, Any]) -> str | None:
        """Take one evaluation in; its key, or None for what is not a whole one."""
        key, answer = attributes.get(_KEY), self._answer(attributes)
        if not isinstance(key, str) or not key or answer is None or not name_of(f"$feature/{key}"):
            return None
        answers[key] = answer
        return key

    def _answer(self, attributes: Mapping[str, Any]) -> bool | str | None:
        """A switch answers true or false, as PostHog's own do; any other flag the name of its variant."""
        value, variant = attributes.get(_VALUE), attributes.get(_VARIANT)
        switch = value if isinstance(value, bool) else _SWITCH.get(value) if isinstance(value, str) else None
        if switch is not None:
            return switch
        if not isinstance(variant, str) or not variant:
            return None
        text = self._converter.text(variant)
        return None if text is OMITTED else text


def _called(
    capture: Capture,
    key: str,
    answer: bool | str,
    attributes: Mapping[str, object],
    properties: dict[str, JsonValue],
) -> Capture:
    properties["$feature_flag"] = key
    properties["$feature_flag_response"] = answer
    for said, name in _SAID.items():
        value = attributes.get(said)
        if isinstance(value, str) and value:
            properties[name] = clean_text(value)
    uuid = capture.uuid
    if idempotency_key(attributes) is None:  # else the application has said what is the same fact
        fact = json.dumps([capture.distinct_id, key, answer, sorted(capture.groups.items())])
        uuid = keyed_uuid(CALLED, fact, capture.time_ns)
    return capture._replace(name=CALLED, uuid=uuid, properties=properties)
