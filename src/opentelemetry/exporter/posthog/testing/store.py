"""PostHog's ingestion: accepted events in, rows, persons and group profiles out (rules 5 and 36 to 44).

Ingestion is asynchronous and keeps order only within one distinct id. So the events wait in streams, one a
(distinct id, lane), and are worked off when somebody looks: within a stream in order of arrival, the streams
shuffled by a seeded generator. An exporter that sends updates of one group under several ids sees them
applied in either order, as in production. Not safe for threads by itself: the double holds its lock.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from random import Random
from typing import TYPE_CHECKING, Any

from .findings import Finding
from .group_types import GroupTypes
from .ingestion import (
    event_warnings,
    flag_called_allow_list,
    group_key_text,
    lifted,
    merge_is_illegal,
)
from .instants import day
from .judgement import AcceptedEvent
from .lint import personless as is_personless
from .names import MERGE_EVENTS, PERSON_KEYS
from .stored import Change, GroupProfile, IngestionWarning, Person, Repeat, StoredEvent
from .strict_json import is_list, is_object

if TYPE_CHECKING:
    from .watching import Watcher

NO_PERSON_WRITES = frozenset({"$exception", "$$heatmap"})
MAX_GROUP_KEY_UNITS = 400


class Store:
    """Everything one project holds."""

    def __init__(
        self,
        *,
        seed: int = 0,
        anonymous_ips: bool = False,
        keep_rows: int | None = None,
        watcher: Watcher | None = None,
    ) -> None:
        self._seed = seed
        self._anonymous_ips = anonymous_ips
        self._keep_rows = keep_rows
        self._watcher = watcher
        self.clear()

    def clear(self) -> None:
        """Forget everything: a fresh project."""
        self._random = Random(self._seed)
        self._streams: dict[tuple[str, str], deque[tuple[int, AcceptedEvent]]] = {}
        self._arrivals = 0
        self.group_types = GroupTypes()
        self.rows: dict[tuple[str, str, str, str], StoredEvent] = {}
        self.groups: dict[tuple[str, str], GroupProfile] = {}
        self.persons: dict[str, Person] = {}  # by distinct id; merged persons are one object
        self.warnings: list[IngestionWarning] = []
        self.findings: list[Finding] = []
        self._ignored_types: set[str] = set()

    def accept(self, event: AcceptedEvent) -> None:
        """Put an event into its stream."""
        self._arrivals += 1
        stream = (event.distinct_id, _lane(event))
        self._streams.setdefault(stream, deque()).append((self._arrivals, event))

    def ingest(self) -> None:
        """Work off all streams, in shuffled order."""
        while self._streams:
            name = self._random.choice(list(self._streams))
            waiting = self._streams[name]
            arrival, event = waiting.popleft()
            if not waiting:
                del self._streams[name]
            self._ingest(event, arrival)

    def repeats(self) -> list[Repeat]:
        """Rows that arrived more than once."""
        return [Repeat(row.name, row.uuid, row.repeats) for row in self.rows.values() if row.repeats]

    # -- one event ----------------------------------------------------------------------------------

    def _ingest(self, event: AcceptedEvent, arrival: int) -> None:
        properties = dict(event.properties)
        for warning in event_warnings(event):
            self._warn(warning, event)
        personless = is_personless(event)
        if personless and event.name in MERGE_EVENTS:
            self._warn("invalid_event_when_process_person_profile_is_false", event)
            return
        if event.name == "$groupidentify" and not self._ingest_group(event, properties, arrival, personless):
            return
        if event.name == "$feature_flag_called":
            properties = flag_called_allow_list(properties)
        if not properties.get("$ip") and properties.get("$geoip_disable") is not True:
            properties["$ip"] = event.peer_ip
        if self._anonymous_ips:
            properties.pop("$ip", None)
        groups = self._link_groups(event, properties, personless=personless)
        if personless:
            for name in PERSON_KEYS:
                properties.pop(name, None)
        else:
            self._write_person(event, properties)
        self._write_row(event, properties, groups, arrival, personless=personless)

    def _warn(self, name: str, event: AcceptedEvent) -> None:
        warning = IngestionWarning(name, event.name, event.uuid)
        self.warnings.append(warning)
        if self._watcher is not None:
            self._watcher.warned(warning, event.request)

    def _write_row(
        self,
        event: AcceptedEvent,
        properties: dict[str, Any],
        groups: dict[str, str],
        arrival: int,
        *,
        personless: bool,
    ) -> None:
        key = (day(event.stored_ns), event.name, event.distinct_id, event.uuid)
        before = self.rows.get(key)
        row = StoredEvent(
            name=event.name,
            uuid=event.uuid,
            distinct_id=event.distinct_id,
            time_ns=event.sent_ns,
            stored_ns=event.stored_ns,
            properties=properties,
            groups=groups,
            personless=personless,
            protocol=event.protocol,
            request=event.request,
            arrival=arrival if before is None else before.arrival,
            received_ns=event.received_ns if before is None else before.received_ns,
            repeats=0 if before is None else before.repeats + 1,
        )
        self.rows[key] = row
        if self._keep_rows is not None and len(self.rows) > self._keep_rows:
            del self.rows[next(iter(self.rows))]
        if self._watcher is not None:
            self._watcher.stored(row)

    # -- groups -------------------------------------------------------------------------------------

    def _link_groups(
        self, event: AcceptedEvent, properties: dict[str, Any], *, personless: bool
    ) -> dict[str, str]:
        """Resolve ``$groups``, set ``$group_0..4``; what PostHog really linked."""
        if personless:
            for position in range(GroupTypes.LIMIT):
                properties.pop(f"$group_{position}", None)
            return {}
        sent = properties.get("$groups")
        if not is_object(sent):
            return {}
        read_only = event.name == "$exception" or event.name.startswith("$ai_")
        linked: dict[str, str] = {}
        for kind, key in sent.items():
            index = self._group_index(str(kind), event, create=not read_only)
            if index is not None:
                properties[f"$group_{index}"] = key
                linked[str(kind)] = group_key_text(key)
        return linked

    def _group_index(self, kind: str, event: AcceptedEvent, *, create: bool) -> int | None:
        index = self.group_types.index_of(kind, create=create)
        if index is None and create and kind not in self._ignored_types:
            self._ignored_types.add(kind)
            self.findings.append(Finding("sixth_group_type", event.request, event.name, event.uuid, kind))
        return index

    def _ingest_group(
        self, event: AcceptedEvent, properties: dict[str, Any], arrival: int, personless: bool
    ) -> bool:
        """Write the group, if there is one to write. False: the event itself is dropped."""
        kind, key = properties.get("$group_type"), properties.get("$group_key")
        for name in PERSON_KEYS:
            properties.pop(name, None)
        if not kind or not key or personless:
            return True
        text = group_key_text(key)
        if len(text.encode("utf-16-le", "surrogatepass")) // 2 > MAX_GROUP_KEY_UNITS:
            self._warn("group_key_too_long", event)
            return False
        group_set = properties.get("$group_set")
        if group_set is not None and not is_object(group_set):
            self._warn("invalid_group_set", event)
            return True
        index = self._group_index(str(kind), event, create=True)
        if index is not None:
            self._merge_group(str(kind), text, index, group_set or {}, event, arrival)
        return True

    def _merge_group(
        self,
        kind: str,
        key: str,
        index: int,
        group_set: Mapping[str, Any],
        event: AcceptedEvent,
        arrival: int,
    ) -> None:
        """Shallow, key by key, in order of arrival; the event's time plays no part."""
        profile = self.groups.setdefault((kind, key), GroupProfile(kind, key, index))
        profile.updates += 1
        for name, value in group_set.items():
            changed = name not in profile.properties or not same(profile.properties[name], value)
            profile.properties[name] = value
            change = Change(name, value, event.sent_ns, arrival, event.uuid, changed)
            profile.timeline.append(change)
            if self._watcher is not None:
                self._watcher.changed(profile, change, event.request)

    # -- persons ------------------------------------------------------------------------------------

    def _write_person(self, event: AcceptedEvent, properties: dict[str, Any]) -> None:
        person = self.persons.get(event.distinct_id)
        if person is None:
            person = Person([event.distinct_id], created_ns=event.stored_ns)
            self.persons[event.distinct_id] = person
        if event.name in MERGE_EVENTS:
            self._merge_person(person, event, properties)
        if event.name in NO_PERSON_WRITES:
            return
        written = person.properties
        for name, value in lifted(properties).items():
            written[name] = value
            written.setdefault(f"$initial_{name.removeprefix('$')}", value)
        once, always, never = (properties.get(name) for name in ("$set_once", "$set", "$unset"))
        if is_object(once):
            for name, value in once.items():
                if written.get(name) is None:
                    written[name] = value
        if is_object(always):
            written.update(always)
        for name in never if is_list(never) or is_object(never) else ():
            written.pop(name, None)

    def _merge_person(self, person: Person, event: AcceptedEvent, properties: dict[str, Any]) -> None:
        name = "$anon_distinct_id" if event.name == "$identify" else "alias"
        other = properties.get(name)
        if not isinstance(other, str) or not other:
            return
        if merge_is_illegal(other) or merge_is_illegal(event.distinct_id):
            self._warn("cannot_merge_with_illegal_distinct_id", event)
            return
        known = self.persons.get(other)
        if known is person:
            return
        if known is not None:
            person.properties = {**known.properties, **person.properties}
        for distinct_id in known.distinct_ids if known is not None else [other]:
            person.distinct_ids.append(distinct_id)
            self.persons[distinct_id] = person


def _lane(event: AcceptedEvent) -> str:
    """PostHog keeps no order between ordinary, historical and exception events."""
    if event.name == "$exception":
        return "exceptions"
    return "historical" if event.historical else "main"


def same(one: Any, other: Any) -> bool:
    """Deep equality as JSON knows it: True is not 1, but 1 is 1.0."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if is_object(one) and is_object(other):
        return one.keys() == other.keys() and all(same(one[name], other[name]) for name in one)
    if is_list(one) and is_list(other):
        return len(one) == len(other) and all(map(same, one, other))
    return bool(one == other)
