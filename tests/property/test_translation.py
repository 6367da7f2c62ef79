"""Laws of translation: whatever the SDK hands over, one small, safe, truthful answer comes out."""

from __future__ import annotations

import json
import uuid
from copy import deepcopy
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from opentelemetry.trace import SpanKind

from opentelemetry.exporter.posthog.reasons import Reason
from opentelemetry.exporter.posthog.settings.model import Preset, PrivacyAction, PrivacyPolicy, Selection
from opentelemetry.exporter.posthog.translate.properties import CAMPAIGN, RESERVED
from opentelemetry.exporter.posthog.translate.translator import Translation, Translator
from tests.builders import LOCAL, REMOTE, Bits, a_log, a_span, some_settings
from tests.manual_clock import EPOCH_NS
from tests.strategies import ATTRIBUTES, VALUES

OURS = {"$trace_id", "$span_id", "$is_server", "$geoip_disable"}

EVERYTHING = {
    "spans": Selection(preset=Preset.ALL),
    "logs": Selection(preset=Preset.ALL),
    "log_body": True,
    "ai_spans": True,
    "refused_statuses": frozenset[int](),
}

QUICK = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)


def depth(value: Any) -> int:
    if isinstance(value, dict):
        return 1 + max(map(depth, value.values()), default=0)
    return 1 + max(map(depth, value), default=0) if isinstance(value, list) else 0


def ints(value: Any) -> list[int]:
    if isinstance(value, dict):
        return [number for item in value.values() for number in ints(item)]
    if isinstance(value, list):
        return [number for item in value for number in ints(item)]
    return [value] if type(value) is int else []


def assert_sendable(properties: Any) -> None:
    text = json.dumps(properties, allow_nan=False, ensure_ascii=False)
    text.encode()  # no lone surrogates
    assert "\\u0000" not in text
    assert depth(properties) <= 6
    assert all(abs(number) < 2**53 for number in ints(properties))


def assert_lawful(result: Translation) -> None:
    assert (result.capture is None) == (result.reason is not None)
    if result.capture is not None:
        capture = result.capture
        assert_sendable(dict(capture.properties))
        assert not {name for name in capture.properties if name.startswith("$")} - OURS
        assert not capture.properties.keys() & (RESERVED | CAMPAIGN)
        assert {name for name in capture.properties if name.startswith("posthog.")} == {"posthog.actor"}
        assert capture.name
        assert not capture.name.startswith("$")
        assert len(capture.name.encode()) <= 200
        assert 0 < len(capture.distinct_id.encode()) <= 200
        assert uuid.UUID(capture.uuid).version == 7
        assert capture.personless == (capture.properties["posthog.actor"] == "none")
        assert not (capture.personless and capture.groups)
        assert all(key.strip() == key and 0 < len(key.encode()) <= 200 for key in capture.groups.values())
    for observation in result.observations:
        assert_sendable(dict(observation.properties))
        assert not any(name.startswith("$") for name in observation.properties)
        assert depth(dict(observation.properties)) <= 2
        assert observation.time_ns <= EPOCH_NS + 300 * 1_000_000_000
        assert observation.seen_ns <= EPOCH_NS


@QUICK
@given(ATTRIBUTES)
def test_any_attributes_of_a_span_give_a_lawful_answer_and_stay_as_they_were(
    attributes: dict[str, Any],
) -> None:
    span = a_span(attributes=attributes)
    before = repr(deepcopy(dict(span.attributes or {})))
    assert_lawful(Translator(some_settings(**EVERYTHING)).span(span, now_ns=EPOCH_NS))
    assert_lawful(Translator(some_settings()).span(span, now_ns=EPOCH_NS))
    assert repr(dict(span.attributes or {})) == before


