"""Rules 7 to 19 of the double: the legacy protocol."""

from __future__ import annotations

import gzip
import json
import zlib
from typing import Any

import pytest

from opentelemetry.exporter.posthog.testing import Fault, Limits
from tests.manual_clock import EPOCH_NS
from tests.unit.testing.sending import KEY, NOW, double, event, legacy, names, post, props, uuid7

HYDRATION = "failed to hydrate events from request: non-engage request missing event name attribute"


def body(*events: dict[str, Any]) -> bytes:
    return json.dumps({"api_key": KEY, "batch": list(events)}).encode()


def test_rule_07_an_empty_body_is_400() -> None:
    reply = post(double(), "/batch/", b"")

    assert (reply.status, reply.text) == (400, "request missing data payload")


def test_rule_08_a_body_over_20_mib_on_the_wire_is_413() -> None:
    reply = post(double(), "/batch", b" " * 20_971_521)

    assert reply.status == 413
    assert reply.text.startswith("maximum event size exceeded: ")
    assert post(double(), "/batch", b" " * 20_971_520).status == 400  # not JSON, but not too large


def test_rule_08_a_body_that_unpacks_beyond_the_limit_is_413() -> None:
    packed = gzip.compress(b" " * 104_857_601)

    reply = post(double(), "/batch", packed)

    assert reply.status == 413
    assert reply.text.startswith("maximum event size exceeded: ")


@pytest.mark.parametrize(
    ("target", "headers"),
    [
        pytest.param("/batch/", {"Content-Encoding": "gzip"}, id="by its header"),
        pytest.param("/batch/?compression=gzip", {}, id="by its query"),
        pytest.param("/batch/?compression=gzip-js", {}, id="by its other query"),
        pytest.param("/batch/", {}, id="by its first two bytes"),
    ],
)
def test_rule_09_gzip_is_recognised(target: str, headers: dict[str, str]) -> None:
    to = double()

    assert post(to, target, gzip.compress(body(event())), headers).status == 200
    assert len(to.events) == 1


@pytest.mark.parametrize(
    "sent",
    [
        pytest.param(b"\x1f\x8bnonsense", id="nonsense after the magic bytes"),
        pytest.param(gzip.compress(b"{}" * 100)[:-12], id="half a stream"),
        pytest.param(b"{}", id="none at all"),
    ],
)
def test_rule_09_bad_gzip_is_400(sent: bytes) -> None:
    reply = post(double(), "/batch/", sent, {"Content-Encoding": "gzip"})

    assert (reply.status, reply.text) == (400, "failed to decode request: invalid GZIP data")


@pytest.mark.parametrize("encoding", ["deflate", "br", "zstd", "GZIP"])
def test_rule_09_no_other_encoding_is_known_and_the_bytes_fail_as_text(encoding: str) -> None:
    reply = post(double(), "/batch/", zlib.compress(body(event())), {"Content-Encoding": encoding})

    assert (reply.status, reply.text) == (400, "failed to decode request: invalid UTF8 in request payload")


@pytest.mark.parametrize(
    "parts",
    [
        pytest.param({"uuid": "not-a-uuid"}, id="a bad uuid"),
        pytest.param({"uuid": 5}, id="a uuid that is a number"),
        pytest.param({"timestamp": 1_790_000_000}, id="a time that is a number"),
        pytest.param({"properties": None}, id="properties null"),
        pytest.param({"properties": []}, id="properties as a list"),
        pytest.param({"$set": "x"}, id="$set that is no object"),
        pytest.param({"$set_once": []}, id="$set_once that is no object"),
        pytest.param({"$distinct_id": "u_1"}, id="both spellings of the distinct id"),
        pytest.param({"token": KEY, "api_key": KEY}, id="both spellings of the key"),
        pytest.param({"event": 5}, id="a name that is a number"),
        pytest.param({"event": ...}, id="no name"),
        pytest.param({"offset": "5"}, id="an offset that is no integer"),
    ],
)
def test_rule_10_a_wrong_type_in_one_event_refuses_the_batch(parts: dict[str, Any]) -> None:
    to = double()

    reply = legacy(to, event(1), event(2, **parts))

    assert (reply.status, reply.text) == (400, HYDRATION)
    assert to.events == []


@pytest.mark.parametrize(
    "whole",
    [
        pytest.param({"api_key": ...}, id="no key"),
        pytest.param({"api_key": 5}, id="a key that is a number"),
        pytest.param({"historical_migration": "true"}, id="historical_migration as text"),
        pytest.param({"historical_migration": 1}, id="historical_migration as a number"),
        pytest.param({"sent_at": 5}, id="sent_at as a number"),
        pytest.param({"token": KEY}, id="both spellings of the key"),
        pytest.param({"batch": {}}, id="a batch that is no list"),
        pytest.param({"batch": [5]}, id="an event that is no object"),
    ],
)
def test_rule_10_a_wrong_type_around_the_events_refuses_the_batch(whole: dict[str, Any]) -> None:
    reply = legacy(double(), event(), **whole)

    assert (reply.status, reply.text) == (400, HYDRATION)


