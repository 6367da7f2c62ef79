"""The seam between the process side of the ledger and whatever keeps its state.

A store applies the rule (``ledger.py``) to its groups, each call atomically per group, and many groups a
call, since a call may cross a network. It decides nothing by itself. It remembers the birth of what it talks
to, and says so when that was lost. A call may raise
:class:`~opentelemetry.exporter.posthog.errors.PostHogExporterError`; nothing that was asked may then be
taken as done, though it may have been: every operation is safe to repeat.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple, Protocol, runtime_checkable
from zlib import crc32

from ..errors import PostHogExporterError
from ..model import Group
from .ledger import HEALING_DAYS
from .state import DAY, Answers, Entry, Grant, GroupState, Haste, Settlement, Terms

SWEEP_LIMIT: Final = 32
"""Groups one sweep takes up: a script over more holds a Redis for longer than its other users like."""


class Late(NamedTuple):
    """Older observations of one group that a process let go by itself."""

    group: Group
    stamps: Mapping[str, str]  # by property


class Call(NamedTuple):
    """What every call to a store carries."""

    terms: Terms
    contradicted: frozenset[Group] = (
        frozenset()
    )  # of which older stamps were answered than before: a restored copy
    sent: int = 0  # updates that arrived, and observations that needed none, since the last call
    saved: int = 0
    late: Sequence[Late] = ()  # for people, noted once the call has done what it asks (``ledger.note``)


class Sighting(NamedTuple):
    """Everything one worker has to say of one group."""

    group: Group
    entries: Mapping[str, Entry]


class Seen(NamedTuple):
    """How the properties of a group stand, and the right to send it, if it was given."""

    group: Group
    answers: Answers
    grant: Grant | None = None


class Reply(NamedTuple):
    """What was answered. Groups that were asked about and are missing were not: ``error`` says why."""

    seen: Sequence[Seen]
    now: int  # the store's clock, µs
    lost: bool = False  # the store has forgotten what it knew
    error: PostHogExporterError | None = None
    tallied: bool = True  # the call's ``sent`` and ``saved`` are in the totals


class StoreWaiting(NamedTuple):
    """What a sweep would find: groups with something to send, and seconds until the first may be granted."""

    dirty: int
    due_in: float | None


class StoreTotals(NamedTuple):
    """What all processes have told a store of their work, in this life of it."""

    sent: int  # updates that PostHog acknowledged
    saved: int  # observations that needed no update
    since: int  # the store's clock, µs


class StoreCounts(NamedTuple):
    """What happened inside a store since it was last asked."""

    evicted: int = 0
    warnings: tuple[str, ...] = ()  # what its operator should hear once


class LedgerStore(Protocol):
    """Keeps the state of groups. Safe for threads; shared ones for processes too."""

    @property
    def durable(self) -> bool:
        """Whether what it took survives this process."""
        ...

    @property
    def remote(self) -> bool:
        """Whether its clock is another machine's."""
        ...

    @property
    def write_behind(self) -> float:
        """Seconds that a newer time of an unchanged value may stay in the process."""
        ...

    def observe(
        self, sightings: Sequence[Sighting], call: Call, *, claim: bool = True, haste: Haste = Haste.NONE
    ) -> Reply:
        """Merge what was seen and, with ``claim``, take the right to send what differs."""
        ...

    def settle(self, ends: Sequence[tuple[Group, Settlement]], call: Call) -> Reply:
        """Write down what became of claims; a reply may grant a group again to the same worker."""
        ...

    def sweep(self, call: Call, *, limit: int = SWEEP_LIMIT) -> Reply:
        """Grants of groups that nobody else comes for: holders died, buckets were empty, times were quiet."""
        ...

    def last_act(self, call: Call) -> Reply:
        """Grants of everything that is left, cooling or not, where nobody comes after; elsewhere nothing."""
        ...

    def waiting(self, terms: Terms) -> StoreWaiting: ...

    def counts(self) -> StoreCounts: ...

    def totals(self) -> StoreTotals:
        """For people: what this ledger was good for. Nearly exact: calls whose answer is lost count twice."""
        ...

    def show(self, group: Group) -> GroupState | None:
        """For people: the whole state of one group."""
        ...

    def groups(self) -> Iterator[Group]:
        """For people: every group that is remembered, each once, in no order."""
        ...

    def forget(self, group: Group | None, terms: Terms) -> int:
        """Send again what is observed next, of one group or (None) of all. How many groups that were."""
        ...

    def before_fork(self) -> None: ...

    def after_fork_in_parent(self) -> None: ...

    def after_fork_in_child(self) -> None: ...

    def close(self) -> None: ...


@runtime_checkable
class OwnStore(Protocol):
    """A store that one ``GroupLedger`` alone writes to, as long as both live. It need not hear at once that
    what it called settled was seen again: nothing can have changed meanwhile."""

    def seen_again(self, group: Group, names: Sequence[str], moment: int) -> None:
        """The settled values of these properties were last seen at ``moment`` (event time << 64 | seen time,
        ns). Said before anything else is said of the group. Short, and asks nobody."""
        ...


def healing_of(group: Group) -> int:
    """Microseconds until a confirmed value of this group is sent again: 30 days ± 20 %, the same in every
    process, so that groups that were first seen on one day do not all heal on one day."""
    spread = crc32(f"{group.type}\0{group.key}".encode("utf-8", "surrogatepass"))
    return HEALING_DAYS * DAY * (800 + spread % 401) // 1000
