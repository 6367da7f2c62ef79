"""What every ledger store promises, whatever it is made of."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import TypeAlias

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from opentelemetry.exporter.posthog.groups import ledger
from opentelemetry.exporter.posthog.groups.compact import Packer
from opentelemetry.exporter.posthog.groups.stamp import PRESENCE, times_of
from opentelemetry.exporter.posthog.groups.state import (
    DAY,
    SECOND,
    Answer,
    Ending,
    Entry,
    Grant,
    GroupState,
    Haste,
    Settlement,
    Standing,
    StoreState,
)
from opentelemetry.exporter.posthog.groups.store import Call, Late, Sighting, healing_of
from opentelemetry.exporter.posthog.model import Group
from tests.ledger_kit import (
    CALL,
    ORG,
    TERMS,
    StoreLab,
    content,
    ended,
    entry,
    memory_lab,
    presence,
    redis_lab,
    saw,
    sqlite_lab,
    stamp,
)
from tests.servers import RedisServer, running_redis

LATER = 1_000_000_000
"""Seconds after the tests' epoch: news for every clock, that of a real server too."""

OTHER = Group("workspace", "w/1 é\ud800")


@pytest.fixture(scope="module")
def redis_server() -> Iterator[RedisServer]:
    with running_redis() as server:
        yield server


