"""Which JSON a legacy request may be: a batch, one event or a list of events; the type of each field."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from .instants import canonical_uuid
from .strict_json import JsonObject, is_list, is_object

KEY_NAMES = ("api_key", "token", "$token")
ID_NAMES = ("distinct_id", "$distinct_id")

EVENT_KEYS = frozenset(
    {"event", "uuid", "properties", "timestamp", "offset", "$set", "$set_once", *KEY_NAMES, *ID_NAMES}
)
"""What PostHog reads at the top of an event; everything else there is dropped silently."""


class MistypedError(ValueError):
    """A field has a type that PostHog does not read. The message names the field."""


@dataclass(frozen=True, slots=True)
class Batch:
    """The events of a request, all of the right types, and what stands around them."""

    events: Sequence[JsonObject]
    keys: tuple[str, ...]
    sent_at: str | None = None
    historical: bool = False


def read_batch(value: Any) -> Batch:
    """Raises :class:`MistypedError` when ``value`` is none of the three shapes."""
    if is_list(value):
        events = [_event(item) for item in value]
        return Batch(events, tuple(key for event in events if (key := _event_key(event)) is not None))
    if not isinstance(value, JsonObject):
        raise MistypedError("body")
    if "batch" in value:
        return _batch(value)
    event = _event(value)
    key = _event_key(event)
    sent_at = _optional(value, "sent_at", str)
    return Batch([event], () if key is None else (key,), sent_at)


def _batch(value: JsonObject) -> Batch:
    for name in value.repeated:
        raise MistypedError(name)
    key = _one_of(value, KEY_NAMES)
    if not isinstance(key, str):
        raise MistypedError("api_key")
    batch = value["batch"]
    if not is_list(batch):
        raise MistypedError("batch")
    return Batch(
        events=[_event(item) for item in batch],
        keys=(key,),
        sent_at=_optional(value, "sent_at", str),
        historical=bool(_optional(value, "historical_migration", bool)),
    )


def _event(value: Any) -> JsonObject:
    if not isinstance(value, JsonObject):
        raise MistypedError("batch[]")
    for name in value.repeated:
        if name in EVENT_KEYS:
            raise MistypedError(name)
    if not isinstance(value.get("event"), str):
        raise MistypedError("event")
    _one_of(value, ID_NAMES)
    _one_of(value, KEY_NAMES)
    uuid = _optional(value, "uuid", str)
    if uuid and canonical_uuid(uuid) is None:
        raise MistypedError("uuid")
    _optional(value, "timestamp", str)
    _optional(value, "$set", dict)
    _optional(value, "$set_once", dict)
    offset = value.get("offset")
    if offset is not None and (not isinstance(offset, int) or isinstance(offset, bool)):
        raise MistypedError("offset")
    if not is_object(value.get("properties", {})):  # null is not read either
        raise MistypedError("properties")
    return value


def _event_key(event: JsonObject) -> str | None:
    key = _one_of(event, KEY_NAMES)
    if key is None:
        key = event.get("properties", {}).get("token")
    return key if isinstance(key, str) else None


def _one_of(value: JsonObject, names: tuple[str, ...]) -> Any:
    """The value under one of several spellings; two of them are a duplicate field."""
    present = [name for name in names if name in value]
    if len(present) > 1:
        raise MistypedError(f"{present[0]} and {present[1]}")
    return value[present[0]] if present else None


def _optional(value: JsonObject, name: str, kind: type[Any]) -> Any:
    found = value.get(name)
    if found is not None and not isinstance(found, kind):
        raise MistypedError(name)
    return found
