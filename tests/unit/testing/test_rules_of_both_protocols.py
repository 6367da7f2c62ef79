"""Rules 1 to 6 of the double."""

from __future__ import annotations

import json

import pytest

from opentelemetry.exporter.posthog.testing import PostHogDouble
from tests.manual_clock import EPOCH_NS
from tests.unit.testing.sending import (
    KEY,
    NOW,
    V1,
    Reply,
    double,
    event,
    head,
    legacy,
    names,
    post,
    props,
    result,
    uuid7,
    v1,
)


def raw_legacy(properties: str) -> bytes:
    return (
        f'{{"api_key":"{KEY}","batch":[{{"event":"e","uuid":"{uuid7()}","distinct_id":"u","timestamp":"{NOW}",'
        f'"properties":{{"$geoip_disable":true,{properties}}}}}]}}'
    ).encode()


def raw_v1(properties: str) -> bytes:
    return (
        f'{{"created_at":"{NOW}","batch":[{{"event":"e","uuid":"{uuid7()}","distinct_id":"u",'
        f'"timestamp":"{NOW}","properties":{{"$geoip_disable":true,{properties}}}}}]}}'
    ).encode()


def nested(levels: int) -> str:
    return f'"deep":{"[" * levels}{"]" * levels}'


def test_rule_01_an_unknown_path_is_answered_404_with_an_empty_body() -> None:
    reply = post(double(), "/e/nothing", b"{}", {"PostHog-Request-Id": uuid7()})

    assert (reply.status, reply.body) == (404, b"")
    assert "PostHog-Request-Id" not in reply.headers


def test_rule_01_v1_switched_off_is_404_and_the_legacy_path_lives() -> None:
    to = double(v1=False)

    reply = v1(to, event())

    assert (reply.status, reply.body) == (404, b"")
    assert "PostHog-Request-Id" not in reply.headers
    assert legacy(to, event()).status == 200


def test_rule_01_v1_takes_only_post_and_a_trailing_slash() -> None:
    to = double()

    assert to.answer("GET", V1, head(), b"")[0] == 405
    assert post(to, V1 + "/", b"", head()).json["error"] == "empty_body"


def test_rule_01_reading_events_from_a_get_is_a_finding() -> None:
    to = double()
    from urllib.parse import quote

    target = "/batch?data=" + quote(json.dumps({"api_key": KEY, "batch": [event()]}))

    assert to.answer("GET", target, {}, b"")[0] == 200
    assert len(to.events) == 1
    assert names(to) == ["get_on_batch"]


@pytest.mark.parametrize(
    ("key", "reason"),
    [
        pytest.param("  ", "empty", id="a blank key is empty"),
        pytest.param("phc_" + "x" * 61, "too_long", id="65 bytes are too long"),
        pytest.param("phc_é", "not_ascii", id="a key is ASCII"),
        pytest.param("phx_secret", "personal_api_key", id="a personal key is no project key"),
        pytest.param("phc_\0", "null_byte", id="a key holds no NUL"),
    ],
)
def test_rule_02_a_key_of_the_wrong_shape_is_401(key: str, reason: str) -> None:
    reply = legacy(double(), event(), api_key=key)

    assert (reply.status, reply.text) == (401, f"API key is not valid: {reason}")
    assert reply.headers["Content-Type"] == "text/plain; charset=utf-8"
    if key.isascii():
        refused = v1(double(), event(), headers=head(Authorization=f"Bearer {key}"))
        assert (refused.status, refused.json["error"]) == (401, "invalid_api_token")
        assert refused.json["error_description"] == "The provided API token is not valid."


def test_rule_02_64_bytes_and_blanks_around_them_are_a_key() -> None:
    assert legacy(double(), event(), api_key=" phc_" + "x" * 60 + " ").status == 200


def test_rule_03_an_unknown_key_is_accepted_and_nothing_is_stored() -> None:
    to = double(known_keys={"phc_other"})

    assert legacy(to, event()).text == '{"status":"Ok"}'
    assert result(v1(to, event())) == {"result": "ok"}
    assert to.events == []