@pytest.fixture(params=["memory", "sqlite", "redis"])
def lab(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[StoreLab]:
    if request.param == "memory":
        yield memory_lab()
    elif request.param == "sqlite":
        yield sqlite_lab(tmp_path / "state")
    else:
        with redis_lab(request.getfixturevalue("redis_server")) as redis:
            yield redis


@pytest.fixture(params=["sqlite", "redis"])
def shared(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[StoreLab]:
    """Stores that several processes open."""
    if request.param == "sqlite":
        yield sqlite_lab(tmp_path / "state")
    else:
        with redis_lab(request.getfixturevalue("redis_server")) as redis:
            yield redis


def granted(grant: Grant | None) -> Grant:
    assert grant is not None
    return grant


# -- what is sent -----------------------------------------------------------------------------------


def test_a_group_never_seen_is_granted_with_all_that_is_known(lab: StoreLab) -> None:
    grant = granted(lab.grant_of(saw(1, plan="team", name="Acme")))
    assert content(grant) == {"plan": '"team"', "name": '"Acme"'}
    assert grant.first_sight


def test_a_group_of_which_only_the_key_is_known_is_granted_with_nothing(lab: StoreLab) -> None:
    grant = granted(lab.grant_of(saw(1)))
    assert content(grant) == {}
    assert PRESENCE in grant.content


def test_what_was_delivered_is_not_granted_again(lab: StoreLab) -> None:
    lab.settle(granted(lab.grant_of(saw(1, plan="team"))), Ending.DELIVERED)
    reply = lab.see(saw(2, plan="team"))
    assert reply.seen[0].grant is None
    assert {answer.standing for answer in reply.seen[0].answers.values()} == {Standing.SETTLED}


def test_only_the_difference_is_granted(lab: StoreLab) -> None:
    lab.settle(granted(lab.grant_of(saw(1, plan="team", name="Acme"))), Ending.DELIVERED)
    grant = granted(lab.grant_of(saw(2, plan="pro", name="Acme")))
    assert content(grant) == {"plan": '"pro"'}
    assert not grant.first_sight


def test_an_older_observation_changes_nothing(lab: StoreLab) -> None:
    lab.settle(granted(lab.grant_of(saw(5, plan="team"))), Ending.DELIVERED)
    reply = lab.see(saw(3, plan="free"))
    assert reply.seen[0].grant is None
    assert reply.seen[0].answers["plan"].want == stamp(5, "team")


def test_an_older_observation_fills_a_property_never_seen(lab: StoreLab) -> None:
    lab.settle(granted(lab.grant_of(saw(5, plan="team"))), Ending.DELIVERED)
    assert content(lab.grant_of(saw(3, plan="free", name="Acme"))) == {"name": '"Acme"'}


def test_two_changes_in_one_second_end_in_the_order_in_which_they_were_seen(lab: StoreLab) -> None:
    later = Sighting(ORG, {PRESENCE: presence(), "plan": entry(1, "a", seen=3)})
    earlier = Sighting(ORG, {PRESENCE: presence(), "plan": entry(1, "z", seen=2)})
    lab.settle(granted(lab.grant_of(later)), Ending.DELIVERED)
    assert lab.grant_of(earlier) is None


def test_a_batch_of_many_groups_is_answered_for_each(lab: StoreLab) -> None:
    groups = [Group("organization", f"org_{i}") for i in range(70)]
    reply = lab.see(*(saw(1, group, plan="team") for group in groups), saw(1, OTHER, plan="x"))
    assert {seen.group for seen in reply.seen} == {*groups, OTHER}
    assert all(seen.grant is not None for seen in reply.seen)
    assert set(lab.store.groups()) == {*groups, OTHER}


def test_values_of_any_script_come_back_as_they_were(lab: StoreLab) -> None:
    odd = {"naïve 名": "ü\n\x1f\u2028", "x:y": "", "": "ignored"}
    sighting = Sighting(
        OTHER, {PRESENCE: presence(), **{n: entry(1, v, service="s\x1ft") for n, v in odd.items() if n}}
    )
    grant = granted(lab.store.observe([sighting], CALL).seen[0].grant)
    assert {n: sent.value for n, sent in grant.content.items() if n} == {
        n: e.value for n, e in sighting.entries.items() if n
    }


# -- one at a time ----------------------------------------------------------------------------------


def test_a_group_under_way_is_granted_to_nobody_else(lab: StoreLab) -> None:
    granted(lab.grant_of(saw(1, plan="team")))
    assert lab.grant_of(saw(2, plan="pro")) is None
    lab.advance(69)
    assert lab.grant_of(saw(3, plan="pro"), haste=Haste.FORCED) is None


def test_a_holder_that_died_loses_its_claim_after_the_lease(lab: StoreLab) -> None:
    granted(lab.grant_of(saw(1, plan="team")))
    lab.advance(70.1)
    assert [content(grant) for _, grant in lab.sweep()] == [{"plan": '"team"'}]


def test_what_moved_on_meanwhile_is_granted_again_by_the_settling(lab: StoreLab) -> None:
    grant = granted(lab.grant_of(saw(1, plan="team")))
    lab.see(saw(2, plan="pro"))
    assert content(lab.settle(grant, Ending.DELIVERED)) == {"plan": '"pro"'}


def test_nothing_is_granted_again_while_an_unanswered_attempt_may_still_arrive(lab: StoreLab) -> None:
    grant = granted(lab.grant_of(saw(1, plan="team")))
    lab.see(saw(2, plan="pro"))
    assert lab.settle(grant, Ending.DELIVERED, ghost=50) is None
    assert lab.sweep() == []
    lab.advance(50.1)
    assert [content(grant) for _, grant in lab.sweep()] == [{"plan": '"pro"'}]


def test_an_unknown_outcome_cools_and_is_sent_again(lab: StoreLab) -> None:
    grant = granted(lab.grant_of(saw(1, plan="team")))
    lab.settle(grant, Ending.UNKNOWN, ghost=60, backoff=5)
    assert lab.grant_of(saw(2, plan="pro"), haste=Haste.FORCED) is None
    lab.advance(60.1)
    assert [content(grant) for _, grant in lab.sweep()] == [{"plan": '"pro"'}]


def test_a_released_claim_waits_for_the_back_off_unless_forced(lab: StoreLab) -> None:
    grant = granted(lab.grant_of(saw(1, plan="team")))
    lab.settle(grant, Ending.RELEASED, backoff=5)
    assert lab.grant_of(saw(1, plan="team")) is None
    assert content(lab.grant_of(saw(1, plan="team"), haste=Haste.FORCED)) == {"plan": '"team"'}


def test_a_server_that_asks_for_time_gets_it_even_from_a_flush(lab: StoreLab) -> None:
    grant = granted(lab.grant_of(saw(1, plan="team")))
    lab.settle(grant, Ending.RELEASED, pause=20)
    assert lab.grant_of(saw(1, plan="team"), haste=Haste.FORCED) is None
    lab.advance(20.1)
    assert lab.grant_of(saw(1, plan="team")) is not None


def test_a_refused_value_is_not_sent_again_until_it_changes(lab: StoreLab) -> None:
    grant = granted(lab.grant_of(saw(1, plan="poison")))
    lab.settle(grant, Ending.REFUSED)
    assert lab.grant_of(saw(2, plan="poison")) is None
    assert lab.state().properties["plan"].refused
    assert content(lab.grant_of(saw(3, plan="good"))) == {"plan": '"good"'}


def test_a_release_gives_back_what_was_there_before(lab: StoreLab) -> None:
    lab.settle(granted(lab.grant_of(saw(1, plan="poison"))), Ending.REFUSED)
    lab.settle(granted(lab.grant_of(saw(2, plan="good"))), Ending.RELEASED)
    known = lab.state().properties["plan"]
    assert known.have == stamp(1, "poison")[32:]
    assert known.refused


def test_a_late_holder_confesses_and_neither_side_is_believed(lab: StoreLab) -> None:
    late = granted(lab.grant_of(saw(1, plan="a")))
    lab.advance(70.1)
    lab.see(saw(2, plan="b"), claim=False)
    (_, successor), *_ = lab.sweep()
    lab.settle(late, Ending.DELIVERED)
    assert lab.settle(successor, Ending.DELIVERED) is None
    assert lab.state().properties["plan"].have == "?"
    lab.advance(70.1)
    assert [content(grant) for _, grant in lab.sweep()] == [{"plan": '"b"'}]


def test_settling_twice_does_no_harm(lab: StoreLab) -> None:
    grant = granted(lab.grant_of(saw(1, plan="team")))
    lab.settle(grant, Ending.DELIVERED)
    lab.settle(grant, Ending.DELIVERED)
    lab.advance(61)
    assert lab.sweep() == []
    assert ledger.is_clean(lab.state())


# -- pace -------------------------------------------------------------------------------------------


def spend(lab: StoreLab, times: int) -> None:
    for i in range(times):
        lab.settle(granted(lab.grant_of(saw(100 + i, plan=f"v{i}"))), Ending.DELIVERED)


def test_after_five_updates_at_once_a_group_waits_for_its_interval(lab: StoreLab) -> None:
    spend(lab, 5)
    assert lab.grant_of(saw(200, plan="sixth")) is None
    lab.advance(30.1)
    assert [content(grant) for _, grant in lab.sweep()] == [{"plan": '"sixth"'}]


def test_a_flush_passes_the_bucket_and_takes_nothing_out_of_it(lab: StoreLab) -> None:
    spend(lab, 5)
    full_at = lab.state().bucket_full_at
    grant = granted(lab.grant_of(saw(200, plan="sixth"), haste=Haste.FORCED))
    assert not grant.took
    assert lab.state().bucket_full_at == pytest.approx(full_at, abs=2)


def test_a_release_gives_back_what_it_took_out_of_the_bucket(lab: StoreLab) -> None:
    for i in range(8):
        lab.settle(granted(lab.grant_of(saw(i, plan=f"v{i}"))), Ending.RELEASED)
    spend(lab, 5)
    assert lab.grant_of(saw(200, plan="sixth")) is None


# -- memory -----------------------------------------------------------------------------------------


def test_values_are_let_go_two_leases_after_they_were_settled(lab: StoreLab) -> None:
    lab.settle(granted(lab.grant_of(saw(1, plan="secret"))), Ending.DELIVERED)
    lab.advance(139)
    lab.see(saw(2, plan="secret"))
    assert lab.state().properties["plan"].value == '"secret"'
    lab.advance(2)
    lab.sweep()
    lab.see(saw(3, plan="secret"))
    assert lab.state().properties["plan"].value is None
    assert lab.state().properties["plan"].want == stamp(3, "secret")


def test_a_group_long_at_rest_is_remembered_in_every_stamp(lab: StoreLab) -> None:
    lab.settle(granted(lab.grant_of(saw(1, plan="team", name="Acme"))), Ending.DELIVERED)
    lab.see(saw(4, plan="team"))
    lab.advance(400)
    lab.see(saw(1, OTHER))
    lab.see(saw(2, OTHER))
    assert {n: p.want for n, p in lab.state().properties.items() if n} == {
        "plan": stamp(4, "team"), "name": stamp(1, "Acme"),
    }  # fmt: skip
    assert lab.grant_of(saw(3, plan="old", name="Acme")) is None
    assert content(lab.grant_of(saw(5, plan="new", name="Acme"))) == {"plan": '"new"'}


def test_confirmed_values_are_sent_again_after_a_month(lab: StoreLab) -> None:
    lab.settle(granted(lab.grant_of(saw(1, plan="team"))), Ending.DELIVERED)
    lab.advance(healing_of(ORG) / SECOND - 60)
    assert lab.grant_of(saw(2, plan="team")) is None
    lab.advance(120)
    assert content(lab.grant_of(saw(3, plan="team"))) == {"plan": '"team"'}


def test_groups_heal_on_different_days() -> None:
    days = {healing_of(Group("organization", f"org_{i}")) // DAY for i in range(200)}
    assert min(days) >= 24
    assert max(days) <= 36
    assert len(days) > 8


def test_forgetting_sends_again_what_is_observed_next_and_nothing_older(lab: StoreLab) -> None:
    lab.settle(granted(lab.grant_of(saw(5, plan="team"))), Ending.DELIVERED)
    lab.advance(200)
    lab.sweep()
    assert lab.store.forget(ORG, TERMS) == 1
    assert content(lab.grant_of(saw(3, plan="old"))) == {}
    lab.advance(71)
    assert content(lab.grant_of(saw(6, plan="team"))) == {"plan": '"team"'}


def test_forgetting_all_forgets_all(lab: StoreLab) -> None:
    lab.see(saw(1), saw(1, OTHER))
    assert lab.store.forget(None, TERMS) == 2
    assert lab.store.forget(Group("organization", "nobody"), TERMS) == 0


def test_it_tells_what_waits_and_until_when(lab: StoreLab) -> None:
    assert lab.store.waiting(TERMS).dirty == 0
    grant = granted(lab.grant_of(saw(1, plan="team")))
    waiting = lab.store.waiting(TERMS)
    assert waiting.dirty == 1
    assert waiting.due_in == pytest.approx(70, abs=2)
    lab.settle(grant, Ending.DELIVERED)
    assert lab.store.waiting(TERMS) == (0, None)


# -- several processes ------------------------------------------------------------------------------


def test_what_one_process_delivered_the_next_does_not_send(shared: StoreLab) -> None:
    shared.settle(granted(shared.grant_of(saw(1, plan="team"))), Ending.DELIVERED)
    other = shared.open()
    reply = other.observe([saw(2, plan="team")], CALL)
    assert reply.seen[0].grant is None
    assert not reply.lost


def test_a_store_that_lost_its_memory_says_so_to_who_knew_it(shared: StoreLab) -> None:
    shared.see(saw(1, plan="team"))
    assert shared.lose is not None
    shared.lose()
    newcomer = shared.open()
    assert not newcomer.observe([saw(1, OTHER)], CALL).lost
    reply = shared.see(saw(1, plan="team"))
    assert reply.lost
    assert reply.seen[0].grant is None
    assert not shared.see(saw(1, plan="team")).lost


def test_after_a_noticed_loss_nothing_is_granted_for_a_lease(shared: StoreLab) -> None:
    """[P-LEDGER-LOSS]"""
    shared.see(saw(LATER, plan="team"))
    assert shared.lose is not None
    shared.lose()
    assert shared.grant_of(saw(LATER, plan="team")) is None
    shared.advance(70.1)
    assert [content(grant) for _, grant in shared.sweep()] == [{"plan": '"team"'}]


def test_after_a_noticed_loss_old_news_is_forgotten(shared: StoreLab) -> None:
    shared.see(saw(1))
    assert shared.lose is not None
    shared.lose()
    reply = shared.see(Sighting(ORG, {PRESENCE: presence(), "plan": Entry("0" * 31 + "1" + "a" * 16, '"x"')}))
    assert reply.seen[0].answers["plan"].standing is Standing.FORGOTTEN
    assert reply.seen[0].answers[PRESENCE].standing is Standing.PENDING


def test_what_was_granted_before_the_loss_was_known_is_doubted(shared: StoreLab) -> None:
    shared.see(saw(1))
    assert shared.lose is not None
    shared.lose()
    newcomer = shared.open()
    early = granted(newcomer.observe([saw(LATER, plan="b")], CALL).seen[0].grant)
    shared.advance(1)
    shared.see(saw(1))
    newcomer.settle([(ORG, ended(early, Ending.DELIVERED))], CALL)
    assert not ledger.is_clean(shared.state())
    shared.advance(140)
    assert "plan" in (content(dict(shared.sweep()).get(ORG)) or {})


# -- every store is the pure rule -------------------------------------------------------------------


MOMENTS = st.integers(0, 3)
VALUES = st.sampled_from(["a", "b", 1, True])
SIGHTINGS = st.dictionaries(
    st.sampled_from(["p", "q"]), st.builds(entry, MOMENTS, VALUES, MOMENTS), max_size=2
)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("observe"), SIGHTINGS, st.sampled_from(list(Haste)[:2]), st.booleans()),
        st.tuples(
            st.just("settle"), st.integers(0, 3), st.sampled_from(list(Ending)),
            st.sampled_from([0, 5]), st.sampled_from([0, 7]), st.sampled_from([0, 3]),
        ),
        st.tuples(st.just("sweep")),
        st.tuples(st.just("forget")),
        st.tuples(st.just("advance"), st.sampled_from([1, 6, 31, 71, 141, 40 * 86_400])),
    ),
    max_size=12,
)  # fmt: skip


