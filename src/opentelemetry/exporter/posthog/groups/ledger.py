"""THE RULE: how a group's profile at PostHog stays true. Pure; the stores only keep what it says.

PostHog merges group properties in the order of arrival and looks at no time, so *we* see to it that what
arrives last is the newest. Everything here follows from one law:

    For one group, two different contents are never in the air together. A content is in the air from the
    moment its request starts until it is answered definitely, or else until the longest life of a request
    (``Terms.life``) after that start.

Per property the ledger knows *want*, the newest stamp observed, and *have*, what PostHog is known to hold:
a digest, ``""`` (nothing was ever sent) or ``"?"`` (in the air, or unknown). A property is dirty when
``have`` is not the digest of ``want``; ``"?"`` equals nothing. Granting writes ``"?"`` *before* anything is
sent, so a holder that dies leaves the group dirty and quiet, and a later sweep sends it again.

All times are the store's clock in microseconds. A ``token`` names one claim and is that clock too, so it is
never used twice in a group, not even after the store lost its memory.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from .stamp import PRESENCE, TIMES_DIGITS, digest_of, time_ns_of, times_of
from .state import (
    DAY,
    EMPTY_GROUP,
    NEVER,
    REFUSED,
    SECOND,
    UNKNOWN,
    Answer,
    Ending,
    Entry,
    Grant,
    GroupState,
    Haste,
    History,
    Property,
    Sent,
    Settlement,
    Standing,
    StoreState,
    Terms,
)

BURST: Final = 5
"""Updates a group may send at once before it is bound to one an interval: a sign-up story fits in."""

HEALING_DAYS: Final = 30
"""Confirmed values are sent again after this long, ±20 % by group, so that silent losses at PostHog heal."""

FLOOR_SLACK: Final = 60 * SECOND
"""After a store lost its memory: signals on their way, a boot before the exporter, small clock steps."""

FLAP_WINDOW: Final = 600 * SECOND
"""Changes of a property are counted over this long, to tell people which one never rests."""


# -- the store's own memory -----------------------------------------------------------------------------


def meet(store: StoreState, known_birth: int, now: int, *, contradicted: bool = False) -> StoreState:
    """The loss mark. Every call carries the birth its process knows (0: none) and begins with this step.

    The mark must be made by the very call that brings the other birth: a process that only marks after it
    has read the reply was granted a claim by that call. ``contradicted``: the caller knows newer stamps than
    the store answered, so an older copy was restored under its old birth.
    """
    if contradicted and known_birth == store.birth:
        return StoreState(now, now, max(store.floor, floor_at(now - FLOOR_SLACK)))
    if known_birth and known_birth != store.birth and not store.marked:
        return store._replace(marked=now, floor=max(store.floor, floor_at(store.birth - FLOOR_SLACK)))
    return store


def floor_at(moment: int) -> str:
    """The floor of a moment in microseconds, as event time and seen time."""
    return f"{max(moment, 0) * 1000:016x}" * 2


def doubt(group: GroupState, store: StoreState, now: int) -> GroupState:
    """A claim granted before a loss was known may still land behind a newer one: nothing is certain any more.

    Its holder loses the token too, so that its settling confesses instead of settling.
    """
    if not 0 < group.token < store.marked:
        return group
    uncertain = {
        name: known._replace(have=UNKNOWN, refused=False) for name, known in group.properties.items()
    }
    return group._replace(properties=uncertain, token=next_token(group, now))


def next_token(group: GroupState, now: int) -> int:
    return max(group.token + 1, now)


# -- observing ------------------------------------------------------------------------------------------


def observe(
    group: GroupState | None,
    entries: Mapping[str, Entry],
    store: StoreState,
    now: int,
    terms: Terms,
    *,
    healing: int = HEALING_DAYS * DAY,
) -> tuple[GroupState, dict[str, Answer]]:
    """Merge what was seen. Commutative, associative, idempotent: any order, any repetition, any lateness."""
    state = EMPTY_GROUP if group is None else group
    properties = dict(state.properties)
    retention = terms.retention
    answers: dict[str, Answer] = {}
    for name, entry in entries.items():
        known = properties.get(name)
        if known is None:
            if name != PRESENCE and times_of(entry.stamp) <= store.floor:
                answers[name] = Answer(Standing.FORGOTTEN)
                continue
            known = Property(entry.stamp, entry.value, history=History(entry.service))
        else:
            known = _merged(known, name, entry, now, healing)
            if _has_faded(known, now, retention):
                known = known._replace(value=None)
        properties[name] = known
        answers[name] = _answer(known, entry.stamp)
    return state._replace(properties=properties), answers


def _merged(known: Property, name: str, entry: Entry, now: int, healing: int) -> Property:
    want, value, have, refused, settled_at, history = known
    stamp, said, service = entry
    same = stamp[TIMES_DIGITS:] == want[TIMES_DIGITS:]
    if stamp > want:
        want, value = stamp, said
        if not same:
            history = _turned(history, service, now)
    elif not same:
        return noted(known, stamp)
    else:  # gives a lost value back
        value = max(value or "", said) if name == PRESENCE else said
    if same and have not in (NEVER, UNKNOWN) and settled_at + healing < now:
        have, refused = NEVER, False
    return Property(want, value, have, refused, settled_at, history)


def noted(known: Property, stamp: str) -> Property:
    """An older observation of another value leaves its time behind, for people, and nothing else."""
    if stamp >= known.want or digest_of(stamp) == digest_of(known.want):
        return known
    ignored = max(known.history.ignored, times_of(stamp))
    return known._replace(history=known.history._replace(ignored=ignored))


def note(group: GroupState, stamps: Mapping[str, str]) -> GroupState:
    """What a process let go by itself. A property that is unknown here, after a loss say, stays unknown."""
    properties = {
        name: noted(known, stamps[name]) if name in stamps else known
        for name, known in group.properties.items()
    }
    return group._replace(properties=properties)


def seen_again(group: GroupState, names: Iterable[str], times: str) -> GroupState:
    """The wanted values of these properties were seen once more, at these times (32 digits)."""
    properties = dict(group.properties)
    for name in names:
        known = properties.get(name)
        if known is not None:
            properties[name] = known._replace(want=max(known.want, times + digest_of(known.want)))
    return group._replace(properties=properties)


def _turned(history: History, service: str, now: int) -> History:
    fresh = now - history.since > FLAP_WINDOW
    return history._replace(
        service=service,
        other=history.service,
        turns=1 if fresh else history.turns + 1,
        since=now if fresh else history.since,
    )


def _has_faded(known: Property, now: int, retention: int) -> bool:
    """Whether nobody can need its value any more."""
    return known.value is not None and now >= known.settled_at + retention and not known.dirty


def _answer(known: Property, stamp: str) -> Answer:
    if not known.dirty:
        return Answer(Standing.SETTLED, known.want)
    if stamp < known.want:
        return Answer(Standing.SUPERSEDED, known.want)
    return Answer(Standing.PENDING, known.want)


def standing_of(group: GroupState, names: Iterable[str]) -> dict[str, Answer]:
    """How properties stand, for whoever just settled them."""
    return {
        name: _answer(known, known.want)
        for name in names
        if (known := group.properties.get(name)) is not None
    }


# -- granting -------------------------------------------------------------------------------------------


def grant(
    group: GroupState, store: StoreState, now: int, terms: Terms, haste: Haste = Haste.NONE
) -> tuple[GroupState, Grant | None]:
    """Give the right to send whatever is dirty, unless somebody else's content may still be in the air."""
    if now < max(group.quiet_until, grants_from(store, terms)) and haste is not Haste.LAST_ACT:
        return group, None
    full_at = max(group.bucket_full_at, now) + terms.interval
    empty = full_at > now + BURST * terms.interval
    if (now < group.retry_at or empty) and haste is Haste.NONE:
        return group, None
    content = {
        name: Sent(known.want, known.value, known.have + REFUSED * known.refused, known.history)
        for name, known in _sendable(group)
    }
    if not content:
        return group, None
    first_sight = all(known.have in (NEVER, UNKNOWN) for known in group.properties.values())
    in_the_air = {name: group.properties[name]._replace(have=UNKNOWN, refused=False) for name in content}
    token = next_token(group, now)
    granted = GroupState(
        {**group.properties, **in_the_air},
        token,
        quiet_until=now + terms.lease,
        retry_at=group.retry_at,
        bucket_full_at=group.bucket_full_at if empty else full_at,
    )
    return granted, Grant(token, content, first_sight, took=not empty)


