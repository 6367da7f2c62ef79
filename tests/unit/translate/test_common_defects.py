"""What goes wrong when people write this by hand; each test is one of those defects."""

from __future__ import annotations

import json
from typing import Any

import pytest
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Span, SpanLimits
from opentelemetry.trace import SpanKind

from opentelemetry.exporter.posthog.model import Group
from opentelemetry.exporter.posthog.reasons import Reason
from opentelemetry.exporter.posthog.sdk.attribute_limits import text_limit
from opentelemetry.exporter.posthog.settings.model import Preset, Selection
from opentelemetry.exporter.posthog.translate import notes
from opentelemetry.exporter.posthog.translate.translator import Translation, Translator
from tests.builders import LOCAL, SECOND_NS, a_log, a_span, some_settings, translated
from tests.manual_clock import EPOCH_NS

HOUR_NS = 3_600 * SECOND_NS


def said_of_groups(result: Translation) -> list[tuple[Group, dict[str, Any]]]:
    return [(observation.group, dict(observation.properties)) for observation in result.observations]


# -- whose group -------------------------------------------------------------------------------------


def test_a_user_id_never_becomes_a_group_key() -> None:
    result = translated(
        a_log(attributes={"user.id": "u_1", "enduser.id": "u_1", "organization.name": "Acme"})
    )
    assert result.capture is not None
    assert result.capture.groups == {}
    assert result.observations == ()
    assert result.capture.distinct_id == "u_1"


@pytest.mark.parametrize(
    "key",
    [
        pytest.param("", id="an empty key is no key"),
        pytest.param("  \t ", id="a blank key is no key"),
        pytest.param(None, id="None is no key"),
        pytest.param(True, id="True is no key"),
        pytest.param(1.5, id="a float is no key"),
        pytest.param(["org_1"], id="a list is no key"),
        pytest.param({"id": "org_1"}, id="a map is no key"),
        pytest.param("null", id="the word null is no key"),
        pytest.param("Undefined", id="the word undefined is no key in any case"),
        pytest.param("'none'", id="a quoted none is no key"),
        pytest.param(0, id="zero is no key"),
        pytest.param("00000000-0000-0000-0000-000000000000", id="the nil uuid is no key"),
        pytest.param("o" * 201, id="a key of 201 bytes is too long"),
        pytest.param("é" * 101, id="bytes count, not characters"),
    ],
)
def test_what_is_no_group_key_gives_neither_group_nor_observation(key: object) -> None:
    given = {"organization.id": key, "organization.name": "Acme"}
    log = translated(a_log(attributes=given))
    assert log.capture is not None
    assert (log.capture.groups, log.observations) == ({}, ())
    span = translated(a_span(attributes=given))
    assert span.capture is None
    assert span.reason in {Reason.INVALID_GROUP_KEY, Reason.NO_GROUP}


@pytest.mark.parametrize(
    ("given", "key"),
    [
        pytest.param(" org_1 ", "org_1", id="blanks around a key are stripped"),
        pytest.param(42, "42", id="a whole number is a key, as text on both sides"),
        pytest.param("Org_1", "Org_1", id="case is kept"),
        pytest.param("o" * 200, "o" * 200, id="200 bytes are not too long"),
        pytest.param("a\0b", "a\ufffdb", id="NUL becomes what PostHog makes of it"),
    ],
)
def test_a_group_key_becomes(given: object, key: str) -> None:
    result = translated(a_log(attributes={"organization.id": given}))
    assert result.capture is not None
    assert result.capture.groups == {"organization": key}
    assert [observation.group for observation in result.observations] == [Group("organization", key)]


def test_what_a_client_sends_as_posthog_controls_acts_on_nothing() -> None:
    hostile = {
        "$groups": {"organization": "other"},
        "$set": {"email": "x"},
        "$set_once": {"a": 1},
        "$unset": ["name"],
        "$group_0": "other",
        "$process_person_profile": False,
        "$ip": "1.2.3.4",
        "$session_id": "s",
        "distinct_id": "victim",
        "token": "phc_other",
        "api_key": "phc_other",
        "alias": "victim",
        "capture_internal": True,
        "utm_source": "spam",
    }
    result = translated(a_log(attributes={"organization.id": "org_42", "order.total": 5, **hostile}))
    assert result.capture is not None
    assert not result.capture.properties.keys() & hostile.keys()
    assert "victim" not in json.dumps(result.capture)
    assert result.capture.groups == {"organization": "org_42"}
    assert result.capture.distinct_id == "$organization_org_42"
    assert result.capture.person is None
    assert result.capture.properties["order.total"] == 5
    assert notes.PROPERTY_RESERVED in result.notes


