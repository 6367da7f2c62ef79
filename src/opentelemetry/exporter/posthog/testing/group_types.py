"""The five group types of a project, in the order in which it first saw them."""

from __future__ import annotations


class GroupTypes:
    """Resolves a type to its index, 0 to 4. Names are compared exactly, case included."""

    LIMIT = 5

    def __init__(self) -> None:
        self._indexes: dict[str, int] = {}

    def index_of(self, kind: str, *, create: bool) -> int | None:
        """None: unknown and not to be created, or the project has its five types."""
        if kind not in self._indexes:
            if not create or len(self._indexes) >= self.LIMIT:
                return None
            self._indexes[kind] = len(self._indexes)
        return self._indexes[kind]

    @property
    def names(self) -> list[str]:
        return list(self._indexes)
