"""What the double and exporters say, joined in one feed."""

from __future__ import annotations

from typing import Any

import pytest

from opentelemetry.exporter.posthog.inspector import queries
from opentelemetry.exporter.posthog.inspector.inspector import KEEP_SAMPLES, Inspector
from opentelemetry.exporter.posthog.reasons import LEDGER_TEXTS, Reason
from tests.manual_clock import ManualClock
from tests.unit.inspector.sending import KEY, event, group_update, send_legacy


@pytest.fixture
def inspector() -> Inspector:
    return Inspector(clock=ManualClock(time_ns=1_790_000_000_000_000_000, monotonic=0.0))


def report(**parts: Any) -> dict[str, Any]:
    stats = {"received": 0, "made": 0, "delivered": 0, "stored": 0, "notes": {}, **parts.pop("stats", {})}
    return {
        "exporter": "e1", "pid": 7, "version": "0.1.0", "stats": stats, "samples": {}, "origins": [],
        "decisions": [], "untold": 0, **parts,
    }  # fmt: skip


def decision(verdict: str, value: object, time_ns: int = 0, update: str = "") -> dict[str, Any]:
    return {
        "type": "organization", "key": "org_acme", "name": "plan", "value": value, "time_ns": time_ns,
        "seen_ns": time_ns, "verdict": verdict, "update": update, "signal": "span", "speaker": "POST /orders",
    }  # fmt: skip


def test_what_arrives_is_an_event_with_its_organization_and_request(inspector: Inspector) -> None:
    send_legacy(inspector, event("paid", amount=5))
    (found,) = inspector.feed.all("event")
    assert (found["event"], found["groups"], found["distinct_id"], found["request"]) == (
        "paid", {"organization": "org_acme"}, "u_ada", 1,
    )  # fmt: skip


def test_an_event_that_comes_again_is_the_same_row_with_a_count(inspector: Inspector) -> None:
    one = {
        **event("paid"),
        "uuid": "01a2115c-9256-7ebe-8f21-6c007c56e126",
        "timestamp": "2026-09-21T12:00:00Z",
    }
    send_legacy(inspector, one)
    send_legacy(inspector, one)
    (found,) = inspector.feed.all("event")
    assert found["repeats"] == 1


def test_what_posthog_would_silently_change_is_a_finding_of_that_request(inspector: Inspector) -> None:
    send_legacy(inspector, event("paid", organization=7))  # type: ignore[arg-type]
    said = queries.request(inspector, 1)
    assert said is not None
    assert "group_key_not_text" in {one["name"] for one in said["said"]}


def test_a_group_has_a_profile_and_a_timeline_of_every_property(inspector: Inspector) -> None:
    send_legacy(inspector, group_update("org_acme", plan="free", name="Acme"))
    send_legacy(inspector, group_update("org_acme", plan="team"))
    found = queries.group(inspector, "organization", "org_acme")
    assert found is not None
    assert found["properties"] == {"plan": "team", "name": "Acme"}
    assert [change["value"] for change in found["changes"] if change["name"] == "plan"] == ["free", "team"]
    assert [change["request"] for change in found["changes"]] == [1, 1, 2]


def test_the_key_of_the_project_is_in_no_answer(inspector: Inspector) -> None:
    send_legacy(inspector, event("paid"))
    raw = queries.request(inspector, 1)
    assert raw is not None
    assert "paid" in raw["raw"]["body"]
    assert KEY not in str(raw)
    assert KEY not in str([record.to_json() for record in inspector.feed.after(0, limit=1000)])


def test_decisions_say_in_words_what_the_ledger_did(inspector: Inspector) -> None:
    inspector.report(report(decisions=[decision("sent", "team", 20, "u1"), decision("older", "free", 10)]))
    found = queries.group(inspector, "organization", "org_acme")
    assert found is not None
    assert [(one["verdict"], one["value"], one["says"]) for one in found["decisions"]] == [
        ("sent", "team", LEDGER_TEXTS["sent"].sentence),
        ("older", "free", LEDGER_TEXTS["older"].sentence),
    ]


