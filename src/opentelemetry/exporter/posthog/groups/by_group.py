"""A mapping from groups in which no group costs an object of its own.

A dictionary of ``Group`` keeps a tuple a group, and the interpreter's garbage collector walks over each of
them for ever. Here the keys are the texts that the application made anyway, one dictionary a group type.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Final, Generic, TypeVar

from ..model import Group

V = TypeVar("V")


class ByGroup(Generic[V]):
    """Remembers the order in which groups of a type were put. Not thread-safe.

    ``types``: type -> key -> value, for loops that can't afford a call.
    """

    __slots__ = ("types",)

    def __init__(self) -> None:
        self.types: Final[dict[str, dict[str, V]]] = {}

    def get(self, group: Group) -> V | None:
        type_, key = group
        of_type = self.types.get(type_)
        return None if of_type is None else of_type.get(key)

    def put(self, group: Group, value: V) -> None:
        """As the last one of its type, under this very text of its key: who puts a group into several of
        these mappings keeps its text once."""
        type_, key = group
        of_type = self.types.get(type_)
        if of_type is None:
            of_type = self.types[type_] = {}
        of_type.pop(key, None)
        of_type[key] = value

    def pop(self, group: Group) -> V | None:
        type_, key = group
        of_type = self.types.get(type_)
        return None if of_type is None else of_type.pop(key, None)

    def oldest(self, most: int) -> list[Group]:
        """Those put longest ago, of the type that has the most groups."""
        if not self.types:
            return []
        type_, of_type = max(self.types.items(), key=lambda item: len(item[1]))
        return [Group(type_, key) for key in islice(of_type, most)]

    def clear(self) -> None:
        self.types.clear()

    def __iter__(self) -> Iterator[Group]:
        return (Group(type_, key) for type_, of_type in self.types.items() for key in of_type)

    def __len__(self) -> int:
        return sum(map(len, self.types.values()))
