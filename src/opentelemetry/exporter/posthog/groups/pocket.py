"""What this process observed and has not yet seen settled or superseded.

Per property the newest stamp *with its value*: if the store forgets, or its reply is lost, the observation is
still here. An entry leaves only on a word about a stamp that is not older than its own, since a newer one may
have come in while the reply to the older was under way.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import islice
from typing import TYPE_CHECKING, Final

from .known import ALWAYS, Moment, moment_of_observation
from .stamp import (
    PRESENCE,
    PRESENCE_STAMP,
    Digester,
    canonical_json,
    digest_of,
    moment_of,
    times_text,
)
from .state import Answers, Entry, Standing
from .store import Sighting

if TYPE_CHECKING:
    from ..model import Group, Observation

MAX_GROUPS: Final = 10_000
"""Groups in the pocket, of some 2.2 kB each. Beyond it, those leave that the store or a disk has, too; while
the store is down and there is no disk, others as well, counted (``keeping.py``)."""


class Held:
    """One group in the pocket."""

    __slots__ = ("current", "entries", "on_disk", "print", "settled", "unsaved")

    def __init__(self) -> None:
        self.entries: dict[str, Entry] = {}
        self.print: int | None = None  # of the set last seen
        self.current: dict[str, str] = {}  # stamps of that set
        self.settled: dict[str, str] = {}  # property -> what the ledger called settled
        self.unsaved = True  # the store has not taken everything
        self.on_disk: Mapping[str, str] = {}  # stamps that wait in the pocket's file too

    @property
    def is_safe(self) -> bool:
        """Whether a kill now would lose nothing of it."""
        return not self.unsaved or self.is_on_disk

    @property
    def is_on_disk(self) -> bool:
        return all(self.on_disk.get(name, "") >= entry.stamp for name, entry in self.entries.items())

    @property
    def all_settled(self) -> bool:
        """Whether the set last seen is, value by value, what PostHog holds."""
        return not self.entries and all(
            digest_of(self.settled.get(name, "")) == digest_of(stamp) for name, stamp in self.current.items()
        )

    @property
    def oldest(self) -> Moment:
        """The oldest moment for which the ledger has called the set settled."""
        stamps = [self.settled[name] for name in self.current if name != PRESENCE]
        return moment_of(min(stamps)) if stamps else ALWAYS


class Pocket:
    """The pocket of one process. Not thread-safe."""

    __slots__ = ("_digester", "_held", "left_on_disk", "unspeakable")

    def __init__(self, digester: Digester) -> None:
        self._digester = digester
        self._held: dict[Group, Held] = {}
        self.left_on_disk = False  # what has left the pocket may have left rows in its file
        self.unspeakable = 0  # values of which no JSON could be made

    # -- in -----------------------------------------------------------------------------------------

    def add(self, print_: int | None, observation: Observation) -> None:
        """Something that the ledger must hear of."""
        group = observation.group
        held = self._held.get(group)
        if held is None:
            held = self._held[group] = Held()
        self._merge(held, print_, observation)

    def _merge(self, held: Held, print_: int | None, seen: Observation) -> None:
        times = times_text(seen.time_ns, seen.seen_ns)
        if print_ is not None and print_ == held.print:
            current = self._later(held, times, seen)
        else:
            current = self._stamped(held, times, seen)
        # What JSON can't say may have the print of something else.
        held.print = print_ if current.keys() >= seen.properties.keys() else None
        held.current = current

    def _later(self, held: Held, times: str, seen: Observation) -> dict[str, str]:
        """The set of before, at another time: no value need be looked at again."""
        current = {name: times + digest_of(stamp) for name, stamp in held.current.items() if name != PRESENCE}
        for name, stamp in current.items():
            entry = held.entries.get(name)
            if entry is None:
                return self._stamped(held, times, seen)
            if stamp > entry.stamp:
                if digest_of(entry.stamp) != digest_of(stamp):
                    return self._stamped(held, times, seen)
                held.entries[name] = entry._replace(stamp=stamp, service=seen.service)
                held.unsaved = True
        self._present(held, seen)
        return {PRESENCE: PRESENCE_STAMP, **current}

    def _stamped(self, held: Held, times: str, seen: Observation) -> dict[str, str]:
        self._present(held, seen)
        current = {PRESENCE: PRESENCE_STAMP}
        digest, service = self._digester.digest, seen.service
        for name, value in seen.properties.items():
            if name == PRESENCE:
                continue
            try:
                text = canonical_json(value)
            except (ValueError, TypeError, RecursionError):
                self.unspeakable += 1
                continue
            stamp = current[name] = times + digest(text)
            self._put(held, name, Entry(stamp, text, service))
        return current

    def _present(self, held: Held, seen: Observation) -> None:
        if PRESENCE not in held.entries:
            held.unsaved = True
            self._put(held, PRESENCE, Entry(PRESENCE_STAMP, f"{max(seen.time_ns, 0):020d}", seen.service))

    def _put(self, held: Held, name: str, entry: Entry) -> None:
        former = held.entries.get(name)
        if former is None or entry.stamp > former.stamp:
            held.entries[name] = entry
            held.unsaved = True

    def holds_newer(self, seen: Observation) -> bool:
        """Whether something of this observation would end here, since a newer value waits for the store."""
        held = self._held.get(seen.group)
        if held is None:
            return False
        moment = moment_of_observation(seen)
        return any(
            (entry := held.entries.get(name)) is not None and moment < moment_of(entry.stamp)
            for name in seen.properties
        )

    def restore(self, sighting: Sighting) -> None:
        """Something that an earlier life, or this one, has put on disk."""
        held = self._held.get(sighting.group)
        if held is None:
            held = self._held[sighting.group] = Held()
        for name, entry in sighting.entries.items():
            self._put(held, name, entry)
        self._note_on_disk(held, sighting)

    def put_on_disk(self, sightings: Iterable[Sighting]) -> None:
        """These were written to the pocket's file."""
        for sighting in sightings:
            held = self._held.get(sighting.group)
            if held is not None:
                self._note_on_disk(held, sighting)

    @staticmethod
    def _note_on_disk(held: Held, sighting: Sighting) -> None:
        held.on_disk = {**held.on_disk, **{name: entry.stamp for name, entry in sighting.entries.items()}}

    # -- out ----------------------------------------------------------------------------------------

    def sightings(self, groups: Iterable[Group]) -> list[Sighting]:
        return [
            Sighting(group, dict(held.entries))
            for group in groups
            if (held := self._held.get(group)) is not None and held.entries
        ]

    def answered(self, group: Group, asked: Mapping[str, str], answers: Answers) -> Held | None:
        """Take a reply about the stamps ``asked``. What is held of the group, None when that was nothing."""
        held = self._held.get(group)
        if held is None:
            return None
        rows = dict(held.on_disk)
        for name, answer in answers.items():
            if answer.standing is Standing.PENDING:
                held.settled.pop(name, None)
                continue
            if answer.standing is Standing.SETTLED:
                held.settled[name] = answer.want
            stamp = answer.want if answer.want else asked.get(name, "")
            entry = held.entries.get(name)
            if entry is not None and entry.stamp <= stamp:
                del held.entries[name]
            if rows.get(name, "") <= stamp:  # its row goes too
                rows.pop(name, None)
        held.on_disk = rows
        if all(asked.get(name, "") >= entry.stamp for name, entry in held.entries.items()):
            held.unsaved = False
        if not held.entries:
            del self._held[group]
        return held

    def all_unsaved(self) -> None:
        """The store has forgotten: it must hear of everything once more."""
        for held in self._held.values():
            held.unsaved = True

    def nothing_on_disk(self) -> None:
        """The pocket's file is not the one that was written to."""
        for held in self._held.values():
            held.on_disk = {}

    def let_go(self, group: Group) -> Held | None:
        """What was held of it until now."""
        held = self._held.pop(group, None)
        self.left_on_disk = self.left_on_disk or (held is not None and bool(held.on_disk))
        return held

    def is_on_disk(self, group: Group) -> bool:
        """Whether something of it may be."""
        held = self._held.get(group)
        return self.left_on_disk or (held is not None and bool(held.on_disk))

    # -- seen from outside --------------------------------------------------------------------------

    def groups(self) -> list[Group]:
        return list(self._held)

    def __len__(self) -> int:
        return len(self._held)

    @property
    def unsaved(self) -> int:
        return sum(held.unsaved for held in self._held.values())

    @property
    def is_safe(self) -> bool:
        """Whether a kill now would lose nothing of it. Asked after each export, however much is held."""
        return not any(held.unsaved and not held.is_safe for held in self._held.values())

    def unsafe_groups(self) -> list[Group]:
        """Those of which a kill now would lose something."""
        return [group for group, held in self._held.items() if not held.is_safe]

    def safe_groups(self, most: int) -> list[Group]:
        """Of which a kill now would lose nothing, the oldest first."""
        safe = (group for group, held in self._held.items() if held.is_safe)
        return list(islice(safe, most))

    def still_safe(self, groups: Iterable[Group]) -> list[Group]:
        return [g for g in groups if (held := self._held.get(g)) is not None and held.is_safe]

    def not_on_disk(self, groups: Iterable[Group]) -> list[Group]:
        return [g for g in groups if (held := self._held.get(g)) is not None and not held.is_on_disk]

    def take_unspeakable(self) -> int:
        """Values let go since this was last asked."""
        count, self.unspeakable = self.unspeakable, 0
        return count
