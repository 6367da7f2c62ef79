"""The rule itself: what no order of arrival, no repetition and no store may change.

Examples of each operation stand in ``tests/contracts/test_ledger_store.py``, where all stores pass them; here
are the laws of the pure functions, for all inputs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import reduce
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opentelemetry.exporter.posthog.groups import ledger
from opentelemetry.exporter.posthog.groups.ledger import BURST, FLOOR_SLACK
from opentelemetry.exporter.posthog.groups.stamp import digest_of, times_of
from opentelemetry.exporter.posthog.groups.state import (
    DAY,
    NEVER,
    SECOND,
    UNKNOWN,
    Ending,
    Entry,
    GroupState,
    Haste,
    Property,
    Standing,
    StoreState,
    Terms,
)
from tests.ledger_kit import TERMS, ended, entry, presence, stamp

STORE = StoreState(1)
NOW = 1_790_000_100 * SECOND

entries = st.dictionaries(
    st.sampled_from(["p", "q"]),
    st.builds(entry, st.integers(0, 3), st.sampled_from(["a", "b", 1, True]), st.integers(0, 3)),
    min_size=1,
)
histories = st.lists(entries, min_size=1, max_size=6)


def merged(history: Sequence[Mapping[str, Entry]], store: StoreState = STORE) -> GroupState | None:
    def one(group: GroupState | None, seen: Mapping[str, Entry]) -> GroupState:
        return ledger.observe(group, seen, store, NOW, TERMS)[0]

    return reduce(one, history, None)


def wants(group: GroupState | None) -> dict[str, tuple[str, str | None]]:
    return {} if group is None else {name: (k.want, k.value) for name, k in group.properties.items()}


# -- observing ------------------------------------------------------------------------------------------


@given(history=histories, random=st.randoms(use_true_random=False))
def test_the_order_of_arrival_decides_nothing(history: list[Any], random: Any) -> None:
    shuffled = random.sample(history, len(history))
    assert wants(merged(shuffled)) == wants(merged(history))


@given(history=histories)
def test_what_is_seen_twice_is_seen_once(history: list[Any]) -> None:
    assert wants(merged([*history, *history])) == wants(merged(history))


@given(history=histories, seen=entries)
def test_wanted_never_gets_older(history: list[Any], seen: Mapping[str, Entry]) -> None:
    before, after = wants(merged(history)), wants(merged([*history, seen]))
    assert all(after[name] >= want for name, want in before.items())


@given(history=histories, seen=entries)
def test_an_answer_tells_the_winner(history: list[Any], seen: Mapping[str, Entry]) -> None:
    group = merged(history)
    after, answers = ledger.observe(group, seen, STORE, NOW, TERMS)
    for name, answer in answers.items():
        assert answer.want == after.properties[name].want >= seen[name].stamp
        assert (answer.standing is Standing.SUPERSEDED) == (answer.want > seen[name].stamp)


@given(seen=entries, floor=st.builds(stamp, st.integers(0, 3), st.just("x"), st.integers(0, 3)))
def test_of_what_is_unknown_nothing_up_to_the_floor_is_believed(
    seen: Mapping[str, Entry], floor: str
) -> None:
    store = StoreState(1, floor=times_of(floor))
    group, answers = ledger.observe(None, seen, store, NOW, TERMS)
    for name, one in seen.items():
        forgotten = times_of(one.stamp) <= store.floor
        assert (answers[name].standing is Standing.FORGOTTEN) == forgotten
        assert (name not in group.properties) == forgotten


def test_the_floor_says_nothing_of_what_is_remembered() -> None:
    group = merged([{"p": entry(1, "a")}])
    after, _ = ledger.observe(group, {"p": entry(2, "b")}, StoreState(1, floor="f" * 32), NOW, TERMS)
    assert after.properties["p"].want == stamp(2, "b")


def test_that_a_group_exists_is_believed_at_any_time() -> None:
    _, answers = ledger.observe(None, {"": presence()}, StoreState(1, floor="f" * 32), NOW, TERMS)
    assert answers[""].standing is Standing.PENDING


def test_the_history_remembers_who_changed_it_how_often_and_what_was_ignored() -> None:
    group = merged(
        [{"p": entry(at, at, service=service)} for at, service in ((3, "a"), (5, "b"), (4, "c"), (6, "a"))]
    )
    assert group is not None
    history = group.properties["p"].history
    assert (history.service, history.other, history.turns) == ("a", "b", 2)
    assert history.ignored == times_of(stamp(4, 4))


# -- granting and settling --------------------------------------------------------------------------------


@given(history=histories)
def test_what_is_granted_is_unknown_before_it_is_sent(history: list[Any]) -> None:
    group = merged(history)
    assert group is not None
    after, grant = ledger.grant(group, STORE, NOW, TERMS)
    assert grant is not None
    assert {after.properties[name].have for name in grant.content} == {UNKNOWN}
    assert ledger.grant(after, STORE, NOW, TERMS, Haste.FORCED)[1] is None


@given(
    history=histories,
    later=entries,
    ending=st.sampled_from(list(Ending)),
    ghost=st.sampled_from([0, 30]),
    waits=st.integers(0, 80),
)
def test_two_contents_are_never_under_way_together(
    history: list[Any], later: Mapping[str, Entry], ending: Ending, ghost: int, waits: int
) -> None:
    """While a claim is open, or an attempt of it may still arrive, nobody is granted the group."""
    group = merged(history)
    assert group is not None
    group, grant = ledger.grant(group, STORE, NOW, TERMS)
    assert grant is not None
    group, _ = ledger.observe(group, later, STORE, NOW, TERMS)
    now = NOW + waits * SECOND
    _, second = ledger.grant(group, STORE, now, TERMS, Haste.FORCED)
    assert second is None or now >= NOW + TERMS.lease
    group, again = ledger.settle(group, ended(grant, ending, ghost=ghost), STORE, NOW, TERMS)
    assert again is None or not ghost
    _, third = ledger.grant(group, STORE, now, TERMS, Haste.FORCED)
    if third is not None:
        assert waits >= ghost


@given(history=histories, later=entries)
def test_delivered_is_what_was_sent_and_not_what_is_wanted_since(
    history: list[Any], later: Mapping[str, Entry]
) -> None:
    group = merged(history)
    assert group is not None
    group, grant = ledger.grant(group, STORE, NOW, TERMS)
    assert grant is not None
    group, _ = ledger.observe(group, later, STORE, NOW, TERMS)
    quiet, _ = ledger.settle(group, ended(grant, Ending.DELIVERED, ghost=1), STORE, NOW, TERMS)
    for name, sent in grant.content.items():
        assert quiet.properties[name].have == digest_of(sent.stamp)


@given(history=histories)
def test_a_release_leaves_everything_as_it_was_but_the_number(history: list[Any]) -> None:
    group = merged(history)
    assert group is not None
    claimed, grant = ledger.grant(group, STORE, NOW, TERMS)
    assert grant is not None
    released, _ = ledger.settle(claimed, ended(grant, Ending.RELEASED), STORE, NOW, TERMS)
    assert released.properties == group.properties
    assert released.token > group.token
    assert ledger.grant(released, STORE, NOW + 1, TERMS)[1] is not None


@given(ending=st.sampled_from(list(Ending)), history=histories)
def test_an_old_number_settles_nothing(ending: Ending, history: list[Any]) -> None:
    group = merged(history)
    assert group is not None
    _, grant = ledger.grant(group, STORE, NOW, TERMS)
    assert grant is not None
    others = group._replace(token=grant.token + 5)
    after, again = ledger.settle(others, ended(grant, ending), STORE, NOW, TERMS)
    assert again is None
    assert {known.have for known in after.properties.values()} <= {NEVER, UNKNOWN}
    assert after.token >= others.token


def test_a_number_is_never_used_twice_not_even_after_everything_was_forgotten() -> None:
    first = ledger.grant(GroupState({"p": Property(stamp(1, "a"), '"a"')}), STORE, NOW, TERMS)[1]
    anew = ledger.grant(GroupState({"p": Property(stamp(2, "b"), '"b"')}), STORE, NOW + 1, TERMS)[1]
    assert first is not None
    assert anew is not None
    assert anew.token > first.token


def test_a_bucket_is_full_again_after_its_intervals() -> None:
    group = GroupState({"p": Property(stamp(1, "a"), '"a"')})
    for number in range(2, 2 + BURST):
        group, grant = ledger.grant(group, STORE, NOW, TERMS)
        assert grant is not None
        group, _ = ledger.settle(group, ended(grant, Ending.DELIVERED), STORE, NOW, TERMS)
        group, _ = ledger.observe(group, {"p": entry(number, number)}, STORE, NOW, TERMS)
    assert ledger.grant(group, STORE, NOW, TERMS)[1] is None
    assert ledger.due_at(group, TERMS) == NOW + TERMS.interval
    assert ledger.grant(group, STORE, NOW + TERMS.interval, TERMS)[1] is not None


# -- the store's own memory -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("known", "store", "marks"),
    [
        pytest.param(0, StoreState(50), False, id="who knows no birth says nothing"),
        pytest.param(50, StoreState(50), False, id="nor who knows this one"),
        pytest.param(7, StoreState(50), True, id="who knows another one marks a loss"),
        pytest.param(7, StoreState(50, marked=60), False, id="which is marked once"),
    ],
)
def test_a_loss_is_marked_by_the_call_that_knew_another_birth(
    known: int, store: StoreState, marks: bool
) -> None:
    after = ledger.meet(store, known, 99)
    assert (after != store) == marks
    assert after.marked == (99 if marks else store.marked)


def test_after_a_loss_the_floor_lies_a_minute_before_the_new_birth() -> None:
    born = NOW
    after = ledger.meet(StoreState(born), 7, NOW + SECOND)
    assert after.floor == ledger.floor_at(born - FLOOR_SLACK)
    assert ledger.grants_from(after, TERMS) == born + TERMS.lease


def test_a_copy_that_contradicts_what_was_heard_is_a_loss_of_now() -> None:
    after = ledger.meet(StoreState(NOW), NOW, NOW + SECOND, contradicted=True)
    assert after == StoreState(NOW + SECOND, NOW + SECOND, ledger.floor_at(NOW + SECOND - FLOOR_SLACK))


@pytest.mark.parametrize(("token", "doubted"), [(0, False), (59, True), (60, False)])
def test_what_was_granted_before_a_loss_was_known_is_doubted(token: int, doubted: bool) -> None:
    group = GroupState({"p": Property(stamp(1, "a"), '"a"', digest_of(stamp(1, "a")))}, token=token)
    after = ledger.doubt(group, StoreState(50, marked=60), 100)
    assert ledger.is_clean(after) != doubted
    assert (after.token > token) == doubted


# -- memory -------------------------------------------------------------------------------------------------


def test_a_value_fades_two_leases_after_it_was_settled_and_never_while_it_may_be_sent() -> None:
    clean = Property(stamp(1, "a"), '"a"', digest_of(stamp(1, "a")), settled_at=NOW)
    for known, kept_for in ((clean, TERMS.retention), (clean._replace(have=UNKNOWN), 400 * DAY)):
        group = GroupState({"p": known})
        assert ledger.without_old_values(group, NOW + kept_for - 1, TERMS) == group
    faded = ledger.without_old_values(GroupState({"p": clean}), NOW + TERMS.retention, TERMS)
    assert faded.properties["p"] == clean._replace(value=None)


def test_healing_sends_the_wanted_value_again_and_heeds_no_other() -> None:
    group = GroupState({"p": Property(stamp(5, "a"), None, digest_of(stamp(5, "a")), settled_at=NOW)})
    much_later = NOW + 31 * DAY
    older, _ = ledger.observe(group, {"p": entry(3, "b")}, STORE, much_later, TERMS)
    assert ledger.is_clean(older)
    again, _ = ledger.observe(group, {"p": entry(6, "a")}, STORE, much_later, TERMS)
    assert again.properties["p"].have == NEVER
    assert ledger.grant(again, STORE, much_later, TERMS)[1] is not None


def test_forgetting_keeps_times_so_that_nothing_older_wins() -> None:
    group = GroupState({"p": Property(stamp(5, "a"), None, digest_of(stamp(5, "a")), settled_at=1)})
    forgotten = ledger.forget(group, NOW, TERMS)
    assert ledger.grant(forgotten, STORE, NOW, TERMS)[1] is None  # the value is not here to be sent
    older, _ = ledger.observe(forgotten, {"p": entry(3, "b")}, STORE, NOW, TERMS)
    assert older.properties["p"].want == stamp(5, "a")


def test_forgetting_believes_nothing_of_what_is_under_way() -> None:
    group = GroupState({"p": Property(stamp(5, "a"), '"a"', UNKNOWN)})
    assert ledger.forget(group, NOW, TERMS).properties["p"].have == UNKNOWN


def test_a_lease_is_the_send_window_and_the_life_of_a_request() -> None:
    assert Terms(10, 60, 30).lease == 70
    assert Terms(10, 60, 30).retention == 140
