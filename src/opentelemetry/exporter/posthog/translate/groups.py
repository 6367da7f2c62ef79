"""Which groups a signal belongs to: only by a configured attribute, on that very signal.

A group key never comes from a user id, from another attribute or from another signal. A signal without a
group is a small loss; a signal under the wrong group makes two profiles untrue.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Final, NamedTuple, cast

from ..attributes import GROUP_AMBIGUOUS, GROUP_STAMPED
from ..model import Group
from ..reasons import Reason
from .identity import identifier

if TYPE_CHECKING:
    from ..settings.model import GroupRule
    from .shapes import Shape


_NONE: Final[frozenset[str]] = frozenset()


class Found(NamedTuple):
    """The groups of a signal, where each comes from, and what stood in the way of another."""

    keys: Mapping[str, str]  # group type -> key, in the order of the settings
    groups: tuple[Group, ...] = ()  # the same
    stamped: frozenset[str] = _NONE  # put there by our processor, not by the application
    elsewhere: frozenset[str] = _NONE  # from the resource or the processor's memory: no properties here
    problem: Reason | None = None

    @property
    def application(self) -> bool:
        """Did the application itself put a group on this signal?"""
        return len(self.keys) > len(self.stamped) + len(self.elsewhere)


def _found(
    keys: Mapping[str, str],
    stamped: frozenset[str] = _NONE,
    elsewhere: frozenset[str] = _NONE,
    problem: Reason | None = None,
) -> Found:
    return Found(keys, tuple(Group(type_, key) for type_, key in keys.items()), stamped, elsewhere, problem)


def _find(
    rules: tuple[tuple[str, str], ...],
    values: tuple[object, ...],
    stamped: frozenset[str],
    ambiguous: frozenset[str],
) -> Found:
    """Groups by rules and the values of their attributes; types that are said to be stamped or ambiguous."""
    keys: dict[str, str] = {}
    problem: Reason | None = None
    for (type_, _), value in zip(rules, values, strict=True):
        if value is None:
            continue
        key = identifier(value)
        if type_ in ambiguous:
            problem = Reason.AMBIGUOUS_GROUP
        elif key is None:
            problem = problem or Reason.INVALID_GROUP_KEY
        else:
            keys[type_] = key
    return _found(keys, stamped.intersection(keys), _NONE, problem)


_found_again = lru_cache(maxsize=4_096)(_find)  # the same few organizations come again and again

_TEXT: Final = frozenset({str})
"""Only text is looked up: equal texts are the same key, while ``1`` equals ``True``, which is none."""


NOTHING: Final = Found({})
EVICTED: Final = Found({}, problem=Reason.GROUP_EVICTED)
"""No group, but attributes were dropped, and the oldest go first: the group may have been among them."""


class GroupFinder:
    """Finds groups by the rules of the settings."""

    __slots__ = ("_rules",)

    def __init__(self, rules: tuple[GroupRule, ...]) -> None:
        self._rules = tuple((rule.type, rule.attribute) for rule in rules)

    def find(self, shape: Shape, attributes: Mapping[str, object]) -> Found:
        """Groups on these attributes."""
        if not shape.groups:
            return NOTHING
        values = shape.keys_of_groups(attributes)
        stamped = type_names(attributes[GROUP_STAMPED]) if shape.stamped else _NONE
        ambiguous = type_names(attributes[GROUP_AMBIGUOUS]) if shape.ambiguous else _NONE
        find = _found_again if _TEXT.issuperset(map(type, values)) else _find
        return find(shape.groups, values, stamped, ambiguous)

    def without_cut(self, found: Found, attributes: Mapping[str, object], length_limit: int) -> Found:
        """Take away keys that the SDK's limit for text, in characters, has probably cut.

        A key exactly as long as the limit may be the first part of two organizations' ids.
        """
        kept = {
            type_: found.keys[type_]
            for type_, attribute in self._rules
            if type_ in found.keys and len(str(attributes[attribute])) < length_limit
        }
        if len(kept) == len(found.keys):
            return found
        return _found(kept, found.stamped.intersection(kept), found.elsewhere, Reason.GROUP_KEY_CUT)

    def with_remembered(
        self, found: Found, attributes: Mapping[str, object], remembered: Mapping[str, str]
    ) -> Found:
        """Add what the processor noted of the span, for types that the attribute limits took away or cut.

        Only the key is known then: properties left on the span may be another group's.
        """
        ambiguous = type_names(attributes.get(GROUP_AMBIGUOUS))
        added: dict[str, str] = {}
        for type_, attribute in self._rules:
            key = identifier(remembered.get(type_))
            rest = attributes.get(attribute)
            cut = isinstance(rest, str) and key is not None and key.startswith(rest)
            if (
                key is not None
                and type_ not in found.keys
                and type_ not in ambiguous
                and (rest is None or cut)
            ):
                added[type_] = key
        return self._joined(found, added) if added else found

    def with_resource(self, found: Found, resource: Mapping[str, str]) -> Found:
        """Add the resource's groups, for types of which the signal itself says nothing."""
        if found.problem is not None:
            return found
        added = {type_: key for type_, key in resource.items() if type_ not in found.keys}
        return self._joined(found, added) if added else found

    def _joined(self, found: Found, added: Mapping[str, str]) -> Found:
        keys = {**found.keys, **added}
        ordered = {type_: keys[type_] for type_, _ in self._rules if type_ in keys}
        return _found(ordered, found.stamped, found.elsewhere.union(added), found.problem)


def type_names(value: object) -> frozenset[str]:
    """Group types listed in one of our own attributes."""
    if value is None:
        return frozenset()
    if isinstance(value, str):
        return frozenset({value})
    if isinstance(value, (list, tuple)):
        return frozenset(item for item in cast("Iterable[object]", value) if isinstance(item, str))
    return frozenset()
