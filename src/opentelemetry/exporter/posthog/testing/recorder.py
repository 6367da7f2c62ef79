"""What a test may ask the double, as plain typed values.

Every answer is a copy of that moment; asking makes PostHog's ingestion catch up first.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from .exchange import Request
from .findings import Finding, Refusal
from .store import Store
from .stored import GroupProfile, IngestionWarning, Person, Repeat, StoredEvent

if TYPE_CHECKING:
    from .watching import Watcher

GROUP_IDENTIFY = "$groupidentify"


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request and how it ended. ``status`` is 0 when the connection was reset instead."""

    request: Request
    status: int
    uuids: tuple[str, ...]  # events that were stored
    attempt: int  # PostHog-Attempt; 0 on the legacy protocol
    encoded_bytes: int
    fault: str = ""  # what was done on purpose

    @property
    def number(self) -> int:
        """The number of the request, counted from 1."""
        return self.request.number


class Recorder:
    """The memory of the double. All of it is safe from many threads."""

    def __init__(
        self,
        *,
        seed: int = 0,
        keep_requests: int = 10_000,
        keep_events: int | None = None,
        watcher: Watcher | None = None,
    ) -> None:
        self._lock = threading.RLock()  # guards everything below
        self._arrived = threading.Condition(self._lock)
        self._keep_requests = keep_requests
        self._keep_events = keep_events
        self._watcher = watcher
        self._store = Store(seed=seed, keep_rows=keep_events, watcher=watcher)
        self._exchanges: list[Exchange] = []
        self._findings: list[Finding] = []
        self._refused: list[Refusal] = []

    # -- what PostHog stored --------------------------------------------------------------------------

    @property
    def events(self) -> list[StoredEvent]:
        """Every stored event but group updates, in order of arrival."""
        return [row for row in self.rows if row.name != GROUP_IDENTIFY]

    @property
    def identifies(self) -> list[StoredEvent]:
        """Every stored ``$groupidentify``, in order of arrival."""
        return [row for row in self.rows if row.name == GROUP_IDENTIFY]

    @property
    def rows(self) -> list[StoredEvent]:
        """Every stored event, group updates included, in order of arrival."""
        with self._lock:
            self._store.ingest()
            return sorted(self._store.rows.values(), key=lambda row: row.arrival)

    @property
    def groups(self) -> dict[tuple[str, str], GroupProfile]:
        """Every group by (type, key)."""
        with self._lock:
            self._store.ingest()
            return {name: _copy(profile) for name, profile in self._store.groups.items()}

    def group(self, kind: str, key: str) -> GroupProfile:
        """One group. Raises ``LookupError`` that names the groups there are."""
        groups = self.groups
        if (kind, key) in groups:
            return groups[kind, key]
        known = ", ".join(f"{kind} {key}" for kind, key in groups) or "none"
        raise LookupError(f"PostHog has no group {kind} {key}; it has {known}")

    def organization(self, key: str) -> GroupProfile:
        """The group of type ``organization``. Raises ``LookupError`` that names the groups there are."""
        return self.group("organization", key)

    @property
    def group_types(self) -> list[str]:
        """The project's group types, in order of their index."""
        with self._lock:
            self._store.ingest()
            return self._store.group_types.names

    @property
    def persons(self) -> dict[str, Person]:
        """Persons by distinct id; merged ones under each of their ids."""
        with self._lock:
            self._store.ingest()
            return {
                distinct_id: Person(list(person.distinct_ids), dict(person.properties), person.created_ns)
                for distinct_id, person in self._store.persons.items()
            }

    @property
    def warnings(self) -> list[IngestionWarning]:
        """PostHog's ingestion warnings."""
        with self._lock:
            self._store.ingest()
            return list(self._store.warnings)

    @property
    def repeats(self) -> list[Repeat]:
        """Events that arrived more than once."""
        with self._lock:
            self._store.ingest()
            return self._store.repeats()

    # -- what was said --------------------------------------------------------------------------------

    @property
    def requests(self) -> list[Exchange]:
        """Requests in order of arrival, the newest ``keep_requests`` of them."""
        with self._lock:
            return list(self._exchanges)

    @property
    def findings(self) -> list[Finding]:
        """What PostHog would let pass and nobody must rely on."""
        with self._lock:
            self._store.ingest()
            return [*self._findings, *self._store.findings]

    @property
    def refused(self) -> list[Refusal]:
        """What PostHog said no to."""
        with self._lock:
            return list(self._refused)

    def explain(self) -> str:
        """Everything there is to say, one line each: for the message of a failed assertion."""
        rows, groups = self.rows, self.groups
        lines = [f"{len(rows)} events stored, {len(groups)} groups, {len(self.requests)} requests"]
        lines += [f"  refused: {refusal}" for refusal in self.refused]
        lines += [f"  finding: {finding}" for finding in self.findings]
        lines += [f"  warning: {warning.name}: {warning.event} {warning.uuid}" for warning in self.warnings]
        return "\n".join(lines)

    # -- waiting and forgetting -----------------------------------------------------------------------

    def wait_for(self, name: str, *, timeout: float, count: int = 1) -> list[StoredEvent]:
        """The events of that name: once there are ``count``, or those there are after ``timeout`` seconds."""

        def found() -> list[StoredEvent]:
            return [row for row in self.rows if row.name == name]

        with self._arrived:
            self._arrived.wait_for(lambda: len(found()) >= count, timeout)
            return found()

    def clear(self) -> None:
        """A fresh project; request numbers go on."""
        with self._lock:
            self._store.clear()
            self._exchanges.clear()
            self._findings.clear()
            self._refused.clear()

    def _record(self, exchange: Exchange, findings: Sequence[Finding], refused: Sequence[Refusal]) -> None:
        """Called under the lock."""
        self._exchanges.append(exchange)
        del self._exchanges[: -self._keep_requests]
        self._findings.extend(findings)
        self._refused.extend(refused)
        if self._keep_events is not None:
            del self._findings[: -self._keep_events], self._refused[: -self._keep_events]
        if self._watcher is not None:
            before = len(self._store.findings)
            self._store.ingest()
            self._watcher.exchanged(exchange, [*findings, *self._store.findings[before:]], refused)
        self._arrived.notify_all()


def _copy(profile: GroupProfile) -> GroupProfile:
    return replace(profile, properties=dict(profile.properties), timeline=list(profile.timeline))
