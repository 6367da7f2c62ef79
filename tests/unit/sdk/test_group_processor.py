"""Stamping: the current groups and user on every span that starts and every log record that is emitted."""

from __future__ import annotations

import logging
import os
import threading

import pytest
from opentelemetry.context import Context, attach, detach
from opentelemetry.sdk.trace import SpanLimits, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import NonRecordingSpan, SpanContext

from opentelemetry import baggage
from opentelemetry.exporter.posthog import PostHogGroupProcessor, group, organization, user
from opentelemetry.exporter.posthog.context import stamps
from opentelemetry.exporter.posthog.context.blocks import current_scope
from opentelemetry.exporter.posthog.context.stamps import groups_of_span
from opentelemetry.exporter.posthog.sdk.group_processor import write_clean
from tests.signal_capture import Signals

STAMPED = {
    "organization.name": "Acme",
    "organization.id": "org_42",
    "user.id": "u_1",
    "posthog.group.stamped": ("organization",),
}


@pytest.fixture
def signals() -> Signals:
    return Signals(PostHogGroupProcessor())


def test_spans_and_log_records_inside_are_stamped_and_those_outside_are_not(signals: Signals) -> None:
    with signals.tracer.start_as_current_span("before"):
        pass
    start = signals.tracer.start_as_current_span
    with organization("org_42", name="Acme"), user("u_1"), start("parent"), start("child"):
        signals.logger.emit(event_name="inside")
    signals.logger.emit(event_name="outside")
    assert signals.span("before") == {}
    assert signals.span("parent") == STAMPED
    assert signals.span("child") == STAMPED
    assert signals.record("inside") == STAMPED
    assert signals.record("outside") == {}


def test_a_stamp_stands_beside_what_the_application_says(signals: Signals) -> None:
    with organization("org_42", name="Acme"), user("u_1"):
        signals.logger.emit(event_name="order.paid", attributes={"amount": 5})
        with signals.tracer.start_as_current_span("order", attributes={"amount": 5}):
            pass
    assert signals.record("order.paid") == {"amount": 5, **STAMPED}
    assert signals.span("order") == {"amount": 5, **STAMPED}


def test_an_organization_of_the_applications_own_keeps_ours_off_whole(signals: Signals) -> None:
    theirs = {"organization.id": "org_theirs"}
    with organization("org_42", name="Acme", at="2026-01-01T00:00:00Z"), user("u_1"):
        signals.logger.emit(event_name="theirs", attributes=theirs)
        with signals.tracer.start_as_current_span("theirs", attributes=theirs):
            pass
    assert signals.record("theirs") == {**theirs, "user.id": "u_1"}
    assert signals.span("theirs") == {**theirs, "user.id": "u_1"}


def test_a_property_that_differs_keeps_the_whole_group_off(signals: Signals) -> None:
    """Otherwise their name and our key would make a profile that nobody described."""
    with organization("org_42", name="Acme", plan_name="team"):
        signals.logger.emit(event_name="theirs", attributes={"organization.name": "Other"})
    assert signals.record("theirs") == {"organization.name": "Other"}


def test_a_user_of_the_applications_own_stays(signals: Signals) -> None:
    with user("u_1", name="Ada"):
        signals.logger.emit(event_name="theirs", attributes={"enduser.id": "theirs"})
    assert signals.record("theirs") == {"enduser.id": "theirs"}


def test_the_time_that_the_application_gave_stays(signals: Signals) -> None:
    with organization("org_42", at="2026-01-01T00:00:00Z"):
        signals.logger.emit(event_name="e", attributes={"posthog.observed_at": 7})
    assert signals.record("e")["posthog.observed_at"] == 7


def test_an_explicit_context_decides_and_not_the_current_one(signals: Signals) -> None:
    elsewhere = baggage.set_baggage("any", "thing", Context())
    with organization("org_42"):
        with signals.tracer.start_as_current_span("elsewhere", context=elsewhere):
            pass
        signals.logger.emit(event_name="elsewhere", context=elsewhere)
    assert signals.span("elsewhere") == {}
    assert signals.record("elsewhere") == {}