CLAIMED: tuple[object, ...] = ("observe", {}, Haste.NONE, True)
TOLD: tuple[object, ...] = ("settle", 0, Ending.DELIVERED, 0, 0, 0)
LONG_AGO: tuple[object, ...] = ("advance", 141)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
@example(steps=[CLAIMED, TOLD, LONG_AGO, TOLD]).via("an end that is told again to a group at rest")
@example(steps=[CLAIMED, TOLD, LONG_AGO, ("sweep",), ("forget",), CLAIMED]).via("a group at rest, forgotten")
def test_every_field_is_what_the_pure_rule_says(lab: StoreLab, steps: list[tuple[object, ...]]) -> None:
    lab.begin_anew()
    compare_with_rule(lab, Group("organization", f"org_{id(steps)}"), steps)


Ruled: TypeAlias = "tuple[GroupState, Grant | None]"


def compare_with_rule(lab: StoreLab, group: Group, steps: list[tuple[object, ...]]) -> None:
    """Run the same calls on the store and on the rule, at the store's own times, and compare everything."""
    expected: GroupState | None = None
    store = StoreState(1)
    grants: list[Grant] = []
    now = 0
    for step in steps:
        kind = step[0]
        if kind == "advance":
            lab.advance(step[1])  # type: ignore[arg-type]
            now += round(step[1] * SECOND) if lab.name != "redis" else 0  # type: ignore[operator]
            if expected is not None and lab.name == "redis":
                expected = aged(expected, step[1])  # type: ignore[arg-type]
            continue
        if kind == "observe":
            _, entries, haste, claim = step
            sighting = Sighting(group, {PRESENCE: presence(), **entries})  # type: ignore[dict-item]
            reply = lab.store.observe([sighting], CALL, claim=claim, haste=haste)  # type: ignore[arg-type]
            now = reply.now
            answers = dict(reply.seen[0].answers)
            rule = partial(observed, sighting, answers, store, now, claim, haste)  # type: ignore[arg-type]
        elif kind == "settle":
            if not grants or expected is None:
                continue
            _, which, ending, ghost, pause, backoff = step
            end = ended(grants[which % len(grants)], ending, ghost=ghost, pause=pause, backoff=backoff)  # type: ignore[operator,arg-type]
            reply = lab.store.settle([(group, end)], CALL)
            now = reply.now
            rule = partial(settled, end, dict(reply.seen[0].answers), store, now)
        elif kind == "sweep":
            reply = lab.store.sweep(CALL, limit=6400)
            if expected is None:
                continue
            # A shard of Redis is asked at a moment of its own, which a grant tells.
            now = state_of(lab, group).quiet_until - TERMS.lease if reply.seen else reply.now
            rule = partial(swept, store, now)
        else:
            lab.store.forget(group, TERMS)
            if expected is None:
                continue
            rule = partial(forgotten, now)
        found = (
            next((seen.grant for seen in reply.seen if seen.group == group), None)
            if kind != "forget"
            else None
        )
        actual = state_of(lab, group)
        before = None if expected is None else ledger.without_old_values(expected, now, TERMS)
        expected, again = rule(expected)
        if lab.name == "memory" and before is not None and ledger.at_rest(before, now):
            # It may have been packed before; then the call began with what is kept of a group at rest.
            anew, once_more = rule(packed(before))
            if actual.token == anew.token:
                expected, again = anew, once_more
        assert found == again
        if again is not None:
            grants.append(again)
        if kind != "forget":
            expected = ledger.without_old_values(expected, now, TERMS)
        assert_same(actual, expected)


