"""Which group updates were needless (rule 39): what each client was told is stored.

A client is one connection, as far as the double can tell clients apart. It is only said to repeat itself
when the double told this very client that the values are stored, nobody changed them since, and no answer
about that group got lost on the way. A first sight does not count: an exporter whose ledger is in memory
says after every deploy once more what it sees, under a uuid whose time part is the start of the day.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from .instants import uuid7_time_ms, uuid_version
from .judgement import AcceptedEvent
from .lint import personless
from .store import same
from .strict_json import is_object

DAY_MS = 86_400_000


class GroupMemory:
    """Not safe for threads by itself: the double holds its lock."""

    def __init__(self) -> None:
        self._sent: dict[tuple[str, str], dict[str, Any]] = {}  # merged in order of arrival
        self._told: dict[tuple[str, str, str], dict[str, Any]] = {}  # by client, type, key
        self._seen: set[str] = set()  # uuids of updates

    def needless(self, event: AcceptedEvent) -> bool:
        """Whether this update says nothing that its client does not know to be stored."""
        group = _group(event)
        if group is None or event.uuid in self._seen or _is_first_sight(event.uuid):
            return False
        told = self._told.get((event.client, *group))
        if told is None:
            return False
        current = self._sent.get(group, {})
        return all(_holds(told, name, value) and _holds(current, name, value) for name, value in _set(event))

    def arrived(self, events: Iterable[AcceptedEvent], *, acknowledged: bool) -> None:
        """Events were stored; ``acknowledged`` says whether their client was told so."""
        for event in events:
            group = _group(event)
            if group is None:
                continue
            self._seen.add(event.uuid)
            values = dict(_set(event))
            self._sent.setdefault(group, {}).update(values)
            client = (event.client, *group)
            if acknowledged:
                self._told.setdefault(client, {}).update(values)
            else:
                self._told.pop(client, None)

    def lost(self, events: Iterable[AcceptedEvent]) -> None:
        """Events that were neither stored nor refused for good: their client can't know."""
        for event in events:
            group = _group(event)
            if group is not None:
                self._told.pop((event.client, *group), None)


def _group(event: AcceptedEvent) -> tuple[str, str] | None:
    if event.name != "$groupidentify" or personless(event):  # a personless update writes no group
        return None
    return str(event.properties.get("$group_type")), str(event.properties.get("$group_key"))


def _set(event: AcceptedEvent) -> Iterable[tuple[str, Any]]:
    group_set = event.properties.get("$group_set")
    return group_set.items() if is_object(group_set) else ()


def _holds(values: Mapping[str, Any], name: str, value: Any) -> bool:
    return name in values and same(values[name], value)


def _is_first_sight(uuid: str) -> bool:
    return uuid_version(uuid) == 7 and uuid7_time_ms(uuid) % DAY_MS == 0
