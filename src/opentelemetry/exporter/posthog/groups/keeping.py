"""What the store has not taken is kept: in the order of its coming, on disk where there is one, bounded."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, TypeAlias

from .pace import PAGE

if TYPE_CHECKING:
    from ..model import Group
    from .backlog import Backlog
    from .pocket import Pocket
    from .pocket_file import PocketFile
    from .store import Sighting

Done: TypeAlias = "list[tuple[Group, Mapping[str, str]]]"
"""Stamps, by group, for which the store has answered."""


class Keeping:
    """Moves groups between the pocket, the backlog and the pocket's file. ``lock`` guards the former two and
    is never held while the disk is asked. ``most``: groups that memory has room for. ``durable``: whether
    what the store took survives this process.
    """

    def __init__(
        self,
        pocket: Pocket,
        backlog: Backlog,
        file: PocketFile | None,
        *,
        lock: threading.RLock,
        most: int,
        durable: bool,
        count: Callable[[str, int], None],
    ) -> None:
        self._pocket = pocket
        self._backlog = backlog
        self._file = file
        self._lock = lock
        self._most = most
        self._durable = durable
        self._openings = 0 if file is None else file.openings  # of the file, as far as it was believed
        self._count = count

    def next_page(self) -> Sequence[Group]:
        """The oldest groups that wait here, else on disk: an earlier life's, or those that had no room."""
        with self._lock:
            page = self._backlog.take(PAGE)
            after = self._backlog.on_disk_after
        if page or self._file is None or after is None:
            return page
        self._shrink_to(max(0, self._most - PAGE))
        with self._lock:
            if len(self._pocket) >= self._most:
                return ()
            self._backlog.on_disk_after = None  # whoever sets it while we read means rows that we may miss
        found = self._file.page(after, PAGE)
        with self._lock:
            if self._backlog.on_disk_after is None:
                self._backlog.on_disk_after = after if found is None else found.last
            for sighting in () if found is None else found.sightings:
                self._pocket.restore(sighting)
            if after == 0 and found is not None and not found.sightings:
                self._pocket.left_on_disk = False
        self._believe_no_former_file()
        return () if found is None else [sighting.group for sighting in found.sightings]

    def keep(self, sightings: Sequence[Sighting]) -> None:
        """What the store did not take: a kill must not lose it."""
        if self._file is None or not sightings:
            return
        if self._file.put(sightings):
            with self._lock:
                self._pocket.put_on_disk(sightings)
        self._believe_no_former_file()

    def _believe_no_former_file(self) -> None:
        """A file that was opened anew may be another one (damaged, removed): what was written to the former
        is not taken for written, and what a kill would lose is written once more."""
        assert self._file is not None
        former, self._openings = self._openings, self._file.openings
        if former in (0, self._openings):
            return
        with self._lock:
            self._pocket.nothing_on_disk()
            again = self._pocket.sightings(self._pocket.unsafe_groups())
        if again and self._file.put(again):
            with self._lock:
                self._pocket.put_on_disk(again)

    def bound(self, *, store_is_down: bool) -> None:
        """Memory must not grow for ever. What the store has taken leaves first, since the store's sweep sends
        it; where there is a disk it lies there then, as even a store may lose its memory. What the store has
        not taken leaves only while it is down: from the disk it comes back, and without one it is counted."""
        self._shrink_to(self._most)
        if store_is_down:
            with self._lock:
                for group in self._pocket.groups()[self._most :]:
                    self._let_go(group)

    def _shrink_to(self, most: int) -> None:
        """As far as that costs nothing: the oldest groups leave that somebody else has, too."""
        with self._lock:
            excess = len(self._pocket) - most
            if excess <= 0:
                return
            spare = self._pocket.safe_groups(excess)
            unwritten = self._pocket.sightings(self._pocket.not_on_disk(spare))
        self.keep(unwritten)
        with self._lock:
            for group in self._pocket.still_safe(spare):
                self._let_go(group)

    def _let_go(self, group: Group) -> None:
        held = self._pocket.let_go(group)
        self._backlog.drop(group)
        if held is None:
            return
        if not held.is_safe:
            self._count("pocket_full", 1)
        elif held.is_on_disk and held.unsaved:
            self._backlog.on_disk_after = 0
        elif self._durable and not held.is_on_disk:
            self._count("left_to_store", 1)

    def clear(self, done: Done) -> None:
        """These need not wait on disk any more."""
        if self._file is not None and done:
            self._file.let_go(done)
            self._believe_no_former_file()

    def keep_the_rest(self) -> None:
        """At the end: what only memory holds goes to disk; what is lost then is counted."""
        with self._lock:
            left = self._pocket.sightings(self._pocket.unsafe_groups())
        self.keep(left)
        with self._lock:
            self._count("pocket_lost", len(self._pocket.unsafe_groups()))
