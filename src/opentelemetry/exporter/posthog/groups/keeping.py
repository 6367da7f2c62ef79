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
    is never held while the disk is asked. ``most``: groups that memory has room for while the store is down.
    """

    def __init__(
        self,
        pocket: Pocket,
        backlog: Backlog,
        file: PocketFile | None,
        *,
        lock: threading.RLock,
        most: int,
        count: Callable[[str, int], None],
    ) -> None:
        self._pocket = pocket
        self._backlog = backlog
        self._file = file
        self._lock = lock
        self._most = most
        self._count = count

    def next_page(self) -> Sequence[Group]:
        """The oldest groups that wait here, else on disk: an earlier life's, or those that had no room."""
        with self._lock:
            page = self._backlog.take(PAGE)
            after = self._backlog.on_disk_after
            has_room = len(self._pocket) < self._most
            if page or self._file is None or after is None or not has_room:
                return page
            self._backlog.on_disk_after = None  # whoever sets it while we read means rows that we may miss
        found = self._file.page(after, PAGE)
        with self._lock:
            if self._backlog.on_disk_after is None:
                self._backlog.on_disk_after = after if found is None else found.last
            if found is None:
                return ()
            for sighting in found.sightings:
                self._pocket.restore(sighting)
        return [sighting.group for sighting in found.sightings]

    def keep(self, sightings: Sequence[Sighting]) -> None:
        """What the store did not take: a kill must not lose it. Without a disk, memory bounds it."""
        if not sightings:
            return
        if self._file is not None and self._file.put(sightings):
            with self._lock:
                self._pocket.put_on_disk(sightings)
        with self._lock:
            self.bound()

    def bound(self) -> None:
        """While the store is down the pocket must not grow for ever; what is on disk comes back later. The
        caller holds the lock."""
        for group in self._pocket.groups()[self._most :]:
            self._backlog.drop(group)
            if self._pocket.let_go(group):
                self._count("pocket_full", 1)
            elif self._file is not None:
                self._backlog.on_disk_after = 0

    def clear(self, done: Done) -> None:
        """These need not wait on disk any more."""
        if self._file is not None and done:
            self._file.let_go(done)

    def keep_the_rest(self) -> None:
        """At the end: what only memory holds goes to disk; what is lost then is counted."""
        with self._lock:
            left = self._pocket.sightings(self._pocket.unsafe_groups())
        self.keep(left)
        with self._lock:
            self._count("pocket_lost", len(self._pocket.unsafe_groups()))
