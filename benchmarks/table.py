"""What a benchmark says: rows of one table, each with the goal that it is held to.

A module of this folder joins the table by a function ``rows(bench) -> list[Row]`` and a line in ``TOPICS``
(``benchmarks/__main__.py``). Every topic runs in a process of its own, so that no one's million groups are
in another one's garbage collection.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from .paired import Spread
from .sink import Sink


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """What a topic gets: the far side, and how long it may take."""

    sink: Sink
    rounds: int = 9  # of a paired measurement, besides the first one, which is thrown away
    quick: bool = False  # leave the larger sizes out
    million: bool = False  # a million groups too: 20 minutes more


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One measure. ``found`` is what counts: a ratio where there is anything to compare with."""

    name: str
    found: Spread
    unit: str  # "F" (times the floor), "x OTLP", "us", "B", "requests", ...
    cost: Spread | None = None  # what it took, microseconds of CPU a record
    must: float | None = None  # at most; at least, with ``more_is_better``
    aim: float | None = None
    more_is_better: bool = False
    note: str = ""

    @property
    def verdict(self) -> str:
        """``aim``, ``must`` or ``MISSED``; empty where no goal is set."""
        if self.aim is not None and self._reaches(self.aim):
            return "aim"
        if self.must is None:
            return "" if self.aim is None else "below aim"
        return "must" if self._reaches(self.must) else "MISSED"

    def _reaches(self, goal: float) -> bool:
        return self.found.median >= goal if self.more_is_better else self.found.median <= goal


def exact(value: float) -> Spread:
    """A thing that was counted and not measured."""
    return Spread(value, value, value)


# -- as text ------------------------------------------------------------------------------------------

HEADS = ("measure", "cost, µs", "found (quartiles)", "goal: must, aim", "reached")


def cells(row: Row) -> tuple[str, ...]:
    cost = "" if row.cost is None else f"{row.cost.median:.3g}"
    return row.name, cost, f"{amount(row.found)} {as_unit(row)}", goals(row), row.verdict


def amount(spread: Spread) -> str:
    """Median and quartiles; a counted thing has none."""
    if spread.low == spread.high:
        return f"{spread.median:,.4g}"
    return str(spread)


def as_unit(row: Row) -> str:
    return "µs" if row.unit == "us" else row.unit.replace("x ", "× ", 1)


def goals(row: Row) -> str:
    sign = "≥" if row.more_is_better else "≤"
    return ", ".join(f"{sign} {goal:.3g}" for goal in (row.must, row.aim) if goal is not None)


def as_text(parts: Sequence[tuple[str, Sequence[Row]]]) -> str:
    """Columns for a terminal, a heading a topic."""
    table = [cells(row) for _, rows in parts for row in rows]
    widths = [max(map(len, column)) for column in zip(HEADS, *table, strict=True)]

    def line(values: Iterable[str]) -> str:
        return "  ".join(value.ljust(width) for value, width in zip(values, widths, strict=True)).rstrip()

    lines = [line(HEADS)]
    for title, rows in parts:
        lines += ["", f"-- {title}", *(line(cells(row)) for row in rows)]
    return "\n".join(lines)


# -- as values between processes ----------------------------------------------------------------------


def to_json(row: Row) -> dict[str, Any]:
    return asdict(row)


def from_json(value: dict[str, Any]) -> Row:
    cost = value["cost"]
    return Row(**{**value, "found": Spread(*value["found"]), "cost": None if cost is None else Spread(*cost)})
