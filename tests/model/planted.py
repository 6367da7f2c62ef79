"""Bugs that a good engineer could make, one a class, each with the tiny world that must show it."""

from __future__ import annotations

from opentelemetry.exporter.posthog.groups import ledger
from opentelemetry.exporter.posthog.groups.stamp import digest_of
from opentelemetry.exporter.posthog.groups.state import (
    UNKNOWN,
    Answer,
    Ending,
    Grant,
    GroupState,
    Settlement,
    Standing,
    StoreState,
    Terms,
)
from tests.model.world import NAME, NOTHING, Claim, Process, Protocol, World, stamp

A1, A2, A3 = stamp("a", 1), stamp("a", 2), stamp("a", 3)
B1, B2, B3 = stamp("b", 1), stamp("b", 2), stamp("b", 3)


def changed(group: GroupState, **fields: object) -> GroupState:
    return group._replace(properties={NAME: group.properties[NAME]._replace(**fields)})  # type: ignore[arg-type]


class NothingIsWrittenBeforeSending(Protocol):
    def grant(
        self, group: GroupState, store: StoreState, now: int, terms: Terms
    ) -> tuple[GroupState, Grant | None]:
        after, granted = super().grant(group, store, now, terms)
        return (after if granted is None else changed(after, have=granted.content[NAME].had)), granted


class TheLeaseIsTheSendWindow(Protocol):
    def grant(
        self, group: GroupState, store: StoreState, now: int, terms: Terms
    ) -> tuple[GroupState, Grant | None]:
        after, granted = super().grant(group, store, now, terms)
        return (after if granted is None else after._replace(quiet_until=now + terms.window)), granted


class AnUnknownOutcomeReleasesTheClaim(Protocol):
    def ghost(self, claim: Claim, now: int, terms: Terms) -> int:
        return 0 if claim.ending is Ending.UNKNOWN else super().ghost(claim, now, terms)


class AnAnsweredRetryMeansAllIsWell(Protocol):
    def ghost(self, claim: Claim, now: int, terms: Terms) -> int:
        return 0 if claim.ending is Ending.DELIVERED else super().ghost(claim, now, terms)


class SettlingConfirmsWhatIsWantedNow(Protocol):
    def settle(
        self, group: GroupState, end: Settlement, store: StoreState, now: int, terms: Terms
    ) -> tuple[GroupState, Grant | None]:
        end = end._replace(stamps={NAME: group.properties[NAME].want})
        return super().settle(group, end, store, now, terms)


class AHitIsFree(Protocol):
    def hit(self, process: Process, seen: str) -> Process:
        return process._replace(known=seen)


class ThePocketIsEmptiedWhenMerged(Protocol):
    def answered(self, process: Process, asked: str, answer: Answer) -> Process:
        process = super().answered(process, asked, answer)
        return process._replace(pocket=NOTHING) if answer.standing is Standing.PENDING else process


class AReleaseForgetsAnEarlierTimeout(Protocol):
    def ending_of(self, claim: Claim, ending: Ending) -> Ending:
        return ending


class AConfessionLeavesTheToken(Protocol):
    def settle(
        self, group: GroupState, end: Settlement, store: StoreState, now: int, terms: Terms
    ) -> tuple[GroupState, Grant | None]:
        after, granted = super().settle(group, end, store, now, terms)
        return (after._replace(token=group.token) if end.token != group.token else after), granted


class NobodyConfesses(Protocol):
    def settle(
        self, group: GroupState, end: Settlement, store: StoreState, now: int, terms: Terms
    ) -> tuple[GroupState, Grant | None]:
        if end.token != group.token:
            return group, None
        return super().settle(group, end, store, now, terms)


class AHitReplacesThePocketEntry(Protocol):
    def hit(self, process: Process, seen: str) -> Process:
        return process._replace(known=seen, pocket=seen)


class AReplyEmptiesThePocket(Protocol):
    def answered(self, process: Process, asked: str, answer: Answer) -> Process:
        process = super().answered(process, asked, answer)
        return process._replace(pocket=NOTHING) if answer.standing is Standing.SETTLED else process


class NoSendWindow(Protocol):
    def may_start(self, claim: Claim, now: int, terms: Terms) -> bool:
        return True


