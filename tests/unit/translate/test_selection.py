"""Which signals become captures, and why not the others."""

from __future__ import annotations

from typing import Any

import pytest
from opentelemetry.trace import SpanContext, SpanKind

from opentelemetry.exporter.posthog.reasons import Reason
from opentelemetry.exporter.posthog.settings.model import Preset, Selection, SelectionRule
from opentelemetry.exporter.posthog.translate.selection import PLAIN_LOG_NAME, event_name
from opentelemetry.exporter.posthog.translate.translator import Translation, Translator
from tests.builders import LOCAL, ORGANIZATION, REMOTE, a_log, a_span, some_settings, translated


def verdict(result: Translation) -> str | Reason | None:
    return result.reason if result.capture is None else result.capture.name


@pytest.mark.parametrize(
    ("kind", "parent", "scope", "expected"),
    [
        pytest.param(SpanKind.SERVER, None, "shop", "x", id="a server span is an entry"),
        pytest.param(SpanKind.SERVER, LOCAL, "shop", "x", id="wherever it stands"),
        pytest.param(SpanKind.CONSUMER, REMOTE, "shop", "x", id="a consumer span is an entry"),
        pytest.param(SpanKind.INTERNAL, None, "shop", "x", id="an inner span without parent is one"),
        pytest.param(SpanKind.INTERNAL, REMOTE, "shop", "x", id="or with a parent elsewhere"),
        pytest.param(SpanKind.INTERNAL, LOCAL, "shop", "x", id="or with a group that the application set"),
        pytest.param(
            SpanKind.INTERNAL, LOCAL, "opentelemetry.instrumentation.x", Reason.NOT_AN_ENTRY,
            id="but not in an instrumentation's span",
        ),
        pytest.param(SpanKind.CLIENT, None, "shop", Reason.NOT_AN_ENTRY, id="a client span never is"),
        pytest.param(SpanKind.PRODUCER, None, "shop", Reason.NOT_AN_ENTRY, id="nor a producer span"),
        pytest.param(SpanKind.SERVER, None, "httpx", Reason.OWN_SCOPE, id="nothing of httpx"),
        pytest.param(SpanKind.SERVER, None, "httpcore.http11", Reason.OWN_SCOPE, id="nothing of httpcore"),
        pytest.param(
            SpanKind.SERVER, None, "opentelemetry.exporter.posthog.x", Reason.OWN_SCOPE, id="nor of our own"
        ),
        pytest.param(SpanKind.SERVER, None, "opentelemetry.sdk.trace", Reason.OWN_SCOPE, id="nor of the SDK"),
        pytest.param(SpanKind.SERVER, None, "httpx_shop", "x", id="but of a scope that only begins like one"),
    ],
)  # fmt: skip
def test_entry_takes(kind: SpanKind, parent: SpanContext | None, scope: str, expected: object) -> None:
    assert verdict(translated(a_span("x", kind=kind, parent=parent, scope=scope))) == expected


def test_an_entry_without_a_group_is_not_taken() -> None:
    assert verdict(translated(a_span(attributes={"user.id": "u"}))) is Reason.NO_GROUP


@pytest.mark.parametrize("key", ["http.request.method", "http.method"])
@pytest.mark.parametrize("method", ["OPTIONS", "HEAD", "head"])
def test_preflights_are_not_taken_unless_named(key: str, method: str) -> None:
    given = {**ORGANIZATION, key: method}
    assert verdict(translated(a_span(attributes=given))) is Reason.PREFLIGHT
    assert verdict(translated(a_span(attributes={**given, "posthog.event": "probed"}))) == "probed"


def test_a_refused_request_is_not_taken_even_if_named() -> None:
    given = {**ORGANIZATION, "http.response.status_code": 403, "posthog.event": "tried"}
    rules = (SelectionRule(event="tried"),)
    assert verdict(translated(a_span(attributes=given), spans=Selection(preset=Preset.ALL, rules=rules))) is (
        Reason.REFUSED_REQUEST
    )
    assert verdict(translated(a_span(attributes=given, kind=SpanKind.CLIENT))) == "tried"
    assert verdict(translated(a_span(attributes=given), refused_statuses=frozenset())) == "tried"


