"""What the ledger knows of groups, claims and itself, as values. Times are microseconds of the store's clock.

The rule that turns one into the next is in ``ledger.py``; stores keep them, and the process side says them.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Final, NamedTuple

from .stamp import TIMES_DIGITS

SECOND: Final = 1_000_000
DAY: Final = 86_400 * SECOND

NEVER: Final = ""
UNKNOWN: Final = "?"
REFUSED: Final = "!"
"""Behind a digest in ``Sent.had``: PostHog refused that value."""


class Terms(NamedTuple):
    """The durations of one call, in microseconds."""

    window: int  # no attempt of a claim starts later than this after the claim
    life: int  # a request may be applied this long after its start
    interval: int  # between updates of one group once its bucket is empty

    @property
    def lease(self) -> int:
        """A holder that died may have sent at the end of the window; its request may land a life later."""
        return self.window + self.life

    @property
    def retention(self) -> int:
        """Values stay this long after they were settled: a confession needs them again."""
        return 2 * self.lease


class StoreState(NamedTuple):
    """What a store knows of itself."""

    birth: int  # when it began to remember
    marked: int = 0  # when somebody noticed that it had forgotten; 0: nobody did
    floor: str = ""  # event and seen time (32 digits) up to which it is known to have forgotten things


class Entry(NamedTuple):
    """What one worker saw of one property."""

    stamp: str
    value: str  # canonical JSON
    service: str = ""


class History(NamedTuple):
    """What people ask about a property; decides nothing."""

    service: str = ""  # who said the wanted value
    other: str = ""  # who said the one before it
    turns: int = 0  # changes within the flap window
    since: int = 0  # when that window began
    ignored: str = ""  # event and seen time of the newest older observation that was let go


QUIET_HISTORY: Final = History()


class Property(NamedTuple):
    want: str  # stamp
    value: str | None = None  # canonical JSON, while it may have to be sent
    have: str = NEVER
    refused: bool = False  # ``have`` was refused by PostHog, not stored
    settled_at: int = 0
    history: History = QUIET_HISTORY

    @property
    def dirty(self) -> bool:
        return self.have != self.want[TIMES_DIGITS:]


class GroupState(NamedTuple):
    properties: Mapping[str, Property]
    token: int = 0  # 0: never granted
    quiet_until: int = 0
    retry_at: int = 0
    bucket_full_at: int = 0


EMPTY_GROUP: Final = GroupState({})


class Standing(Enum):
    """How an observed property stands afterwards; the values are what a store may put on a wire."""

    SETTLED = "s"  # PostHog holds the wanted value
    SUPERSEDED = "o"  # an older observation; whoever saw the newer one answers for it
    PENDING = "p"  # wanted, and not yet known to be held
    FORGOTTEN = "f"  # at or before the floor: never sent by itself
    FULL = "x"  # the store has no room for another group


class Answer(NamedTuple):
    standing: Standing
    want: str = ""  # the winning stamp; empty when there is none


Answers = Mapping[str, Answer]


class Sent(NamedTuple):
    """One property of a claim's content."""

    stamp: str
    value: str | None  # None only for the presence of the group
    had: str  # ``have`` before the grant
    history: History = QUIET_HISTORY


class Grant(NamedTuple):
    """The right to send this content of a group, and only this."""

    token: int
    content: Mapping[str, Sent]
    first_sight: bool  # no property of the group is known to be held by PostHog
    took: bool  # whether it took one out of the bucket


class Haste(Enum):
    """What a grant may pass over."""

    NONE = "none"
    FORCED = "forced"  # the bucket and our own back-off: the exporter's flush and shutdown
    LAST_ACT = "last_act"  # the cooling too: a memory ledger at shutdown, which nobody comes after


class Ending(Enum):
    """What became of a claim; the values are what a store may put on a wire."""

    DELIVERED = "d"
    RELEASED = "r"  # surely not applied
    REFUSED = "n"  # PostHog said no to this very content
    UNKNOWN = "u"  # may have been applied, or may still be


class Settlement(NamedTuple):
    """The end of one claim. Durations are microseconds from now."""

    token: int
    stamps: Mapping[str, str]  # property -> stamp that was sent
    had: Mapping[str, str]
    took: bool
    ending: Ending
    ghost: int = 0  # until the last attempt whose outcome is unknown is surely dead
    pause: int = 0  # what the server asked us to wait
    backoff: int = 0  # our own wait after a released or unknown ending