class TheSendWindowIncludesItsEnd(Protocol):
    def may_start(self, claim: Claim, now: int, terms: Terms) -> bool:
        return now - claim.t0 <= terms.window


class TiesGoToWhoComesFirst(Protocol):
    def observe(
        self, group: GroupState | None, seen: str, store: StoreState, now: int, terms: Terms
    ) -> tuple[GroupState, Answer]:
        if group is not None and NAME in group.properties:
            known = group.properties[NAME]
            if known.want[:32] == seen[:32] and known.want != seen:
                return group, Answer(Standing.SUPERSEDED, known.want)
        return super().observe(group, seen, store, now, terms)


class AGhostDoesNotHinderTheNextGrant(Protocol):
    def settle(
        self, group: GroupState, end: Settlement, store: StoreState, now: int, terms: Terms
    ) -> tuple[GroupState, Grant | None]:
        after, granted = super().settle(group, end, store, now, terms)
        if granted is None and end.ghost and end.ending is Ending.DELIVERED and end.token == group.token:
            quiet = after.quiet_until
            after, granted = ledger.grant(after._replace(quiet_until=now), store, now, terms)
            if granted is None:
                after = after._replace(quiet_until=quiet)
        return after, granted


class ConfirmedByDigestOfNothing(Protocol):
    """An unknown outcome taken for a delivery."""

    def settle(
        self, group: GroupState, end: Settlement, store: StoreState, now: int, terms: Terms
    ) -> tuple[GroupState, Grant | None]:
        after, granted = super().settle(group, end, store, now, terms)
        if end.ending is Ending.UNKNOWN and end.token == group.token:
            known = after.properties[NAME]
            if known.have == UNKNOWN:
                after = changed(after, have=digest_of(end.stamps[NAME]))
        return after, granted


def planted(protocol: Protocol, *observations: str, **faults: int) -> World:
    return World(observations, faults, protocol=protocol)


# Each of these was seen to be caught; a row whose world no longer shows its bug fails the suite.
PLANTED = {
    "C1 nothing is written before sending": planted(NothingIsWrittenBeforeSending(), A1, B2, A3, kill=1),
    "C2 the lease is the send window": planted(TheLeaseIsTheSendWindow(), A1, B2, kill=1),
    "C3 an unknown outcome releases the claim": planted(
        AnUnknownOutcomeReleasesTheClaim(), A1, B2, timeout=1
    ),
    "C4 an answered retry means all is well": planted(AnAnsweredRetryMeansAllIsWell(), A1, B2, timeout=1),
    "C6 settling confirms what is wanted now": planted(SettlingConfirmsWhatIsWantedNow(), A1, B2),
    "C7 a hit is free": planted(AHitIsFree(), A1, B2, A3),
    "C10 the pocket is emptied when merged": planted(ThePocketIsEmptiedWhenMerged(), A1, flushall=1),
    "C14 a release forgets an earlier timeout": planted(
        AReleaseForgetsAnEarlierTimeout(), A1, B2, A3, timeout=1, release=1
    ),
    "C15 a confession leaves the token": planted(AConfessionLeavesTheToken(), A1, B2, pause=1),
    "nobody confesses": planted(NobodyConfesses(), A1, B2, pause=1),
    "C17 a hit replaces the pocket entry": World(
        (A1, B3, A2), {"kill": 1}, processes=1, protocol=AHitReplacesThePocketEntry()
    ),
    "C18 a reply empties the pocket": planted(AReplyEmptiesThePocket(), A1, B2),
    "C19 no send window": planted(NoSendWindow(), A1, B2, kill=1),
    "C20 ties go to who comes first": planted(TiesGoToWhoComesFirst(), A1, B1),
    "C31 the send window includes its end": World(
        (A1, B2), {"kill": 1}, life=0, protocol=TheSendWindowIncludesItsEnd()
    ),
    "C33 a ghost does not hinder the next grant": planted(
        AGhostDoesNotHinderTheNextGrant(), A1, B2, timeout=1
    ),
    "an unknown outcome is taken for a delivery": planted(ConfirmedByDigestOfNothing(), A1, timeout=1),
}
