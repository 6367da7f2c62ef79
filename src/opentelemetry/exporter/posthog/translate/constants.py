"""What a resource and a scope mean for every signal that carries them, worked out once an object.

All signals of a provider share one resource, and all of a tracer one scope. Hashing a resource costs more
than translating a signal, so objects are known by identity; they are kept, since ids are used again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final, Generic, NamedTuple, TypeVar, cast

from .conventions import convention_name
from .identity import identifier
from .privacy import OMITTED
from .properties import clean_text

if TYPE_CHECKING:
    from ..model import JsonValue
    from ..settings.model import Settings
    from .plans import Planner
    from .properties import Converter

T = TypeVar("T")

MAX_OBJECTS: Final = 128
"""Objects remembered; an application has one resource and some dozens of scopes."""

OWN_SCOPES: Final = ("opentelemetry.exporter", "opentelemetry.sdk", "httpx", "httpcore")
"""Telemetry about delivering telemetry: an event of it would make a request that makes the next one."""

INSTRUMENTATION: Final = "opentelemetry.instrumentation."

RESOURCE_PROPERTIES: Final = ("service.name", "service.version", "deployment.environment.name")

NO_SERVICE: Final = "unknown_service"


class IdentityTable(Generic[T]):
    """A bounded memory of what was worked out of objects, by identity. Safe from many threads."""

    __slots__ = ("_entries", "_work_out")

    def __init__(self, work_out: Callable[[object], T]) -> None:
        self._work_out = work_out
        self._entries: dict[int, tuple[object, T]] = {}

    def get(self, subject: object) -> T:
        entry = self._entries.get(id(subject))
        return self._learnt(subject) if entry is None else entry[1]  # an entry keeps its object, so its id

    def _learnt(self, subject: object) -> T:
        answer = self._work_out(subject)
        if len(self._entries) >= MAX_OBJECTS:
            self._entries = {}
        self._entries[id(subject)] = (subject, answer)
        return answer


class Scope(NamedTuple):
    name: str
    own: bool  # ours, or of the libraries by which we deliver
    instrumentation: bool


def scope_of(scope: object) -> Scope:
    name = getattr(scope, "name", None)
    name = name if isinstance(name, str) else ""
    own = any(name == root or name.startswith(root + ".") for root in OWN_SCOPES)
    return Scope(clean_text(name), own, name.startswith(INSTRUMENTATION))


class Origin(NamedTuple):
    """What a resource says of all its signals."""

    service: str
    properties: dict[str, JsonValue]
    groups: dict[str, str]  # group type -> key, only if the operator said that resources speak for groups
    group_properties: dict[str, dict[str, JsonValue]]
    unused_group: bool  # there is a group key, and nobody said that it may be used


class OriginReader:
    """Reads resources under fixed settings."""

    __slots__ = ("_converter", "_planner", "_settings")

    def __init__(self, settings: Settings, converter: Converter, planner: Planner) -> None:
        self._settings = settings
        self._converter = converter
        self._planner = planner

    def read(self, resource: object) -> Origin:
        given: object = getattr(resource, "attributes", None)
        attributes = dict(cast("Mapping[str, object]", given)) if isinstance(given, Mapping) else {}
        named = {convention_name(key): key for key in attributes}
        properties: dict[str, JsonValue] = {}
        if not self._settings.geoip:
            properties["$geoip_disable"] = True
        properties["$is_server"] = True
        for name in RESOURCE_PROPERTIES:
            value = self._converter.value(attributes[named[name]]) if name in named else OMITTED
            if value is not OMITTED and value is not None and name not in self._settings.privacy.drop:
                properties[name] = value
        service = attributes.get("service.name")
        keys = {
            rule.type: key
            for rule in self._settings.groups
            if (key := identifier(attributes.get(rule.attribute))) is not None
        }
        used = self._settings.groups_from_resource
        return Origin(
            service=clean_text(service) if isinstance(service, str) else "",
            properties=properties,
            groups=keys if used else {},
            group_properties={type_: self._described(type_, attributes) for type_ in keys} if used else {},
            unused_group=bool(keys) and not used,
        )

    def _described(self, group_type: str, attributes: Mapping[str, object]) -> dict[str, JsonValue]:
        plan, _ = self._planner.plan(self._planner.shapes.of(attributes))
        found: dict[str, JsonValue] = {}
        for entry in plan.groups[group_type].entries if group_type in plan.groups else ():
            value = self._converter.value(attributes[entry.key], entry.pattern)
            if value is not OMITTED and says_something(value):
                found[entry.name] = value
        return found


def says_something(value: JsonValue) -> bool:
    """Is this a statement about a group? None, blank text and empty lists are what code writes where it
    knows nothing; ``posthog.group.unset`` says that something is empty.
    """
    if isinstance(value, str):
        return bool(value.strip())
    return value is not None and value != []


def is_flat(value: JsonValue) -> bool:
    """Profiles hold scalars and lists of scalars."""
    if isinstance(value, list):
        return not any(isinstance(item, (list, dict)) for item in value)
    return not isinstance(value, dict)
