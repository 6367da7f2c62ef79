"""What the ledger made of observations, told property by property: for the inspector and for people.

Read off the ledger's state after it has merged them, so another worker's newer news may already be in it.
Nothing is decided here. Pure; the state is passed in.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from ..model import Group, GroupUpdate, JsonValue, LedgerDecision, Observation
from .stamp import PRESENCE, Digester, canonical_json, digest_of, times_of, times_text
from .updates import Claim

if TYPE_CHECKING:
    from .state import GroupState


class Memory(NamedTuple):
    """What is known of one group: the store's state, and times that this process has not told it yet."""

    state: GroupState | None
    newest: Mapping[str, str]  # property -> event and seen time of a settled value, 32 digits


NO_MEMORY = Memory(None, {})


def decide(
    observations: Iterable[Observation],
    memories: Mapping[Group, Memory],
    updates: Sequence[GroupUpdate],
    digester: Digester,
    *,
    ahead_ns: int = 0,
) -> list[tuple[LedgerDecision, ...]]:
    """One tuple an observation, in their order. ``updates`` are those that the same export was granted.

    ``ahead_ns``: what the ledger adds to times of this process, whose clock is behind the store's.
    """
    granted = {update.group: update for update in updates}
    found: list[tuple[LedgerDecision, ...]] = []
    for seen in observations:
        memory, update = memories.get(seen.group, NO_MEMORY), granted.get(seen.group)
        if seen.properties:
            said = tuple(
                _decision(seen, name, value, memory, update, digester, ahead_ns)
                for name, value in seen.properties.items()
                if name != PRESENCE
            )
        else:
            verdict = "sent" if update is not None and update.first_sight else "unchanged"
            uuid = update.uuid if update is not None and update.first_sight else ""
            said = (LedgerDecision(seen.group, "", None, seen.time_ns, seen.seen_ns, verdict, uuid),)
        found.append(said)
    return found


def _decision(
    seen: Observation,
    name: str,
    value: JsonValue,
    memory: Memory,
    update: GroupUpdate | None,
    digester: Digester,
    ahead_ns: int,
) -> LedgerDecision:
    verdict, uuid = "waits", ""
    try:
        times = times_text(seen.time_ns + ahead_ns, seen.seen_ns + ahead_ns)
        stamp = times + digester.digest(canonical_json(value))
    except (ValueError, TypeError, RecursionError):
        return LedgerDecision(seen.group, name, None, seen.time_ns, seen.seen_ns, "forgotten")
    sent = update.claim.stamps.get(name, "") if update is not None and isinstance(update.claim, Claim) else ""
    known = memory.state.properties.get(name) if memory.state is not None else None
    if update is not None and sent == stamp:
        verdict, uuid = "sent", update.uuid
    elif known is None:
        verdict = "waits" if memory.state is None else "forgotten"
    elif digest_of(known.want) == digest_of(stamp):
        verdict = "waits" if known.dirty and not sent else "unchanged"
    elif stamp < known.want or times_of(stamp) < memory.newest.get(name, ""):
        verdict = "older"
    return LedgerDecision(seen.group, name, value, seen.time_ns, seen.seen_ns, verdict, uuid)
