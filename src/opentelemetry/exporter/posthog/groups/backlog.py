"""What the store must still hear of, and when it is worth to come to it for what is due."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from typing import TYPE_CHECKING

from .pace import PAGE_PAUSE, Pace

if TYPE_CHECKING:
    from ..model import Group


class Backlog:
    """Plans, and asks nobody. Not thread-safe. Moments are monotonic seconds.

    ``store_holds_something``: the store may hold updates that become due at a time that nobody here knows; it
    is worth one question. ``sweep_at``: when a sweep finds something; None: never by itself.
    ``next_round_at``: when everything is told once more; whoever begins a round names the next one.
    ``on_disk_after``: where the next page of the pocket's file begins; None: nothing waits there.
    """

    def __init__(self, now: float, *, in_store: bool, on_disk: bool) -> None:
        """``in_store``, ``on_disk``: whether an earlier life may have left something there."""
        self._groups: dict[Group, None] = {}
        self._pace = Pace(now)
        self.next_page_at = self.next_round_at = now
        self.sweep_at: float | None = None
        self._announced = False  # by the store, that is
        self._not_before = now
        self.store_holds_something = in_store
        self.on_disk_after: int | None = 0 if on_disk else None

    def __len__(self) -> int:
        return len(self._groups)

    def add(self, groups: Iterable[Group]) -> None:
        self._groups.update(dict.fromkeys(groups))

    def drop(self, group: Group) -> None:
        self._groups.pop(group, None)

    def take(self, most: int) -> list[Group]:
        """The oldest ones; whoever can't tell them to the store adds them again."""
        taken = list(islice(self._groups, most))
        for group in taken:
            del self._groups[group]
        return taken

    @property
    def has_pages(self) -> bool:
        return bool(self._groups) or self.on_disk_after is not None

    @property
    def is_worth_a_look(self) -> bool:
        return self.has_pages or self.store_holds_something or self.sweep_at is not None

    def is_due(self, now: float) -> bool:
        """Whether there is a page to tell or something to sweep."""
        page = self.has_pages and now >= self.next_page_at
        return page or (self.sweep_at is not None and now >= self.sweep_at)

    def begin_page(self, now: float) -> bool:
        """True when a page may be told now; a sweep then takes up what comes of it."""
        if not self.has_pages or now < self.next_page_at:
            return False
        self.next_page_at = now + PAGE_PAUSE
        self.sweep_at = now
        return True

    def begin_sweep(self, now: float) -> int:
        """How many groups a sweep may be granted now; 0: none is due, or the pace says to wait."""
        if self.sweep_at is None or now < self.sweep_at:
            return 0
        left = self._pace.left(now)
        self.sweep_at = None if left else now + self._pace.wait(now)
        return left

    def look_again(self, now: float, *, on_disk: bool) -> None:
        """A round begins: others may have died and left something, in the store or on disk."""
        self.sweep_at = now
        if on_disk and self.on_disk_after is None:
            self.on_disk_after = 0

    def swept(self, granted: int, now: float) -> None:
        """What a sweep found. One that the store had announced and that found nothing came too early, or
        after somebody else: the store is asked once more, but not at once."""
        self._pace.spend(granted)
        if granted or self._announced:
            self.store_holds_something = True
        if not granted:
            self._not_before = now + PAGE_PAUSE
        self._announced = False

    def take_question(self) -> bool:
        """Whether the store is to be asked. Taken before it is: what happens while it answers asks anew."""
        open_, self.store_holds_something = self.store_holds_something, False
        return open_

    def store_said(self, dirty: int, due_at: float | None, *, at_least: float) -> None:
        """How many groups it holds something of, and when the first of them may be granted."""
        if dirty and due_at is not None:
            self._announced = True
            self.sweep_at = max(due_at, at_least, self._not_before)
