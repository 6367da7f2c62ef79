"""``before_send`` and ``opt_out``: the application's functions, which may do anything."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from opentelemetry.exporter.posthog.reasons import Reason
from opentelemetry.exporter.posthog.translate import notes
from opentelemetry.exporter.posthog.translate.translator import Translation
from tests.builders import SECOND_NS, a_log, a_span, translated
from tests.manual_clock import EPOCH_NS


def test_before_send_sees_a_copy_without_key_and_uuid() -> None:
    seen: list[dict[str, Any]] = []

    def look(event: dict[str, Any]) -> dict[str, Any]:
        seen.append(dict(event))
        return event

    given = {"organization.id": "org_42", "organization.tags": ["a"], "order.total": 5}
    plain = translated(a_span(attributes=given)).capture
    result = translated(a_span(attributes=given), before_send=look)
    (event,) = seen
    assert event.keys() == {"event", "distinct_id", "timestamp", "groups", "properties"}
    assert event["timestamp"] == datetime.fromtimestamp(EPOCH_NS // SECOND_NS - 2, timezone.utc)
    assert result.capture is not None
    assert plain is not None
    ids = {"$trace_id", "$span_id"}
    assert {k: v for k, v in result.capture.properties.items() if k not in ids} == {
        k: v for k, v in plain.properties.items() if k not in ids
    }
    assert result.capture.time_ns == plain.time_ns


def test_before_send_changes_what_it_returns_and_nothing_else() -> None:
    def change(event: dict[str, Any]) -> dict[str, Any]:
        event["properties"]["organization.tags"].append("b")
        event["properties"].pop("order.total")
        event["properties"].pop("$trace_id")
        event["properties"] |= {
            "more": 2**60,
            "$set": {"a": 1},
            "distinct_id": "x",
            "mail": "a@b.io",
            "$span_id": "forged",
        }
        event["groups"] = {"organization": " org_1 ", "team": True}
        return {
            **event,
            "event": "$identify",
            "distinct_id": "u",
            "timestamp": event["timestamp"] - timedelta(days=1),
        }

    given = {"organization.id": "org_42", "organization.tags": ["a"], "order.total": 5}
    before = translated(a_span(attributes=given))
    after = translated(a_span(attributes=given), before_send=change)
    assert before.capture is not None
    assert after.capture is not None
    assert after.observations[0].properties == {"tags": ["a"]}
    assert (after.capture.name, after.capture.distinct_id) == ("identify", "u")
    assert after.capture.groups == {"organization": "org_1"}
    assert after.capture.time_ns == before.capture.time_ns - 86_400 * SECOND_NS
    assert after.capture.properties["organization.tags"] == ["a", "b"]
    assert after.capture.properties["more"] == str(2**60)
    names = after.capture.properties.keys()
    assert not names & {"order.total", "$trace_id", "$set", "distinct_id", "mail"}
    assert after.capture.properties["$span_id"] != "forged"


def test_before_send_cannot_take_away_what_the_protocol_needs() -> None:
    capture = translated(a_log(), before_send=lambda event: {**event, "properties": {}}).capture
    assert capture is not None
    assert capture.properties == {"$geoip_disable": True, "$is_server": True}
    bare = translated(a_log(), before_send=lambda event: {"properties": {"a": 1}})
    assert bare.capture is not None
    assert (bare.capture.name, bare.capture.distinct_id) == ("order.paid", "$organization_org_42")
    assert notes.BEFORE_SEND_INVALID in bare.notes


def raises(event: object) -> Any:
    raise RuntimeError("no")


@pytest.mark.parametrize(
    ("hook", "reason"),
    [
        pytest.param(lambda event: None, Reason.BEFORE_SEND, id="None drops the event"),
        pytest.param(raises, Reason.BEFORE_SEND_ERROR, id="an error drops the event"),
        pytest.param(lambda event: "event", Reason.BEFORE_SEND_ERROR, id="anything else drops the event"),
    ],
)
def test_before_send_drops(hook: Any, reason: Reason) -> None:
    result = translated(a_log(), before_send=hook)
    assert (result.capture, result.reason) == (None, reason)
    assert len(result.observations) == 1  # what is true of the group stays true


@pytest.mark.parametrize("id", ["org_42", "u_1"])
def test_an_id_that_is_opted_out_is_silenced_altogether(id: str) -> None:
    given = {"organization.id": "org_42", "organization.name": "Acme", "user.id": "u_1"}
    for signal in (a_log(attributes=given), a_span(attributes=given), a_log(None, given)):
        assert translated(signal, opt_out_ids=frozenset({id})) == Translation(None, (), Reason.OPTED_OUT)
        assert translated(signal, opt_out_ids=frozenset({"other"})).reason is not Reason.OPTED_OUT


def test_the_opt_out_function_is_asked_of_groups_and_user() -> None:
    asked: list[tuple[str, str]] = []

    def ask(kind: str, id: str) -> bool:
        asked.append((kind, id))
        return False

    assert (
        translated(a_log(attributes={"organization.id": "o", "user.id": "u"}), opt_out=ask).capture
        is not None
    )
    assert asked == [("organization", "o"), ("user", "u")]


def test_where_the_opt_out_function_fails_nothing_is_sent() -> None:
    def fail(kind: str, id: str) -> bool:
        raise RuntimeError("no")

    assert translated(a_log(), opt_out=fail) == Translation(
        None, (), Reason.OPTED_OUT, (notes.OPT_OUT_ERROR,)
    )