def test_capture_false_beats_a_rule_beats_posthog_event_beats_the_preset() -> None:
    rules = Selection(preset=Preset.ENTRY, rules=(SelectionRule(name="POST *", event="by rule"),))
    named = {**ORGANIZATION, "posthog.event": "by attribute"}
    silent = {**named, "posthog.capture": False}
    assert verdict(translated(a_span("POST /a", silent), spans=rules)) is Reason.CAPTURE_FALSE
    assert verdict(translated(a_span("POST /a", named), spans=rules)) == "by rule"
    assert verdict(translated(a_span("GET /a", named), spans=rules)) == "by attribute"
    assert verdict(translated(a_span("GET /a"), spans=rules)) == "GET /a"


@pytest.mark.parametrize("said", ["false", "False", " FALSE "])
def test_capture_false_may_be_text(said: str) -> None:
    assert verdict(translated(a_log(attributes={"posthog.capture": said}))) is Reason.CAPTURE_FALSE


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        pytest.param({"name": "POST /orgs/{id}/*", "event": "e"}, "e", id="a star matches any text"),
        pytest.param(
            {"name": "P?ST /orgs/{id}/members", "event": "e"}, "e", id="a question mark one character"
        ),
        pytest.param({"name": "post *", "event": "e"}, None, id="case counts"),
        pytest.param({"name": "/orgs", "event": "e"}, None, id="the whole name has to match"),
        pytest.param({"name": "POST /orgs/[{]id}*", "event": "e"}, None, id="brackets are no wildcard"),
        pytest.param({"name": "POST *"}, "POST /orgs/{id}/members", id="without an event the own name stays"),
        pytest.param({"name": "POST *", "drop": True}, Reason.EXCLUDED_BY_RULE, id="drop drops"),
        pytest.param({"kind": "server", "event": "e"}, "e", id="a kind matches"),
        pytest.param({"kind": "client", "event": "e"}, None, id="another kind does not"),
        pytest.param({"scope": "sh*", "event": "e"}, "e", id="a scope matches"),
        pytest.param({"scope": "other", "event": "e"}, None, id="another scope does not"),
        pytest.param({"attribute": "beta", "event": "e"}, "e", id="an attribute that is there"),
        pytest.param({"attribute": "gamma", "event": "e"}, None, id="an attribute that is not"),
        pytest.param({"attribute": "beta=true", "event": "e"}, "e", id="a value as text"),
        pytest.param({"attribute": "beta=yes", "event": "e"}, None, id="another value"),
        pytest.param({"attribute": "seats=5", "event": "e"}, "e", id="a number as text"),
        pytest.param({"event": "$identify"}, "identify", id="a rule makes no event that PostHog acts on"),
    ],
)
def test_a_rule(rule: dict[str, Any], expected: object) -> None:
    span = a_span("POST /orgs/{id}/members", {"beta": True, "seats": 5})
    selection = Selection(preset=Preset.NAMED, rules=(SelectionRule(**rule),))
    assert verdict(translated(span, spans=selection)) == (expected or Reason.NOT_NAMED)


def test_the_first_rule_that_matches_decides() -> None:
    rules = (SelectionRule(name="GET *", drop=True), SelectionRule(event="rest"))
    selection = Selection(preset=Preset.OFF.ENTRY, rules=rules)
    assert verdict(translated(a_span("GET /"), spans=selection)) is Reason.EXCLUDED_BY_RULE
    assert verdict(translated(a_span("PUT /", {}, kind=SpanKind.CLIENT), spans=selection)) == "rest"


def test_all_takes_every_span_but_the_own_ones_and_those_of_models() -> None:
    everything = Selection(preset=Preset.ALL)
    assert (
        verdict(translated(a_span("GET x", {}, kind=SpanKind.CLIENT, parent=LOCAL), spans=everything))
        == "GET x"
    )
    assert verdict(translated(a_span(scope="httpx"), spans=everything)) is Reason.OWN_SCOPE
    chat = a_span("chat", {**ORGANIZATION, "gen_ai.system": "x"}, kind=SpanKind.CLIENT)
    assert verdict(translated(chat, spans=everything)) is Reason.AI_SPAN
    assert verdict(translated(chat, spans=everything, ai_spans=True)) == "chat"


