"""Rules 20 to 36 of the double: the v1 protocol."""

from __future__ import annotations

import gzip
import json
import zlib
from typing import Any

import pytest

from opentelemetry.exporter.posthog.testing import Fault, Limits, Verdict
from tests.manual_clock import EPOCH_NS, ManualClock
from tests.unit.testing.sending import (
    NOW,
    V1,
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

ID = "0e36b1a5-5072-436a-a9eb-ea46a2918e41"
DOCS = "https://posthog.com/docs/api"


def test_rule_20_no_authorization_is_401() -> None:
    reply = v1(double(), event(), headers=head(Authorization=...))

    assert (reply.status, reply.json["error"]) == (401, "missing_authorization")
    assert reply.json["error_uri"] == DOCS


def test_rule_20_another_scheme_is_400() -> None:
    reply = v1(double(), event(), headers=head(Authorization="Basic cGhjX3Rlc3Q6"))

    assert (reply.status, reply.json["error"]) == (400, "invalid_header_value")
    assert reply.json["error_description"] == "invalid header value: Authorization must use Bearer scheme"


def test_rule_20_the_scheme_may_be_written_in_any_case() -> None:
    assert v1(double(), event(), headers=head(Authorization="bearer  phc_test ")).status == 200


def test_rule_21_all_missing_headers_are_named_in_order() -> None:
    reply = post(double(), V1, b"{}", {"Authorization": "Bearer phc_test"})

    assert (reply.status, reply.json["error"]) == (400, "missing_required_headers")
    assert reply.json["error_description"] == (
        'request is missing required headers: ["PostHog-Sdk-Info", "PostHog-Attempt", "PostHog-Request-Id", '
        '"PostHog-Request-Timestamp", "content-type", "user-agent"]'
    )


@pytest.mark.parametrize(
    "name",
    [
        "Content-Type",
        "User-Agent",
        "PostHog-Sdk-Info",
        "PostHog-Attempt",
        "PostHog-Request-Id",
        "PostHog-Request-Timestamp",
    ],
)
def test_rule_21_each_header_is_needed(name: str) -> None:
    headers = {key: value for key, value in head().items() if key != name}

    reply = v1(double(), event(), headers=headers)

    assert (reply.status, reply.json["error"]) == (400, "missing_required_headers")
    assert name.lower() in reply.json["error_description"].lower()


@pytest.mark.parametrize(
    ("changes", "tag"),
    [
        pytest.param(
            {"Content_Type": "text/plain"}, "unsupported_content_type", id="a type that is not JSON"
        ),
        pytest.param({"Content_Encoding": "identity"}, "unsupported_encoding", id="identity is no encoding"),
        pytest.param({"Content_Encoding": "gzip, br"}, "unsupported_encoding", id="nor is a list"),
    ],
)
def test_rule_22_an_unsupported_form_is_415(changes: dict[str, str], tag: str) -> None:
    reply = v1(double(), event(), headers=head(**changes))

    assert (reply.status, reply.json["error"]) == (415, tag)


def test_rule_22_the_content_type_may_have_parameters_and_any_case() -> None:
    headers = head(Content_Type="Application/JSON; charset=utf-8")

    assert v1(double(), event(), headers=headers).status == 200


def zstd(body: bytes) -> bytes:
    import zstandard

    return zstandard.ZstdCompressor().compress(body)


def encodings() -> list[Any]:
    raw = zlib.compressobj(wbits=-15)
    return [
        pytest.param("GZIP", gzip.compress, id="gzip in any case"),
        pytest.param("deflate", zlib.compress, id="deflate is zlib"),
        pytest.param("deflate", lambda body: raw.compress(body) + raw.flush(), id="raw deflate is tolerated"),
        pytest.param("zstd", zstd, id="zstd", marks=pytest.mark.fast),
    ]


@pytest.mark.parametrize(("encoding", "compress"), encodings())
def test_rule_22_encodings_are_read(encoding: str, compress: Any) -> None:
    to = double()
    body = compress(json.dumps({"created_at": NOW, "batch": [event()]}).encode())

    assert post(to, V1, body, head(Content_Encoding=encoding)).status == 200
    assert len(to.events) == 1


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        pytest.param({"PostHog_Request_Id": "5"}, "PostHog-Request-Id", id="a request id that is no uuid"),
        pytest.param(
            {"PostHog_Attempt": "0"}, "PostHog-Attempt must be a positive integer: 0", id="attempt 0"
        ),
        pytest.param({"PostHog_Attempt": "x"}, "PostHog-Attempt", id="an attempt that is no number"),
        pytest.param({"PostHog_Attempt": "4294967296"}, "PostHog-Attempt", id="an attempt beyond 32 bits"),
        pytest.param(
            {"PostHog_Request_Timestamp": "2026-09-21T14:13:20"},
            "PostHog-Request-Timestamp",
            id="a time without zone",
        ),
    ],
)
def test_rule_23_a_bad_header_is_400(changes: dict[str, str], words: str) -> None:
    reply = v1(double(), event(), headers=head(**changes))

    assert (reply.status, reply.json["error"]) == (400, "invalid_header_value")
    assert reply.json["error_description"].startswith("invalid header value: ")
    assert words in reply.json["error_description"]


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        pytest.param(
            {"PostHog_Request_Timestamp": "2026-09-21T16:13:20+02:00"},
            ["timestamp_form"],
            id="a time not in UTC",
        ),
        pytest.param({"PostHog_Sdk_Info": "lib", "User_Agent": "lib"}, ["sdk_info_form"], id="no version"),
        pytest.param(
            {"PostHog_Sdk_Info": "l/" + "1" * 200, "User_Agent": "l/" + "1" * 200},
            ["sdk_info_form"],
            id="too long",
        ),
        pytest.param({"User_Agent": "python-httpx/0.28"}, ["sdk_info_differs"], id="two libraries"),
    ],
)
def test_rule_23_a_header_that_loses_something_is_a_finding(
    changes: dict[str, str], found: list[str]
) -> None:
    to = double()

    assert v1(to, event(), headers=head(**changes)).status == 200
    assert names(to) == found


