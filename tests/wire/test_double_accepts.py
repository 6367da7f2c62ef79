"""What we send, judged by the strict double: accepted, stored as it was meant, and without a finding."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opentelemetry.exporter.posthog.delivery.courier import Courier
from opentelemetry.exporter.posthog.model import Envelope, Outcome, OutcomeKind
from opentelemetry.exporter.posthog.settings.model import CaptureMode, Compression, Settings
from opentelemetry.exporter.posthog.testing import PostHogDouble
from opentelemetry.exporter.posthog.testing.faults import Fault
from opentelemetry.exporter.posthog.wire.encoding import Encoder
from tests.envelopes import a_capture, a_group_update
from tests.manual_clock import ManualClock
from tests.scripted_transport import DoubleTransport

BOTH = pytest.mark.parametrize("mode", [CaptureMode.V1, CaptureMode.LEGACY], ids=["v1", "legacy"])


class Post:
    def __init__(self, mode: CaptureMode, *, v1: bool = True, **options: Any) -> None:
        self.clock = ManualClock()
        self.double = PostHogDouble(v1=v1, clock=self.clock)
        self.courier = Courier(
            transport=DoubleTransport(self.double),
            settings=Settings(
                api_key="phc_test", host="https://eu.i.posthog.com", capture_mode=mode, **options
            ),
            clock=self.clock,
            random=Random(3),
        )

    def deliver(self, *envelopes: Envelope | None) -> list[Outcome]:
        sent = [envelope for envelope in envelopes if envelope is not None]
        assert len(sent) == len(envelopes)
        return self.courier.deliver(sent, deadline=self.clock.monotonic() + 10.0)


def everything() -> list[Envelope | None]:
    encoder = Encoder()
    session = "019ab000-0000-7000-8000-000000000000"
    return [
        encoder.group_update(a_group_update({"plan_name": "team", "seats": 5, "note": None})),
        encoder.capture(a_capture("order placed", session_id=session)),
        encoder.capture(a_capture("tick", distinct_id="otel:shop", groups={}, personless=True)),
        encoder.capture(a_capture("signed up", person={"plan": "pro"})),
        encoder.capture(a_capture("empty", groups={}, properties={})),
        encoder.capture(
            a_capture("odd", properties={"a": "ü✓\u2028", "f": 1e300, "l": [1, "b", None], "d": {"x": {}}})
        ),
    ]


@BOTH
@pytest.mark.parametrize("compression", list(Compression))
def test_everything_we_can_send_is_stored_without_a_finding(
    mode: CaptureMode, compression: Compression
) -> None:
    post = Post(mode, compression=compression)
    outcomes = post.deliver(*everything())
    assert [outcome.kind for outcome in outcomes] == [OutcomeKind.DELIVERED] * 6
    assert not post.double.refused, post.double.explain()
    assert not post.double.findings, post.double.explain()
    assert post.double.organization("org_42").properties == {"plan_name": "team", "seats": 5, "note": None}


@pytest.mark.parametrize("served", [True, False], ids=["where v1 is served", "where it is not"])
def test_auto_delivers(served: bool) -> None:
    post = Post(CaptureMode.AUTO, v1=served)
    assert {outcome.kind for outcome in post.deliver(*everything())} == {OutcomeKind.DELIVERED}
    assert not post.double.findings, post.double.explain()


@BOTH
@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(Fault(status=503, times=2), id="refused twice"),
        pytest.param(Fault(status=429, retry_after="3"), id="asked to wait"),
        pytest.param(Fault(reset="after"), id="an answer is lost"),
        pytest.param(Fault(reset="before"), id="a request is lost"),
        pytest.param(Fault(status=408), id="timed out there"),
        pytest.param(Fault(cut=20), id="an answer is torn"),
    ],
)
def test_a_retry_breaks_no_rule_and_stores_nothing_twice(mode: CaptureMode, fault: Fault) -> None:
    post = Post(mode)
    post.double.fail(fault)
    sent = everything()
    assert {outcome.kind for outcome in post.deliver(*sent)} == {OutcomeKind.DELIVERED}
    assert not post.double.findings, post.double.explain()
    stored = [event.uuid for event in post.double.events]
    captures = [envelope.uuid for envelope in sent if envelope is not None and not envelope.is_group_update]
    assert sorted(stored) == sorted(captures)


def test_events_that_v1_did_not_keep_are_resent_alone_and_by_the_rules() -> None:
    post = Post(CaptureMode.V1)
    post.double.fail(Fault(results={"order placed": "retry", "tick": "retry"}, times=2))
    assert {outcome.kind for outcome in post.deliver(*everything())} == {OutcomeKind.DELIVERED}
    assert not post.double.findings, post.double.explain()


def test_a_group_update_of_a_hot_key_is_not_taken_for_delivered() -> None:
    post = Post(CaptureMode.V1)
    post.double.fail(Fault(results={"$groupidentify": "warning"}))
    update = Encoder().group_update(a_group_update())
    assert [outcome.kind for outcome in post.deliver(update)] == [OutcomeKind.RETRY]


def test_a_used_up_quota_keeps_everything_where_posthog_says_so() -> None:
    post = Post(CaptureMode.V1)
    post.double.fail(Fault(quota="events"))
    assert {(o.kind, o.reason) for o in post.deliver(*everything())} == {(OutcomeKind.RETRY, "quota")}


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@BOTH
@given(
    properties=st.dictionaries(
        st.text(st.characters(), min_size=1, max_size=8).filter(lambda n: n[0] != "$"), values
    )
)
@settings(max_examples=60, deadline=None)
def test_any_property_value_gives_a_body_that_the_double_accepts(mode: CaptureMode, properties: Any) -> None:
    post = Post(mode)
    outcomes = post.deliver(Encoder().capture(a_capture(properties=properties)))
    assert [outcome.kind for outcome in outcomes] == [OutcomeKind.DELIVERED], post.double.explain()
    assert not post.double.refused, post.double.explain()


@pytest.mark.fast
def test_a_double_that_refuses_zstd_gets_everything_as_gzip() -> None:
    post = Post(CaptureMode.AUTO, compression=Compression.AUTO)
    post.double.fail(
        Fault(status=415, times=None, when=lambda asked: asked.headers.get("content-encoding") == "zstd")
    )
    outcomes = post.deliver(*everything())
    assert [outcome.kind for outcome in outcomes] == [OutcomeKind.DELIVERED] * 6
    assert post.double.organization("org_42").properties == {"plan_name": "team", "seats": 5, "note": None}