def grants_from(store: StoreState, terms: Terms) -> int:
    """After a marked loss, a holder of the former life may still start a request within its window."""
    return store.birth + terms.lease if store.marked else 0


def _sendable(group: GroupState) -> list[tuple[str, Property]]:
    """What is dirty and still has its value. Almost nothing is, and this is asked of every group."""
    return [
        (name, known)
        for name, known in group.properties.items()
        if known.have != known.want[TIMES_DIGITS:] and (known.value is not None or name == PRESENCE)
    ]


def due_at(group: GroupState, terms: Terms) -> int | None:
    """When a sweep may be granted this group; None when it has nothing to send."""
    if not _sendable(group):
        return None
    bucket_at = group.bucket_full_at - (BURST - 1) * terms.interval
    return max(group.quiet_until, group.retry_at, bucket_at)


# -- settling -------------------------------------------------------------------------------------------


def settle(
    group: GroupState, end: Settlement, store: StoreState, now: int, terms: Terms
) -> tuple[GroupState, Grant | None]:
    """Write down what became of a claim; grant again, in order, if the wanted value has moved on."""
    if end.token != group.token:
        return _confessed(group, end, now, terms), None
    properties = dict(group.properties)
    for name, stamp in end.stamps.items():
        known = properties.get(name)
        if known is not None:
            properties[name] = _settled(known, stamp, end, name, now)
    over = end.ending in (Ending.DELIVERED, Ending.REFUSED)
    pause = 0 if over else end.pause
    returned = end.took and end.ending is Ending.RELEASED
    settled = GroupState(
        properties,
        group.token + 1,  # nobody holds it
        quiet_until=now + max(end.ghost, pause),
        retry_at=group.retry_at if over else now + end.backoff,
        bucket_full_at=group.bucket_full_at - terms.interval if returned else group.bucket_full_at,
    )
    if over and not end.ghost:
        return grant(settled, store, now, terms)
    return settled, None


