"""Evaluated feature flags, as OpenTelemetry tells them, in PostHog's own words. Only with ``feature_flags``.

OpenTelemetry's event ``feature_flag.evaluation`` becomes ``$feature_flag_called``, which experiments count as
exposure; any other event whose signal carries an evaluated flag gets ``$feature/<key>``, which insights break
down by. PostHog is never asked for flags.

An evaluation happens at each request, and an exposure is wanted once: so all that say the same of the same
user, flag, answer and groups share the uuid of their UTC day, as the facts of one idempotency key do.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from ..identifiers import keyed_uuid
from .captures import idempotency_key
from .properties import clean_text, name_of

if TYPE_CHECKING:
    from ..model import Capture, JsonValue

EVALUATION: Final = "feature_flag.evaluation"
CALLED: Final = "$feature_flag_called"
KEY: Final = "feature_flag.key"

_VARIANT: Final = "feature_flag.result.variant"
_VALUE: Final = "feature_flag.result.value"
_SAID: Final = {
    "feature_flag.result.reason": "$feature_flag_reason",
    "feature_flag.version": "$feature_flag_version",
    "error.type": "$feature_flag_error",
}
"""What OpenTelemetry says of an evaluation -> what PostHog calls it."""


def with_flag(capture: Capture, attributes: Mapping[str, object], evaluation: str) -> Capture:
    """The capture with what PostHog wants to know of the flag. ``evaluation``: the name of evaluations here.

    Key and variant come from the capture's own properties, so that what privacy or ``before_send`` took away
    stays away. Without both, nothing is added.
    """
    flag, answer = capture.properties.get(KEY), _answer(capture.properties, attributes)
    if not isinstance(flag, str) or not flag or answer is None:
        return capture
    name = name_of(f"$feature/{flag}")
    if not name:
        return capture
    properties: dict[str, JsonValue] = {**capture.properties, name: answer}
    if capture.name != evaluation:
        return capture._replace(properties=properties)
    properties["$feature_flag"] = flag
    properties["$feature_flag_response"] = answer
    for key, own_name in _SAID.items():
        value = attributes.get(key)
        if isinstance(value, str) and value:
            properties[own_name] = clean_text(value)
    uuid = capture.uuid
    if idempotency_key(attributes) is None:  # else the application has said what is the same fact
        fact = json.dumps([capture.distinct_id, flag, answer, sorted(capture.groups.items())])
        uuid = keyed_uuid(CALLED, fact, capture.time_ns)
    return capture._replace(name=CALLED, uuid=uuid, properties=properties)


def _answer(properties: Mapping[str, JsonValue], attributes: Mapping[str, object]) -> bool | str | None:
    """A switch answers true or false, as PostHog's own do; any other flag the name of its variant."""
    value = attributes.get(_VALUE)
    if isinstance(value, bool):
        return value
    variant = properties.get(_VARIANT)
    return variant if isinstance(variant, str) and variant else None
