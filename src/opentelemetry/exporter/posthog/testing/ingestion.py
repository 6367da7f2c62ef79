"""PostHog's ingestion, as far as it looks at one event alone: pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .exceptions import exception_problems
from .instants import uuid7_time_ms, uuid_version
from .judgement import AcceptedEvent
from .lint import THREE_DAYS_MS, is_lifted, valid_session
from .names import CAMPAIGN, EXEMPT_LIBRARIES, FLAG_KEYS, FLAG_PREFIXES, UNMERGEABLE, UNMERGEABLE_IN_ANY_CASE
from .strict_json import compact, is_list, is_object


def event_warnings(event: AcceptedEvent) -> list[str]:
    """Names of the ingestion warnings that this event raises; it is kept in every case."""
    warnings: list[str] = []
    version = uuid_version(event.uuid)
    if version != 7 and event.properties.get("$lib") not in EXEMPT_LIBRARIES:
        warnings.append("event_uuid_not_v7")
    if version == 7 and abs(uuid7_time_ms(event.uuid) - event.stored_ns // 1_000_000) > THREE_DAYS_MS:
        warnings.append("event_uuid_timestamp_divergent")
    session = event.properties.get("$session_id")
    if session is not None and not valid_session(session):
        warnings.append("invalid_event_session_id")
    if not isinstance(event.properties.get("$process_person_profile", True), bool):
        warnings.append("invalid_process_person_profile")
    if event.name == "$exception" and any(
        name == "exception_malformed" for name, _ in exception_problems(event.properties)
    ):
        warnings.append("invalid_exception")
    return warnings


def group_key_text(key: Any) -> str:
    """A group key as ingestion writes it: JavaScript's ``toString``, NUL replaced."""
    if isinstance(key, str):
        return key.replace("\0", "\ufffd")
    if is_object(key):
        return "[object Object]"
    if is_list(key):
        return ",".join("" if item is None else group_key_text(item) for item in key)
    if isinstance(key, float) and key.is_integer() and abs(key) < 1e21:
        return str(int(key))
    return compact(key)


def lifted(properties: Mapping[str, Any]) -> dict[str, Any]:
    """What PostHog copies from any personful event onto its person."""
    return {name: value for name, value in properties.items() if is_lifted(name, properties)}


def merge_is_illegal(distinct_id: str) -> bool:
    """Ids that PostHog never merges persons by."""
    bare = distinct_id
    if len(bare) > 1 and bare[0] == bare[-1] and bare[0] in "'\"":
        bare = bare[1:-1]
    return not distinct_id.strip() or bare in UNMERGEABLE or bare.lower() in UNMERGEABLE_IN_ANY_CASE


def flag_called_allow_list(properties: dict[str, Any]) -> dict[str, Any]:
    """``$feature_flag_called`` with a response that is no string loses every property of its own."""
    if isinstance(properties.get("$feature_flag_response"), str):
        return properties
    return {
        name: value
        for name, value in properties.items()
        if name in FLAG_KEYS or name in CAMPAIGN or name.startswith(FLAG_PREFIXES)
    }
