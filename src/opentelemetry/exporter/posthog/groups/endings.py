"""The ends of claims that the store has not heard of yet, and the pauses that follow failures."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Final, NamedTuple

from ..model import Group, GroupUpdate, Outcome, OutcomeKind
from .state import SECOND, Ending, Settlement
from .updates import Claim

if TYPE_CHECKING:
    from collections.abc import Sequence

BACKOFF: Final = 5.0
BACKOFF_MAX: Final = 300.0
"""Seconds before a group that could not be delivered is sent again: doubled each time, half of it chance."""

MAX_FAILING: Final = 10_000
"""Groups whose failures in a row are counted; beyond, a group waits as after its first."""


class Unsaid(NamedTuple):
    """The end of a claim that the store has not heard of yet. Moments are monotonic seconds."""

    group: Group
    claim: Claim
    ending: Ending
    ghost_until: float
    pause_until: float
    backoff_until: float

    def settlement(self, now: float) -> Settlement:
        """As it is told at ``now``: durations, since the store has a clock of its own."""

        def left(until: float) -> int:
            return max(0, round((until - now) * SECOND))

        claim = self.claim
        return Settlement(
            claim.token,
            claim.stamps,
            claim.had,
            claim.took,
            self.ending,
            left(self.ghost_until),
            left(self.pause_until),
            left(self.backoff_until),
        )


class Endings:
    """Keeps what a store that is down must be told later; a claim's token makes that safe. Not thread-safe.

    ``life``: seconds that a request may be applied after its start. ``random(n)``: n random bits.
    """

    def __init__(self, *, life: float, random: Callable[[int], int]) -> None:
        self._life = life
        self._random = random
        self._unsaid: list[Unsaid] = []
        self._failures: dict[Group, int] = {}

    def __len__(self) -> int:
        return len(self._unsaid)

    def add(self, results: Iterable[tuple[GroupUpdate, Outcome]], now: float) -> None:
        for update, outcome in results:
            if isinstance(update.claim, Claim):
                self._unsaid.append(self._ended(update.group, update.claim, outcome, now))

    def take(self) -> Sequence[Unsaid]:
        taken, self._unsaid = self._unsaid, []
        return taken

    def put_back(self, ends: Iterable[Unsaid]) -> None:
        """The store did not hear of these; they come before what ended meanwhile."""
        self._unsaid[:0] = ends

    def _ended(self, group: Group, claim: Claim, outcome: Outcome, now: float) -> Unsaid:
        if outcome.kind is OutcomeKind.DELIVERED:
            ending = Ending.DELIVERED
        elif outcome.kind is OutcomeKind.REFUSED:
            ending = Ending.REFUSED
        else:
            ending = Ending.RELEASED if outcome.unknown_at is None else Ending.UNKNOWN
        ghost = now if outcome.unknown_at is None else outcome.unknown_at + self._life
        over = ending in (Ending.DELIVERED, Ending.REFUSED)
        backoff = now if over else now + self._backoff(group)
        if over:
            self._failures.pop(group, None)
        return Unsaid(group, claim, ending, ghost, now + outcome.retry_after, backoff)

    def _backoff(self, group: Group) -> float:
        failures = min(self._failures.get(group, 0) + 1, 16)
        if len(self._failures) < MAX_FAILING or group in self._failures:
            self._failures[group] = failures
        longest = min(BACKOFF_MAX, BACKOFF * 2.0 ** (failures - 1))
        return longest * (0.5 + self._random(16) / (1 << 17))