def test_two_processors_stamp_once() -> None:
    signals = Signals(PostHogGroupProcessor(), PostHogGroupProcessor())
    with organization("org_42", name="Acme"), user("u_1"), signals.tracer.start_as_current_span("once"):
        signals.logger.emit(event_name="once")
    assert signals.span("once") == STAMPED
    assert signals.record("once") == STAMPED


def test_a_span_that_starts_in_one_block_and_walks_over_others_is_ambiguous(signals: Signals) -> None:
    with organization("org_1"), signals.tracer.start_as_current_span("batch job"), organization("org_2"):
        pass
    assert signals.span("batch job")["posthog.group.ambiguous"] == ("organization",)


def test_another_thread_knows_nothing_of_the_block(signals: Signals) -> None:
    with organization("org_42"):
        thread = threading.Thread(target=lambda: signals.logger.emit(event_name="thread"))
        thread.start()
        thread.join()
    assert signals.record("thread") == {}


# -- limits --------------------------------------------------------------------------------------------


def test_the_groups_of_a_span_whose_attributes_were_evicted_are_still_known(signals: Signals) -> None:
    with organization("org_42"), signals.tracer.start_as_current_span("big") as span:
        for number in range(200):
            span.set_attribute(f"filler.{number}", number)
    assert "organization.id" not in signals.span("big")
    assert groups_of_span(signals.finished("big")) == {"organization": "org_42"}


def test_what_was_put_on_a_span_is_known_as_long_as_the_span(signals: Signals) -> None:
    with organization("org_42"), signals.tracer.start_as_current_span("small") as span:
        pass
    assert stamps.keys_on(span) == {"organization": "org_42"}
    assert not stamps._foreign, "the note lies on the span"


def test_of_spans_that_the_sdk_did_not_make_the_latest_ten_thousand_are_known() -> None:
    foreign = [NonRecordingSpan(SpanContext(1, number, is_remote=False)) for number in range(1, 10_003)]
    try:
        for span in foreign:
            stamps.remember(span, {"organization": "x"})  # there is no place on them
        known = [bool(stamps.keys_on(span)) for span in foreign]
        assert known == [False, False] + [True] * stamps.MAX_SPANS
    finally:
        stamps._foreign.clear()


def test_the_sdks_limits_hold_for_stamps_too() -> None:
    signals = Signals(PostHogGroupProcessor(), limits=SpanLimits(max_span_attributes=2))
    with organization("org_42", name="Acme"), signals.tracer.start_as_current_span("few"):
        pass
    assert list(signals.span("few")) == ["organization.id", "posthog.group.stamped"]
    signals = Signals(PostHogGroupProcessor(), limits=SpanLimits(max_span_attribute_length=4))
    with organization("org_42"), signals.tracer.start_as_current_span("short"):
        pass
    assert signals.span("short")["organization.id"] == "org_"


def test_the_quick_way_and_the_sdks_own_way_write_the_same() -> None:
    with organization("org_42", tags=["a", "b"], seats=5, ok=True, ratio=0.5), user("u_1"):
        attributes = current_scope().attributes
    span = TracerProvider(shutdown_on_exit=False).get_tracer("app").start_span("s")
    span.set_attributes(attributes)
    own = span._attributes  # type: ignore[attr-defined]
    slow = own.copy()
    own._dict.clear()
    assert write_clean(own, attributes)
    assert own.copy() == slow
    assert [type(value) for value in own.values()] == [type(value) for value in slow.values()]


