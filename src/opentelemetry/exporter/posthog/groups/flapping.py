"""Properties that never rest: counters, the time of every request, two services that disagree. Pure.

PostHog bills each update, and the bucket only bounds how many there are, so people are told once which
property it is and who says it. Changes are counted where all processes meet, in the store, when they are
observed: the ones that the bucket held back count too.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final, NamedTuple

from .ledger import FLAP_WINDOW
from .state import SECOND, Sent

if TYPE_CHECKING:
    from ..model import Group

TURNS: Final = 10
"""Changes of one property of one group within ten minutes. People change plans less often than that."""


class Flapping(NamedTuple):
    """A property that changed ``turns`` times within ``seconds``, said by one or two services."""

    type: str
    name: str
    turns: int
    seconds: float
    services: tuple[str, ...]

    @property
    def message(self) -> str:
        """For people; names no value."""
        said_by = [
            f"service {service}" if service else "a service without a name" for service in self.services
        ]
        length = f"{self.seconds / 60:.0f} min" if self.seconds >= 120 else f"{self.seconds:.0f} s"
        cure = (
            "Let one of them alone speak of it"
            if len(said_by) == 2
            else "Keep counters and times of requests out of group properties"
        )
        return (
            f"group property {self.name!r} of type {self.type!r} never rests: {self.turns} changes within "
            f"{length}, seen by {' and '.join(said_by)}. Each may be an update that PostHog bills. {cure}."
        )


def flapping(group: Group, content: Mapping[str, Sent], now: int) -> list[Flapping]:
    """The properties of a grant that never rest. ``now``: the store's clock, µs."""
    return [
        Flapping(
            group.type,
            name,
            sent.history.turns,
            min(max(now - sent.history.since, 0), FLAP_WINDOW) / SECOND,
            tuple(sorted({sent.history.service, sent.history.other})),
        )
        for name, sent in content.items()
        if sent.history.turns >= TURNS
    ]
