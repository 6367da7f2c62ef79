"""From a grant to the update that is sent: values, time, uuid."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, NamedTuple

from ..identifiers import group_distinct_id, hashed_bits
from ..model import Group, GroupUpdate, JsonValue
from ..uuid7 import RANDOM_BITS, start_of_day, uuid7
from .ledger import newest_time_ns
from .stamp import PRESENCE, canonical_json, from_canonical

if TYPE_CHECKING:
    from .state import Grant


class Claim(NamedTuple):
    """What the ledger needs back, to settle the update it granted. Opaque to everybody else."""

    token: int
    stamps: Mapping[str, str]
    had: Mapping[str, str]
    took: bool


class Updates:
    """Makes updates. ``random(n)`` gives n random bits."""

    __slots__ = ("_random",)

    def __init__(self, random: Callable[[int], int]) -> None:
        self._random = random

    def of(self, group: Group, grant: Grant, now_ns: int) -> GroupUpdate:
        """The update of a grant; its time is the event time of the newest change in it."""
        properties: dict[str, JsonValue] = {
            name: from_canonical(sent.value)
            for name, sent in grant.content.items()
            if name != PRESENCE and sent.value is not None
        }
        time_ns = newest_time_ns(grant.content)
        if time_ns is None:
            time_ns = now_ns
        claim = Claim(
            grant.token,
            {name: sent.stamp for name, sent in grant.content.items()},
            {name: sent.had for name, sent in grant.content.items()},
            grant.took,
        )
        uuid = (
            first_sight_uuid(group, properties, time_ns)
            if grant.first_sight
            else uuid7(time_ns, self._random(RANDOM_BITS))
        )
        return GroupUpdate(
            group, properties, time_ns, uuid, group_distinct_id(group), grant.first_sight, claim
        )


def first_sight_uuid(group: Group, properties: Mapping[str, JsonValue], time_ns: int) -> str:
    """The same for every worker that meets the group with these properties on one UTC day: PostHog replaces
    rows of one uuid, so a deploy of any number of workers is stored and billed once."""
    said = canonical_json(dict(properties))
    bits = hashed_bits(b"first", group.type, group.key, said)
    return uuid7(start_of_day(time_ns), bits)