def test_rule_23_the_library_is_written_only_from_a_well_formed_sdk_info() -> None:
    to = double()

    v1(to, event(1), headers=head(PostHog_Sdk_Info="a/b/1.0", User_Agent="a/b/1.0"))
    v1(
        to,
        event(2),
        headers=head(PostHog_Sdk_Info="nothing", User_Agent="nothing", PostHog_Request_Id=uuid7(9)),
    )

    assert to.events[0].properties["$lib"] == "a/b"
    assert to.events[0].properties["$lib_version"] == "1.0"
    assert "$lib" not in to.events[1].properties


@pytest.mark.parametrize(
    ("body", "changes", "status", "tag"),
    [
        pytest.param(b"", {}, 400, "empty_body", id="nothing"),
        pytest.param(b" " * 10_485_761, {}, 413, "payload_too_large", id="over 10 MiB on the wire"),
        pytest.param(
            gzip.compress(b" " * 52_428_800),
            {"Content_Encoding": "gzip"},
            413,
            "payload_too_large",
            id="50 MiB inside",
        ),
        pytest.param(b"{}", {"Content_Encoding": "gzip"}, 400, "request_decoding_error", id="no gzip"),
        pytest.param(
            b"{}",
            {"Content_Encoding": "zstd"},
            400,
            "request_decoding_error",
            id="no zstd",
            marks=pytest.mark.fast,
        ),
        pytest.param(b"{}", {"Content_Encoding": "deflate"}, 400, "request_decoding_error", id="no deflate"),
    ],
)
def test_rule_24_a_body_that_can_not_be_taken(
    body: bytes, changes: dict[str, str], status: int, tag: str
) -> None:
    reply = post(double(), V1, body, head(**changes))

    assert (reply.status, reply.json["error"]) == (status, tag)