def observed(
    sighting: Sighting, answers: dict[str, Answer], store: StoreState, now: int, claim: bool, haste: Haste,
    state: GroupState | None,
) -> Ruled:  # fmt: skip
    after, told = ledger.observe(
        state, sighting.entries, store, now, TERMS, healing=healing_of(sighting.group)
    )
    assert answers == told
    return ledger.grant(after, store, now, TERMS, haste) if claim else (after, None)


def settled(
    end: Settlement, answers: dict[str, Answer], store: StoreState, now: int, state: GroupState
) -> Ruled:
    after, again = ledger.settle(state, end, store, now, TERMS)
    assert answers == ledger.standing_of(after, end.stamps)
    return after, again


def swept(store: StoreState, now: int, state: GroupState) -> Ruled:
    due = ledger.due_at(state, TERMS)
    state = ledger.without_old_values(state, now, TERMS)
    return ledger.grant(state, store, now, TERMS) if due is not None and due <= now else (state, None)


def forgotten(now: int, state: GroupState) -> Ruled:
    return ledger.forget(state, now, TERMS), None


def packed(group: GroupState) -> GroupState:
    """What a ledger in memory keeps of a group at rest."""
    packer = Packer()
    text = packer.pack(group)
    assert text is not None
    return packer.unpack(text)


