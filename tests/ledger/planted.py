"""Bugs that a good engineer could make, one a class, and the shortest story that shows each.

A story is played twice: as it is, and then it must end well on every store that can play it; and with its bug
planted, and then the judge must object. C numbers name the counterexamples that the model of the protocol
found first.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from opentelemetry.exporter.posthog.groups import ledger
from opentelemetry.exporter.posthog.groups.pocket import Held, Pocket
from opentelemetry.exporter.posthog.groups.pocket_file import Page, PocketFile
from opentelemetry.exporter.posthog.groups.stamp import Digester, times_of
from opentelemetry.exporter.posthog.groups.state import (
    NEVER,
    UNKNOWN,
    Answer,
    Answers,
    Ending,
    Entry,
    Grant,
    GroupState,
    Haste,
    Settlement,
    Standing,
    StoreState,
    Terms,
)
from opentelemetry.exporter.posthog.groups.store import Sighting
from opentelemetry.exporter.posthog.model import Group, GroupUpdate, Observation, Outcome, OutcomeKind
from tests.ledger.judge import Violation
from tests.ledger.plain_store import Rule
from tests.ledger.world import ORG, OTHER, PROJECT, Courier, Holding, Worker, World


@dataclass
class Bug:
    """Where it is planted: in the rule, in how a worker carries claims, or in what a worker remembers."""

    rule: type[Rule] = Rule
    courier: type[Courier] = Courier
    pocket: type[Pocket] = Pocket
    file: type[PocketFile] = PocketFile
    project_of: Callable[[int], str] = lambda number: PROJECT
    hits_are_free: bool = False


@dataclass
class Story:
    play: Callable[[World], None]
    bug: Bug
    needs: frozenset[str] = frozenset()  # "loss", "eviction", "processes"
    life: float = 60.0
    disk: bool = False


def needs(*what: str) -> frozenset[str]:
    return frozenset(what)


# -- bugs of the rule -----------------------------------------------------------------------------------


class NothingIsWrittenBeforeSending(Rule):
    def grant(
        self, group: GroupState, store: StoreState, now: int, terms: Terms, haste: Haste
    ) -> tuple[GroupState, Grant | None]:
        after, granted = super().grant(group, store, now, terms, haste)
        if granted is None:
            return after, granted
        return after._replace(properties=group.properties), granted


class TheLeaseIsTheSendWindow(Rule):
    def grant(
        self, group: GroupState, store: StoreState, now: int, terms: Terms, haste: Haste
    ) -> tuple[GroupState, Grant | None]:
        after, granted = super().grant(group, store, now, terms, haste)
        return (after if granted is None else after._replace(quiet_until=now + terms.window)), granted


class AFlushPassesTheQuietTime(Rule):
    def grant(
        self, group: GroupState, store: StoreState, now: int, terms: Terms, haste: Haste
    ) -> tuple[GroupState, Grant | None]:
        return super().grant(group, store, now, terms, Haste.LAST_ACT if haste is Haste.FORCED else haste)


class AfterALossItCoolsForALifeOnly(Rule):
    def grant(
        self, group: GroupState, store: StoreState, now: int, terms: Terms, haste: Haste
    ) -> tuple[GroupState, Grant | None]:
        if store.marked and now >= store.birth + terms.life:
            store = store._replace(marked=0)
        return super().grant(group, store, now, terms, haste)


class TokensCountFromOne(Rule):
    def grant(
        self, group: GroupState, store: StoreState, now: int, terms: Terms, haste: Haste
    ) -> tuple[GroupState, Grant | None]:
        after, granted = super().grant(group, store, now, terms, haste)
        if granted is None:
            return after, granted
        return after._replace(token=group.token + 1), granted._replace(token=group.token + 1)


class SettlingConfirmsWhatIsWantedNow(Rule):
    def settle(
        self, group: GroupState, end: Settlement, store: StoreState, now: int, terms: Terms
    ) -> tuple[GroupState, Grant | None]:
        stamps = {name: group.properties[name].want for name in end.stamps}
        return super().settle(group, end._replace(stamps=stamps), store, now, terms)


class AnUnknownOutcomeReleasesTheClaim(Rule):
    def settle(
        self, group: GroupState, end: Settlement, store: StoreState, now: int, terms: Terms
    ) -> tuple[GroupState, Grant | None]:
        end = end._replace(ghost=0) if end.ending is Ending.UNKNOWN else end
        return super().settle(group, end, store, now, terms)


class AnAnsweredRetryMeansAllIsWell(Rule):
    def settle(
        self, group: GroupState, end: Settlement, store: StoreState, now: int, terms: Terms
    ) -> tuple[GroupState, Grant | None]:
        end = end._replace(ghost=0) if end.ending is Ending.DELIVERED else end
        return super().settle(group, end, store, now, terms)


class SettlingGrantsAgainThoughAGhostLives(Rule):
    def settle(
        self, group: GroupState, end: Settlement, store: StoreState, now: int, terms: Terms
    ) -> tuple[GroupState, Grant | None]:
        after, granted = super().settle(group, end, store, now, terms)
        if end.token == group.token and end.ghost and granted is None:
            return super().grant(after, store, now, terms, Haste.LAST_ACT)
        return after, granted


class AConfessionLeavesTheToken(Rule):
    def settle(
        self, group: GroupState, end: Settlement, store: StoreState, now: int, terms: Terms
    ) -> tuple[GroupState, Grant | None]:
        after, granted = super().settle(group, end, store, now, terms)
        return (after._replace(token=group.token) if end.token != group.token else after), granted


class TheValueIsGoneAtTheSettling(Rule):
    def faded(self, group: GroupState, now: int, terms: Terms) -> GroupState:
        return group._replace(
            properties={
                name: known if known.dirty else known._replace(value=None)
                for name, known in group.properties.items()
            }
        )


class NoFloor(Rule):
    def meet(self, store: StoreState, birth: int, now: int, *, contradicted: bool) -> StoreState:
        return super().meet(store, birth, now, contradicted=contradicted)._replace(floor="")


class TheFloorIsMissedByOne(Rule):
    """News of exactly the floor's time is believed."""

    def floor_of(self, evicted: GroupState) -> str:
        times = super().floor_of(evicted)
        return f"{int(times, 16) - 1:032x}"


