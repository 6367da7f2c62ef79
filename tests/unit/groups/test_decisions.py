"""What became of each property of a signal, as people are told."""

from __future__ import annotations

from typing import Any

import pytest

from opentelemetry.exporter.posthog.groups import ledger
from opentelemetry.exporter.posthog.groups.decisions import NO_MEMORY, Memory, decide
from opentelemetry.exporter.posthog.groups.stamp import Digester, canonical_json, times_text
from opentelemetry.exporter.posthog.groups.state import Ending, GroupState, StoreState
from opentelemetry.exporter.posthog.groups.updates import Updates
from opentelemetry.exporter.posthog.model import Group, GroupUpdate, Observation
from opentelemetry.exporter.posthog.reasons import LEDGER_TEXTS
from tests.ledger_kit import TERMS, ended, presence

ORG = Group("organization", "org_1")
DIGESTER = Digester("project")
NOW = 1_790_000_100_000_000


def entry(at: int, value: Any) -> ledger.Entry:
    text = canonical_json(value)
    return ledger.Entry(times_text(at, at) + DIGESTER.digest(text), text, "api")


def after(*history: tuple[int, Any]) -> tuple[GroupState, GroupUpdate]:
    """A group of which all this was seen, and the update that is under way."""
    state: GroupState | None = None
    for at, value in history:
        seen = {"": presence(), "plan": entry(at, value)}
        state, _ = ledger.observe(state, seen, StoreState(1), NOW, TERMS)
    assert state is not None
    state, grant = ledger.grant(state, StoreState(1), NOW, TERMS)
    assert grant is not None
    return state, Updates(lambda bits: 0).of(ORG, grant, NOW * 1000)


def delivered(*history: tuple[int, Any]) -> GroupState:
    state, update = after(*history)
    claim = update.claim
    grant = ledger.Grant(
        claim.token, {n: ledger.Sent(s, None, "") for n, s in claim.stamps.items()}, True, True
    )  # type: ignore[attr-defined]
    return ledger.settle(state, ended(grant, Ending.DELIVERED), StoreState(1), NOW, TERMS)[0]


def verdict(at: int, value: Any, state: GroupState | None, updates: list[GroupUpdate], **newest: str) -> str:
    seen = Observation(ORG, at, at, {"plan": value}, "api")
    memory = NO_MEMORY if state is None and not newest else Memory(state, newest)
    ((decision,),) = decide([seen], {ORG: memory}, updates, DIGESTER)
    assert decision.verdict in LEDGER_TEXTS
    return decision.verdict


def test_what_an_update_carries_is_sent_by_that_update() -> None:
    state, update = after((5, "team"))
    seen = Observation(ORG, 5, 5, {"plan": "team"}, "api")
    ((decision,),) = decide([seen], {ORG: Memory(state, {})}, [update], DIGESTER)
    assert (decision.verdict, decision.update) == ("sent", update.uuid)


@pytest.mark.parametrize(
    ("at", "value", "said"),
    [
        pytest.param(9, "team", "unchanged", id="the same, later"),
        pytest.param(3, "team", "unchanged", id="the same, earlier"),
        pytest.param(3, "free", "older", id="another value of before"),
        pytest.param(9, "pro", "waits", id="another value of since, which nobody may send now"),
    ],
)
def test_what_no_update_carries(at: int, value: str, said: str) -> None:
    assert verdict(at, value, delivered((5, "team")), []) == said


def test_without_an_answer_of_the_store_everything_waits() -> None:
    assert verdict(5, "team", None, []) == "waits"


def test_a_property_that_the_store_did_not_take_is_forgotten() -> None:
    assert verdict(5, "team", GroupState({}), []) == "forgotten"


def test_what_is_older_than_a_time_that_only_this_process_knows_is_older() -> None:
    assert verdict(7, "pro", delivered((5, "team")), [], plan=times_text(9, 9)) == "older"


def test_a_group_named_without_properties_is_sent_once() -> None:
    state, _ = ledger.observe(None, {"": presence()}, StoreState(1), NOW, TERMS)
    state, grant = ledger.grant(state, StoreState(1), NOW, TERMS)
    assert grant is not None
    update = Updates(lambda bits: 0).of(ORG, grant, NOW * 1000)
    seen = Observation(ORG, 5, 5, {}, "api")
    assert decide([seen], {ORG: Memory(state, {})}, [update], DIGESTER)[0][0].verdict == "sent"
    assert decide([seen], {ORG: Memory(state, {})}, [], DIGESTER)[0][0].verdict == "unchanged"