def test_rule_24_the_sentences_are_posthogs() -> None:
    too_large = post(double(), V1, b" " * 10_485_761, head()).json["error_description"]

    assert too_large == "payload too large: Request body exceeds limit of 10485760 bytes"
    assert post(double(), V1, b"", head()).json["error_description"] == "request body is empty"


@pytest.mark.parametrize(
    "parts",
    [
        pytest.param({"event": 5}, id="a name that is a number"),
        pytest.param({"event": ...}, id="no name"),
        pytest.param({"uuid": ...}, id="no uuid"),
        pytest.param({"distinct_id": 5}, id="a distinct id that is a number"),
        pytest.param({"timestamp": ...}, id="no time"),
        pytest.param({"timestamp": 5}, id="a time that is a number"),
        pytest.param({"session_id": 5}, id="a session that is a number"),
        pytest.param({"window_id": 5}, id="a window that is a number"),
    ],
)
def test_rule_25_a_wrong_type_in_an_event_refuses_the_request(parts: dict[str, Any]) -> None:
    to = double()

    reply = v1(to, event(1), event(2, **parts))

    assert (reply.status, reply.json["error"]) == (400, "request_parsing_error")
    assert to.rows == []


@pytest.mark.parametrize(
    "whole",
    [
        pytest.param({"created_at": ...}, id="no created_at"),
        pytest.param({"created_at": 5}, id="created_at as a number"),
        pytest.param({"batch": ...}, id="no batch"),
        pytest.param({"batch": {}}, id="a batch that is no list"),
        pytest.param({"historical_migration": None}, id="historical_migration null"),
        pytest.param({"historical_migration": "true"}, id="historical_migration as text"),
    ],
)
def test_rule_25_a_wrong_type_around_the_events_refuses_the_request(whole: dict[str, Any]) -> None:
    reply = v1(double(), event(), **whole)

    assert (reply.status, reply.json["error"]) == (400, "request_parsing_error")


def test_rule_26_an_empty_batch_and_a_bad_created_at_are_400() -> None:
    empty = v1(double(), created_at="soon")
    bad = v1(double(), event(), created_at="2026-09-21 14:13")

    assert (empty.status, empty.json["error"]) == (400, "empty_batch")
    assert empty.json["error_description"] == "request batch is empty"
    assert (bad.status, bad.json["error"]) == (400, "invalid_batch")


@pytest.mark.parametrize(
    ("uuid", "tag"),
    [
        pytest.param(" ", "missing_event_uuid", id="a blank uuid"),
        pytest.param("x", "invalid_event_uuid", id="a bad uuid"),
        pytest.param(
            "{" + uuid7(1).upper() + "}", "duplicate_event_uuid", id="the same uuid in another form"
        ),
    ],
)
def test_rule_27_a_bad_uuid_refuses_the_request(uuid: str, tag: str) -> None:
    to = double()

    reply = v1(to, event(1), event(2, uuid=uuid))

    assert (reply.status, reply.json["error"]) == (400, tag)
    assert to.rows == []


def test_rule_27_the_repeated_uuid_is_named() -> None:
    reply = v1(double(), event(1), event(1))

    assert reply.json["error_description"] == f"duplicate event uuid: {uuid7(1)}"


DROPS = [
    ({"event": "$performance_event"}, "dropped_performance_event"),
    ({"event": ""}, "missing_event_name"),
    ({"event": "組" * 67}, "event_name_too_long"),
    ({"distinct_id": "  "}, "missing_distinct_id"),
    ({"distinct_id": "組" * 67}, "distinct_id_too_large"),
    ({"timestamp": "2026-09-21T14:13:20"}, "invalid_event_timestamp"),
    ({"properties": None}, "malformed_event_properties"),
    ({"options": {"process_person_profile": "maybe"}}, "invalid_options"),
]