class TheFloorIsAnEventTimeOnly(Rule):
    def floor_of(self, evicted: GroupState) -> str:
        return super().floor_of(evicted)[:16] + "f" * 16


class TheReplyIsReadBeforeTheMark(Rule):
    marks_before_the_call = False

    def doubt(self, group: GroupState, store: StoreState, now: int) -> GroupState:
        return group


class NobodyDoubts(Rule):
    def doubt(self, group: GroupState, store: StoreState, now: int) -> GroupState:
        return group


class AnyCleanGroupMayBeEvicted(Rule):
    def evictable(self, group: GroupState, now: int) -> bool:
        return ledger.is_clean(group)


class TiesGoToWhoComesFirst(Rule):
    def observe(
        self,
        group: GroupState | None,
        entries: Mapping[str, Entry],
        store: StoreState,
        now: int,
        terms: Terms,
        healing: int,
    ) -> tuple[GroupState, dict[str, Answer]]:
        tied: dict[str, Answer] = {}
        for name, entry in entries.items():
            known = None if group is None else group.properties.get(name)
            if known is not None and times_of(known.want) == times_of(entry.stamp) and name:
                tied[name] = Answer(Standing.SUPERSEDED, known.want)
        rest = {name: entry for name, entry in entries.items() if name not in tied}
        state, answers = super().observe(group, rest, store, now, terms, healing)
        return state, {**answers, **tied}


class AnyValueHeals(Rule):
    def observe(
        self,
        group: GroupState | None,
        entries: Mapping[str, Entry],
        store: StoreState,
        now: int,
        terms: Terms,
        healing: int,
    ) -> tuple[GroupState, dict[str, Answer]]:
        state, answers = super().observe(group, entries, store, now, terms, healing)
        healed = {
            name: state.properties[name]._replace(have=NEVER)
            for name in entries
            if name in state.properties
            and state.properties[name].have not in (NEVER, UNKNOWN)
            and state.properties[name].settled_at + healing < now
        }
        return state._replace(properties={**state.properties, **healed}), answers


