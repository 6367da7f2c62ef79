"""What an answer says, in both protocols: and that nothing of ours is ever quoted from it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opentelemetry.exporter.posthog.model import OutcomeKind
from opentelemetry.exporter.posthog.wire.exchange import Judgement, Response, Verdict
from opentelemetry.exporter.posthog.wire.legacy import LegacyWire
from opentelemetry.exporter.posthog.wire.v1 import V1Wire
from tests.envelopes import an_envelope, an_update_envelope

PLACE: dict[str, Any] = {"host": "https://eu.i.posthog.com", "api_key": "phc_secret", "agent": "us/1"}
LEGACY, V1 = LegacyWire(**PLACE), V1Wire(**PLACE)
HTML = b"<!DOCTYPE html><title>Sign in to the hotel's network</title>"

delivered = Verdict(OutcomeKind.DELIVERED)


@pytest.mark.parametrize(
    ("status", "body", "content_type", "accepted"),
    [
        pytest.param(200, b'{"status":"Ok"}', "application/json", True, id="PostHog's own words"),
        pytest.param(200, b'{"status":1}', "", True, id="those of older ones, whatever the type says"),
        pytest.param(204, b"", "", True, id="no content is success"),
        pytest.param(201, b'{"status":"Ok"}', "", True, id="any 2xx is"),
        pytest.param(200, HTML, "", False, id="a page for people is not"),
        pytest.param(200, b'{"status":"Ok"', "application/json", False, id="a torn answer is not"),
        pytest.param(
            200, b'{"hello":"gateway"}', "application/json", False, id="another service's JSON is not"
        ),
        pytest.param(200, b'"Ok"', "application/json", False, id="JSON that is no object is not"),
        pytest.param(200, b"\xff\xfe\x00", "", False, id="bytes that are nothing are not"),
        pytest.param(200, b'{"status":' + b"[" * 60_000, "", False, id="an answer that is a trap is not"),
    ],
)
def test_a_legacy_success(status: int, body: bytes, content_type: str, accepted: bool) -> None:
    judgement = LEGACY.judge(Response(status, {"content-type": content_type}, body), [an_envelope()])
    assert (judgement.verdicts is not None) is accepted


def test_a_page_is_recognised_by_its_type_or_by_its_look() -> None:
    for headers, body in (({"content-type": "text/html; charset=utf-8"}, b"hello"), ({}, b"  \n" + HTML)):
        for wire in (LEGACY, V1):
            assert wire.judge(Response(200, headers, body), [an_envelope()]).html


@pytest.mark.parametrize(
    ("entry", "verdict"),
    [
        pytest.param({"result": "ok"}, delivered, id="ok is delivered"),
        pytest.param(None, delivered, id="an event that is not named was accepted"),
        pytest.param({"result": "perhaps"}, delivered, id="so was one with a word from the future"),
        pytest.param("odd", delivered, id="and one whose entry is no object"),
        pytest.param({"result": "warning"}, delivered, id="a warning is delivered"),
        pytest.param(
            {"result": "warning", "details": "person_processing_disabled"},
            Verdict(OutcomeKind.DELIVERED, "person_processing_disabled", "person_processing_disabled"),
            id="a capture without its person is delivered, and it is said",
        ),
        pytest.param(
            {"result": "drop", "details": "event_too_big"},
            Verdict(OutcomeKind.REFUSED, "event_too_big", "event_too_big"),
            id="a drop is refused by PostHog's word",
        ),
        pytest.param(
            {"result": "drop"},
            Verdict(OutcomeKind.REFUSED, "drop", ""),
            id="a drop without a word is one too",
        ),
        pytest.param(
            {"result": "retry", "details": "not_persisted"},
            Verdict(OutcomeKind.RETRY, "not_persisted", "not_persisted", resend=True),
            id="what was not stored goes again",
        ),
        pytest.param(
            {"result": "drop", "details": "plan is Enterprise!"},
            Verdict(OutcomeKind.REFUSED, "drop", ""),
            id="a sentence might quote a value and is not kept",
        ),
    ],
)
def test_a_v1_result(entry: object, verdict: Verdict) -> None:
    envelope, other = an_envelope(), an_envelope()
    results = {other.uuid: {"result": "ok"}} | ({envelope.uuid: entry} if entry is not None else {})
    judgement = V1.judge(Response(200, {}, json.dumps({"results": results}).encode()), [envelope, other])
    assert judgement == Judgement(spoken=True, verdicts=(verdict, delivered))


@pytest.mark.parametrize("result", ["ok", "warning"])
def test_a_group_update_without_person_processing_wrote_no_group(result: str) -> None:
    update = an_update_envelope()
    body = {"results": {update.uuid: {"result": result, "details": "person_processing_disabled"}}}
    judgement = V1.judge(Response(200, {}, json.dumps(body).encode()), [update])
    assert judgement.verdicts == (
        Verdict(OutcomeKind.RETRY, "person_processing_disabled", "person_processing_disabled", resend=False),
    )


@pytest.mark.parametrize(
    ("headers", "body", "spoken"),
    [
        pytest.param({}, b'{"error":"invalid_api_token"}', True, id="a v1 tag"),
        pytest.param({"posthog-request-id": "x"}, b"", True, id="an echoed request id"),
        pytest.param({}, b"", False, id="nothing"),
        pytest.param({}, b'{"error":"Not found!"}', False, id="another service's error"),
        pytest.param({}, b'{"error":{"code":5}}', False, id="an error that is no word"),
        pytest.param({"content-type": "text/html"}, HTML, False, id="a page"),
    ],
)
def test_an_error_that_only_v1_gives(headers: dict[str, str], body: bytes, spoken: bool) -> None:
    assert V1.judge(Response(404, headers, body), [an_envelope()]).spoken is spoken


@pytest.mark.parametrize(
    ("tag", "whole"),
    [
        pytest.param("missing_required_headers", True, id="headers are the request's"),
        pytest.param("request_decoding_error", True, id="so is compression"),
        pytest.param("request_parsing_error", False, id="a type mistake is some event's"),
        pytest.param("invalid_event_uuid", False, id="so is a bad uuid"),
    ],
)
def test_whose_fault_a_v1_refusal_is(tag: str, whole: bool) -> None:
    judgement = V1.judge(Response(400, {}, json.dumps({"error": tag}).encode()), [an_envelope()])
    assert (judgement.tag, judgement.whole) == (tag, whole)


def test_a_legacy_refusal_is_known_by_how_it_begins_and_quotes_nothing() -> None:
    said = b'failed to parse request: invalid type: string "Enterprise", expected u64 at line 1 column 99'
    judgement = LEGACY.judge(Response(400, {}, said), [an_envelope()])
    assert judgement == Judgement(spoken=True, tag="failed to parse request")


def test_a_legacy_413_may_have_stored_the_events_before_the_large_one() -> None:
    answer = Response(413, {}, b"maximum event size exceeded: 1000001")
    assert LEGACY.judge(answer, [an_envelope(), an_envelope()]).partly_applied
    assert not LEGACY.judge(answer, [an_envelope()]).partly_applied


@given(status=st.integers(100, 599), body=st.binary(max_size=200), content_type=st.text(max_size=20))
def test_whatever_answers_is_judged_and_raises_nothing(status: int, body: bytes, content_type: str) -> None:
    for wire in (LEGACY, V1):
        judgement = wire.judge(Response(status, {"content-type": content_type}, body), [an_envelope()])
        assert judgement.verdicts is None or len(judgement.verdicts) == 1


def test_a_request_does_not_show_its_key() -> None:
    for wire in (LEGACY, V1):
        request = wire.request(
            wire.events([an_envelope()]), attempt=1, request_id="x", created_ns=0, now_ns=0
        )
        assert "phc_secret" not in repr(request)
