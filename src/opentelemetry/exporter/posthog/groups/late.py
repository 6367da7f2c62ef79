"""Late news: older observations that this process let go by itself, since it knew better already.

They change nothing, so no store is asked because of them. But people ask the ledger whether it ignored
something, so they ride on the next call that is made anyway. Bounded, and never a reason for anything: what
has no room, or dies with the process, is not missed.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from .stamp import PRESENCE, Digester, canonical_json, times_of, times_text
from .store import Late

if TYPE_CHECKING:
    from ..model import Group, Observation

MAX_LATE: Final = 256
"""Properties of groups that wait at once: an old backlog must not make a long call of a short one."""


class LateNews:
    """The newest late observation of each property, until a store was told. Not thread-safe."""

    __slots__ = ("_digester", "_stamps")

    def __init__(self, digester: Digester) -> None:
        self._digester = digester
        self._stamps: dict[tuple[Group, str], str] = {}

    def add(self, seen: Observation) -> None:
        times = times_text(seen.time_ns, seen.seen_ns)
        for name, value in seen.properties.items():
            key = (seen.group, name)
            former = self._stamps.get(key)
            has_room = former is not None or len(self._stamps) < MAX_LATE
            if name == PRESENCE or not has_room or (former is not None and times_of(former) >= times):
                continue
            try:
                self._stamps[key] = times + self._digester.digest(canonical_json(value))
            except (ValueError, TypeError, RecursionError):
                continue

    def waiting(self) -> tuple[Late, ...]:
        by_group: dict[Group, dict[str, str]] = {}
        for (group, name), stamp in self._stamps.items():
            by_group.setdefault(group, {})[name] = stamp
        return tuple(Late(group, stamps) for group, stamps in by_group.items())

    def told(self, late: Iterable[Late]) -> None:
        """A store has heard of these; what came in meanwhile stays."""
        for group, stamps in late:
            for name, stamp in stamps.items():
                if self._stamps.get((group, name)) == stamp:
                    del self._stamps[group, name]

    def clear(self) -> None:
        self._stamps.clear()
