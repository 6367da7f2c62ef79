"""What ``posthog_capture`` gives a test: everything that the code under test made PostHog store, and why not.

Reading anything first flushes the exporters, so a result is never half of the truth.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from .account import account_of, snapshot_of
from .comparison import Expected, explain_missing, same_json
from .double import PostHogDouble
from .stored import GroupProfile, StoredEvent

if TYPE_CHECKING:
    from opentelemetry.sdk._logs import LoggerProvider
    from opentelemetry.sdk.trace import TracerProvider

    from .faults import Fault
    from .findings import Finding, Refusal


@dataclass(frozen=True, slots=True)
class NotExported:
    """A signal that became no event, or an event that PostHog does not have, and why."""

    kind: str  # "span", "log", or "event" for one that was made and did not arrive
    name: str
    reason: str  # a counted word: "no_group", "not_an_entry", …
    sentence: str = ""
    remedy: str = ""

    def __str__(self) -> str:
        why = " ".join(part for part in (self.sentence, self.remedy) if part)
        return f"{self.kind} {self.name}: {self.reason}" + (f" – {why}" if why else "")


class Wiring(Protocol):
    """The exporters behind a capture, as it needs them."""

    def flush(self) -> bool: ...
    def dropped(self) -> Mapping[str, int]: ...
    def attach(
        self, tracer_provider: TracerProvider | None, logger_provider: LoggerProvider | None, *, stamp: bool
    ) -> None: ...
    @property
    def tracer_provider(self) -> TracerProvider: ...
    @property
    def logger_provider(self) -> LoggerProvider: ...


class PostHogCapture:
    """The telemetry of one test, as PostHog would have stored it. Safe from many threads."""

    def __init__(self, double: PostHogDouble, wiring: Wiring, seen: Seen) -> None:
        self._double = double
        self._wiring = wiring
        self._seen = seen

    # -- what PostHog stored --------------------------------------------------------------------------

    @property
    def double(self) -> PostHogDouble:
        """The PostHog behind it, flushed: its rules, requests, findings and warnings."""
        self.flush()
        return self._double

    @property
    def events(self) -> list[StoredEvent]:
        """Every event but group updates, in order of arrival."""
        return self.double.events

    @property
    def identifies(self) -> list[StoredEvent]:
        """Every ``$groupidentify``, in order of arrival."""
        return self.double.identifies

    @property
    def groups(self) -> dict[str, dict[str, GroupProfile]]:
        """Profiles by type and key: ``groups["organization"]["acme"].properties``."""
        found: dict[str, dict[str, GroupProfile]] = {}
        for (kind, key), profile in self.double.groups.items():
            found.setdefault(kind, {})[key] = profile
        return found

    def group(self, kind: str, key: str) -> GroupProfile:
        """One group's profile. Raises ``LookupError`` that names the groups there are."""
        return self.double.group(kind, key)

    def organization(self, key: str) -> GroupProfile:
        """One organization's profile. Raises ``LookupError`` that names the groups there are."""
        return self.double.organization(key)

    @property
    def findings(self) -> list[Finding]:
        """What PostHog would let pass and nobody must rely on."""
        return self.double.findings

    @property
    def refused(self) -> list[Refusal]:
        """What PostHog said no to."""
        return self.double.refused

    @property
    def not_exported(self) -> list[NotExported]:
        """Signals that became no event, and events that did not arrive, each with its reason."""
        self.flush()
        arrived = {row.uuid for row in self._double.rows}
        refused = {refusal.uuid: refusal.name for refusal in self._double.refused}
        dropped = ", ".join(self._wiring.dropped()) or "not_delivered"
        return [
            *self._seen.unselected,
            *(
                NotExported("event", name, refused.get(uuid, dropped))
                for uuid, name in self._seen.made.items()
                if uuid not in arrived
            ),
        ]

    # -- doing ----------------------------------------------------------------------------------------

    def flush(self) -> bool:
        """Send everything that waits; reading does this by itself. False while something can't be sent."""
        return self._wiring.flush()

    def clear(self) -> None:
        """Forget everything stored so far. What exporters know of groups stays, as in a running process."""
        self.flush()
        self._double.clear()
        self._seen.clear()

    def wait(self, name: str, timeout: float = 5.0, *, count: int = 1) -> list[StoredEvent]:
        """Events of that name, once there are ``count``: for code that works on other threads. Seconds."""
        __tracebackhide__ = True
        self.flush()
        found = self._double.wait_for(name, timeout=timeout, count=count)
        if len(found) < count:
            raise AssertionError(f"{len(found)} of {count} {name} within {timeout:g} s\n{self.explain()}")
        return found

    def fail(self, *faults: Fault) -> None:
        """Let PostHog fail for the next requests: ``fail(Fault(status=503, times=2))``."""
        self._double.fail(*faults)

    def heal(self) -> None:
        """Let PostHog be well again, whatever was ordered; what waits is sent at the next reading."""
        self._double.heal()

    def attach(
        self,
        tracer_provider: TracerProvider | None = None,
        logger_provider: LoggerProvider | None = None,
        *,
        stamp: bool = False,
    ) -> None:
        """Capture what these providers make, too, until the test ends.

        The global providers that exist when the fixture is set up are attached already. ``stamp`` also adds
        a ``PostHogGroupProcessor``, for a provider that lacks the one it has in production.
        """
        self._wiring.attach(tracer_provider, logger_provider, stamp=stamp)

    @property
    def tracer_provider(self) -> TracerProvider:
        """A provider of the test's own, with a group processor; nothing global is replaced."""
        return self._wiring.tracer_provider

    @property
    def logger_provider(self) -> LoggerProvider:
        """A provider of the test's own, with a group processor; nothing global is replaced."""
        return self._wiring.logger_provider

    # -- asserting ------------------------------------------------------------------------------------

    def assert_captured(
        self,
        name: str,
        *,
        organization: str | None = None,
        user: str | None = None,
        groups: Mapping[str, str] | None = None,
        properties: Mapping[str, Any] | None = None,
        times: int | None = None,
    ) -> StoredEvent:
        """At least one event (exactly ``times``) of that name with these groups, user and properties.

        Returns the first of them. Properties that are not named do not matter.
        """
        __tracebackhide__ = True
        wanted = {**(groups or {}), **({"organization": organization} if organization is not None else {})}
        expected = Expected(name, wanted, user, dict(properties or {}))
        events = self.events
        matching = [row for row in events if expected.matches(row)]
        if matching and times in (None, len(matching)):
            return matching[0]
        if matching:
            raise AssertionError(f"{len(matching)} events match {expected}, not {times}\n{self.explain()}")
        raise AssertionError(explain_missing(expected, events, [str(item) for item in self.not_exported]))

    def assert_not_captured(self, name: str) -> None:
        """No event of that name."""
        __tracebackhide__ = True
        found = [row for row in self.events if row.name == name]
        if found:
            raise AssertionError(f"{len(found)} events {name}, none was expected\n{self.explain()}")

    def assert_group_identified(
        self,
        kind: str,
        key: str,
        properties: Mapping[str, Any] | None = None,
        *,
        times: int | None = None,
    ) -> None:
        """At least one ``$groupidentify`` (exactly ``times``) of this group that set these properties."""
        __tracebackhide__ = True
        updates = [row for row in self.identifies if group_of(row) == (kind, key)]
        wanted = dict(properties or {})
        matching = [row for row in updates if _sets(row, wanted)]
        if matching and times in (None, len(matching)):
            return
        if not matching and times == 0:
            return
        asked = f"{times} times" if times is not None else "at least once"
        lines = [f"{kind} {key} was to be identified {asked} with {wanted}, and was {len(matching)} times"]
        lines += [f"  {row.time}  {dict(row.properties.get('$group_set') or {})}" for row in updates]
        if not updates:
            others = ", ".join(f"{kind} {key}" for kind, key in self._double.groups) or "none"
            lines.append(f"  no $groupidentify for it at all; groups that PostHog has: {others}")
        raise AssertionError("\n".join([*lines, *self._reasons()]))

    def explain(self) -> str:
        """Everything that happened, in lines: for the message of an assertion of one's own."""
        rows = [
            f"  {row.time}  {row.name}  {dict(row.groups)}  {row.distinct_id}" for row in self.double.rows
        ]
        return "\n".join([self._double.explain(), *rows, *self._reasons()])

    def snapshot(self) -> list[dict[str, Any]]:
        """Events and group updates as plain values that are the same in every run, for snapshot tests.

        Without times, uuids and trace ids; the keys are ``event``, ``user``, ``groups``, ``properties``.
        """
        return snapshot_of(self.events, self.identifies)

    def account(self) -> str:
        """Every event with its properties and what became of the rest, to be read by a person."""
        events, updates = self.events, self.identifies
        others: list[tuple[str, Sequence[object]]] = [
            ("not exported", self.not_exported),
            ("refused", self.refused),
            ("findings", self.findings),
        ]
        return account_of(events, updates, others)

    def _reasons(self) -> Iterator[str]:
        missing = self.not_exported
        if missing:
            yield f"not exported ({len(missing)}):"
        for item in missing:
            yield f"  {item}"