@pytest.mark.parametrize(("parts", "details"), DROPS, ids=[details for _, details in DROPS])
def test_rule_28_a_bad_event_falls_alone(parts: dict[str, Any], details: str) -> None:
    to = double()

    reply = v1(to, event(1), event(2, **parts), event(3))

    assert reply.status == 200
    assert result(reply, 2) == {"result": "drop", "details": details}
    assert result(reply, 1) == result(reply, 3) == {"result": "ok"}
    assert [row.uuid for row in to.rows] == [uuid7(1), uuid7(3)]
    assert [refusal.name for refusal in to.refused] == [details]


def test_rule_28_the_first_fault_of_an_event_names_it() -> None:
    broken: dict[str, Any] = {}
    for parts, details in reversed(DROPS):
        broken = {**broken, **parts}
        assert result(v1(double(), event(1, **broken))) == {"result": "drop", "details": details}


@pytest.mark.parametrize("options", ["x", 5, []])
def test_rule_28_options_that_are_no_object_drop_the_event(options: Any) -> None:
    assert result(v1(double(), event(options=options)))["details"] == "invalid_options"


@pytest.mark.parametrize(
    ("sent", "read"),
    [("TRUE ", True), ("1", True), ("false", False), ("0", False), (2, True), (0.0, False), (True, True)],
)
def test_rule_28_options_are_coerced_and_win_over_properties(sent: Any, read: bool) -> None:
    to = double()

    v1(
        to,
        event(
            options={"process_person_profile": sent},
            properties=props(**{"$process_person_profile": not read}),
        ),
    )

    assert to.events[0].properties["$process_person_profile"] is read
    assert to.events[0].personless is not read


def test_rule_28_a_tour_id_may_be_an_integer() -> None:
    to = double()

    v1(to, event(options={"product_tour_id": 17}))

    assert to.events[0].properties["$product_tour_id"] == "17"


@pytest.mark.parametrize("distinct_id", ["system", "Anonymous", "0", " null ", "[object Object]"])
def test_rule_29_an_id_that_names_nobody_is_stored_without_person_and_groups(distinct_id: str) -> None:
    to = double()
    properties = props(**{"$groups": {"organization": "org_42"}, "$set": {"name": "x"}})

    reply = v1(to, event(distinct_id=distinct_id, properties=properties))

    assert result(reply) == {"result": "ok", "details": "person_processing_disabled"}
    assert to.events[0].personless
    assert to.events[0].groups == {}
    assert to.persons == {}


def test_rule_29_the_legacy_protocol_does_not_look_at_that_list() -> None:
    to = double()

    legacy(to, event(distinct_id="system"))

    assert not to.events[0].personless


def test_rule_30_an_event_over_the_queues_limit_falls_alone() -> None:
    to = double()

    reply = v1(to, event(1), event(2, properties=props(text='"' * 500_001)), event(3))

    assert result(reply, 2) == {"result": "drop", "details": "event_too_big"}
    assert len(to.rows) == 2


def test_rule_31_over_quota_is_402_without_retry_after() -> None:
    to = double(exhausted=["events"])

    reply = v1(to, event())

    assert reply.status == 402
    assert reply.json == {
        "error": "billing_limit_exceeded",
        "error_description": (
            "Billing quota exceeded. Events are being dropped. Upgrade your plan to resume ingestion."
        ),
        "error_uri": "https://posthog.com/docs/billing/limits",
    }
    assert "Retry-After" not in reply.headers
    assert to.rows == []


def test_rule_31_a_quota_of_its_own_drops_only_its_kind() -> None:
    to = double(exhausted=["exceptions"])

    reply = v1(to, event(1), event(2, event="$exception"))

    assert result(reply, 2) == {"result": "drop", "details": "exceptions_over_quota"}
    assert [row.name for row in to.rows] == ["checkout"]
    assert v1(double(exhausted=["exceptions"]), event(event="$exception")).status == 402


