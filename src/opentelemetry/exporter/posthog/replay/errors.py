"""What keeps a replay from going on, with the mend."""

from __future__ import annotations

from ..errors import PostHogExporterError


class ReplayError(PostHogExporterError):
    """A replay can't start or go on: why, and what to do."""

    def __init__(self, why: str, fix: str) -> None:
        super().__init__(why, fix)
        self.why = why
        self.fix = fix

    def __str__(self) -> str:
        return f"{self.why}. {self.fix}"