class Seen:
    """What translation said of every signal. Safe from many threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()  # guards what follows
        self._made: dict[str, str] = {}
        self._unselected: list[NotExported] = []

    def note(self, kind: str, name: str, uuid: str | None, why: Callable[[], tuple[str, str, str]]) -> None:
        """One signal: the uuid of its capture, or ``why`` it has none (word, sentence, remedy)."""
        with self._lock:
            if uuid is not None:
                self._made[uuid] = name
            else:
                self._unselected.append(NotExported(kind, name, *why()))

    def clear(self) -> None:
        with self._lock:
            self._made.clear()
            self._unselected.clear()

    @property
    def made(self) -> dict[str, str]:
        """Uuid of every capture, and the event's name."""
        with self._lock:
            return dict(self._made)

    @property
    def unselected(self) -> Sequence[NotExported]:
        with self._lock:
            return list(self._unselected)


def group_of(row: StoredEvent) -> tuple[str, str]:
    """The group that a ``$groupidentify`` is about."""
    return str(row.properties.get("$group_type")), str(row.properties.get("$group_key"))


def _sets(row: StoredEvent, wanted: Mapping[str, Any]) -> bool:
    group_set: Mapping[str, Any] = row.properties.get("$group_set") or {}
    return all(name in group_set and same_json(group_set[name], value) for name, value in wanted.items())