def test_rule_31_validation_comes_before_quota() -> None:
    assert v1(double(exhausted=["events"]), event(event="")).status == 200


@pytest.mark.parametrize(
    ("asked", "entry", "stored"),
    [
        pytest.param("retry", {"result": "retry", "details": "not_persisted"}, False, id="retry"),
        pytest.param(
            "warning", {"result": "warning", "details": "person_processing_disabled"}, True, id="warning"
        ),
        pytest.param("drop", {"result": "drop", "details": "event_restriction_drop"}, False, id="drop"),
        pytest.param(("pondered", None), {"result": "pondered"}, True, id="an unknown word"),
        pytest.param(Verdict("absent"), None, True, id="no entry at all"),
    ],
)
def test_rule_32_results_can_be_asked_for_by_uuid(
    asked: Any, entry: dict[str, str] | None, stored: bool
) -> None:
    to = double()
    to.fail(Fault(results={uuid7(2): asked}))

    reply = v1(to, event(1), event(2))

    assert reply.json["results"].get(uuid7(2)) == entry
    assert result(reply, 1) == {"result": "ok"}
    assert (uuid7(2) in [row.uuid for row in to.rows]) is stored
    assert reply.headers.get("Retry-After") == ("1" if asked == "retry" else None)


def test_rule_32_a_hot_key_loses_person_and_groups() -> None:
    to = double()
    to.fail(Fault(results={"*": "warning"}))

    v1(to, event(properties=props(**{"$groups": {"organization": "org_42"}})))

    assert to.events[0].groups == {}


def test_rule_33_results_are_keyed_by_the_canonical_uuid_in_order() -> None:
    reply = v1(double(), event(2, uuid="{" + uuid7(2).upper() + "}"), event(1))

    assert list(reply.json["results"]) == [uuid7(2), uuid7(1)]
    assert reply.headers["Content-Type"] == "application/json"


@pytest.mark.parametrize(
    ("status", "retry_after"),
    [
        *((status, None) for status in (200, 400, 401, 402, 413, 415, 429)),
        *((status, "1") for status in (408, 500, 503, 504)),
    ],
)
def test_rule_33_the_request_id_is_echoed_and_only_some_ask_for_a_pause(
    status: int, retry_after: str | None
) -> None:
    to = double()
    if status != 200:
        to.fail(Fault(status=status))

    reply = v1(to, event())

    assert reply.status == status
    assert reply.headers["PostHog-Request-Id"] == ID
    assert reply.headers.get("Retry-After") == retry_after
    assert "Date" in reply.headers


def test_rule_33_errors_before_the_body_echo_the_request_id_too() -> None:
    assert v1(double(), event(), headers=head(Authorization=...)).headers["PostHog-Request-Id"] == ID


@pytest.mark.parametrize(
    ("whole", "finding"),
    [
        pytest.param({"api_key": "phc_test"}, "legacy_body_key", id="a key in the body"),
        pytest.param({"token": "phc_test"}, "legacy_body_key", id="a token in the body"),
        pytest.param({"sent_at": NOW}, "legacy_body_key", id="sent_at in the body"),
        pytest.param(
            {"historical_migration": False}, "historical_migration_false", id="historical_migration false"
        ),
        pytest.param(
            {"created_at": "2026-09-21T14:13:20+01:00"}, "timestamp_form", id="created_at not in UTC"
        ),
    ],
)
def test_rule_34_a_body_in_the_old_manner_is_a_finding(whole: dict[str, Any], finding: str) -> None:
    to = double()

    assert v1(to, event(), **whole).status == 200
    assert names(to) == [finding]