class ARefusalHasNoDate(Rule):
    def settle(
        self, group: GroupState, end: Settlement, store: StoreState, now: int, terms: Terms
    ) -> tuple[GroupState, Grant | None]:
        after, granted = super().settle(group, end, store, now, terms)
        if end.ending is Ending.REFUSED:
            undated = {name: known._replace(settled_at=0) for name, known in after.properties.items()}
            after = after._replace(properties=undated)
        return after, granted


# -- bugs of the way of a claim ---------------------------------------------------------------------------


class ARetryTakesTheNewestContent(Courier):
    def content(self, holding: Holding, world: World) -> GroupUpdate:
        state = holding.worker.store.show(holding.update.group)
        assert state is not None
        newest = {n: k.value.strip('"') for n, k in state.properties.items() if n and k.value is not None}
        return holding.update._replace(properties=newest)


class NoSendWindow(Courier):
    def may_start(self, age: float) -> bool:
        return True


class TheSendWindowIncludesItsEnd(Courier):
    def may_start(self, age: float) -> bool:
        return age <= 10.0


class TheLeaseCountsFromTheReply(Courier):
    def taken_at(self, before: float, now: float) -> float:
        return now


class AReleaseForgetsAnEarlierTimeout(Courier):
    def outcome(self, kind: OutcomeKind, retry_after: float, unknown_at: float | None) -> Outcome:
        return Outcome(kind, retry_after=retry_after, unknown_at=unknown_at if not retry_after else None)


class AnAnswerOf503IsARelease(Courier):
    def unknown(self, how: str) -> bool:
        return how == "timeout"


class WhoseStoreIsDownSendsByItsOwnView(Courier):
    def store_is_down(self, worker: Worker, seen: Observation, world: World) -> None:
        uuid = "018d75a9-8ae8-7a00-8000-000000000001"
        update = GroupUpdate(seen.group, seen.properties, seen.time_ns, uuid, "x", False, None)
        world.land(world.fly(None, update))


class TheOutboxReplaysBytes(Courier):
    """A worker's claims are on its disk, and its successor sends them."""

    def __init__(self) -> None:
        self.disk: list[GroupUpdate] = []

    def content(self, holding: Holding, world: World) -> GroupUpdate:
        self.disk.append(holding.update)
        return holding.update

    def flushing(self, worker: Worker, world: World) -> None:
        while worker.number and self.disk:
            world.land(world.fly(None, self.disk.pop()))


class AFutureTimeIsBoundAgainAtEachReplay(Courier):
    def flushing(self, worker: Worker, world: World) -> None:
        now = worker.clock.time_ns()
        for seen in worker.future:
            worker.ledger.observe([seen._replace(time_ns=now, seen_ns=now)])


# -- bugs of what a worker remembers ----------------------------------------------------------------------


class ThePocketIsEmptiedWhenMerged(Pocket):
    __slots__ = ()

    def answered(self, group: Group, asked: Mapping[str, str], answers: Answers) -> Held | None:
        held = super().answered(group, asked, answers)
        self.let_go(group)
        return held


class ANewerEntryIsReplacedByALaterOne(Pocket):
    __slots__ = ()

    def _put(self, held: Held, name: str, entry: Entry) -> None:
        held.entries[name] = entry
        held.unsaved = True


class AReplyEmptiesThePocket(Pocket):
    __slots__ = ()

    def answered(self, group: Group, asked: Mapping[str, str], answers: Answers) -> Held | None:
        held = super().answered(group, asked, answers)
        if any(answer.standing is Standing.SETTLED for name, answer in answers.items() if name):
            self.let_go(group)
        return held


class NobodyReadsTheDisk(PocketFile):
    def page(self, after: int, most: int) -> Page | None:
        return Page((), None)


class TheDiskKeepsWhatCameLast(PocketFile):
    """Not the newest: an older observation that comes later takes its place."""

    def put(self, sightings: Sequence[Sighting]) -> bool:
        self.let_go([(one.group, dict.fromkeys(one.entries, "f" * 48)) for one in sightings])
        return super().put(sightings)


def plant(bug: Bug, world: World) -> None:
    """What a world's constructor can't be told."""
    for worker in world.workers:
        plant_in(bug, world, worker)