def state_of(lab: StoreLab, group: Group) -> GroupState:
    state = lab.store.show(group)
    assert state is not None
    return state


def assert_same(actual: GroupState, expected: GroupState) -> None:
    """Values that may be let go may be gone or not; everything else is compared to the microsecond."""
    assert set(actual.properties) == set(expected.properties)
    for name, known in actual.properties.items():
        other = expected.properties[name]
        assert (known.want, known.have, known.refused) == (other.want, other.have, other.refused)
        assert known.value == other.value or not other.dirty
    if actual.token:  # a group at rest in memory keeps nothing but stamps and digests
        assert actual._replace(properties={}) == expected._replace(properties={})
        histories = {name: known.history for name, known in actual.properties.items()}
        assert histories == {name: known.history for name, known in expected.properties.items()}


def aged(group: GroupState, seconds: float) -> GroupState:
    """What :func:`tests.ledger_kit.age` does to a group in Redis, done to the expectation."""

    def earlier(moment: int) -> int:
        return moment - round(seconds * SECOND) if moment else 0

    return group._replace(
        properties={
            name: known._replace(settled_at=earlier(known.settled_at))
            for name, known in group.properties.items()
        },
        quiet_until=earlier(group.quiet_until),
        retry_at=earlier(group.retry_at),
        bucket_full_at=earlier(group.bucket_full_at),
    )


