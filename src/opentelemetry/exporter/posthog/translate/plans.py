"""What becomes of a set of attribute keys, decided once a set: a service emits few different ones.

Everything that depends on keys alone is decided here (reserved names, conventions, key patterns, prefixes of
groups), so that a signal pays for its values only. A plan is kept with its shape, of which there are so many.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Final, NamedTuple

from .. import attributes as control
from . import notes
from .conventions import convention_name, is_convention, passes
from .plain import Plainness, Remembered
from .properties import CAMPAIGN, is_reserved, name_of
from .shapes import Shape, Shapes

if TYPE_CHECKING:
    from ..settings.model import Settings
    from .privacy import Privacy

MAX_PROPERTIES: Final = 256
"""Properties of one event; twice what the SDK's own limit lets through."""

MAX_GROUP_PROPERTIES: Final = 50
"""Names a group type: a profile is read by people, and a key that varies would fill it for ever."""

NEVER_PROPERTIES: Final = frozenset(
    {
        *control.EVENT_NAME_KEYS, *control.SESSION_KEYS, control.POSTHOG_DISTINCT_ID, "session.previous_id",
        "otel.scope.name",
    }
)  # fmt: skip
"""Read elsewhere, or said by other means."""

_SAID_BY_US: Final = frozenset(
    {
        "$is_server", "$geoip_disable", "service.name", "service.version", "deployment.environment.name",
        "span.kind", "span.duration_ms", "otel.status_code", "otel.scope.name", "exception.type",
        "log.severity", "log.body", "$trace_id", "$span_id", control.ACTOR,
    }
)  # fmt: skip
"""Names of properties that we say ourselves. An attribute of such a name wins, or is left out."""

PERSON_PREFIX: Final = "user."


class Entry(NamedTuple):
    """One attribute that becomes a property of the event."""

    key: str
    name: str
    pattern: str | None = None  # the privacy pattern that its key matches, if it is text
    identity: bool = False  # a group key or user id: repeated as a property only if no pattern matches


class GroupEntry(NamedTuple):
    """One attribute that says something of a group."""

    key: str
    event_name: str  # under which the event has the same value
    name: str  # in the group's profile
    pattern: str | None = None


class Profile(NamedTuple):
    """What one set of keys says of one group type."""

    entries: tuple[GroupEntry, ...]


class Plan(NamedTuple):
    """What becomes of one set of keys."""

    event: tuple[Entry, ...]
    groups: dict[str, Profile]
    person: tuple[tuple[str, str], ...]  # key, name of the person's property
    notes: tuple[str, ...]
    plain: Plainness | None  # of the values that may move together; None if none may
    staying: tuple[str, ...]  # keys that do not move with them
    renamed: tuple[tuple[str, str], ...]  # key and name of those that do, where they differ
    apart: tuple[Entry, ...]  # entries whose value is looked at alone in any case: its key matches a pattern


class GroupNames:
    """The property names that each group type has so far; the only thing translation remembers of signals."""

    __slots__ = ("_names",)

    def __init__(self) -> None:
        self._names: dict[str, set[str]] = {}

    def admit(self, group_type: str, name: str) -> tuple[bool, bool]:
        """May the type have this name, and is it new?"""
        names = self._names.setdefault(group_type, set())
        if name in names:
            return True, False
        if len(names) >= MAX_GROUP_PROPERTIES:
            return False, False
        names.add(name)
        return True, True