def plant_in(bug: Bug, world: World, worker: Worker) -> None:
    observed = worker.ledger._observed
    if bug.pocket is not Pocket:
        worker.ledger._pocket = observed.pocket = bug.pocket(Digester(PROJECT))
    if bug.hits_are_free:
        observed.known.touched = Forgetful()


class Forgetful(dict[tuple[Group, int], Observation]):
    def __setitem__(self, touched: tuple[Group, int], observation: Observation) -> None:
        """A hit by digest is free: nobody hears of its time."""


# -- the stories ------------------------------------------------------------------------------------------


def a_holder_dies_after_its_b_arrived(w: World) -> None:
    w.deliver(*w.see(0, 1, p="a"))
    (b,) = w.see(1, 2, p="b")
    flight = w.send(b)
    assert flight is not None
    w.land(flight)
    w.kill(1)
    w.see(0, 3, p="a")
    w.flush(0)


def a_request_outlives_its_sender(w: World) -> None:
    (a,) = w.see(0, 1, p="a")
    w.send(a)
    w.kill(0)
    w.advance(11)
    for b in w.see(1, 2, p="b") or w.flush(1):
        w.deliver(b)


def an_attempt_is_not_answered(w: World) -> None:
    (a,) = w.see(0, 1, p="a")
    w.deliver(a, "timeout")
    for b in w.see(1, 2, p="b"):
        w.deliver(b)


def the_second_attempt_is_answered(w: World) -> None:
    (a,) = w.see(0, 1, p="a")
    w.send(a)
    w.answer(a, "timeout")
    w.see(1, 2, p="b")
    for b in w.deliver(a):
        w.deliver(b)
    for b in w.flush(1, force=True):
        w.deliver(b)


def news_come_between_two_attempts(w: World) -> None:
    (a,) = w.see(0, 1, p="a")
    w.send(a)
    w.answer(a, "timeout")
    w.see(0, 2, p="b")
    w.deliver(a)


def news_come_while_a_request_is_under_way(w: World) -> None:
    (a,) = w.see(0, 1, p="a")
    w.send(a)
    w.see(1, 2, p="b")
    w.answer(a, "ok")
    for b in w.settle(a):
        w.deliver(b)


def a_value_goes_and_comes_back_elsewhere(w: World) -> None:
    w.deliver(*w.see(0, 1, p="a"))
    w.deliver(*w.see(1, 3, p="b"))
    w.see(0, 5, p="a")


def a_process_comes_back_with_old_bytes(w: World) -> None:
    (a,) = w.see(0, 1, p="a")
    w.send(a)
    w.answer(a, "timeout")
    w.kill(0)
    w.advance(71)
    for b in w.see(1, 2, p="b"):
        w.deliver(b)
    w.flush(0)


def the_store_forgets_what_it_has_merged(w: World) -> None:
    (a,) = w.see(0, 990, p="a")
    w.lose()
    w.settle(a)


def old_news_come_after_the_store_forgot(w: World) -> None:
    w.deliver(*w.see(0, 5, p="a"))
    w.lose()
    w.see(0, 990, OTHER, q="x")
    w.advance(71)
    for b in w.see(1, 3, p="b"):
        w.deliver(b)


def the_store_is_down_for_one(w: World) -> None:
    w.deliver(*w.see(1, 2, p="b"))
    w.workers[0].store.fate = "down"
    w.see(0, 1, p="a")
    w.advance(6)
    w.flush(0)


def the_store_is_down_for_one_that_dies(w: World) -> None:
    w.deliver(*w.see(1, 2, p="b"))
    w.workers[0].store.fate = "down"
    w.see(0, 1, p="a")
    w.kill(0)


def a_retry_is_refused_after_a_timeout(w: World) -> None:
    w.deliver(*w.see(0, 1, p="a"))
    (b,) = w.see(0, 2, p="b")
    flight = w.send(b)
    assert flight is not None
    w.land(flight)
    w.answer(b, "timeout")
    w.see(1, 3, p="a")
    w.deliver(b, "429")


def a_holder_sleeps_across_its_lease(w: World) -> None:
    (a,) = w.see(0, 1, p="a")
    w.advance(71)
    (b,) = w.see(1, 2, p="b") or w.flush(1)
    flight = w.send(b)
    assert flight is not None
    w.land(flight)
    late = w.send(a, asleep=True)
    assert late is not None
    w.land(late)
    w.answer(a, "ok")
    w.settle(a)
    w.answer(b, "ok")
    w.settle(b)


