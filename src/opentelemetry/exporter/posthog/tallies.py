"""Counting what is the same object many times, quickly."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from .model import Outcome, OutcomeKind

T = TypeVar("T")


def counted(values: Sequence[T]) -> list[tuple[T, int]]:
    """How often each object occurs. By identity: hashing an enum's member runs Python code."""
    counts = Counter(map(id, values))
    return [(value, counts[id(value)]) for value in {id(value): value for value in values}.values()]


def tally(outcomes: Sequence[Outcome]) -> Counter[tuple[OutcomeKind, str]]:
    """How many outcomes of each kind and reason."""
    tally: Counter[tuple[OutcomeKind, str]] = Counter()
    for outcome, count in counted(outcomes):
        tally[outcome.kind, outcome.reason] += count
    return tally