@pytest.mark.parametrize("where", ["event", "batch"])
def test_rule_10_a_repeated_key_of_an_event_or_the_batch_refuses_it(where: str) -> None:
    inner = json.dumps(event())
    text = f'{{"api_key":"{KEY}","batch":[{inner}]}}'
    text = text.replace(
        f'"{where}":', f'"{where}": [], "{where}":' if where == "batch" else '"event":"a","event":', 1
    )

    reply = post(double(), "/batch/", text.encode())

    assert (reply.status, reply.text) == (400, HYDRATION)


def test_rule_10_null_stands_for_absent_where_it_may() -> None:
    to = double()

    reply = legacy(to, event(**{"$set": None, "timestamp": None, "uuid": None}), historical_migration=None)

    assert reply.status == 200
    assert to.events[0].time_ns == EPOCH_NS


def test_rule_11_an_empty_batch_is_400_before_the_key_is_looked_at() -> None:
    reply = legacy(double(), api_key="phx_personal")

    assert (reply.status, reply.text) == (400, "request holds no event")


@pytest.mark.parametrize(
    ("parts", "sentence"),
    [
        pytest.param({"event": ""}, "event submitted with an empty event name", id="an empty name"),
        pytest.param({"distinct_id": ...}, "event submitted without a distinct_id", id="no distinct id"),
        pytest.param({"distinct_id": None}, "event submitted without a distinct_id", id="distinct id null"),
        pytest.param({"distinct_id": "  "}, "event submitted without a distinct_id", id="distinct id blank"),
        pytest.param(
            {"properties": {"$cookieless_mode": None}},
            "event submitted with invalid cookieless mode",
            id="$cookieless_mode null",
        ),
    ],
)
def test_rule_12_one_bad_event_refuses_the_batch(parts: dict[str, Any], sentence: str) -> None:
    to = double()

    reply = legacy(to, event(1), event(2, **parts))

    assert (reply.status, reply.text) == (400, sentence)
    assert to.events == []


def test_rule_12_the_distinct_id_may_stand_in_the_properties() -> None:
    to = double()

    assert legacy(to, event(distinct_id=..., properties=props(distinct_id="u_9"))).status == 200
    assert to.events[0].distinct_id == "u_9"


def test_rule_13_performance_events_vanish_with_a_200() -> None:
    to = double()

    assert legacy(to, event(event="$performance_event")).status == 200
    assert legacy(to, event(1, event="$performance_event"), event(2)).status == 200
    assert [row.uuid for row in to.rows] == [uuid7(2)]


def test_rule_14_an_event_over_the_queues_limit_is_413_and_the_ones_before_it_are_stored() -> None:
    to = double()
    large = props(text="x" * 1_000_001)

    reply = legacy(to, event(1), event(2, properties=large), event(3))

    assert reply.status == 413
    assert reply.text.startswith("maximum event size exceeded: ")
    assert [row.uuid for row in to.events] == [uuid7(1)]


def test_rule_14_quotes_count_twice_since_the_queue_holds_json_in_json() -> None:
    quotes = props(text='"' * 300_000)  # 600,000 bytes of JSON, 1,200,000 in the queue

    assert legacy(double(), event(properties=quotes)).status == 413
    assert legacy(double(), event(properties=props(text="x" * 600_000))).status == 200


def test_rule_14_nearly_as_large_is_a_finding() -> None:
    to = double()

    assert legacy(to, event(properties=props(text="x" * 921_600))).status == 200
    assert names(to) == ["near_size_limit"]


def test_rule_15_over_quota_is_a_200_and_the_event_is_gone() -> None:
    to = double(exhausted=["events"])

    reply = legacy(
        to, event(1), event(2, event="$exception"), event(3, event="$ai_span"), event(4, event="survey sent")
    )

    assert reply.text == '{"status":"Ok"}'
    assert sorted(row.name for row in to.rows) == ["$ai_span", "$exception", "survey sent"]


@pytest.mark.parametrize(
    ("quota", "name"), [("exceptions", "$exception"), ("ai", "$ai_span"), ("surveys", "survey shown")]
)
def test_rule_15_a_quota_of_its_own_takes_only_its_kind(quota: str, name: str) -> None:
    to = double(exhausted=[quota])

    assert legacy(to, event(1), event(2, event=name)).status == 200
    assert [row.name for row in to.rows] == ["checkout"]


def test_rule_16_a_forced_503_has_its_sentence_and_stores_nothing() -> None:
    to = double()
    to.fail(Fault(status=503))

    reply = legacy(to, event())

    assert (reply.status, reply.text) == (503, "transient error, please retry")
    assert to.rows == []
    assert legacy(to, event()).status == 200


@pytest.mark.parametrize("status", [408, 429, 500, 502, 504])
def test_rule_16_other_statuses_can_be_forced(status: int) -> None:
    to = double()
    to.fail(Fault(status=status))

    assert legacy(to, event()).status == status
    assert to.rows == []