def a_holder_confesses_after_its_successor_settled(w: World) -> None:
    (a,) = w.see(0, 1, p="a")
    w.advance(71)
    w.deliver(*(w.see(1, 2, p="b") or w.flush(1)))
    w.send(a, asleep=True)
    w.answer(a, "ok")
    w.settle(a)


def old_news_come_after_newer_ones_in_the_pocket(w: World) -> None:
    w.deliver(*w.see(0, 1, p="a"))
    w.workers[0].store.fate = "down"
    w.see(0, 3, p="b")
    w.see(0, 2, p="a")
    w.advance(6)
    w.flush(0)


def news_enter_the_pocket_while_a_claim_is_out(w: World) -> None:
    (a,) = w.see(0, 1, p="a")
    w.workers[0].store.fate = "down"
    w.see(0, 3, p="b")
    w.advance(6)
    w.deliver(a)


def a_holder_dawdles_past_its_lease(w: World) -> None:
    (a,) = w.see(0, 1, p="a")
    w.advance(71)
    w.deliver(*(w.see(1, 2, p="b") or w.flush(1)))
    flight = w.send(a)
    if flight is not None:
        w.land(flight)
    w.kill(0)


def two_see_different_values_at_one_moment(w: World) -> None:
    for group, first, second in ((ORG, "a", "b"), (OTHER, "b", "a")):
        w.deliver(*w.see(0, 1, group, p=first))
        for other in w.see(1, 1, group, p=second):
            w.deliver(other)
    if w.profile(ORG) != w.profile(OTHER):
        raise Violation("each order of arrival has a truth of its own")


def a_holder_starts_late_in_its_window_after_a_loss(w: World) -> None:
    w.see(1, 990, OTHER, q="x")
    (a,) = w.see(0, 990, p="a")
    w.lose()
    w.see(1, 991, OTHER, q="y")
    w.advance(9.5)
    w.send(a)
    w.kill(0)
    w.advance(52)
    for b in w.see(1, 992, p="b"):
        if b.update.group == ORG:
            w.deliver(b)


def the_first_call_after_a_loss_is_a_witness(w: World) -> None:
    w.see(1, 990, OTHER, q="x")
    (a,) = w.see(0, 990, p="a")
    w.send(a)
    w.kill(0)
    w.lose()
    for b in w.see(1, 992, p="b"):
        w.deliver(b)


def a_loss_is_noticed_late(w: World) -> None:
    w.see(0, 990, OTHER, q="x")
    (a,) = w.see(0, 991, p="a")
    flight = w.send(a)
    assert flight is not None
    w.lose()
    w.advance(1)
    w.kill(1)
    (b,) = w.see(1, 992, p="b")
    w.send(b)
    w.advance(1)
    w.see(0, 992, OTHER, q="y")
    w.kill(0)
    w.answer(b, "ok")
    w.land(flight)
    w.settle(b)


def a_group_is_evicted_while_a_twin_is_under_way(w: World) -> None:
    (a,) = w.see(0, 1, p="a")
    w.deliver(a, "timeout", "ok")
    w.evict()
    for b in w.see(1, 2, p="b"):
        w.deliver(b)


def news_of_the_same_moment_seen_later_after_an_eviction(w: World) -> None:
    w.deliver(*w.see(0, 5, p="a", seen=7))
    w.evict()
    for b in w.see(1, 5, p="b", seen=8):
        w.deliver(b)


def news_of_exactly_the_floor_after_an_eviction(w: World) -> None:
    w.deliver(*w.see(0, 5, p="a"))
    w.evict()
    for b in w.see(1, 5, p="b"):
        w.deliver(b)


def an_old_holder_settles_after_an_eviction(w: World) -> None:
    (a,) = w.see(0, 1, p="a")
    w.advance(71)
    w.deliver(*w.flush(1))
    w.evict()
    (b,) = w.see(1, 2, p="b")
    w.send(b)
    w.settle(a)
    for c in w.see(0, 3, p="c") or w.flush(0, force=True):
        w.deliver(c)