class Planner:
    """Plans under fixed settings. Safe from many threads: a plan made twice is the same plan.

    A shape is asked of every signal, a plan only of one that is translated: to plan names the properties that
    a group type has, of which there may be only so many.
    """

    __slots__ = (
        "_further",
        "_group_keys",
        "_names",
        "_prefixes",
        "_privacy",
        "_remembered",
        "_settings",
        "shapes",
    )

    def __init__(self, settings: Settings, privacy: Privacy, names: GroupNames) -> None:
        self._settings = settings
        self._privacy = privacy
        self._names = names
        self._further = settings.privacy.conventions
        self._group_keys = frozenset(rule.attribute for rule in settings.groups)
        prefixes = [(rule.prefix, rule.type) for rule in settings.groups if rule.prefix]
        self._prefixes = sorted(prefixes, key=lambda pair: -len(pair[0]))  # the longest one owns the key
        self.shapes = Shapes(settings.groups)
        self._remembered = Remembered()

    def plan(self, shape: Shape) -> tuple[Plan, tuple[str, ...]]:
        """The plan of these keys, and notes that are said only once: property names that are new."""
        if shape.plan is not None:
            return shape.plan, ()
        shape.plan, once = self._made(shape.keys)
        return shape.plan, once

    def _made(self, keys: tuple[str, ...]) -> tuple[Plan, tuple[str, ...]]:
        entries: dict[str, Entry] = {}
        groups: dict[str, dict[str, GroupEntry]] = {}
        said: list[str] = []
        once: list[str] = []
        present = frozenset(keys)
        for key in keys:
            entry = self.entry(key)
            if isinstance(entry, str):
                if entry:
                    said.append(entry)
                continue
            if entry.name != key and entry.name in present:
                continue  # the attribute's new name is there too, and wins
            owner = self._owner(key)
            if owner is not None and not entry.identity:
                group_type, name = owner
                if not self._privacy.allows_group_property(group_type, name):
                    said.append(notes.PROPERTY_PRIVATE)  # off the profile, so off the event
                    continue
                admitted, new = self._names.admit(group_type, name)
                if not admitted:
                    said.append(notes.GROUP_SURPLUS)
                    continue
                if new:
                    once.append(notes.group_property(group_type, name))
                profile = groups.setdefault(group_type, {})
                if name not in profile or "." not in key[len(self._prefix_of(group_type)) :]:
                    profile[name] = GroupEntry(key, entry.name, name, entry.pattern)
            if len(entries) >= MAX_PROPERTIES:
                said.append(notes.PROPERTY_SURPLUS)
                continue
            entries[entry.name] = entry
        moving = {entry.key: name for name, entry in entries.items() if entry.pattern is None}
        return Plan(
            event=tuple(entries.values()),
            groups={group_type: Profile(tuple(profile.values())) for group_type, profile in groups.items()},
            person=self._person(keys),
            notes=tuple(said),
            plain=self._plainness(keys, moving, groups) if present.isdisjoint(_SAID_BY_US) else None,
            staying=tuple(present.difference(moving)),
            renamed=tuple((key, name) for key, name in moving.items() if key != name),
            apart=tuple(entry for entry in entries.values() if entry.pattern is not None),
        ), tuple(once)

    def _plainness(
        self,
        keys: tuple[str, ...],
        moving: Mapping[str, str],
        groups: Mapping[str, Mapping[str, GroupEntry]],
    ) -> Plainness:
        profiles = {
            group_type: [(entry.key, entry.name) for entry in profile.values()]
            for group_type, profile in groups.items()
            if all(moving.get(entry.key) == entry.event_name for entry in profile.values())
        }
        return Plainness(keys, moving, profiles, self._remembered)

    def entry(self, key: str) -> Entry | str:
        """What the event gets of one attribute; a note instead, or "" for nothing worth a word."""
        if key in control.CONTROLS or key in NEVER_PROPERTIES:
            return ""
        name = convention_name(name_of(key))
        if not name:
            return notes.PROPERTY_UNNAMED
        if is_reserved(name) or name.startswith(control.NAMESPACE):
            return notes.PROPERTY_RESERVED
        if name in CAMPAIGN and not self._settings.campaign_properties:
            return notes.PROPERTY_CAMPAIGN
        if key in self._privacy.drop or name in self._privacy.drop or self._privacy.text(name) != name:
            return notes.PROPERTY_PRIVATE
        kept = key in self._privacy.keep or name in self._privacy.keep
        identity = key in self._group_keys or key in control.USER_KEYS
        ours = identity or kept or self._owner(key) is not None
        if not ours and is_convention(name) and not passes(name, self._further):
            return notes.PROPERTY_CONVENTION
        pattern = None if kept else self._privacy.key_pattern(key)
        return Entry(key, name, pattern, identity)

    def _owner(self, key: str) -> tuple[str, str] | None:
        """The group type that an attribute describes, and the property's name in its profile."""
        for prefix, group_type in self._prefixes:
            if key.startswith(prefix) and key not in self._group_keys:
                name = name_of(profile_name(key[len(prefix) :]))
                return None if not name or is_reserved(name) else (group_type, name)
        return None

    def _prefix_of(self, group_type: str) -> str:
        return next(prefix for prefix, owner in self._prefixes if owner == group_type)

    def _person(self, keys: Iterable[str]) -> tuple[tuple[str, str], ...]:
        """What the operator let become properties of the person: by name, and only under ``user.``."""
        return tuple(
            (key, name_of(profile_name(key[len(PERSON_PREFIX) :])))
            for key in keys
            if key.startswith(PERSON_PREFIX)
            and key in self._settings.person_properties
            and key not in self._privacy.drop
            and not is_reserved(key[len(PERSON_PREFIX) :])
        )


def profile_name(suffix: str) -> str:
    """``plan.name`` → ``plan_name``: dots are awkward in PostHog's filters and SQL."""
    return suffix.replace(".", "_")