def test_rule_17_success_is_exactly_this_body() -> None:
    reply = legacy(double(), event())

    assert (reply.status, reply.body) == (200, b'{"status":"Ok"}')
    assert reply.headers["Content-Type"] == "application/json"


def test_rule_17_a_beacon_gets_204() -> None:
    reply = post(double(), "/batch/?beacon=1", body(event()))

    assert (reply.status, reply.body) == (204, b"")


@pytest.mark.parametrize(
    ("sent", "stored"),
    [
        pytest.param(5, "5", id="a number is written out"),
        pytest.param(True, "true", id="so is a bool"),
        pytest.param({"a": 1}, '{"a":1}', id="so is an object"),
        pytest.param("a\0b", "a�b", id="NUL is replaced"),
        pytest.param("x" * 201, "x" * 200, id="201 characters are cut"),
    ],
)
def test_rule_18_a_distinct_id_is_bent_and_that_is_a_finding(sent: Any, stored: str) -> None:
    to = double()

    assert legacy(to, event(distinct_id=sent)).status == 200
    assert to.events[0].distinct_id == stored
    assert names(to) == ["distinct_id_changed"]


def test_rule_18_200_characters_that_are_more_bytes_are_a_finding() -> None:
    to = double()

    assert legacy(to, event(distinct_id="組" * 100)).status == 200
    assert to.events[0].distinct_id == "組" * 100
    assert names(to) == ["distinct_id_long"]


def test_rule_18_blanks_around_a_distinct_id_stay() -> None:
    to = double()

    legacy(to, event(distinct_id=" u_1 "))

    assert to.events[0].distinct_id == " u_1 "


@pytest.mark.parametrize(
    ("parts", "finding"),
    [
        pytest.param({"timestamp": "yesterday"}, "timestamp_ignored", id="a time that is none"),
        pytest.param({"uuid": ...}, "uuid_missing", id="no uuid"),
        pytest.param({"uuid": ""}, "uuid_missing", id="an empty uuid"),
        pytest.param({"offset": 1000}, "offset_used", id="an offset"),
        pytest.param({"$unset": ["a"]}, "unknown_event_key", id="a key at the top that is not known"),
    ],
)
def test_rule_19_what_is_silently_ignored_is_a_finding(parts: dict[str, Any], finding: str) -> None:
    to = double()

    assert legacy(to, event(**parts)).status == 200
    assert names(to) == [finding]


def test_rule_19_a_sent_at_that_is_no_time_is_a_finding_and_corrects_nothing() -> None:
    to = double()

    assert legacy(to, event(), sent_at="soon").status == 200
    assert names(to) == ["sent_at_ignored"]
    assert to.events[0].stored_ns == EPOCH_NS


def test_rule_19_an_unreadable_time_becomes_the_servers_and_an_offset_counts_back_from_it() -> None:
    to = double()

    legacy(to, event(1, timestamp="yesterday"), event(2, offset=1_500))

    assert [row.stored_ns - EPOCH_NS for row in to.events] == [0, -1_500_000_000]


def test_a_single_event_and_a_list_of_events_are_read_too() -> None:
    to = double()

    assert post(to, "/batch/", json.dumps(event(1, api_key=KEY)).encode()).status == 200
    assert post(to, "/batch/", json.dumps([event(2, token=KEY), event(3, token=KEY)]).encode()).status == 200
    assert len(to.events) == 3


def test_single_events_need_a_key_and_one_only() -> None:
    without = post(double(), "/batch/", json.dumps(event()).encode())
    mixed = post(double(), "/batch/", json.dumps([event(1, token="phc_a"), event(2, token="phc_b")]).encode())

    assert (without.status, without.text) == (401, "event submitted without an api_key")
    assert (mixed.status, mixed.text) == (401, "batch submitted with inconsistent api_key values")


def test_the_limits_can_be_made_smaller_for_a_test() -> None:
    to = double(limits=Limits(event=500))

    assert legacy(to, event(properties=props(text="x" * 500))).status == 413
    assert legacy(to, event()).status == 200


def test_top_level_set_goes_into_the_properties_and_wins() -> None:
    to = double()

    legacy(to, event(**{"$set": {"name": "Ada"}}, properties=props(**{"$set": {"name": "Bob", "age": 5}})))

    assert to.persons["u_1"].properties == {"name": "Ada", "age": 5}


def test_the_body_may_come_as_a_form() -> None:
    to = double()
    from urllib.parse import urlencode

    form = urlencode({"data": body(event()).decode()}).encode()

    assert post(to, "/batch/", form, {"Content-Type": "application/x-www-form-urlencoded"}).status == 200
    assert len(to.events) == 1


def test_a_time_with_an_offset_is_the_same_instant() -> None:
    to = double()

    legacy(to, event(timestamp="2026-09-21T16:13:20+02:00"))

    assert (to.events[0].time_ns, NOW[:19]) == (EPOCH_NS, "2026-09-21T14:13:20")