def an_old_value_comes_when_healing_is_due(w: World) -> None:
    w.deliver(*w.see(0, 5, p="a"))
    w.advance(40 * 86_400)
    w.flush(0)
    w.see(1, 3, p="b")


def a_refused_value_is_seen_again_and_again(w: World) -> None:
    w.deliver(*w.see(0, 1, p="a"), "400")
    for at in (2, 3, 4):
        for again in w.see(1, at, p="a"):
            w.deliver(again, "400")


def two_send_at_the_last_tick_of_the_window(w: World) -> None:
    (a,) = w.see(0, 1, p="a")
    w.advance(10)
    (b,) = w.see(1, 2, p="b") or w.flush(1)
    w.deliver(b)
    w.send(a)
    w.kill(0)


def a_server_answers_503(w: World) -> None:
    (a,) = w.see(0, 1, p="a")
    w.deliver(a, "503")
    w.advance(30)
    for b in w.see(1, 2, p="b"):
        w.deliver(b)


def the_store_takes_long_to_grant(w: World) -> None:
    w.workers[0].store.fate = "9"
    (a,) = w.see(0, 1, p="a")
    w.advance(9.5)
    w.send(a)
    w.kill(0)
    w.advance(52)
    for b in w.see(1, 2, p="b") or w.flush(1):
        w.deliver(b)


def two_processes_see_the_same(w: World) -> None:
    w.deliver(*w.see(0, 1, p="a"))
    for again in w.see(1, 2, p="a"):
        w.deliver(again)


def a_clock_that_ran_ahead_is_replayed(w: World) -> None:
    """What was observed has taken its seen time once; the pocket keeps that."""
    w.workers[0].store.fate = "down"
    w.see(0, 990, p="a")
    w.workers[0].future.append(Observation(ORG, w.clock.time_ns(), w.clock.time_ns(), {"p": "a"}))
    w.deliver(*w.see(1, 995, p="b"))
    w.advance(31)
    for a in w.flush(0):
        w.deliver(a)


def who_observed_it_dies_while_the_store_is_down(w: World) -> None:
    w.deliver(*w.see(1, 1, p="a"))
    w.workers[0].store.fate = "down"
    w.see(0, 3, p="b")
    w.kill(0)


def two_wait_on_disk_and_the_older_came_last(w: World) -> None:
    for worker, at, value in ((0, 3, "b"), (1, 2, "a")):
        w.workers[worker].store.fate = "down"
        w.see(worker, at, p=value)
    w.kill(0)
    w.kill(1)


LOSS, EVICTION, PROCESSES = needs("loss"), needs("eviction"), needs("processes")