def test_a_client_cannot_choose_an_event_that_posthog_acts_on() -> None:
    for name in ("$identify", "$groupidentify", "$set", " $create_alias", "survey sent", "$$heatmap"):
        capture = translated(a_log(name)).capture
        assert capture is not None
        assert capture.name in {"identify", "groupidentify", "set", "create_alias", "survey_sent", "heatmap"}


def test_translating_another_request_before_leaves_no_group_behind() -> None:
    translator = Translator(some_settings())
    first = translator.span(a_span(), now_ns=EPOCH_NS)
    second = translator.span(a_span(attributes={"http.route": "/"}), now_ns=EPOCH_NS)
    assert first.capture is not None
    assert second == Translation(None, (), Reason.NO_GROUP)


def test_a_resource_speaks_for_a_group_only_when_told() -> None:
    tenant = Resource({"service.name": "shop", "organization.id": "org_9", "organization.name": "Nine"})
    unused = translated(a_span(attributes={}, resource=tenant))
    assert (unused.reason, unused.notes) == (Reason.NO_GROUP, (notes.RESOURCE_GROUP_UNUSED,))
    used = translated(a_span(attributes={}, resource=tenant), groups_from_resource=True)
    assert said_of_groups(used) == [(Group("organization", "org_9"), {"name": "Nine"})]


def test_key_and_properties_come_from_the_same_place() -> None:
    tenant = Resource({"organization.id": "org_9", "organization.name": "Nine"})
    own = translated(
        a_log(attributes={"organization.id": "org_1"}, resource=tenant), groups_from_resource=True
    )
    assert said_of_groups(own) == [(Group("organization", "org_1"), {})]
    stray = translated(
        a_log(attributes={"organization.plan": "x"}, resource=tenant), groups_from_resource=True
    )
    assert said_of_groups(stray) == [(Group("organization", "org_9"), {"name": "Nine"})]


def test_a_root_span_that_walks_over_many_organizations_belongs_to_none_of_them() -> None:
    walk = {
        "organization.id": "org_3",
        "organization.name": "Three",
        "posthog.group.stamped": ["organization"],
        "posthog.group.ambiguous": ["organization"],
    }
    result = translated(a_span("nightly job", walk, kind=SpanKind.INTERNAL))
    assert result == Translation(None, (), Reason.AMBIGUOUS_GROUP)
    named = translated(a_span("nightly job", {**walk, "posthog.event": "job done"}))
    assert named.capture is not None
    assert (named.capture.groups, named.observations) == ({}, ())
    assert Reason.AMBIGUOUS_GROUP.value in named.notes


def test_a_scanner_on_made_up_addresses_writes_no_profiles() -> None:
    def answered(status: int, key: str = "http.response.status_code") -> Translation:
        return translated(a_span("GET /orgs/{id}", {"organization.id": "wp-admin", key: status}))

    for refused in (answered(401), answered(403), answered(403, "http.status_code")):
        assert refused == Translation(None, (), Reason.REFUSED_REQUEST)
    for missing in (answered(404), answered(404, "http.status_code")):
        assert missing.capture is not None
        assert missing.observations == ()
    assert answered(200).observations


def test_an_organization_evicted_by_the_limits_is_counted_or_taken_from_what_the_processor_noted() -> None:
    def many(span: Span) -> None:
        for number in range(9):
            span.set_attribute(f"k{number}", number)

    span = a_span(limits=SpanLimits(max_span_attributes=8), during=many)
    assert "organization.id" not in (span.attributes or {})
    assert translated(span).reason is Reason.GROUP_EVICTED
    result = translated(span, stamps=lambda asked: {"organization": "org_42"} if asked is span else None)
    assert result.capture is not None
    assert result.capture.groups == {"organization": "org_42"}
    assert said_of_groups(result) == [(Group("organization", "org_42"), {})]


def test_two_organizations_cut_to_the_same_key_become_no_organization() -> None:
    span = a_span(attributes={"organization.id": "org_4242"}, limits=SpanLimits(max_span_attribute_length=6))
    assert (text_limit(span), text_limit(a_span())) == (6, None)
    translator = Translator(some_settings(), length_limit=text_limit)
    assert translator.span(span, now_ns=EPOCH_NS).reason is Reason.GROUP_KEY_CUT
    noted = Translator(
        some_settings(), length_limit=text_limit, stamps=lambda _: {"organization": "org_4242"}
    )
    capture = noted.span(span, now_ns=EPOCH_NS).capture
    assert capture is not None
    assert capture.groups == {"organization": "org_4242"}


