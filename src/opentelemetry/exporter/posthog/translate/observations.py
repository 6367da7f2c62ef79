"""What a signal says of its groups, as of when.

PostHog keeps the last update that arrives and ignores timestamps, so the order is made here and in the
ledger: each observation carries the time at which it was true and the time at which we saw it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Final, cast

from ..attributes import GROUP_UNSET, OBSERVED_AT
from ..model import Observation
from ..timestamp import LAST_NS, SECOND_NS, parse_rfc3339
from . import notes
from .constants import is_flat, says_something
from .plans import profile_name
from .privacy import OMITTED
from .properties import is_reserved, name_of

if TYPE_CHECKING:
    from ..model import Group, JsonValue
    from ..settings.model import Settings
    from .groups import Found
    from .plans import Profile
    from .privacy import Privacy
    from .properties import Converter
    from .signals import Subject

FUTURE: Final = 300 * SECOND_NS
"""How far ahead an observation may lie. Beyond, a wrong clock made it, and believing it would freeze the
property against every true signal until then."""

FEWEST_NS: Final = 100_000_000 * SECOND_NS
"""A smaller number (before 1973) counts seconds or milliseconds: whoever wrote it took the wrong unit."""


_NO_EVENT: Final[Mapping[str, JsonValue]] = {}
_NOTHING_UNSET: Final[Mapping[str, list[str]]] = {}


class Observer:
    """Reads observations off signals, under fixed settings."""

    __slots__ = ("_converter", "_prefixes", "_privacy")

    def __init__(self, settings: Settings, privacy: Privacy, converter: Converter) -> None:
        self._privacy = privacy
        self._converter = converter
        self._prefixes = tuple((rule.type, rule.prefix) for rule in settings.groups)

    def observe(self, subjects: Iterable[Subject], now_ns: int) -> None:
        """One observation a group. A signal that is not selected speaks only of groups that the application
        put on it, and only if it says something of them.
        """
        latest = now_ns + FUTURE
        for subject in subjects:
            shape, found, selected = subject.shape, subject.found, subject.capture is not None
            unset = self._unset(subject.attributes, found) if shape.unset else _NOTHING_UNSET
            time_ns = self._stated(subject) if shape.dated else subject.time_ns
            made: list[Observation] = []
            for group in found.groups:
                type_ = group.type
                if not selected and (type_ in found.elsewhere or type_ in found.stamped):
                    continue
                properties = self._said_of(group, subject)
                if type_ in unset:
                    properties = {**dict.fromkeys(unset[type_]), **properties}
                if not selected and not properties:
                    continue
                if time_ns > latest:
                    subject.said.append(notes.FUTURE_TIME)
                    time_ns = subject.seen_ns
                made.append(Observation(group, time_ns, subject.seen_ns, properties, subject.origin.service))
            subject.observations = tuple(made)

    def _said_of(self, group: Group, subject: Subject) -> Mapping[str, JsonValue]:
        """Values that the event has were converted before."""
        if group.type in subject.found.elsewhere:
            origin = subject.origin
            here = origin.groups.get(group.type) == group.key
            return {**origin.group_properties.get(group.type, {})} if here else {}
        profile = subject.plan.groups.get(group.type)
        if profile is None:
            return {}
        if subject.told is not None and (told := subject.told.get(group.type)) is not None:
            return told
        return self._each_said(profile, subject)

    def _each_said(self, profile: Profile, subject: Subject) -> dict[str, JsonValue]:
        event = subject.properties if subject.capture is not None else _NO_EVENT
        found: dict[str, JsonValue] = {}
        for key, event_name, name, pattern in profile.entries:
            if event_name in event:
                value = event[event_name]
            else:
                converted = self._converter.value(subject.attributes[key], pattern)
                if converted is OMITTED:
                    continue
                value = converted
            if isinstance(value, str):
                if value and not value.isspace():
                    found[name] = value
            elif isinstance(value, (int, float)):
                found[name] = value
            elif not is_flat(value):
                subject.said.append(notes.GROUP_VALUE)
            elif says_something(value):
                found[name] = value
        return found

    def _unset(self, attributes: Mapping[str, object], found: Found) -> Mapping[str, list[str]]:
        """Names that are said to be empty, by type: under the type's prefix, else of the first group here."""
        given = attributes.get(GROUP_UNSET)
        if given is None or not found.keys:
            return _NOTHING_UNSET
        names: Iterable[object] = ()
        if isinstance(given, str):
            names = (given,)
        elif isinstance(given, (list, tuple)):
            names = cast("Iterable[object]", given)
        first = next(iter(found.keys))
        unset: dict[str, list[str]] = {}
        for given_name in names:
            if not isinstance(given_name, str):
                continue
            type_, rest = next(
                (
                    (type_, given_name[len(prefix) :])
                    for type_, prefix in self._prefixes
                    if prefix and given_name.startswith(prefix)
                ),
                (first, given_name),
            )
            name = name_of(profile_name(rest.strip()))
            if name and not is_reserved(name) and self._privacy.allows_group_property(type_, name):
                unset.setdefault(type_, []).append(name)
        return unset

    @staticmethod
    def _stated(subject: Subject) -> int:
        """When it was true, as the application says; else event time."""
        given = subject.attributes.get(OBSERVED_AT)
        stated = None if given is None else observed_at(given)
        if stated is None and given is not None:
            subject.said.append(notes.OBSERVED_AT_INVALID)
        return subject.time_ns if stated is None else stated


def observed_at(value: object) -> int | None:
    """RFC 3339 text or nanoseconds since the epoch, as int or as digits."""
    if isinstance(value, str):
        text = value.strip()
        if not (text.isdecimal() and text.isascii() and len(text) <= 19):
            time_ns = parse_rfc3339(text)
            return time_ns if time_ns is not None and time_ns > 0 else None
        value = int(text)
    if not isinstance(value, int) or isinstance(value, bool):
        return None
    return int(value) if FEWEST_NS <= value <= LAST_NS else None
