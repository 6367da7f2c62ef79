"""OpenTelemetry's flag evaluations as PostHog's own event, judged by the double."""

from __future__ import annotations

from typing import Any

import pytest
from opentelemetry.sdk.trace import Span

from opentelemetry.exporter.posthog.model import Capture
from tests.builders import a_log, a_span, translated
from tests.pipelines import Lab

EVALUATION = "feature_flag.evaluation"
SWITCH: dict[str, Any] = {
    "feature_flag.key": "new-editor",
    "feature_flag.result.variant": "on",
    "feature_flag.result.value": True,
    "feature_flag.result.reason": "targeting_match",
    "feature_flag.version": "7",
    "feature_flag.provider.name": "flagd",
    "organization.id": "org_1",
    "user.id": "u_ada",
}
VARIANT: dict[str, Any] = {
    key: value for key, value in SWITCH.items() if key != "feature_flag.result.value"
} | {"feature_flag.result.variant": "blue"}


def capture(attributes: dict[str, Any], *, name: str = EVALUATION, **options: Any) -> Capture:
    made = translated(a_log(name, attributes), **{"feature_flags": True, **options}).capture
    assert made is not None
    return made


@pytest.mark.parametrize(
    ("attributes", "answer"),
    [
        pytest.param(SWITCH, True, id="a switch answers with its boolean"),
        pytest.param(VARIANT, "blue", id="a variant with its name"),
        pytest.param(
            {**SWITCH, "feature_flag.result.value": False, "feature_flag.result.variant": "off"},
            False,
            id="a switch that is off with false",
        ),
    ],
)
def test_an_evaluation_becomes_posthogs_own_event(attributes: dict[str, Any], answer: object) -> None:
    """[P-FLAGS]"""
    made = capture(attributes)

    assert made.name == "$feature_flag_called"
    assert made.distinct_id == "u_ada"
    assert made.groups == {"organization": "org_1"}
    said = {name: made.properties[name] for name in made.properties if name.startswith("$feature")}
    assert said == {
        "$feature_flag": "new-editor",
        "$feature_flag_response": answer,
        "$feature/new-editor": answer,
        "$feature_flag_reason": "targeting_match",
        "$feature_flag_version": "7",
    }
    assert type(made.properties["$feature_flag_response"]) is type(answer)


def test_without_the_option_it_is_an_event_like_others() -> None:
    made = capture(SWITCH, feature_flags=False)

    assert made.name == EVALUATION
    assert [name for name in made.properties if name.startswith("$feature")] == []


def test_posthog_stores_one_exposure_a_day_for_each_user_flag_answer_and_organization() -> None:
    lab = Lab(feature_flags=True)

    def evaluated(at: int, **changed: Any) -> Any:
        time_ns = lab.clock.time_ns() + at * 1_000_000_000
        attributes = {**VARIANT, **{key.replace("_", ".", 1): value for key, value in changed.items()}}
        return a_log(EVALUATION, attributes, timestamp=time_ns, observed_ns=time_ns)

    for second in range(3):
        assert lab.export(evaluated(second))
    assert lab.export(evaluated(4), evaluated(5, user_id="u_bob"), evaluated(6, organization_id="org_2"))

    stored = [(event.name, event.distinct_id, event.groups["organization"]) for event in lab.double.events]
    assert sorted(stored) == [
        ("$feature_flag_called", "u_ada", "org_1"),
        ("$feature_flag_called", "u_ada", "org_2"),
        ("$feature_flag_called", "u_bob", "org_1"),
    ]
    assert not lab.double.refused
    assert not lab.double.findings, lab.double.explain()


def test_an_idempotency_key_of_the_application_comes_before_that() -> None:
    keyed = [capture({**VARIANT, "posthog.idempotency_key": key}).uuid for key in ("1", "2", "1")]

    assert keyed[0] == keyed[2]
    assert keyed[0] != keyed[1]
    assert capture(VARIANT).uuid == capture(VARIANT).uuid


def test_another_event_that_carries_a_flag_can_be_broken_down_by_it() -> None:
    """[P-FLAGS]"""
    attributes = {key: VARIANT[key] for key in ("feature_flag.key", "feature_flag.result.variant")}
    made = translated(a_span("GET /", {"organization.id": "org_1", **attributes}), feature_flags=True).capture

    assert made is not None
    assert made.name == "GET /"
    assert made.properties["$feature/new-editor"] == "blue"
    assert "$feature_flag" not in made.properties


def test_what_openfeatures_hook_leaves_on_a_span_is_on_the_spans_event() -> None:
    """[P-FLAGS] Its hook adds span events, with the value as JSON text."""

    def evaluating(span: Span) -> None:
        for key, variant, value in (
            ("new-editor", "on", "true"),
            ("theme", "dark", '"#000"'),
            ("tax", "", "7"),
        ):
            attributes = {"feature_flag.key": key, "feature_flag.result.value": value}
            if variant:
                attributes["feature_flag.result.variant"] = variant
            span.add_event("feature_flag.evaluation", attributes)
        span.add_event("cache missed", {"feature_flag.key": "other", "feature_flag.result.variant": "on"})

    span = a_span("GET /", {"organization.id": "org_1"}, during=evaluating)
    made, without = translated(span, feature_flags=True).capture, translated(span).capture

    assert made is not None
    assert without is not None
    assert made.name == "GET /"
    told = {name: value for name, value in made.properties.items() if name not in without.properties}
    assert told == {"$feature/new-editor": True, "$feature/theme": "dark"}


def test_a_loop_that_evaluates_flags_does_not_blow_an_event_up() -> None:
    def evaluating(span: Span) -> None:
        for number in range(100):
            span.add_event(
                "feature_flag.evaluation",
                {"feature_flag.key": f"flag {number}", "feature_flag.result.variant": "on"},
            )

    made = translated(a_span("GET /", during=evaluating), feature_flags=True).capture

    assert made is not None
    assert len([name for name in made.properties if name.startswith("$feature/")]) == 64


@pytest.mark.parametrize(
    "attributes",
    [
        pytest.param({"feature_flag.key": "new-editor"}, id="no answer"),
        pytest.param({"feature_flag.key": "", "feature_flag.result.variant": "on"}, id="no key"),
        pytest.param({"feature_flag.key": 7, "feature_flag.result.variant": "on"}, id="a number as key"),
        pytest.param({"feature_flag.key": "k" * 300, "feature_flag.result.variant": "on"}, id="no name"),
        pytest.param({"feature_flag.result.variant": "on"}, id="only an answer"),
        pytest.param(
            {"feature_flag.key": "new-editor", "feature_flag.result.variant": "ada@example.com"},
            id="an answer that privacy keeps here",
        ),
    ],
)
def test_what_is_no_whole_evaluation_stays_as_it_is(attributes: dict[str, Any]) -> None:
    made = capture(attributes)

    assert made.name == EVALUATION
    assert [name for name in made.properties if name.startswith("$feature")] == []


def test_a_rule_or_before_send_that_gives_it_another_name_has_the_last_word() -> None:
    def renamed(event: dict[str, Any]) -> dict[str, Any]:
        return {**event, "event": "flag seen"}

    made = capture(SWITCH, before_send=renamed)

    assert made.name == "flag seen"
    assert made.properties["$feature/new-editor"] is True


def test_a_prefix_is_not_put_before_posthogs_own_name() -> None:
    assert capture(SWITCH, event_prefix="shop: ").name == "$feature_flag_called"


def test_an_attribute_alone_cannot_choose_the_name() -> None:
    made = capture(SWITCH, name="order placed")

    assert made.name == "order placed"
    assert "$feature_flag_response" not in made.properties