def test_a_log_records_key_that_its_limit_may_have_cut_is_no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT", "6")
    result = translated(a_log(attributes={"organization.id": "org_4242"}))
    assert result.capture is not None
    assert result.capture.groups == {}
    assert Reason.GROUP_KEY_CUT.value in result.notes


# -- what is said of a group ---------------------------------------------------------------------------


def test_no_email_reaches_a_profile_or_the_event_beside_it() -> None:
    given = {
        "organization.id": "org_42",
        "organization.management_email": "boss@acme.com",
        "organization.contact": "Anna <anna@acme.com>",
        "organization.owner": "anna@acme.com",
        "organization.email_verified": True,
    }
    result = translated(a_log(attributes=given))
    assert said_of_groups(result) == [(Group("organization", "org_42"), {"email_verified": True})]
    assert "@" not in json.dumps(result)
    assert notes.PROPERTY_PRIVATE in result.notes


def test_null_and_empty_values_say_nothing_and_unset_says_it() -> None:
    given = {
        "organization.id": "org_42",
        "organization.name": "",
        "organization.plan": None,
        "organization.seats": float("nan"),
        "organization.note": "   ",
        "organization.tags": [],
        "organization.active": False,
        "organization.debt": 0,
    }
    assert said_of_groups(translated(a_log(attributes=given))) == [
        (Group("organization", "org_42"), {"active": False, "debt": 0})
    ]
    unset = {"organization.id": "org_42", "posthog.group.unset": ["plan.name", "organization.trial_ends"]}
    assert said_of_groups(translated(a_log(attributes=unset))) == [
        (Group("organization", "org_42"), {"plan_name": None, "trial_ends": None})
    ]


def test_an_observation_has_event_time_and_not_the_time_of_processing() -> None:
    late = EPOCH_NS - 6 * HOUR_NS
    (log,) = translated(a_log(timestamp=late, observed_ns=EPOCH_NS - 5)).observations
    assert (log.time_ns, log.seen_ns) == (late, EPOCH_NS - 5)
    (span,) = translated(a_span(start_ns=late, end_ns=late + SECOND_NS)).observations
    assert (span.time_ns, span.seen_ns) == (late, late + SECOND_NS)


def test_a_record_without_a_timestamp_has_the_time_at_which_it_was_observed() -> None:
    for timestamp in (None, 0):
        result = translated(a_log(timestamp=timestamp, observed_ns=EPOCH_NS - 7))
        assert result.capture is not None
        assert result.capture.time_ns == result.observations[0].time_ns == EPOCH_NS - 7


@pytest.mark.parametrize(
    ("observed_at", "time_ns"),
    [
        pytest.param("2026-09-01T00:00:00Z", 1_788_220_800 * SECOND_NS, id="RFC 3339 in UTC"),
        pytest.param(
            "2026-09-01T02:00:00.5+02:00", 1_788_220_800_500_000_000, id="with a zone and a fraction"
        ),
        pytest.param(1_788_220_800 * SECOND_NS, 1_788_220_800 * SECOND_NS, id="nanoseconds"),
        pytest.param("1788220800000000000", 1_788_220_800 * SECOND_NS, id="nanoseconds as text"),
        pytest.param(1_788_220_800, None, id="seconds are the wrong unit"),
        pytest.param("2026-09-01T00:00:00", None, id="no zone, no instant"),
        pytest.param("yesterday", None, id="a word is no instant"),
        pytest.param(True, None, id="True is no instant"),
    ],
)
def test_observed_at_replaces_the_time_of_observations_alone(observed_at: Any, time_ns: int | None) -> None:
    result = translated(a_log(attributes={"organization.id": "o", "posthog.observed_at": observed_at}))
    event_time = EPOCH_NS - 2 * SECOND_NS
    assert result.capture is not None
    assert result.capture.time_ns == event_time
    assert result.observations[0].time_ns == (event_time if time_ns is None else time_ns)
    assert (notes.OBSERVED_AT_INVALID in result.notes) == (time_ns is None)


def test_a_wrong_clock_cannot_freeze_a_profile() -> None:
    ahead = EPOCH_NS + 24 * HOUR_NS
    result = translated(a_log(timestamp=ahead, observed_ns=ahead))
    assert result.capture is not None
    assert result.capture.time_ns == ahead  # PostHog bounds it itself
    assert (result.observations[0].time_ns, result.observations[0].seen_ns) == (EPOCH_NS, EPOCH_NS)
    assert notes.FUTURE_TIME in result.notes
    (near,) = translated(a_log(timestamp=EPOCH_NS + 299 * SECOND_NS)).observations
    assert near.time_ns == EPOCH_NS + 299 * SECOND_NS
    (stated,) = translated(
        a_log(attributes={"organization.id": "o", "posthog.observed_at": "2199-01-01T00:00:00Z"})
    ).observations
    assert stated.time_ns == EPOCH_NS - SECOND_NS