@QUICK
@given(ATTRIBUTES, VALUES)
def test_any_attributes_and_body_of_a_log_record_give_a_lawful_answer(
    attributes: dict[str, Any], body: Any
) -> None:
    record = a_log(attributes=attributes, body=body)
    before = repr(dict(record.log_record.attributes or {}))
    translator = Translator(some_settings(**EVERYTHING))
    assert_lawful(translator.log(record, now_ns=EPOCH_NS, random_bits=Bits()))
    assert repr(dict(record.log_record.attributes or {})) == before


@QUICK
@given(ATTRIBUTES)
def test_a_second_translation_says_the_same_as_the_first(attributes: dict[str, Any]) -> None:
    span = a_span(attributes={**attributes, "organization.id": "org_42"})
    translator = Translator(some_settings())
    first, second = translator.span(span, now_ns=EPOCH_NS), translator.span(span, now_ns=EPOCH_NS + 1)
    assert (first.capture, first.observations, first.reason) == (
        second.capture,
        second.observations,
        second.reason,
    )


@QUICK
@given(
    ATTRIBUTES,
    st.sampled_from(list(SpanKind)),
    st.sampled_from([None, LOCAL, REMOTE]),
    st.sampled_from(["shop", "opentelemetry.instrumentation.asgi", "httpx"]),
)
def test_the_quick_way_out_never_disagrees_with_the_steps(
    attributes: dict[str, Any], kind: SpanKind, parent: Any, scope: str
) -> None:
    span = a_span(attributes=attributes, kind=kind, parent=parent, scope=scope)
    translator = Translator(some_settings())
    last = [step for step in translator.explain(span) if step.name == "capture"][-1]
    assert translator.span(span, now_ns=EPOCH_NS).reason == last.reason


SIGNALS = st.lists(st.one_of(ATTRIBUTES, st.just({"order.total": 1.5, "order.id": "o_1"})), max_size=6)


@QUICK
@given(SIGNALS, st.randoms(use_true_random=False))
def test_signals_translated_together_say_what_each_says_alone_with_nothing_remembered(
    signals: list[dict[str, Any]], chance: Any
) -> None:
    """Shapes, plans, kinds, groups and resources are remembered, in any order, and change no answer."""
    spans = [a_span(attributes={"organization.id": "org_42", **attributes}) for attributes in signals]
    translator = Translator(some_settings())
    for _ in range(2):
        chance.shuffle(spans)
        together = translator.spans(spans, now_ns=EPOCH_NS)
        alone = [Translator(some_settings()).span(span, now_ns=EPOCH_NS) for span in spans]
        for warm, fresh in zip(together, alone, strict=True):
            assert repr(warm._replace(notes=())) == repr(fresh._replace(notes=()))
            news = set(fresh.notes) - set(warm.notes)
            assert all(note.startswith("group_property:") for note in news)  # said when first seen


@QUICK
@given(SIGNALS)
def test_log_records_translated_together_say_what_each_says_alone(signals: list[dict[str, Any]]) -> None:
    records = [a_log(attributes={"organization.id": "org_42", **attributes}) for attributes in signals]
    translator = Translator(some_settings())
    for _ in range(2):
        together = translator.logs(records, now_ns=EPOCH_NS, random_bits=lambda count: 7)
        for record, warm in zip(records, together, strict=True):
            fresh = Translator(some_settings()).log(record, now_ns=EPOCH_NS, random_bits=lambda count: 7)
            assert repr(warm._replace(notes=())) == repr(fresh._replace(notes=()))


KEYS = st.sampled_from(
    [
        "http.method", "http.request.method", "http.status_code", "url.full", "service.name", "span.kind",
        "deployment.environment", "otel.scope.name", "$trace_id", "posthog.actor", "order.total",
        "customer_email", "api_token", "organization.plan.name", "organization.plan_name",
        "organization.billing_email", "organization.seats", "user.id", "team", "exception.type",
    ]
)  # fmt: skip
PLAIN_VALUES = st.one_of(
    st.text(max_size=12),
    st.integers(),
    st.floats(),
    st.booleans(),
    st.sampled_from(
        ["Müller GmbH", "a\nb", " x", "", "sk_live_abcdefgh12345678", "https://x.io/?q=1", "\ud800"]
    ),
)


