"""Requests, byte for byte: what PostHog and everybody's recorded traffic see must not change by accident."""

from __future__ import annotations

import json
from typing import Any

import pytest

from opentelemetry.exporter.posthog.model import Envelope
from opentelemetry.exporter.posthog.wire.exchange import Wire
from opentelemetry.exporter.posthog.wire.legacy import LegacyWire
from opentelemetry.exporter.posthog.wire.v1 import V1Wire
from tests.manual_clock import EPOCH_NS

PLACE: dict[str, Any] = {
    "host": "https://eu.i.posthog.com",
    "api_key": "phc_x",
    "agent": "opentelemetry-exporter-posthog/1.2.3",
}

UUID = "019ab000-1111-7222-8333-444455556666"
SESSION = "019ab000-0000-7000-8000-000000000000"

PLAIN = Envelope('say "hi"', UUID, "üser-1", "2026-09-21T14:13:20.000000Z", b'{"plan":"pro"}')
PERSONLESS = PLAIN._replace(personless=True)
IN_SESSION = PLAIN._replace(session_id=SESSION)
EMPTY = PLAIN._replace(properties=b"{}")

HEAD = (
    r'{"event":"say \"hi\"","uuid":"019ab000-1111-7222-8333-444455556666","distinct_id":"üser-1"'
    ',"timestamp":"2026-09-21T14:13:20.000000Z"'
)
LIBRARY = '"$lib":"opentelemetry-exporter-posthog","$lib_version":"1.2.3"'


def sent(wire: Wire, *envelopes: Envelope) -> Any:
    return wire.request(
        wire.events(envelopes),
        attempt=2,
        request_id="0e36b1a5-5072-436a-a9eb-ea46a2918e41",
        created_ns=EPOCH_NS,
        now_ns=EPOCH_NS + 1_500_000_000,
    )


@pytest.mark.parametrize(
    ("envelope", "event"),
    [
        pytest.param(PLAIN, HEAD + ',"properties":{"plan":"pro",' + LIBRARY + "}}", id="an event"),
        pytest.param(EMPTY, HEAD + ',"properties":{' + LIBRARY + "}}", id="one without properties"),
        pytest.param(
            PERSONLESS,
            HEAD + ',"properties":{"plan":"pro",' + LIBRARY + ',"$process_person_profile":false}}',
            id="one without a person",
        ),
        pytest.param(
            IN_SESSION,
            HEAD + ',"properties":{"plan":"pro",' + LIBRARY + f',"$session_id":"{SESSION}"}}}}',
            id="one of a session",
        ),
    ],
)
def test_the_legacy_protocol(envelope: Envelope, event: str) -> None:
    request = sent(LegacyWire(**PLACE), envelope)
    assert request.url == "https://eu.i.posthog.com/batch/"
    assert request.headers == (
        ("Content-Type", "application/json"),
        ("User-Agent", "opentelemetry-exporter-posthog/1.2.3"),
    )
    assert request.body.decode() == '{"api_key":"phc_x","batch":[' + event + "]}"


@pytest.mark.parametrize(
    ("envelope", "event"),
    [
        pytest.param(PLAIN, HEAD + ',"properties":{"plan":"pro"}}', id="an event"),
        pytest.param(EMPTY, HEAD + ',"properties":{}}', id="one without properties"),
        pytest.param(
            PERSONLESS,
            HEAD + ',"options":{"process_person_profile":false},"properties":{"plan":"pro"}}',
            id="one without a person",
        ),
        pytest.param(
            IN_SESSION,
            HEAD + f',"session_id":"{SESSION}","properties":{{"plan":"pro"}}}}',
            id="one of a session",
        ),
    ],
)
def test_the_v1_protocol(envelope: Envelope, event: str) -> None:
    request = sent(V1Wire(**PLACE), envelope)
    assert request.url == "https://eu.i.posthog.com/i/v1/analytics/events"
    assert request.headers == (
        ("Authorization", "Bearer phc_x"),
        ("Content-Type", "application/json"),
        ("User-Agent", "opentelemetry-exporter-posthog/1.2.3"),
        ("PostHog-Sdk-Info", "opentelemetry-exporter-posthog/1.2.3"),
        ("PostHog-Attempt", "2"),
        ("PostHog-Request-Id", "0e36b1a5-5072-436a-a9eb-ea46a2918e41"),
        ("PostHog-Request-Timestamp", "2026-09-21T14:13:21.500000Z"),
    )
    assert request.body.decode() == '{"created_at":"2026-09-21T14:13:20.000000Z","batch":[' + event + "]}"


@pytest.mark.parametrize("kind", [LegacyWire, V1Wire], ids=["legacy", "v1"])
def test_a_replay_of_old_telemetry_says_so_and_nothing_else_does(kind: Any) -> None:
    assert "historical_migration" not in json.loads(sent(kind(**PLACE), PLAIN).body)
    assert (
        json.loads(sent(kind(**PLACE, historical_migration=True), PLAIN).body)["historical_migration"] is True
    )


@pytest.mark.parametrize("kind", [LegacyWire, V1Wire], ids=["legacy", "v1"])
def test_events_keep_their_order(kind: Any) -> None:
    several = [PLAIN._replace(event=name) for name in "cab"]
    assert [event["event"] for event in json.loads(sent(kind(**PLACE), *several).body)["batch"]] == [
        "c",
        "a",
        "b",
    ]
