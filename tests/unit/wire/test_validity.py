from __future__ import annotations

import pytest

from opentelemetry.exporter.posthog.model import Envelope
from opentelemetry.exporter.posthog.wire.validity import fault_of
from tests.envelopes import an_envelope, an_update_envelope


@pytest.mark.parametrize(
    ("envelope", "fault"),
    [
        pytest.param(an_envelope(), "", id="an ordinary event may leave"),
        pytest.param(an_update_envelope(), "", id="so may a group update"),
        pytest.param(an_envelope(""), "event", id="an event needs a name"),
        pytest.param(an_envelope(" \t"), "event", id="a blank name is none"),
        pytest.param(an_envelope("e" * 200), "", id="a name may have 200 bytes"),
        pytest.param(an_envelope("e" * 201), "event", id="and no more"),
        pytest.param(an_envelope("é" * 101), "event", id="bytes count, not characters"),
        pytest.param(an_envelope("a\udfffb"), "event", id="a lone surrogate is no text"),
        pytest.param(an_envelope(distinct_id=""), "distinct_id", id="an event needs a distinct id"),
        pytest.param(an_envelope(distinct_id="漢" * 67), "distinct_id", id="of at most 200 bytes"),
        pytest.param(an_envelope(distinct_id="a\0b"), "distinct_id", id="without NUL"),
        pytest.param(an_envelope(uuid="x"), "uuid", id="the uuid is one"),
        pytest.param(
            an_envelope(uuid="01A210FC-5EF3-7000-8000-000000000000"),
            "uuid",
            id="in lower case, or PostHog's answer names another one",
        ),
        pytest.param(
            an_envelope()._replace(timestamp="2026-01-01T00:00:00"), "timestamp", id="time has a zone"
        ),
        pytest.param(an_envelope(session_id="s1"), "session_id", id="a session is a uuid"),
        pytest.param(an_envelope(properties=b"[]"), "properties", id="properties are an object"),
        pytest.param(an_envelope(properties=b""), "properties", id="and not nothing"),
    ],
)
def test_fault_of(envelope: Envelope, fault: str) -> None:
    assert fault_of(envelope) == fault