def _settled(known: Property, stamp: str, end: Settlement, name: str, now: int) -> Property:
    """``have`` becomes what was *sent*, never what is wanted now."""
    match end.ending:
        case Ending.DELIVERED:
            return known._replace(have=digest_of(stamp), refused=False, settled_at=now)
        case Ending.REFUSED:  # not again until the value changes; dated too, or healing asks for the poison
            return known._replace(have=digest_of(stamp), refused=True, settled_at=now)
        case Ending.RELEASED:
            had = end.had.get(name, UNKNOWN)
            return known._replace(have=had.rstrip(REFUSED), refused=had.endswith(REFUSED))
        case Ending.UNKNOWN:
            return known


def _confessed(group: GroupState, end: Settlement, now: int, terms: Terms) -> GroupState:
    """The claim was late: its request may have landed after a successor's, so neither side is believed."""
    if end.ending not in (Ending.DELIVERED, Ending.UNKNOWN):
        return group
    properties = dict(group.properties)
    for name, stamp in end.stamps.items():
        known = properties.get(name)
        if known is not None and digest_of(stamp) != digest_of(known.want):
            properties[name] = known._replace(have=UNKNOWN, refused=False)
    return group._replace(
        properties=properties,
        token=group.token + 1,  # a successor's settling must not wipe out the "?"
        quiet_until=max(group.quiet_until, now + terms.life),
    )


# -- forgetting -----------------------------------------------------------------------------------------


def forget(group: GroupState, now: int, terms: Terms) -> GroupState:
    """The next observation of each property sends it again. Stamps stay: an older one must not win then."""
    properties = {
        name: known if known.have == UNKNOWN else known._replace(have=NEVER, refused=False)
        for name, known in without_old_values(group, now, terms).properties.items()
    }
    return group._replace(properties=properties)


def is_clean(group: GroupState) -> bool:
    return not any(known.dirty for known in group.properties.values())


def without_old_values(group: GroupState, now: int, terms: Terms) -> GroupState:
    retention = terms.retention
    old = {
        name: known._replace(value=None)
        for name, known in group.properties.items()
        if _has_faded(known, now, retention)
    }
    return group._replace(properties={**group.properties, **old}) if old else group


def fades_at(group: GroupState, terms: Terms) -> int | None:
    """When the next value may be let go; None when no clean property has one."""
    settled = [
        known.settled_at
        for known in group.properties.values()
        if known.value is not None and known.have == known.want[TIMES_DIGITS:]
    ]
    return min(settled) + terms.retention if settled else None


def at_rest(group: GroupState, now: int) -> bool:
    """Clean, not quiet, values faded, bucket full: nothing but stamps and digests is left to remember."""
    return (
        now >= max(group.quiet_until, group.bucket_full_at)
        and is_clean(group)
        and not any(known.value is not None or known.refused for known in group.properties.values())
    )


def newest_times(group: GroupState) -> str:
    """What the floor must reach when this group is forgotten."""
    return max((times_of(known.want) for known in group.properties.values()), default="")


def newest_time_ns(content: Mapping[str, Sent]) -> int | None:
    """The event time of the newest change in a content; for a group of which only the key is known, the time
    of the newest observation of it, as far as that is still known."""
    changes = [time_ns_of(sent.stamp) for name, sent in content.items() if name != PRESENCE]
    if changes:
        return max(changes)
    presence = content.get(PRESENCE)
    return int(presence.value) if presence is not None and presence.value else None