def test_an_older_copy_under_its_old_birth_is_taken_for_a_loss(shared: StoreLab) -> None:
    shared.settle(granted(shared.grant_of(saw(1, plan="team"))), Ending.DELIVERED)
    reply = shared.store.observe([saw(2, plan="pro")], Call(TERMS, frozenset({ORG})))
    assert reply.lost
    assert reply.seen[0].grant is None
    shared.advance(70.1)
    assert "plan" in (content(dict(shared.sweep()).get(ORG)) or {})


def test_a_copy_is_taken_for_a_loss_though_the_call_that_says_so_is_about_another_group(
    shared: StoreLab,
) -> None:
    shared.settle(granted(shared.grant_of(saw(LATER, plan="a"))), Ending.DELIVERED)
    shared.see(saw(LATER, OTHER, plan="x"))
    replies = [
        shared.store.observe([saw(LATER, OTHER, plan="x")], CALL._replace(contradicted=frozenset({ORG}))),
        shared.store.observe([saw(LATER + 1, plan="b")], CALL),
    ]
    assert sum(reply.lost for reply in replies) == 1
    assert replies[1].seen[0].grant is None, "a holder of the time before may still begin a request"
    shared.advance(TERMS.lease / SECOND + 1)
    assert dict(shared.sweep()).keys() >= {ORG}