def test_a_models_span_is_taken_as_an_entry_or_by_name() -> None:
    given = {**ORGANIZATION, "gen_ai.system": "x"}
    assert verdict(translated(a_span("chat", given, kind=SpanKind.INTERNAL, parent=LOCAL))) is Reason.AI_SPAN
    assert verdict(translated(a_span("chat", given))) == "chat"
    assert verdict(translated(a_log("gen_ai.evaluation.result"))) is Reason.AI_SPAN


@pytest.mark.parametrize(
    ("event", "attributes", "expected"),
    [
        pytest.param("a.b", {"otel.event.name": "c"}, "a.b", id="the record's own event name"),
        pytest.param(None, {"otel.event.name": "c", "event.name": "d"}, "c", id="else the stable attribute"),
        pytest.param("", {"event.name": "d"}, "d", id="else the old one"),
        pytest.param(None, {}, Reason.PLAIN_LOG, id="a plain line is no event"),
        pytest.param("  ", {}, Reason.PLAIN_LOG, id="nor one with a blank name"),
        pytest.param(None, {"posthog.event": "named"}, "named", id="unless posthog.event names it"),
        pytest.param("a", {"posthog.event": "b"}, "b", id="which renames too"),
    ],
)
def test_an_event_of_a_log_record(event: str | None, attributes: dict[str, Any], expected: object) -> None:
    result = translated(a_log(event, attributes))
    assert verdict(result) == expected
    if result.capture is not None:
        assert not {"otel.event.name", "event.name", "posthog.event"} & result.capture.properties.keys()


def test_plain_lines_are_events_where_they_are_asked_for() -> None:
    assert verdict(translated(a_log(None), logs=Selection(preset=Preset.ALL))) == PLAIN_LOG_NAME
    by_rule = Selection(preset=Preset.EVENTS, rules=(SelectionRule(scope="shop", event="line"),))
    assert verdict(translated(a_log(None), logs=by_rule)) == "line"
    assert verdict(translated(a_log("a"), logs=Selection(preset=Preset.NAMED))) is Reason.NOT_NAMED


def test_names_have_a_prefix_and_an_end() -> None:
    capture = translated(a_log(), event_prefix="backend: ").capture
    assert capture is not None
    assert capture.name == "backend: order.paid"
    assert len(event_name("é" * 300).encode()) == 200
    assert event_name("a\ud800\0") == "a\ufffd\ufffd"
    assert event_name("$$$ ") == ""


def test_explaining_names_every_step_and_the_fate_of_every_attribute() -> None:
    given = {
        **ORGANIZATION,
        "http.url": "x",
        "user.email": "a@b.io",
        "$set": 1,
        "http.method": "GET",
        "note": "a@b.io",
    }
    rules = (SelectionRule(name="GET *", drop=True), SelectionRule(name="POST *", event="made"))
    translator = Translator(some_settings(spans=Selection(preset=Preset.ENTRY, rules=rules)))
    steps = translator.explain(a_span("POST /orders", given))
    assert [(step.name, step.decision) for step in steps] == [
        ("group organization", "on the signal"),
        ("rule 2", "selects 'made'"),
        ("capture", "selected as 'made'"),
        ("attribute organization.id", "becomes property organization.id"),
        ("attribute http.url", "left out (property_convention)"),
        ("attribute user.email", "left out (property_convention)"),
        ("attribute $set", "left out (property_reserved)"),
        ("attribute http.method", "becomes property http.request.method"),
        ("attribute note", "left out (property_private)"),
    ]
    refused = translator.explain(a_span("GET /orders", given))
    assert refused[-1].reason is Reason.EXCLUDED_BY_RULE
    assert translator.explain(a_log(None))[-1].reason is Reason.PLAIN_LOG
    opted = Translator(some_settings(opt_out_ids=frozenset({"org_42"}))).explain(a_span())
    assert opted[-1].reason is Reason.OPTED_OUT