@settings(QUICK, max_examples=300)
@given(st.dictionaries(KEYS, PLAIN_VALUES, max_size=9))
def test_values_that_move_together_come_out_as_those_that_are_looked_at_one_by_one(
    attributes: dict[str, Any],
) -> None:
    """A list among the values is never plain, so beside one each of the others is looked at alone."""

    def translated(further: dict[str, Any]) -> Translation:
        record = a_log(attributes={**attributes, "organization.id": "org_42", **further})
        translator = Translator(some_settings(**EVERYTHING))
        return translator.log(record, now_ns=EPOCH_NS, random_bits=Bits())

    together, one_by_one = translated({}), translated({"list": ["a"]})
    assert together.capture is not None
    assert one_by_one.capture is not None
    assert {**together.capture.properties, "list": ["a"]}.items() == one_by_one.capture.properties.items()
    assert repr(together.observations) == repr(one_by_one.observations)
    assert together.notes == one_by_one.notes


FEW_VALUES = st.sampled_from(["team", "", "sk_live_abcdefgh12345678", 1, True, 1.0, 0, False, 2**60])
OF_ONE_SHAPE = st.fixed_dictionaries(
    {"organization.plan": FEW_VALUES, "organization.seats": FEW_VALUES, "note": FEW_VALUES}
)


@settings(QUICK, max_examples=200)
@given(st.lists(OF_ONE_SHAPE, min_size=2, max_size=12))
def test_what_a_group_was_told_before_is_not_taken_for_something_that_only_looks_equal(
    signals: list[dict[str, Any]],
) -> None:
    def said(translator: Translator, attributes: dict[str, Any]) -> str:
        record = a_log(attributes={"organization.id": "org_42", **attributes})
        result = translator.log(record, now_ns=EPOCH_NS, random_bits=Bits())
        assert result.capture is not None
        return repr((dict(result.capture.properties), result.observations))

    used = Translator(some_settings())
    for attributes in signals:
        assert said(used, attributes) == said(Translator(some_settings()), attributes)


SECRETS = ["anna@example.com", "sk_live_abcdefgh12345678", "4111 1111 1111 1111"]


@QUICK
@given(
    st.sampled_from(SECRETS), ATTRIBUTES, st.sampled_from(["organization.note", "note", "a.b", "http.route"])
)
def test_a_value_that_is_a_secret_by_its_shape_never_leaves(
    secret: str, attributes: dict[str, Any], key: str
) -> None:
    given = {name: value for name, value in attributes.items() if not name.endswith(("id", "Id"))}
    given = {name: value for name, value in given.items() if name != "posthog.event"}
    span = a_span(attributes={**given, "organization.id": "org_42", key: secret})
    for policy in (PrivacyPolicy(), PrivacyPolicy(default=PrivacyAction.HASH, hash_key=b"0123456789abcdef")):
        result = Translator(some_settings(privacy=policy)).span(span, now_ns=EPOCH_NS)
        said = [dict(result.capture.properties)] if result.capture is not None else []
        said += [dict(observation.properties) for observation in result.observations]
        assert secret not in json.dumps(said)


@QUICK
@given(ATTRIBUTES)
def test_without_the_configured_attribute_there_is_never_a_group(attributes: dict[str, Any]) -> None:
    given = {name: value for name, value in attributes.items() if name != "organization.id"}
    for signal in (a_span(attributes=given), a_log(attributes=given)):
        translator = Translator(some_settings(**EVERYTHING))
        result = (
            translator.log(signal, now_ns=EPOCH_NS, random_bits=Bits())
            if hasattr(signal, "log_record")
            else translator.span(signal, now_ns=EPOCH_NS)
        )
        assert not result.observations
        assert result.capture is None or not result.capture.groups


def test_every_reason_has_a_sentence_and_a_remedy() -> None:
    for reason in Reason:
        assert reason.text.sentence.endswith(".")
        assert reason.text.remedy.endswith(".")