def test_it_adds_up_what_processes_tell_of_their_work(lab: StoreLab) -> None:
    lab.store.observe([saw(1)], Call(TERMS, sent=2, saved=40))
    lab.store.sweep(Call(TERMS, saved=2))
    lab.see(saw(2))
    totals = lab.store.totals()
    assert (totals.sent, totals.saved) == (2, 42)
    assert totals.since > 0


def test_the_totals_are_those_of_all_processes(shared: StoreLab) -> None:
    groups = [Group("organization", f"org_{i}") for i in range(70)]
    shared.store.observe([saw(1, group) for group in groups], Call(TERMS, sent=1))
    shared.open().observe([saw(1)], Call(TERMS, sent=1, saved=5))
    assert shared.open().totals()[:2] == (2, 5)


# -- late news: what a process let go by itself -----------------------------------------------------


def late(group: Group = ORG, /, **stamps: str) -> Call:
    return Call(TERMS, late=[Late(group, stamps)])


def test_late_news_raises_the_newest_ignored_time_and_nothing_else(lab: StoreLab) -> None:
    lab.settle(granted(lab.grant_of(saw(9, plan="team", name="Acme"))), Ending.DELIVERED)
    before = lab.state()
    for at in (7, 8, 6):
        reply = lab.store.sweep(late(plan=stamp(at, "free"), nobody=stamp(at, 1)))
        assert list(reply.seen) == []
        assert not reply.lost
    assert lab.state() == ledger.note(before, {"plan": stamp(8, "free")})
    assert lab.state().properties["plan"].history.ignored == times_of(stamp(8, "free"))