# -- baggage -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("trusted", "inside", "expected"),
    [
        pytest.param(False, None, None, id="a caller's word is not taken"),
        pytest.param(True, None, "org_caller", id="unless it is trusted"),
        pytest.param(True, "org_42", "org_42", id="what this process knows goes first"),
        pytest.param(True, "", None, id="also when it knows that it does not know"),
    ],
)
def test_inbound_baggage(trusted: bool, inside: str | None, expected: str | None) -> None:
    signals = Signals(PostHogGroupProcessor(groups_from_baggage=trusted or None))
    token = attach(baggage.set_baggage("organization.id", "org_caller"))
    try:
        if inside is None:
            with signals.tracer.start_as_current_span("s"):
                signals.logger.emit(event_name="e")
        else:
            with organization(inside), signals.tracer.start_as_current_span("s"):
                signals.logger.emit(event_name="e")
    finally:
        detach(token)
    assert signals.span("s").get("organization.id") == expected
    assert signals.record("e").get("organization.id") == expected


@pytest.mark.parametrize("value", ["", "   ", "x" * 201])
def test_baggage_that_is_no_key_is_ignored(value: str) -> None:
    signals = Signals(PostHogGroupProcessor(groups_from_baggage=True))
    token = attach(baggage.set_baggage("organization.id", value))
    with signals.tracer.start_as_current_span("s"):
        pass
    detach(token)
    assert signals.span("s") == {}


# -- configuration and life ----------------------------------------------------------------------------


def test_groups_come_from_keywords_or_the_environment() -> None:
    os.environ["OTEL_EXPORTER_POSTHOG_GROUPS"] = "organization=tenant.id,workspace=app.ws"
    signals = Signals(PostHogGroupProcessor())
    with (
        organization("org_42", name="Acme"),
        group("workspace", "w_1"),
        signals.tracer.start_as_current_span("s"),
    ):
        pass
    assert signals.span("s")["tenant.id"] == "org_42"
    assert signals.span("s")["tenant.name"] == "Acme"
    assert signals.span("s")["app.ws"] == "w_1"
    signals = Signals(
        PostHogGroupProcessor(groups={"organization": "org"}, group_prefixes={"organization": "org_"})
    )
    with organization("org_42", name="Acme"), signals.tracer.start_as_current_span("s"):
        pass
    assert signals.span("s") == {
        "org_name": "Acme",
        "org": "org_42",
        "posthog.group.stamped": ("organization",),
    }


def test_a_wrong_option_is_one_error_and_no_exception(caplog: pytest.LogCaptureFixture) -> None:
    signals = Signals(PostHogGroupProcessor(groups={"$bad": "x"}))
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    with organization("org_42"), signals.tracer.start_as_current_span("s"):
        pass
    assert signals.span("s")["organization.id"] == "org_42"


def test_no_hook_raises_into_the_application(caplog: pytest.LogCaptureFixture) -> None:
    processor = PostHogGroupProcessor()
    with organization("org_42"):
        processor.on_start(object())  # type: ignore[arg-type]
        processor.on_emit(object())  # type: ignore[arg-type]
        processor.on_end(object())  # type: ignore[arg-type]
    assert {record.levelno for record in caplog.records} == {logging.ERROR}
    assert len(caplog.records) == 1  # one kind, one minute


def test_a_flush_is_true_and_reaches_the_processors_after_it() -> None:
    exporter = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(PostHogGroupProcessor())
    provider.add_span_processor(BatchSpanProcessor(exporter, schedule_delay_millis=60_000))
    provider.get_tracer("app").start_span("s").end()
    assert provider.force_flush() is True
    assert PostHogGroupProcessor().force_flush() is True  # None stops the SDK's flush before 1.42
    assert len(exporter.get_finished_spans()) == 1
    provider.shutdown()


def test_after_shutdown_nothing_is_stamped(signals: Signals) -> None:
    processor = PostHogGroupProcessor()
    processor.shutdown()
    processor.shutdown()
    signals = Signals(processor)
    with organization("org_42"), signals.tracer.start_as_current_span("s"):
        pass
    assert signals.span("s") == {}


def test_the_processor_asks_nobody_to_make_log_records() -> None:
    assert PostHogGroupProcessor().enabled(event_name="e") is False
