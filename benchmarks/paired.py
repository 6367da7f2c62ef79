"""Paired measurement: all cases in turns, the order rotated each round, ratios taken round by round.

A neighbour that slows the machine down slows the cases of a round down alike, so the median of the ratios
stays where it is when the times do not. The first round is thrown away: it pays for imports and caches.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from typing import NamedTuple

Case = Callable[[int], object]
"""Runs one round; gets the number of the round."""


class Spread(NamedTuple):
    """A median and its quartiles."""

    median: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.median:.3g} ({self.low:.3g}–{self.high:.3g})"

    def __mul__(self, factor: object) -> Spread:
        if not isinstance(factor, (int, float)):
            return NotImplemented
        return Spread(*(part * factor for part in self))


def spread_of(values: list[float]) -> Spread:
    low, median, high = statistics.quantiles(values, n=4, method="inclusive")
    return Spread(median, low, high)


class Rounds:
    """Costs by case, one a round, in the unit of the timer for each record."""

    def __init__(self, costs: Mapping[str, list[float]]) -> None:
        self._costs = costs

    def cost(self, case: str) -> Spread:
        return spread_of(self._costs[case])

    def ratio(self, case: str, *others: str) -> Spread:
        """``case`` over the sum of ``others``, in pairs."""
        totals = [sum(parts) for parts in zip(*(self._costs[other] for other in others), strict=True)]
        return spread_of([mine / total for mine, total in zip(self._costs[case], totals, strict=True)])


def measured(
    cases: Mapping[str, Case],
    *,
    rounds: int,
    records: int,
    timer: Callable[[], float] = time.process_time,
) -> Rounds:
    """Cost a record of each case. CPU of the whole process by default, all its threads."""
    names = list(cases)
    costs: dict[str, list[float]] = {name: [] for name in names}
    for number in range(rounds + 1):
        turn = number % len(names)
        for name in names[turn:] + names[:turn]:
            started = timer()
            cases[name](number)
            spent = timer() - started
            if number:
                costs[name].append(spent / records)
    return Rounds(costs)