def test_a_value_said_a_thousand_times_is_one_record(inspector: Inspector) -> None:
    for n in range(1000):
        inspector.report(report(decisions=[decision("unchanged", "team", n)]))
    (found,) = inspector.feed.all("decision")
    assert found["count"] == 1000


def test_reasons_are_counted_over_all_exporters_and_explained(inspector: Inspector) -> None:
    inspector.report(report(stats={"not_selected": {"no_group": 3}}))
    inspector.report(report(stats={"not_selected": {"no_group": 5}}))  # the same exporter, later
    inspector.report(
        report(exporter="e2", stats={"not_selected": {"no_group": 1}, "dropped": {"deadline": 2}})
    )
    found = {one["reason"]: one for one in queries.not_exported(inspector)}
    assert found["no_group"]["count"] == 6
    assert found["no_group"]["remedy"] == Reason.NO_GROUP.text.remedy
    assert found["deadline"]["count"] == 2


def test_only_the_newest_samples_of_a_reason_are_kept(inspector: Inspector) -> None:
    samples = [{"signal": "span", "name": f"GET /{n}", "steps": []} for n in range(KEEP_SAMPLES + 5)]
    inspector.report(
        report(stats={"not_selected": {"no_group": len(samples)}}, samples={"no_group": samples})
    )
    (found,) = queries.not_exported(inspector)
    names = {sample["name"] for sample in found["samples"]}
    assert len(names) == KEEP_SAMPLES
    assert f"GET /{KEEP_SAMPLES + 4}" in names
    assert "GET /0" not in names


def test_an_event_knows_the_attribute_that_each_property_came_from(inspector: Inspector) -> None:
    uuid = "01a2115c-9256-7ebe-8f21-6c007c56e126"
    send_legacy(inspector, {**event("paid"), "uuid": uuid})
    steps = [
        ["attribute http.method", "becomes property http.request.method", ""],
        ["attribute x", "left out (property_private)", ""],
    ]
    inspector.report(
        report(origins=[{"uuid": uuid, "event": "paid", "signal": "span", "name": "POST /", "steps": steps}])
    )
    (found,) = queries.events(inspector, {"name": "paid"})
    assert found["origin"]["sources"] == {"http.request.method": "http.method"}


def test_values_that_look_personal_are_marked(inspector: Inspector) -> None:
    send_legacy(
        inspector,
        event("paid", contact="ada@example.com", card="4111 1111 1111 1111", phone="1", plan="team"),
    )
    (found,) = inspector.feed.all("event")
    assert found["looks"] == {"contact": "email", "card": "card", "phone": "phone"}


def test_each_second_counts_signals_events_and_updates(inspector: Inspector) -> None:
    send_legacy(inspector, event("a"), event("b"), group_update("org_acme", plan="free"))
    inspector.report(report(stats={"received": 9, "notes": {"identifies_saved": 4}}))
    (pulse,) = inspector.feed.all("pulse")
    assert {name: pulse[name] for name in ("signals", "events", "updates", "saved")} == {
        "signals": 9, "events": 2, "updates": 1, "saved": 4,
    }  # fmt: skip


def test_clearing_leaves_a_fresh_project(inspector: Inspector) -> None:
    send_legacy(inspector, event("paid"))
    inspector.clear()
    assert inspector.feed.all("event") == []
    assert inspector.double.rows == []


@pytest.mark.parametrize(
    "broken", [{}, {"exporter": "e"}, report(decisions=[{}]), {**report(), "stats": 3}, report(samples=[1])]
)
def test_something_that_is_no_report_is_refused_with_a_plain_error(inspector: Inspector, broken: Any) -> None:
    with pytest.raises((ValueError, KeyError, TypeError, AttributeError)):
        inspector.report(broken)


def test_the_event_of_the_how_to_has_the_findings_that_the_page_promises(inspector: Inspector) -> None:
    send_legacy(inspector, {"event": "hello", "distinct_id": "me"})
    assert [finding["name"] for finding in inspector.feed.all("finding")] == ["uuid_missing", "geoip_open"]