# -- who ---------------------------------------------------------------------------------------------------


def test_an_event_without_a_user_counts_for_its_group_and_keeps_it() -> None:
    captures = [translated(a_log()).capture for _ in range(2)]
    for capture in captures:
        assert capture is not None
        assert (
            capture.distinct_id == "$organization_org_42"
        )  # one person a group, never a random one an event
        assert capture.personless is False  # PostHog ignores the groups of personless events
        assert capture.groups == {"organization": "org_42"}
        assert capture.properties["posthog.actor"] == "group"


def test_an_event_without_user_and_group_makes_no_person() -> None:
    capture = translated(a_log(attributes={})).capture
    assert capture is not None
    assert (capture.distinct_id, capture.personless, capture.groups) == ("otel:shop", True, {})
    assert capture.properties["posthog.actor"] == "none"


@pytest.mark.parametrize(
    ("given", "user"),
    [
        pytest.param({"posthog.distinct_id": "a", "user.id": "b"}, "a", id="posthog.distinct_id comes first"),
        pytest.param(
            {"posthogDistinctId": "c", "user.id": "b"}, "c", id="then what PostHog's processor writes"
        ),
        pytest.param({"user.id": 7, "enduser.id": "e"}, "7", id="then user.id, numbers too"),
        pytest.param({"user.id": "anonymous", "enduser.id": "e"}, "e", id="an illegal id is passed over"),
        pytest.param({"user.id": "SYSTEM"}, "$organization_org_42", id="in any case of letters"),
        pytest.param({"user.id": ""}, "$organization_org_42", id="an empty id is nobody"),
        pytest.param({"user.id": "u" * 201}, "$organization_org_42", id="PostHog takes 200 bytes"),
    ],
)
def test_the_user_of_a_signal(given: dict[str, Any], user: str) -> None:
    capture = translated(a_log(attributes={"organization.id": "org_42", **given})).capture
    assert capture is not None
    assert capture.distinct_id == user


def test_a_user_id_that_is_an_address_is_an_identity_but_no_property() -> None:
    capture = translated(
        a_log(attributes={"user.id": "anna@acme.com", "organization.id": "boss@acme.com"})
    ).capture
    assert capture is not None
    assert (capture.distinct_id, capture.groups) == ("anna@acme.com", {"organization": "boss@acme.com"})
    assert "@" not in json.dumps(dict(capture.properties))


def test_person_properties_need_to_be_asked_for_by_name() -> None:
    given = {"user.id": "u", "user.email": "a@b.io", "user.plan.name": "pro", "organization.id": "o"}
    silent = translated(a_log(attributes=given)).capture
    asked = translated(
        a_log(attributes=given),
        person_properties=frozenset({"user.email", "user.plan.name", "organization.id"}),
    ).capture
    assert silent is not None
    assert silent.person is None
    assert asked is not None
    assert asked.person == {"email": "a@b.io", "plan_name": "pro"}
    assert "a@b.io" not in json.dumps(dict(asked.properties))


# -- a group that our processor stamped ----------------------------------------------------------------------


def test_a_stamped_group_never_selects_an_inner_span_and_one_of_the_application_does() -> None:
    stamped = {
        "organization.id": "org_42",
        "organization.name": "Acme",
        "posthog.group.stamped": ["organization"],
    }
    inner = translated(a_span("step", stamped, kind=SpanKind.INTERNAL, parent=LOCAL))
    assert inner == Translation(None, (), Reason.NOT_AN_ENTRY)
    assert translated(a_span("step", kind=SpanKind.INTERNAL, parent=LOCAL)).capture is not None
    entry = translated(a_span(attributes=stamped))
    assert entry.capture is not None
    assert said_of_groups(entry) == [(Group("organization", "org_42"), {"name": "Acme"})]
    assert "posthog.group.stamped" not in entry.capture.properties


def test_a_signal_that_is_not_selected_speaks_of_a_group_that_the_application_put_on_it() -> None:
    given = {"organization.id": "org_42", "organization.plan": "team", "posthog.capture": False}
    result = translated(a_span(attributes=given))
    assert (result.capture, result.reason) == (None, Reason.CAPTURE_FALSE)
    assert said_of_groups(result) == [(Group("organization", "org_42"), {"plan": "team"})]
    assert (
        translated(a_span(attributes={"organization.id": "o", "posthog.capture": False})).observations == ()
    )
    off = translated(a_span(attributes=given), spans=Selection(preset=Preset.OFF))
    assert off == Translation(None, (), Reason.PRESET_OFF)
