"""The local entry span started before anyone was authenticated; a block puts its group on it."""

from __future__ import annotations

import pytest
from opentelemetry.context import Context
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from opentelemetry.trace import NonRecordingSpan, SpanContext, SpanKind, TraceFlags

from opentelemetry import trace
from opentelemetry.exporter.posthog import PostHogGroupProcessor, group, organization, user
from opentelemetry.exporter.posthog.context import configure
from opentelemetry.exporter.posthog.context.stamps import groups_of_span
from opentelemetry.exporter.posthog.settings.model import GroupRule
from tests.conftest import ORGANIZATION
from tests.signal_capture import Signals

REMOTE = trace.set_span_in_context(
    NonRecordingSpan(SpanContext(1, 2, is_remote=True, trace_flags=TraceFlags(TraceFlags.SAMPLED)))
)


@pytest.fixture(
    params=[
        pytest.param(False, id="without the processor"),
        pytest.param(True, id="with the processor"),
    ]
)
def signals(request: pytest.FixtureRequest) -> Signals:
    return Signals(PostHogGroupProcessor()) if request.param else Signals()


@pytest.mark.parametrize(
    "context",
    [
        pytest.param(None, id="a root span"),
        pytest.param(REMOTE, id="a span whose parent is another service"),
    ],
)
def test_the_entry_span_is_set_with_everything(signals: Signals, context: Context | None) -> None:
    server = signals.tracer.start_as_current_span("GET /", context, kind=SpanKind.SERVER)
    with server, organization("org_42", name="Acme"), user("u_1"):
        pass
    assert signals.span("GET /") == {
        "organization.name": "Acme",
        "organization.id": "org_42",
        "posthog.group.stamped": ("organization",),
        "user.id": "u_1",
    }


def test_an_inner_span_is_not_set(signals: Signals) -> None:
    start = signals.tracer.start_as_current_span
    with start("entry"), start("inner"), organization("org_42"):
        pass
    assert signals.span("inner") == {}
    assert signals.span("entry") == {}


def test_what_the_application_set_is_never_overwritten(signals: Signals) -> None:
    with signals.tracer.start_as_current_span("entry") as span:
        span.set_attribute("organization.id", "org_theirs")
        with organization("org_42", name="Acme"):
            pass
        assert groups_of_span(span) is None  # what we did not put, we don't remember
    assert signals.span("entry") == {"organization.id": "org_theirs"}


def test_a_property_that_the_application_set_keeps_the_whole_group_off(signals: Signals) -> None:
    with signals.tracer.start_as_current_span("entry") as span:
        span.set_attribute("organization.name", "Theirs")
        with organization("org_42", name="Acme"):
            pass
    assert signals.span("entry") == {"organization.name": "Theirs"}


def test_two_different_organizations_on_one_span_are_marked_as_ambiguous(signals: Signals) -> None:
    with signals.tracer.start_as_current_span("nightly job") as span:
        for name in ("org_1", "org_1", "org_2", "org_3", "org_1"):
            with organization(name):
                pass
        assert groups_of_span(span) is None
    assert signals.span("nightly job")["posthog.group.ambiguous"] == ("organization",)


def test_the_same_organization_twice_is_not_ambiguous_and_adds_what_is_new(signals: Signals) -> None:
    with signals.tracer.start_as_current_span("entry"):
        with organization("org_1", name="Acme"):
            pass
        with organization("org_1", name="Acme Ltd", plan_name="team"):
            pass
    attributes = signals.span("entry")
    assert "posthog.group.ambiguous" not in attributes
    assert attributes["organization.name"] == "Acme"  # a span's attributes were true at its start
    assert attributes["organization.plan_name"] == "team"


def test_a_key_that_the_application_replaced_is_its_own_and_not_ambiguous(signals: Signals) -> None:
    with signals.tracer.start_as_current_span("entry") as span:
        with organization("org_1"):
            pass
        span.set_attribute("organization.id", "org_theirs")
        with organization("org_2"):
            pass
    attributes = signals.span("entry")
    assert attributes["organization.id"] == "org_theirs"
    assert "posthog.group.ambiguous" not in attributes


def test_one_ambiguous_group_type_leaves_the_other_alone(signals: Signals) -> None:
    configure([ORGANIZATION, GroupRule(type="workspace", attribute="workspace.id", prefix="workspace.")])
    with signals.tracer.start_as_current_span("entry") as span:
        with organization("org_1"), group("workspace", "w_1"):
            pass
        with organization("org_1"), group("workspace", "w_2"):
            pass
        assert groups_of_span(span) == {"organization": "org_1"}
    assert signals.span("entry")["posthog.group.ambiguous"] == ("workspace",)


def test_a_span_of_two_users_is_nobodys(signals: Signals) -> None:
    with signals.tracer.start_as_current_span("entry"):
        for name in ("u_1", "u_2"):
            with user(name):
                pass
    assert signals.span("entry")["user.id"] == ""


@pytest.mark.parametrize("key", ["user.id", "enduser.id", "posthog.distinct_id", "posthogDistinctId"])
def test_a_user_that_the_application_named_in_any_way_stays(signals: Signals, key: str) -> None:
    with signals.tracer.start_as_current_span("entry", attributes={key: "theirs"}), user("u_1"):
        pass
    assert signals.span("entry") == {key: "theirs"}


def test_a_block_without_a_key_touches_nothing(signals: Signals) -> None:
    with signals.tracer.start_as_current_span("entry"), organization(""):
        pass
    assert signals.span("entry") == {}


def test_a_span_that_is_not_recorded_and_an_application_without_sdk_are_left_alone() -> None:
    tracer = TracerProvider(sampler=ALWAYS_OFF, shutdown_on_exit=False).get_tracer("app")
    with tracer.start_as_current_span("entry"), organization("org_1"), user("u_1"):
        pass
    with trace.NoOpTracer().start_as_current_span("entry"), organization("org_1"):
        pass


def test_what_is_put_last_is_evicted_last() -> None:
    """The mark and the time change what the other attributes mean, so they have to outlive them."""
    signals = Signals()
    with signals.tracer.start_as_current_span("entry") as span:
        with organization("org_42", name="Acme", at="2026-01-01T00:00:00Z"):
            pass
        for number in range(126):
            span.set_attribute(f"filler.{number}", number)
    attributes = signals.span("entry")
    assert "organization.name" not in attributes
    assert "organization.id" not in attributes
    assert "posthog.observed_at" in attributes
    assert attributes["posthog.group.stamped"] == ("organization",)
