"""From a store's reply to the updates that may be sent, and what people should hear of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from .flapping import flapping
from .notices import Notice, Notices, late_first_sight
from .updates import Updates

if TYPE_CHECKING:
    from ..clock import Clock
    from ..model import GroupUpdate
    from .store import Reply


class Grants:
    """Makes updates of grants. ``durable``: whether the store remembers what it called a first sight."""

    def __init__(
        self,
        *,
        clock: Clock,
        random: Callable[[int], int],
        durable: bool,
        notices: Notices,
        count: Callable[[str, int], None],
    ) -> None:
        self._clock = clock
        self._updates = Updates(random)
        self._durable = durable
        self._notices = notices
        self._count = count

    def of(self, reply: Reply | None) -> list[GroupUpdate]:
        """The updates of a reply's grants."""
        if reply is None:
            return []
        updates: list[GroupUpdate] = []
        now_ns = self._clock.time_ns()
        for seen in reply.seen:
            if seen.grant is None:
                continue
            update = self._updates.of(seen.group, seen.grant, now_ns)
            late = late_first_sight(update, now_ns, durable=self._durable)
            if late is not None:
                self._count("late_first_sight", 1)
                self._notices.add(late)
            for restless in flapping(seen.group, seen.grant.content, reply.now):
                self._count("flapping", 1)
                self._notices.add(Notice(f"flapping:{restless.type}:{restless.name}", restless.message))
            updates.append(update)
        return updates