def test_rule_03_an_enforced_key_is_401_and_says_project_api_key() -> None:
    to = double(known_keys={"phc_other"}, enforce_key=True)

    plain, tagged = legacy(to, event()), v1(to, event())

    assert (plain.status, tagged.status) == (401, 401)
    assert "project API key" in plain.text
    assert "project API key" in tagged.json["error_description"]
    assert legacy(to, event(), api_key="phc_other").status == 200


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(raw_legacy('"x":NaN'), id="NaN is not JSON"),
        pytest.param(raw_legacy('"x":-Infinity'), id="nor is Infinity"),
        pytest.param(raw_legacy('"x":1') + b"x", id="nor is text after it"),
        pytest.param(b'{"api_key":', id="nor is half of it"),
        pytest.param(raw_legacy('"x":1e400'), id="a number must fit into a double"),
        pytest.param(raw_legacy(f'"x":{"9" * 400}'), id="however many digits it has"),
        pytest.param(raw_legacy(r'"x":"\ud800"'), id="a surrogate needs its other half"),
        pytest.param(raw_legacy(nested(124)), id="128 levels are too deep"),
    ],
)
def test_rule_04_legacy_refuses_what_its_parser_does_not_read(body: bytes) -> None:
    to = double()

    reply = post(to, "/batch/", body)

    assert reply.status == 400
    assert reply.text.startswith("failed to parse request: ")
    assert to.events == []


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(raw_v1('"x":NaN'), id="NaN is not JSON"),
        pytest.param(raw_v1('"x":1') + b"x", id="nor is text after it"),
        pytest.param(raw_v1('"x":1').replace(b"plan", b"\xff").replace(b'"u"', b'"\xff"'), id="it is UTF-8"),
    ],
)
def test_rule_04_v1_refuses_what_is_not_json(body: bytes) -> None:
    reply = post(double(), V1, body, head())

    assert reply.status == 400
    assert reply.json["error"] == "request_parsing_error"
    assert reply.json["error_description"] == "Failed to parse request body."


@pytest.mark.parametrize(
    ("properties", "finding"),
    [
        pytest.param('"x":1e400', "number_out_of_range", id="a number beyond a double"),
        pytest.param(r'"x":"\ud800"', "lone_surrogate", id="half a surrogate pair"),
        pytest.param(nested(124), "too_deep", id="more than 127 levels"),
        pytest.param('"x":1,"x":2', "duplicate_key", id="the same key twice"),
        pytest.param('"x":9007199254740992', "unsafe_integer", id="an integer beyond 2^53 - 1"),
    ],
)
def test_rule_04_v1_takes_it_but_it_is_a_finding(properties: str, finding: str) -> None:
    to = double()

    assert result(Reply(*to.answer("POST", V1, head(), raw_v1(properties)))) == {"result": "ok"}
    assert finding in names(to)


@pytest.mark.parametrize(
    ("properties", "finding"),
    [
        pytest.param('"x":1,"x":2', "duplicate_key", id="the same key twice"),
        pytest.param('"x":-9007199254740992', "unsafe_integer", id="an integer beyond 2^53 - 1"),
    ],
)
def test_rule_04_legacy_takes_it_but_it_is_a_finding(properties: str, finding: str) -> None:
    to = double()

    assert post(to, "/batch/", raw_legacy(properties)).status == 200
    assert names(to) == [finding]


def test_rule_04_127_levels_and_the_largest_safe_integer_are_fine() -> None:
    to = double()

    assert post(to, "/batch/", raw_legacy(nested(123) + ',"x":9007199254740991')).status == 200
    assert names(to) == []


def send(to: PostHogDouble, **parts: object) -> None:
    assert legacy(to, event(**parts)).status == 200


def test_rule_05_a_repeat_replaces_and_is_counted() -> None:
    to = double()

    send(to, properties=props(plan="team"))
    send(to, properties=props(plan="pro"))
    send(to, properties=props(plan="pro"))

    [row] = to.events
    assert row.properties["plan"] == "pro"
    assert [(repeat.uuid, repeat.count) for repeat in to.repeats] == [(uuid7(), 2)]


@pytest.mark.parametrize(
    "other",
    [
        pytest.param({"timestamp": "2026-09-20T23:59:59Z"}, id="another day in UTC"),
        pytest.param({"event": "other"}, id="another name"),
        pytest.param({"distinct_id": "u_2"}, id="another distinct id"),
        pytest.param({"uuid": uuid7(2)}, id="another uuid"),
    ],
)
def test_rule_05_another_row_is_no_repeat(other: dict[str, str]) -> None:
    to = double()

    send(to)
    send(to, **other)

    assert len(to.events) == 2
    assert to.repeats == []


def test_rule_05_another_time_of_the_same_day_replaces() -> None:
    to = double()

    send(to)
    send(to, timestamp="2026-09-21T00:00:00Z")

    [row] = to.events
    assert row.time_ns == EPOCH_NS // 86_400_000_000_000 * 86_400_000_000_000


def test_rule_06_neither_answers_nor_notes_repeat_the_key() -> None:
    key = "phc_" + "S3CR3T" * 12
    to = double(known_keys={"phc_other"}, enforce_key=True)

    replies = [
        legacy(to, event(), api_key=key),
        legacy(to, event(), api_key=key[:40]),
        v1(to, event(), headers=head(Authorization=f"Bearer {key}")),
        v1(to, event(), headers=head(Authorization=f"Basic {key}")),
    ]

    said = "".join(f"{reply.headers}{reply.text}" for reply in replies) + to.explain() + repr(to.requests)
    state = to.answer("GET", "/_double/state", {}, b"")[2].decode()
    assert "S3CR3T" not in said + state


def test_rule_33_every_answer_carries_the_servers_date() -> None:
    for reply in (legacy(double(), event()), v1(double(), event()), post(double(), "/nowhere", b"")):
        assert reply.headers["Date"] == "Mon, 21 Sep 2026 14:13:20 GMT"