@pytest.mark.parametrize(
    ("parts", "finding"),
    [
        pytest.param({"options": {"cookieless_mode": None}}, "null_option", id="an option set to null"),
        pytest.param({"$set": {"a": 1}}, "top_level_set", id="$set at the top"),
        pytest.param({"$set_once": {"a": 1}}, "top_level_set", id="$set_once at the top"),
        pytest.param({"uuid": uuid7(1).upper()}, "uuid_form", id="a uuid in capitals"),
        pytest.param({"timestamp": "2026-09-21t14:13:20z"}, "timestamp_form", id="a time in small letters"),
        *[
            pytest.param(
                {"properties": props(**{name: value})}, "legacy_property", id=f"{name} in the properties"
            )
            for name, value in {
                "$lib": "x",
                "$lib_version": "1",
                "$session_id": uuid7(),
                "$window_id": "w",
                "$cookieless_mode": False,
                "$ignore_sent_at": False,
                "$product_tour_id": "t",
                "$process_person_profile": True,
                "distinct_id": "u",
            }.items()
        ],
    ],
)
def test_rule_34_an_event_in_the_old_manner_is_a_finding(parts: dict[str, Any], finding: str) -> None:
    to = double()

    assert v1(to, event(**parts)).status == 200
    assert names(to) == [finding]


def test_rule_34_what_has_its_own_field_is_written_into_the_properties() -> None:
    to = double()

    v1(to, event(session_id=uuid7(5), window_id="w", options={"disable_skew_correction": True}))

    properties = to.events[0].properties
    assert (properties["$session_id"], properties["$window_id"]) == (uuid7(5), "w")
    assert properties["$ignore_sent_at"] is True
    assert names(to) == []


# -- rule 36 ------------------------------------------------------------------------------------------


def test_rule_36_the_clients_skew_is_taken_off() -> None:
    """The client's clock is an hour ahead."""
    to = double()
    ahead = "2026-09-21T15:13:20Z"

    v1(to, event(1, timestamp=ahead), headers=head(PostHog_Request_Timestamp=ahead))
    legacy(to, event(2, timestamp=ahead), sent_at=ahead)

    assert [row.stored_ns for row in to.events] == [EPOCH_NS, EPOCH_NS]
    assert [row.time_ns - EPOCH_NS for row in to.events] == [3_600_000_000_000] * 2


def test_rule_36_skew_correction_can_be_declined() -> None:
    to = double()
    ahead = "2026-09-21T15:13:20Z"
    declined = props(**{"$ignore_sent_at": True})

    v1(
        to,
        event(1, timestamp=ahead, options={"disable_skew_correction": True}),
        headers=head(PostHog_Request_Timestamp=ahead),
    )
    legacy(to, event(2, timestamp=ahead, properties=declined), sent_at=ahead)
    legacy(to, event(3, timestamp=ahead))

    assert [row.stored_ns - EPOCH_NS for row in to.events] == [3_600_000_000_000] * 3


def test_rule_36_a_time_more_than_23_hours_ahead_becomes_now() -> None:
    to = double()
    within, beyond = "2026-09-22T13:13:20Z", "2026-09-22T13:13:20.001Z"

    v1(to, event(1, timestamp=within), event(2, timestamp=beyond))
    legacy(to, event(3, timestamp=beyond))
    v1(
        to,
        event(4, timestamp=beyond, options={"disable_skew_correction": True}),
        headers=head(PostHog_Request_Id=uuid7(9)),
    )

    hours = [round((row.stored_ns - EPOCH_NS) / 3.6e12, 3) for row in to.events]
    assert hours == [23.0, 0.0, 0.0, 23.0]


def test_rule_36_stored_times_are_whole_milliseconds() -> None:
    to = double(clock=ManualClock())

    v1(to, event(timestamp="2026-09-21T14:13:20.123987Z"))

    assert to.events[0].time_ns - EPOCH_NS == 123_987_000
    assert to.events[0].stored_ns - EPOCH_NS == 123_000_000


def test_the_sizes_of_v1_can_be_made_smaller_for_a_test() -> None:
    assert v1(double(limits=Limits(v1_wire=100)), event()).status == 413
