"""What to say of an accepted event: names PostHog acts on, ids and flags that lose something silently.

Pure, and alike for both protocols. The list of names that an exporter itself may send is short and stands
here; every other name on PostHog's list came from an attribute and is a finding.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .exceptions import exception_problems
from .instants import canonical_uuid, uuid7_time_ms, uuid_version
from .judgement import AcceptedEvent, Notes
from .names import (
    CAMPAIGN,
    GROUP_UPDATE_ONLY,
    LIFTED,
    OWN,
    PERSON_KEYS,
    PLACED_BY_V1,
    RESERVED,
    RESERVED_EVENTS,
    RESERVED_PREFIXES,
    SERVER_SIDE,
)
from .strict_json import Document, is_object

THREE_DAYS_MS = 3 * 86_400_000


def lint_json(document: Document, notes: Notes) -> None:
    """Findings about the body's JSON as a whole."""
    for name, detail in document.problems.items():
        notes.find(name, detail)


def lint_event(event: AcceptedEvent, notes: Notes) -> None:
    """All findings about one accepted event that need no memory of others."""
    found: list[tuple[str, str]] = []
    _names(event, found)
    _ids(event, found)
    _flags(event, found)
    _groups(event, found)
    if event.name == "$groupidentify":
        _group_update(event, found)
    if event.name == "$exception":
        found += exception_problems(event.properties)
    for name, detail in found:
        notes.find(name, detail, event=event.name, uuid=event.uuid)


def _names(event: AcceptedEvent, found: list[tuple[str, str]]) -> None:
    if event.name in RESERVED_EVENTS or event.name.startswith("$ai_"):
        found.append(("reserved_event_name", event.name))
    for name in event.properties:
        if is_lifted(name, event.properties):
            found.append(("lifted_property", name))
        elif _reserved(name, event):
            found.append(("reserved_property", name))


def is_lifted(name: str, properties: Mapping[str, Any]) -> bool:
    """Whether PostHog copies this property from any personful event onto its person."""
    if properties.get("$is_server") is True and name in SERVER_SIDE:
        return False
    return name in LIFTED or name in CAMPAIGN


def _reserved(name: str, event: AcceptedEvent) -> bool:
    if name in OWN or (name == "alias" and event.name == "$create_alias"):
        return False
    if name in GROUP_UPDATE_ONLY:
        return event.name != "$groupidentify"
    if name.startswith("$exception_"):
        return event.name != "$exception"
    if event.protocol == "v1" and name in PLACED_BY_V1:
        return False  # it came from its own field, or rule 34 has said it
    return name in RESERVED or name.startswith(RESERVED_PREFIXES)


def _ids(event: AcceptedEvent, found: list[tuple[str, str]]) -> None:
    version = uuid_version(event.uuid)
    if version != 7:
        found.append(("uuid_not_v7", f"version {version}"))
    elif abs(uuid7_time_ms(event.uuid) - event.stored_ns // 1_000_000) > THREE_DAYS_MS:
        found.append(("uuid_time_far", ""))
    session = event.properties.get("$session_id")
    if session is not None and not valid_session(session):
        found.append(("session_id_invalid", type(session).__name__))


def valid_session(session: Any) -> bool:
    return isinstance(session, str) and canonical_uuid(session) is not None


def _flags(event: AcceptedEvent, found: list[tuple[str, str]]) -> None:
    flag = event.properties.get("$process_person_profile", True)
    if not isinstance(flag, bool):
        found.append(("profile_flag_not_bool", type(flag).__name__))
    if event.properties.get("$geoip_disable") is not True and not event.properties.get("$ip"):
        found.append(("geoip_open", ""))


def personless(event: AcceptedEvent) -> bool:
    """Whether PostHog handles neither person nor groups of this event."""
    return not event.person_processing or event.properties.get("$process_person_profile") is False


def _groups(event: AcceptedEvent, found: list[tuple[str, str]]) -> None:
    if "$groups" not in event.properties:
        return
    groups = event.properties["$groups"]
    if not is_object(groups):
        found.append(("groups_not_an_object", type(groups).__name__))
        return
    for kind, key in groups.items():
        if not isinstance(key, str):
            found.append(("group_key_not_text", f"{kind}: {type(key).__name__}"))
        elif not key.strip():
            found.append(("group_key_empty", str(kind)))
    if groups and personless(event):
        found.append(("personless_with_groups", ", ".join(map(str, groups))))


def _group_update(event: AcceptedEvent, found: list[tuple[str, str]]) -> None:
    properties = event.properties
    kind, key = properties.get("$group_type"), properties.get("$group_key")
    if not kind or not key:
        found.append(("group_update_incomplete", "no $group_type or no $group_key"))
    elif not isinstance(kind, str) or not isinstance(key, str):
        found.append(("group_key_not_text", type(key).__name__))
    elif not _stable_id(event.distinct_id, f"${kind}_{key}", f"${kind}_"):
        found.append(("unstable_group_id", f"group type {kind}"))
    group_set = properties.get("$group_set")
    if group_set is not None and not is_object(group_set):
        found.append(("group_update_incomplete", f"$group_set is {type(group_set).__name__}"))
    if "$groups" in properties:
        found.append(("groups_on_group_update", ""))
    found += [("person_on_group_update", name) for name in PERSON_KEYS if name in properties]
    if personless(event):
        found.append(("personless_group_update", ""))


def _stable_id(distinct_id: str, whole: str, start: str) -> bool:
    """``$<type>_<key>``; where that is over 200 bytes, any shortened form that still begins like it."""
    if len(whole.encode("utf-8", "surrogatepass")) > 200:
        return distinct_id.startswith(start[:100])
    return distinct_id == whole
