"""What the processes of a fleet are told, in which order: thousands of signals about the organizations of a
small world, made from a seed alone.

Most signals say what was true of their organization at their event time, as services do that read it from
one database; but they arrive late, twice, and in another process each time. Of some organizations two
services say different things, and then only time decides.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, TypeAlias

Value: TypeAlias = "str | int | bool | None"

SECOND = 1_000_000_000

POOLS: Mapping[str, Sequence[Value]] = {
    "plan": ("free", "team", "business", "enterprise"),
    "seats": tuple(range(1, 30)),
    "status": ("trial", "active", "past due", None),
    "beta": (True, False, 1, "1"),  # a change of type is a change
}

OLDEST = 15.0
"""Seconds before its arrival that an observation lies at most, but for ancient ones."""

ANCIENT = (75.0, 120.0)
"""Seconds before their arrival that observations lie which even a ledger that was lost must not believe: it
is more than a minute older than its new life."""


MASTER = 0
"""The process that says its share at the very beginning, and then forks."""


class Signal(NamedTuple):
    """One signal. Times are nanoseconds after the script's beginning, ``at`` is when it arrives."""

    n: int
    process: int
    at: int
    organization: str
    time: int
    seen: int
    said: Mapping[str, Value]
    kind: str  # "span", "log", or "webhook": a log record that says when it was true


@dataclass(frozen=True)
class Shape:
    """How large a script is. The same shape is the same script."""

    seed: int
    processes: int
    organizations: int
    signals: int
    seconds: float
    loss: float = 0.0
    """Seconds after the beginning that the shared ledger forgets everything; 0: never. What arrives then is
    younger than that, or ancient: what lies between is the one thing that no ledger can know for old news.
    """


class _Organization:
    """A past that one truth is told of, or none."""

    def __init__(self, name: str, shape: Shape, dice: random.Random) -> None:
        self.name = name
        self.disputed = dice.random() < 0.1
        first, last = sorted(dice.uniform(0, shape.seconds) for _ in range(2))
        whole = dice.random() < 0.5  # the others are silent for a part of the time, many of them at the end
        self._active = (0.0, shape.seconds) if whole else (first, min(last + 0.5, shape.seconds))
        self._loss = shape.loss
        self._past = {
            name: sorted(
                (dice.uniform(-OLDEST, shape.seconds), at, dice.choice(pool))
                for at in range(dice.randint(0, 5))
            )
            for name, pool in POOLS.items()
        }
        self._origin = {name: dice.choice(pool) for name, pool in POOLS.items()}

    def signal(self, dice: random.Random, *, first: bool) -> tuple[int, int, int, Mapping[str, Value]]:
        """When it arrives, when it was true, when it was seen, what it says."""
        at = 0.0 if first else dice.uniform(*self._active)
        ancient = dice.random() < 0.02
        lateness = dice.choices((0.003, 1.0, 6.0, OLDEST), (60, 20, 13, 7))[0]
        if at >= self._loss:
            lateness = min(lateness, at - self._loss)
        time = at - (dice.uniform(*ANCIENT) if ancient else dice.uniform(0, lateness))
        second = float(time // 1)  # providers stamp whole seconds
        if dice.random() < 0.2 and (second >= self._loss or at < self._loss):
            time = second
        seen = dice.choice((at, min(at, time + dice.uniform(0, 0.2)), time))
        names = dice.choices(((), ("plan",), ("plan", "seats"), tuple(POOLS)), (5, 25, 30, 40))[0]
        said = {
            name: dice.choice(POOLS[name]) if self.disputed else self._true_at(name, time) for name in names
        }
        return _ns(at), _ns(time), _ns(seen), said

    def _true_at(self, name: str, time: float) -> Value:
        value = self._origin[name]
        for since, _, then in self._past[name]:
            if since <= time:
                value = then
        return value


def _ns(seconds: float) -> int:
    return round(seconds * 1_000_000) * 1000  # whole microseconds: what any of the processes can express


def script(shape: Shape) -> list[Signal]:
    """All signals in the order in which they arrive."""
    dice = random.Random(shape.seed)
    organizations = [_Organization(f"org_{n}", shape, dice) for n in range(shape.organizations)]
    told: list[Signal] = []
    while len(told) < shape.signals:
        # each of them is heard of, then chance decides
        about = organizations[len(told)] if len(told) < len(organizations) else dice.choice(organizations)
        process = MASTER if dice.random() < 0.01 else dice.randrange(MASTER + 1, shape.processes)
        at, time, seen, said = about.signal(dice, first=process == MASTER)
        kind = dice.choice(("span", "log", "webhook"))
        told.append(Signal(0, process, at, about.name, time, seen, said, kind))
        if dice.random() < 0.1 and len(told) < shape.signals:  # and once more, often to somebody else
            again = min(at + _ns(dice.uniform(0, 2)), _ns(shape.seconds))
            if shape.loss and at < _ns(shape.loss) <= again:
                again = at
            told.append(told[-1]._replace(process=dice.randrange(MASTER + 1, shape.processes), at=again))
    told.sort(key=lambda one: (one.at, one.process))
    return list(_without_first_ancients(told))


def _without_first_ancients(told: Iterable[Signal]) -> Iterator[Signal]:
    """An ancient observation of what nobody has spoken of yet may be believed or not: nobody sends one."""
    known: set[tuple[str, str]] = set()
    for n, one in enumerate(told):
        said = one.said
        if one.at - one.time >= _ns(ANCIENT[0]):
            said = {name: value for name, value in said.items() if (one.organization, name) in known}
        known.update((one.organization, name) for name in said)
        yield one._replace(n=n, said=said)


def write_script(signals: Sequence[Signal], path: Path) -> None:
    """For all processes, which then need not make it up again."""
    path.write_text(json.dumps(signals))


def read_script(path: Path) -> list[Signal]:
    return [Signal(*fields) for fields in json.loads(path.read_text())]
