"""What becomes of values, names and the rest of a signal."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Span
from opentelemetry.trace import SpanKind, Status, StatusCode

from opentelemetry.exporter.posthog.settings.model import GroupRule, Preset, PrivacyPolicy, Selection
from opentelemetry.exporter.posthog.translate import notes
from opentelemetry.exporter.posthog.translate.plans import MAX_GROUP_PROPERTIES
from opentelemetry.exporter.posthog.translate.privacy import Privacy
from opentelemetry.exporter.posthog.translate.properties import MAX_ITEMS, MAX_TEXT, Converter
from opentelemetry.exporter.posthog.translate.shapes import MAX_SHAPES
from opentelemetry.exporter.posthog.translate.translator import Translator
from tests.builders import SECOND_NS, a_log, a_span, some_settings, translated
from tests.manual_clock import EPOCH_NS
from tests.strategies import Level, Opaque, Plan

EAST = timezone(timedelta(hours=2))

CONVERT = Converter(Privacy(PrivacyPolicy())).value


class Hostile:
    def __str__(self) -> str:
        raise RuntimeError("no")


@pytest.mark.parametrize(
    ("value", "converted"),
    [
        pytest.param(True, True, id="True stays True and does not become 1"),
        pytest.param(None, None, id="None stays null"),
        pytest.param(2**53 - 1, 2**53 - 1, id="the largest safe int stays"),
        pytest.param(2**53, "9007199254740992", id="an int that JavaScript would round becomes text"),
        pytest.param(-(2**63), "-9223372036854775808", id="below zero too"),
        pytest.param(0.1, 0.1, id="a float stays"),
        pytest.param(float("nan"), None, id="NaN becomes null"),
        pytest.param(float("-inf"), None, id="infinity becomes null"),
        pytest.param("é", "é", id="text stays"),
        pytest.param("a\0b", "a\ufffdb", id="NUL is replaced"),
        pytest.param("a\ud800b", "a\ufffdb", id="a lone surrogate is replaced"),
        pytest.param("\ud83d\ude00", "😀", id="a pair of surrogates is one character"),
        pytest.param(b"\xff\x00", "/wA=", id="bytes become base64"),
        pytest.param(Plan.TEAM, "team", id="a text enum becomes its value"),
        pytest.param(Level.HIGH, 3, id="an int enum becomes its value"),
        pytest.param((1, True, "a", None), [1, True, "a", None], id="a sequence becomes an array"),
        pytest.param({"a": {"b": (1, 2**60)}}, {"a": {"b": [1, str(2**60)]}}, id="maps nest"),
        pytest.param({1: "x", "": "y"}, {"1": "x"}, id="keys become text, empty ones go"),
        pytest.param(datetime(2026, 1, 1, 2, tzinfo=EAST), "2026-01-01T00:00:00+00:00", id="a datetime"),
        pytest.param(Decimal("1.50"), "1.50", id="another object becomes its text"),
        pytest.param(Opaque(), None, id="an object that says nothing becomes null"),
        pytest.param(Hostile(), None, id="an object that raises becomes null"),
        pytest.param([Hostile()], None, id="inside an array as well"),
    ],
)  # fmt: skip
def test_a_value(value: object, converted: object) -> None:
    result = CONVERT(value)
    assert result == converted
    assert type(result) is type(converted)


def test_values_have_bounds() -> None:
    assert CONVERT("x" * 9_000) == "x" * MAX_TEXT
    assert CONVERT(list(range(1_000))) == list(range(MAX_ITEMS))
    assert str(CONVERT(10**5_000)).startswith("0x")
    nested: Any = "deep"
    for _ in range(9):
        nested = {"a": nested}
    assert str(CONVERT(nested)).count("{") == 5
    cyclic: dict[str, Any] = {f"k{number}": 1 for number in range(20)}
    for key in list(cyclic):
        cyclic[key] = cyclic
    assert len(str(CONVERT(cyclic))) < 60_000


@pytest.mark.parametrize("body", [{"a": b"\x01"}, [1, float("nan")], Opaque(), "line", 5])
def test_the_body_leaves_only_if_asked_for(body: object) -> None:
    everything = {"logs": Selection(preset=Preset.ALL)}
    silent = translated(a_log(body=body), **everything).capture
    asked = translated(a_log(body=body), log_body=True, **everything).capture
    assert silent is not None
    assert asked is not None
    assert "log.body" not in silent.properties
    assert asked.properties["log.body"] == CONVERT(body)


def test_event_properties_keep_their_keys_and_types() -> None:
    given = {
        "order.total": 9.5,
        "order.ok": True,
        "Order-Id": "o-1",
        "http.route": "/o/{id}",
        "tags": ["a", "b"],
    }
    capture = translated(a_log(attributes=given)).capture
    assert capture is not None
    assert {key: capture.properties[key] for key in given} == given


def test_old_names_of_conventions_become_the_new_ones_and_most_conventions_stay_here() -> None:
    given = {
        "http.method": "GET",
        "http.status_code": 200,
        "http.response.status_code": 201,
        "http.url": "https://a/b",
        "http.target": "/a?token=1",
        "net.peer.ip": "1.2.3.4",
        "client.address": "1.2.3.4",
        "db.statement": "select",
        "exception.stacktrace": "x",
        "user_agent.original": "x",
        "user.name": "Anna",
        "app.version": "1",
        "source.campaign": "x",
    }
    capture = translated(a_span(attributes={"organization.id": "o", **given})).capture
    assert capture is not None
    names = capture.properties.keys()
    assert capture.properties["http.request.method"] == "GET"
    assert capture.properties["http.response.status_code"] == 201
    assert {"app.version", "source.campaign"} <= names
    assert not names & (given.keys() - {"http.response.status_code", "app.version", "source.campaign"})
    further = PrivacyPolicy(conventions=frozenset({"url.path", "db.*"}), keep=frozenset({"user.name"}))
    asked = translated(a_span(attributes={"organization.id": "o", **given}), privacy=further).capture
    assert asked is not None
    assert asked.properties["db.statement"] == "select"
    assert asked.properties["user.name"] == "Anna"
    assert "url.path" in asked.properties


def test_urls_lose_userinfo_query_and_fragment_wherever_they_stand() -> None:
    given = {"organization.website": "https://u:p@acme.com/a?x=1#y", "note": "see http://a.b/c?token=1 now"}
    result = translated(a_log(attributes={"organization.id": "o", **given}))
    assert result.capture is not None
    assert result.capture.properties["note"] == "see http://a.b/c now"
    assert result.observations[0].properties == {"website": "https://acme.com/a"}


def test_the_span_says_its_kind_duration_status_and_the_type_of_its_exception() -> None:
    def fail(span: Span) -> None:
        span.record_exception(KeyError("anna@acme.com"))
        span.set_status(Status(StatusCode.ERROR, "KeyError: 'anna@acme.com'"))

    capture = translated(a_span(kind=SpanKind.CONSUMER, during=fail)).capture
    assert capture is not None
    assert capture.properties["span.kind"] == "consumer"
    assert capture.properties["span.duration_ms"] == 1_000.0
    assert capture.properties["otel.status_code"] == "ERROR"
    assert capture.properties["exception.type"] == "KeyError"
    assert "anna" not in repr(capture)
    back = translated(a_span(start_ns=EPOCH_NS, end_ns=EPOCH_NS - SECOND_NS)).capture
    assert back is not None
    assert back.properties["span.duration_ms"] == 0


def test_every_event_says_where_it_comes_from() -> None:
    span = a_span()
    capture = translated(span).capture
    assert capture is not None
    assert span.context is not None
    expected = {
        "$is_server": True,
        "$geoip_disable": True,
        "$trace_id": f"{span.context.trace_id:032x}",
        "$span_id": f"{span.context.span_id:016x}",
        "service.name": "shop",
        "service.version": "1.2",
        "otel.scope.name": "shop",
    }
    assert expected.items() <= capture.properties.items()
    assert "host.name" not in capture.properties
    lone = translated(a_log(), geoip=True).capture
    assert lone is not None
    assert not {"$trace_id", "$span_id", "$geoip_disable"} & lone.properties.keys()


def test_the_environment_of_the_resource_has_its_new_name() -> None:
    old = Resource({"service.name": "s", "deployment.environment": "staging"})
    capture = translated(a_log(resource=old)).capture
    assert capture is not None
    assert capture.properties["deployment.environment.name"] == "staging"


def test_a_session_id_leaves_only_as_a_uuid_of_version_7() -> None:
    good = "0197F2A5-0000-7000-8000-000000000000"
    for key in ("session.id", "sessionId"):
        capture = translated(a_log(attributes={key: good})).capture
        assert capture is not None
        assert capture.session_id == good.lower()
        assert key not in capture.properties
    for bad in ("s1", "0197f2a5-0000-4000-8000-000000000000", 5):
        capture = translated(a_log(attributes={"session.id": bad})).capture
        assert capture is not None
        assert (capture.session_id, "session.id" in capture.properties) == (None, False)


# -- profiles ------------------------------------------------------------------------------------------------


def profile(attributes: dict[str, Any], **options: Any) -> dict[str, Any]:
    (observation,) = translated(
        a_log(attributes={"organization.id": "o", **attributes}), **options
    ).observations
    return dict(observation.properties)


def test_profile_names_lose_the_prefix_and_use_underscores() -> None:
    given = {
        "organization.plan.name": "Team",
        "organization.seats": 5,
        "organization.tags": ["a", "b"],
        "other": 1,
    }
    assert profile(given) == {"plan_name": "Team", "seats": 5, "tags": ["a", "b"]}


@pytest.mark.parametrize("first", ["organization.plan.name", "organization.plan_name"])
def test_where_two_names_collide_the_key_without_inner_dots_wins(first: str) -> None:
    both = {"organization.plan.name": "dotted", "organization.plan_name": "plain"}
    ordered = {first: both[first], **both}
    assert profile(ordered) == {"plan_name": "plain"}


def test_profiles_take_no_maps() -> None:
    result = translated(a_log(attributes={"organization.id": "o", "organization.address": {"city": "Bonn"}}))
    assert result.observations[0].properties == {}
    assert result.capture is not None
    assert result.capture.properties["organization.address"] == {"city": "Bonn"}
    assert notes.GROUP_VALUE in result.notes


def test_group_types_have_their_own_attributes_and_the_longest_prefix_owns_a_key() -> None:
    rules = (
        GroupRule(type="organization", attribute="organization.id", prefix="organization."),
        GroupRule(type="team", attribute="organization.team.id", prefix="organization.team."),
        GroupRule(type="region", attribute="region", prefix=None),
    )
    given = {
        "organization.team.id": "t",
        "organization.id": "o",
        "organization.name": "Acme",
        "organization.team.name": "Ops",
        "region": "eu",
        "region.name": "Europe",
    }
    result = translated(a_log(attributes=given), groups=rules)
    assert result.capture is not None
    assert list(result.capture.groups.items()) == [("organization", "o"), ("team", "t"), ("region", "eu")]
    assert [(seen.group.type, dict(seen.properties)) for seen in result.observations] == [
        ("organization", {"name": "Acme"}),
        ("team", {"name": "Ops"}),
        ("region", {}),
    ]
    assert result.capture.distinct_id == "$organization_o"


def test_what_is_not_on_the_list_stays_off_the_profile_and_off_the_event() -> None:
    policy = PrivacyPolicy(group_properties={"organization": frozenset({"name"})})
    given = {"organization.id": "o", "organization.name": "Acme", "organization.debt": 5}
    result = translated(a_log(attributes={**given, "posthog.group.unset": ["debt", "name"]}), privacy=policy)
    assert result.capture is not None
    assert result.observations[0].properties == {"name": "Acme"}
    assert "organization.debt" not in result.capture.properties


def test_a_type_has_at_most_fifty_names_and_each_new_one_is_told_once() -> None:
    translator = Translator(some_settings())

    def told(*names: str) -> list[str]:
        given = {"organization.id": "o", **{f"organization.{name}": 1 for name in names}}
        result = translator.span(a_span(attributes=given), now_ns=EPOCH_NS)
        return [note for note in result.notes if note.startswith(notes.GROUP_PROPERTY)]

    assert told("a", "b") == ["group_property:organization:a", "group_property:organization:b"]
    assert told("b", "a", "c") == ["group_property:organization:c"]
    assert len(told(*(f"n{number}" for number in range(60)))) == 60
    assert notes.GROUP_SURPLUS in told("one more")
    assert told("a") == []
    assert MAX_GROUP_PROPERTIES == 50


def test_keys_that_never_repeat_do_not_fill_the_memory() -> None:
    translator = Translator(some_settings())
    span = a_span()
    planner = translator._planner
    for number in range(MAX_SHAPES + 10):
        planner.plan(planner.shapes.of({f"k{number}": 1}))
    assert len(planner.shapes) <= MAX_SHAPES
    assert translator.span(span, now_ns=EPOCH_NS).capture is not None


@pytest.mark.parametrize(
    "extra",
    [
        pytest.param({"note": "é"}, id="text that is not ASCII"),
        pytest.param({"big": 2**60}, id="an int beyond JavaScript's"),
        pytest.param({"http.method": "GET"}, id="a convention's old name"),
        pytest.param({"list": ("a",)}, id="a list"),
    ],
)
def test_one_unusual_attribute_changes_nothing_for_the_plain_ones(extra: dict[str, Any]) -> None:
    given = {
        "a": "x",
        "b": 1,
        "c": 1.5,
        "d": True,
        "log.severity": "lie",
        "session.id": "s",
        "posthog.x": 1,
        "$set": 2,
    }
    plain = translated(a_log(attributes=given, severity_text="INFO")).capture
    mixed = translated(a_log(attributes={**given, **extra}, severity_text="INFO")).capture
    assert plain is not None
    assert mixed is not None
    assert plain.properties["log.severity"] == "INFO"
    assert len(mixed.properties) == len(plain.properties) + 1
    assert plain.properties.items() <= mixed.properties.items()


# -- ids -----------------------------------------------------------------------------------------------------


def test_a_span_has_the_same_uuid_in_every_process_and_another_name_another_one() -> None:
    span = a_span()
    first, again = translated(span).capture, translated(span).capture
    renamed = translated(span, event_prefix="x").capture
    other = translated(a_span()).capture
    assert first is not None
    assert again is not None
    assert renamed is not None
    assert other is not None
    assert first.uuid == again.uuid
    assert len({first.uuid, renamed.uuid, other.uuid}) == 3
    assert int(first.uuid.replace("-", "")[:12], 16) == first.time_ns // 1_000_000


@pytest.mark.parametrize("key", ["posthog.idempotency_key", "cloudevents.event_id"])
def test_the_same_fact_has_one_uuid_a_day(key: str) -> None:
    def uuid(name: str, value: object, timestamp: int) -> str:
        capture = translated(a_log(name, {key: value}, timestamp=timestamp)).capture
        assert capture is not None
        return capture.uuid

    day = 1_788_220_800 * SECOND_NS
    assert uuid("paid", "evt_1", day) == uuid("paid", "evt_1", day + 86_399 * SECOND_NS)
    others = {
        uuid("paid", "evt_1", day + 86_400 * SECOND_NS),
        uuid("paid", "evt_2", day),
        uuid("sent", "evt_1", day),
    }
    assert len(others | {uuid("paid", "evt_1", day)}) == 4
    assert re.match(r"^[0-9a-f]{8}-[0-9a-f]{4}-7", uuid("paid", "evt_1", day))


def test_records_get_random_bits() -> None:
    translator = Translator(some_settings())
    asked: list[int] = []

    def bits(count: int) -> int:
        asked.append(count)
        return len(asked)

    uuids = {
        result.capture.uuid
        for _ in range(2)
        if (result := translator.log(a_log(), now_ns=EPOCH_NS, random_bits=bits)).capture is not None
    }
    assert len(uuids) == 2
    assert asked == [74, 74]
