"""A selected signal as a PostHog event: who, when, which groups, which properties, under which uuid."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final

from .. import attributes as control
from ..identifiers import MAX_ID_BYTES, group_distinct_id, keyed_uuid
from ..model import Capture
from ..timestamp import LAST_NS
from . import notes
from .constants import NO_SERVICE
from .identity import GROUP, NOBODY, USER, user_of
from .privacy import OMITTED
from .properties import clean_text

if TYPE_CHECKING:
    from ..model import JsonValue
    from ..settings.model import Settings
    from .plans import Entry, Plan
    from .properties import Converter
    from .signals import MakeUuid, Subject

_UUID7: Final = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", re.I)


class CaptureMaker:
    """Makes captures under fixed settings."""

    __slots__ = ("_converter", "_prefix")

    def __init__(self, settings: Settings, converter: Converter) -> None:
        self._prefix = settings.event_prefix
        self._converter = converter

    def lay_out(self, subjects: Iterable[Subject]) -> None:
        """Begin the properties: with what the resource says, and with the attributes that move together.

        Most signals hold little but plain scalars, under names of which none is ours, and then all of those
        move at once; :meth:`_add_each` would give the same.
        """
        for subject in subjects:
            plan, constant = subject.plan, subject.origin.properties
            attributes: dict[str, Any] = subject.attributes
            if plan.plain is not None and (told := plan.plain.look(attributes)) is not None:
                subject.told = told
                subject.properties = properties = {**attributes, **constant}
                for key in plan.staying:
                    del properties[key]
                for key, name in plan.renamed:
                    properties[name] = properties.pop(key)
            else:
                subject.properties = {**constant}

    def gather(self, subjects: Iterable[Subject]) -> None:
        """Add the attributes that do not move together, converted and under privacy. Where one has the name
        of what the signal or its resource says, the attribute wins.
        """
        for subject in subjects:
            entries = subject.plan.event if subject.told is None else subject.plan.apart
            if entries:
                self._add_each(subject, entries)

    def make(self, subjects: Iterable[Subject], make_uuid: MakeUuid) -> None:
        """The captures of selected signals."""
        prefix = self._prefix
        for subject in subjects:
            attributes, shape, found, properties = (
                subject.attributes,
                subject.shape,
                subject.found,
                subject.properties,
            )
            user: str | None = None
            if shape.users:
                user, unusable = user_of(attributes, shape.users)
                if unusable:
                    subject.said.append(notes.USER_ID_INVALID)
            if user is not None:
                actor, distinct_id = USER, user
            elif found.groups:
                actor, distinct_id = GROUP, group_distinct_id(found.groups[0])
            else:
                actor, distinct_id = NOBODY, service_distinct_id(subject.origin.service)
            properties[control.ACTOR] = actor
            name = f"{prefix}{subject.verdict}" if prefix else str(subject.verdict)
            time_ns = subject.time_ns if subject.time_ns < LAST_NS else LAST_NS
            key = idempotency_key(attributes) if shape.keyed else None
            subject.capture = Capture(
                name,
                distinct_id,
                time_ns,
                make_uuid(name, subject) if key is None else keyed_uuid(name, key, time_ns),
                found.keys,
                properties,
                actor is NOBODY,
                session_of(attributes) if shape.in_session else None,
                self._person(subject.plan, attributes) if subject.plan.person and user is not None else None,
            )

    def _add_each(self, subject: Subject, entries: Iterable[Entry]) -> None:
        properties, said = subject.properties, subject.said
        attributes: dict[str, Any] = subject.attributes
        for key, name, pattern, identity in entries:
            value = attributes[key]
            converted = self._converter.value(value, pattern)
            if converted is OMITTED or (
                identity and isinstance(value, str) and converted != clean_text(str.__str__(value))
            ):
                said.append(notes.PROPERTY_PRIVATE)
                properties.pop(name, None)  # nor what the signal or its resource says under the same name
            else:
                properties[name] = converted

    def _person(self, plan: Plan, attributes: Mapping[str, object]) -> dict[str, JsonValue] | None:
        """Properties of the user that the operator asked for by name. To name one is to let it pass: there
        is no other reason to ask for ``user.email``.
        """
        person: dict[str, JsonValue] = {}
        for key, name in plan.person:
            value = attributes[key]
            converted = clean_text(value) if type(value) is str else self._converter.value(value)
            if name and converted is not OMITTED and converted not in (None, ""):
                person[name] = converted
        return person or None


def service_distinct_id(service: str) -> str:
    """Who an event without user and group counts for: no person at all, but PostHog needs an id."""
    return f"otel:{service.strip() or NO_SERVICE}".encode()[:MAX_ID_BYTES].decode(errors="ignore")


def idempotency_key(attributes: Mapping[str, object]) -> str | None:
    """What makes two signals the same fact: our own attribute, else the id of a CloudEvent and its source."""
    key = _key_text(attributes.get(control.IDEMPOTENCY_KEY))
    if key is not None:
        return key
    event_id = _key_text(attributes.get(control.CLOUDEVENT_ID))
    if event_id is None:
        return None
    source = _key_text(attributes.get(control.CLOUDEVENT_SOURCE))
    return event_id if source is None else f"{source}\n{event_id}"


def _key_text(value: object) -> str | None:
    if isinstance(value, str):
        return clean_text(value).strip() or None
    return str(value) if type(value) is int and value.bit_length() < 256 else None


def session_of(attributes: Mapping[str, object]) -> str | None:
    """A session id that PostHog can use: a UUIDv7. Any other would only be warned about."""
    for key in control.SESSION_KEYS:
        value = attributes.get(key)
        if isinstance(value, str) and _UUID7.fullmatch(value.strip()):
            return value.strip().lower()
    return None