def test_late_news_that_is_newer_than_what_the_store_wants_or_the_same_value_is_none(lab: StoreLab) -> None:
    lab.settle(granted(lab.grant_of(saw(9, plan="team"))), Ending.DELIVERED)
    before = lab.state()
    for no_news in (stamp(10, "pro"), stamp(9, "team"), stamp(8, "team")):
        assert list(lab.store.sweep(late(plan=no_news)).seen) == []
    assert lab.state() == before


def test_late_news_rides_on_the_call_that_tells_of_the_newer(lab: StoreLab) -> None:
    reply = lab.store.observe([saw(9, plan="team")], late(plan=stamp(8, "free")))
    assert content(reply.seen[0].grant) == {"plan": '"team"'}
    assert lab.state().properties["plan"].history.ignored == times_of(stamp(8, "free"))
    lab.store.settle([(ORG, ended(granted(reply.seen[0].grant), Ending.DELIVERED))], late(plan=stamp(8, "x")))
    assert ledger.is_clean(lab.state())


def test_late_news_of_a_group_never_seen_makes_none_and_sends_nothing(lab: StoreLab) -> None:
    assert list(lab.store.sweep(late(OTHER, plan=stamp(8, "free"))).seen) == []
    assert list(lab.store.groups()) == []
    assert lab.store.waiting(TERMS) == (0, None)


def test_late_news_after_a_loss_creates_nothing_and_sends_nothing(shared: StoreLab) -> None:
    shared.settle(granted(shared.grant_of(saw(LATER, plan="team"))), Ending.DELIVERED)
    assert shared.lose is not None
    shared.lose()
    shared.store.sweep(late(plan=stamp(LATER - 1, "free")))
    assert shared.store.show(ORG) is None
    shared.advance(70.1)
    shared.store.sweep(late(plan=stamp(LATER - 1, "free")))
    assert list(shared.store.groups()) == []
    assert shared.sweep() == []


def test_late_news_does_not_keep_a_group_for_longer(shared: StoreLab) -> None:
    shared.settle(granted(shared.grant_of(saw(1, plan="team"))), Ending.DELIVERED)
    waiting = shared.store.waiting(TERMS)
    shared.store.sweep(late(plan=stamp(0, "free")))
    assert shared.store.waiting(TERMS) == waiting
    assert shared.sweep() == []


def test_late_news_of_many_groups_is_taken_by_one_call(lab: StoreLab) -> None:
    groups = [Group("organization", f"org_{i}") for i in range(200)]
    lab.see(*(saw(9, group, plan="team") for group in groups), saw(9, OTHER, **{"naïve 名": "x"}))
    call = Call(
        TERMS,
        late=[
            *(Late(group, {"plan": stamp(8, "free")}) for group in groups),
            Late(OTHER, {"naïve 名": stamp(8, "y")}),
        ],
    )
    lab.see(saw(9, plan="team"))
    lab.store.observe([saw(9, plan="team")], call)
    assert all(
        lab.state(group).properties["plan"].history.ignored == times_of(stamp(8, "free")) for group in groups
    )
    assert lab.state(OTHER).properties["naïve 名"].history.ignored == times_of(stamp(8, "y"))


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(said=st.lists(SIGHTINGS, min_size=1, max_size=3), then=SIGHTINGS)
def test_late_news_does_what_the_pure_rule_says(
    lab: StoreLab, said: list[dict[str, Entry]], then: dict[str, Entry]
) -> None:
    lab.begin_anew()
    for entries in said:
        lab.see(Sighting(ORG, {PRESENCE: presence(), **entries}))
    before = lab.state()
    stamps = {name: entry.stamp for name, entry in then.items()}
    lab.store.settle([(OTHER, ended(NOBODYS, Ending.DELIVERED))], late(**stamps))
    assert lab.state() == ledger.note(before, stamps)


NOBODYS = Grant(1, {}, first_sight=False, took=False)