STORIES = {
    "C1 nothing is written before sending": Story(
        a_holder_dies_after_its_b_arrived, Bug(NothingIsWrittenBeforeSending)
    ),
    "C2 the lease is the send window": Story(a_request_outlives_its_sender, Bug(TheLeaseIsTheSendWindow)),
    "C3 an unknown outcome releases the claim": Story(
        an_attempt_is_not_answered, Bug(AnUnknownOutcomeReleasesTheClaim)
    ),
    "C4 an answered retry means all is well": Story(
        the_second_attempt_is_answered, Bug(AnAnsweredRetryMeansAllIsWell)
    ),
    "C5 a retry takes the newest content": Story(
        news_come_between_two_attempts, Bug(courier=ARetryTakesTheNewestContent)
    ),
    "C6 settling confirms what is wanted now": Story(
        news_come_while_a_request_is_under_way, Bug(SettlingConfirmsWhatIsWantedNow)
    ),
    "C7 a hit is free": Story(a_value_goes_and_comes_back_elsewhere, Bug(hits_are_free=True)),
    "C9 the outbox replays bytes": Story(
        a_process_comes_back_with_old_bytes, Bug(courier=TheOutboxReplaysBytes)
    ),
    "C10 the pocket is emptied when merged": Story(
        the_store_forgets_what_it_has_merged, Bug(pocket=ThePocketIsEmptiedWhenMerged), LOSS
    ),
    "C11 what was never seen is filled": Story(old_news_come_after_the_store_forgot, Bug(NoFloor), LOSS),
    "C12 whose store is down sends by its own view": Story(
        the_store_is_down_for_one, Bug(courier=WhoseStoreIsDownSendsByItsOwnView)
    ),
    "C13 the same, and it dies": Story(
        the_store_is_down_for_one_that_dies, Bug(courier=WhoseStoreIsDownSendsByItsOwnView)
    ),
    "C14 a release forgets an earlier timeout": Story(
        a_retry_is_refused_after_a_timeout, Bug(courier=AReleaseForgetsAnEarlierTimeout)
    ),
    "C15 a confession leaves the token": Story(
        a_holder_sleeps_across_its_lease, Bug(AConfessionLeavesTheToken)
    ),
    "C16 the value is gone at the settling": Story(
        a_holder_confesses_after_its_successor_settled, Bug(TheValueIsGoneAtTheSettling)
    ),
    "C17 a later entry replaces a newer one": Story(
        old_news_come_after_newer_ones_in_the_pocket, Bug(pocket=ANewerEntryIsReplacedByALaterOne)
    ),
    "C18 a reply empties the pocket": Story(
        news_enter_the_pocket_while_a_claim_is_out, Bug(pocket=AReplyEmptiesThePocket)
    ),
    "C19 no send window": Story(a_holder_dawdles_past_its_lease, Bug(courier=NoSendWindow)),
    "C20 ties go to who comes first": Story(
        two_see_different_values_at_one_moment, Bug(TiesGoToWhoComesFirst)
    ),
    "C21 after a loss it cools for a life only": Story(
        a_holder_starts_late_in_its_window_after_a_loss, Bug(AfterALossItCoolsForALifeOnly), LOSS
    ),
    "C25 the reply is read before the mark": Story(
        the_first_call_after_a_loss_is_a_witness, Bug(TheReplyIsReadBeforeTheMark), LOSS
    ),
    "C26 nobody doubts": Story(a_loss_is_noticed_late, Bug(NobodyDoubts), LOSS),
    "C27 any clean group may be evicted": Story(
        a_group_is_evicted_while_a_twin_is_under_way, Bug(AnyCleanGroupMayBeEvicted), EVICTION
    ),
    "C28 the floor is an event time only": Story(
        news_of_the_same_moment_seen_later_after_an_eviction, Bug(TheFloorIsAnEventTimeOnly), EVICTION
    ),
    "C29 tokens count from one": Story(
        an_old_holder_settles_after_an_eviction, Bug(TokensCountFromOne), EVICTION
    ),
    "C30 any value heals": Story(an_old_value_comes_when_healing_is_due, Bug(AnyValueHeals)),
    "C30 a refusal has no date": Story(a_refused_value_is_seen_again_and_again, Bug(ARefusalHasNoDate)),
    "C31 the send window includes its end": Story(
        two_send_at_the_last_tick_of_the_window, Bug(courier=TheSendWindowIncludesItsEnd), life=0.0
    ),
    "C32 an answer of 503 is a release": Story(a_server_answers_503, Bug(courier=AnAnswerOf503IsARelease)),
    "C33 settling grants again though a ghost lives": Story(
        the_second_attempt_is_answered, Bug(SettlingGrantsAgainThoughAGhostLives)
    ),
    "C33 a flush passes the quiet time": Story(the_second_attempt_is_answered, Bug(AFlushPassesTheQuietTime)),
    "news of exactly the floor is believed": Story(
        news_of_exactly_the_floor_after_an_eviction, Bug(TheFloorIsMissedByOne), EVICTION
    ),
    "the digest is keyed by process": Story(
        two_processes_see_the_same, Bug(project_of=lambda number: f"process {number}")
    ),
    "a future time is bound again at each replay": Story(
        a_clock_that_ran_ahead_is_replayed, Bug(courier=AFutureTimeIsBoundAgainAtEachReplay), PROCESSES
    ),
    "nobody reads the disk": Story(
        who_observed_it_dies_while_the_store_is_down, Bug(file=NobodyReadsTheDisk), disk=True
    ),
    "the disk keeps what came last": Story(
        two_wait_on_disk_and_the_older_came_last, Bug(file=TheDiskKeepsWhatCameLast), disk=True
    ),
    "the lease counts from the reply": Story(
        the_store_takes_long_to_grant, Bug(courier=TheLeaseCountsFromTheReply)
    ),
}
