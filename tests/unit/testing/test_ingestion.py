"""Rules 37 to 46 of the double: what becomes of an accepted event."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest

from opentelemetry.exporter.posthog.testing import PostHogDouble
from tests.manual_clock import EPOCH_NS
from tests.unit.testing.sending import (
    DAY_NS,
    double,
    event,
    groups,
    head,
    legacy,
    names,
    props,
    update,
    uuid7,
    v1,
)


@pytest.fixture(params=["legacy", "v1"])
def send(request: pytest.FixtureRequest) -> Any:
    """Sends a batch under either protocol, each time as a new request."""
    numbers = iter(range(1000, 2000))

    def over_legacy(to: PostHogDouble, *events: dict[str, Any]) -> None:
        assert legacy(to, *events).status == 200

    def over_v1(to: PostHogDouble, *events: dict[str, Any]) -> None:
        assert v1(to, *events, headers=head(PostHog_Request_Id=uuid7(next(numbers)))).status == 200

    return over_legacy if request.param == "legacy" else over_v1


# -- 37: groups ---------------------------------------------------------------------------------------


def test_rule_37_groups_are_resolved_in_order_of_first_sight(send: Any) -> None:
    to = double()

    send(to, event(1, properties=groups(organization="org_42")))
    send(to, event(2, properties=groups(workspace="w_7", organization="org_1")))

    assert to.group_types == ["organization", "workspace"]
    assert to.events[1].properties["$group_0"] == "org_1"
    assert to.events[1].properties["$group_1"] == "w_7"
    assert to.events[1].groups == {"organization": "org_1", "workspace": "w_7"}
    assert names(to) == []


def test_rule_37_a_sixth_type_is_ignored_once_noted(send: Any) -> None:
    to = double()
    six = groups(**{f"type{number}": "k" for number in range(6)})

    send(to, event(1, properties=six))
    assert len(to.events[0].groups) == 5
    send(to, event(2, properties=six))
    send(to, update(3, kind="type5", key="k"))

    assert sorted(to.events[0].groups) == ["type0", "type1", "type2", "type3", "type4"]
    assert ("type5", "k") not in to.groups
    assert names(to) == ["sixth_group_type"]


def test_rule_37_a_personless_event_is_not_linked_to_its_groups() -> None:
    to = double()
    properties = groups(organization="org_42") | {"$group_0": "forged"}

    v1(to, event(1, properties=properties, options={"process_person_profile": False}))
    legacy(to, event(2, properties=properties | {"$process_person_profile": False}))

    for row in to.events:
        assert row.groups == {}
        assert "$group_0" not in row.properties
        assert row.properties["$groups"] == {"organization": "org_42"}  # still visible
    assert to.group_types == []
    assert names(to).count("personless_with_groups") == 2


@pytest.mark.parametrize(
    ("value", "finding"),
    [
        pytest.param({"organization": 5}, "group_key_not_text", id="a key that is a number"),
        pytest.param({"organization": " "}, "group_key_empty", id="a blank key"),
        pytest.param(["organization"], "groups_not_an_object", id="a list"),
        pytest.param(None, "groups_not_an_object", id="null"),
    ],
)
def test_rule_37_odd_groups_are_a_finding(value: Any, finding: str, send: Any) -> None:
    to = double()

    send(to, event(properties=props(**{"$groups": value})))

    assert names(to) == [finding]


def test_rule_37_type_names_are_compared_with_their_case(send: Any) -> None:
    to = double()

    send(to, event(properties=groups(organization="a", Organization="b")))

    assert to.group_types == ["organization", "Organization"]


# -- 38: read-only ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["$exception", "$ai_generation"])
def test_rule_38_exceptions_and_ai_events_create_no_type(name: str, send: Any) -> None:
    to = double()

    send(to, event(1, event=name, properties=groups(organization="org_42")))
    assert to.rows[0].groups == {}
    assert to.group_types == []

    send(to, event(2, properties=groups(organization="org_42")))
    assert to.group_types == ["organization"]
    send(to, event(3, event=name, properties=groups(organization="org_42")))
    assert to.rows[2].groups == {"organization": "org_42"}


# -- 39: group updates --------------------------------------------------------------------------------


def test_rule_39_updates_merge_shallowly_in_order_of_arrival_and_ignore_their_times(send: Any) -> None:
    to = double()

    send(to, update(1, group_set={"plan": "pro", "address": {"city": "Oslo", "zip": "1"}}))
    send(
        to,
        update(2, group_set={"plan": "team", "address": {"city": "Rome"}}, timestamp="2026-09-21T08:00:00Z"),
    )

    profile = to.organization("org_42")
    assert profile.properties == {"plan": "team", "address": {"city": "Rome"}}
    assert profile.updates == 2
    assert [(change.value, change.changed) for change in profile.history("plan")] == [
        ("pro", True),
        ("team", True),
    ]
    assert profile.history("plan")[1].time == "2026-09-21T08:00:00.000000Z"
    assert names(to) == []


def test_rule_39_the_timeline_knows_values_that_changed_nothing() -> None:
    to = double()

    legacy(to, update(1, group_set={"seats": 1}))
    legacy(to, update(2, group_set={"seats": True}))
    legacy(to, update(3, group_set={"seats": True, "name": "Acme"}))

    history = to.organization("org_42").history("seats")
    assert [(change.value, change.changed) for change in history] == [(1, True), (True, True), (True, False)]
    assert [change.uuid for change in history] == [uuid7(1), uuid7(2), uuid7(3)]


def test_rule_39_null_is_stored_and_nothing_is_ever_deleted(send: Any) -> None:
    to = double()

    send(to, update(1, group_set={"plan": "pro"}))
    send(to, update(2, group_set={"plan": None}))

    assert to.organization("org_42").properties == {"plan": None}


def test_rule_39_under_one_distinct_id_the_last_update_always_wins() -> None:
    for seed in range(20):
        to = double(seed=seed)
        legacy(to, *[update(number, group_set={"n": number}) for number in range(1, 6)])
        assert to.organization("org_42").properties == {"n": 5}


def test_rule_39_under_several_distinct_ids_order_is_lost() -> None:
    ends: set[int] = set()
    for seed in range(20):
        to = double(seed=seed)
        legacy(
            to, *[update(number, group_set={"n": number}, distinct_id=f"d{number}") for number in range(1, 6)]
        )
        ends.add(to.organization("org_42").properties["n"])
        assert names(to) == ["unstable_group_id"] * 5
    assert len(ends) > 1


def test_rule_39_the_historical_lane_keeps_no_order_with_the_main_one() -> None:
    ends: set[str] = set()
    for seed in range(20):
        to = double(seed=seed)
        legacy(to, update(1, group_set={"plan": "old"}), historical_migration=True)
        legacy(to, update(2, group_set={"plan": "new"}))
        ends.add(to.organization("org_42").properties["plan"])
    assert ends == {"old", "new"}


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"$group_type": ""}, id="no type"),
        pytest.param({"$group_key": None}, id="no key"),
        pytest.param({"$group_key": 0}, id="a falsy key"),
    ],
)
def test_rule_39_without_type_or_key_the_event_is_stored_and_no_group(
    changes: dict[str, Any], send: Any
) -> None:
    to = double()

    send(to, update(properties=changes))

    assert len(to.identifies) == 1
    assert to.groups == {}
    assert "group_update_incomplete" in names(to)


@pytest.mark.parametrize(
    ("key", "written"),
    [(5, "5"), (5.0, "5"), (True, "true"), ({"a": 1}, "[object Object]"), ([1, None], "1,"), ("a\0b", "a�b")],
)
def test_rule_39_a_key_is_written_as_javascript_writes_it(key: Any, written: str, send: Any) -> None:
    to = double()

    send(to, update(properties={"$group_key": key}))

    assert list(to.groups) == [("organization", written)]


def test_rule_39_a_key_over_400_utf_16_units_drops_the_event(send: Any) -> None:
    to = double()

    send(to, update(1, distinct_id="$organization_x", properties={"$group_key": "😀" * 201}))
    send(to, update(2, distinct_id="$organization_x", properties={"$group_key": "😀" * 200}))

    assert [row.uuid for row in to.identifies] == [uuid7(2)]
    assert [warning.name for warning in to.warnings] == ["group_key_too_long"]


@pytest.mark.parametrize("group_set", ["x", 5, True, []])
def test_rule_39_a_set_that_is_no_object_writes_nothing_and_warns(group_set: Any, send: Any) -> None:
    to = double()

    send(to, update(group_set=group_set))

    assert to.groups == {}
    assert len(to.identifies) == 1
    assert [warning.name for warning in to.warnings] == ["invalid_group_set"]


def test_rule_39_an_empty_or_missing_set_makes_the_group(send: Any) -> None:
    to = double()

    send(to, update(1, key="a", group_set={}))
    send(to, update(2, key="b", group_set=None))

    assert [profile.properties for profile in to.groups.values()] == [{}, {}]
    assert names(to) == []


def test_rule_39_a_personless_update_writes_no_group() -> None:
    to = double()

    legacy(to, update(1, properties={"$process_person_profile": False}))
    v1(to, update(2, options={"process_person_profile": False}))
    v1(to, update(3, distinct_id="system"), headers=head(PostHog_Request_Id=uuid7(9)))

    assert to.groups == {}
    assert len(to.identifies) == 3
    assert names(to).count("personless_group_update") == 3


def test_rule_39_person_keys_are_removed_and_they_and_groups_are_findings(send: Any) -> None:
    to = double()
    properties = {"$set": {"a": 1}, "$groups": {"organization": "org_42"}}

    send(to, update(properties=properties))

    assert "$set" not in to.identifies[0].properties
    assert to.persons["$organization_org_42"].properties == {}
    assert names(to) == ["groups_on_group_update", "person_on_group_update"]


def test_rule_39_an_update_makes_a_person_of_its_distinct_id(send: Any) -> None:
    to = double()

    send(to, update())

    assert list(to.persons) == ["$organization_org_42"]


def test_rule_39_a_long_key_may_have_a_shortened_id_of_the_same_start(send: Any) -> None:
    to = double()

    send(to, update(1, key="k" * 195, distinct_id="$organization_0123456789abcdef"))
    send(to, update(2, key="j" * 195, distinct_id="0123456789abcdef"))

    assert names(to) == ["unstable_group_id"]


# -- 39: needless updates -----------------------------------------------------------------------------


def test_rule_39_an_update_that_its_client_knows_to_be_stored_is_a_finding(send: Any) -> None:
    to = double()

    send(to, update(1, group_set={"plan": "pro", "seats": 5}))
    send(to, update(2, group_set={"plan": "pro"}))

    assert names(to) == ["redundant_group_update"]


@pytest.mark.parametrize(
    "second",
    [
        pytest.param(update(1), id="the same uuid is a retry"),
        pytest.param(update(2, group_set={"plan": "team"}), id="another value"),
        pytest.param(update(2, group_set={"plan": "pro", "seats": 5}), id="a further property"),
        pytest.param(update(2, key="org_43"), id="another group"),
        pytest.param(
            update(2, uuid=uuid7(2, EPOCH_NS // DAY_NS * DAY_NS)),
            id="a first sight, whose uuid begins at midnight",
        ),
    ],
)
def test_rule_39_what_is_not_needless(second: dict[str, Any], send: Any) -> None:
    to = double()

    send(to, update(1))
    send(to, second)

    assert names(to) == []


def test_rule_39_after_a_lost_answer_the_same_values_may_come_again() -> None:
    from opentelemetry.exporter.posthog.testing import Fault

    for fault in (Fault(reset="after"), Fault(status=503)):
        to = double()
        legacy(to, update(1))
        to.fail(fault)
        with contextlib.suppress(ConnectionResetError):
            legacy(to, update(2, group_set={"plan": "team"}))
        legacy(to, update(3, group_set={"plan": "team"}))
        assert names(to) == []


def test_rule_39_in_a_fresh_project_nothing_is_needless() -> None:
    to = double()

    legacy(to, update(1))
    to.clear()
    legacy(to, update(2))

    assert names(to) == []
    assert to.organization("org_42").properties == {"plan": "pro"}


def test_rule_39_a_value_that_somebody_changed_back_is_not_needless() -> None:
    to = double()

    legacy(to, update(1, group_set={"plan": "pro"}))
    to.handle(
        "POST",
        "/batch/",
        [],
        __import__("json")
        .dumps({"api_key": "phc_test", "batch": [update(2, group_set={"plan": "team"})]})
        .encode(),
        client="another",
    )
    legacy(to, update(3, group_set={"plan": "pro"}))

    assert names(to) == []


# -- 40, 41: persons ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["$identify", "$create_alias", "$merge_dangerously"])
def test_rule_40_personless_merges_are_dropped_with_a_warning(name: str) -> None:
    to = double()

    legacy(to, event(event=name, properties=props(**{"$process_person_profile": False, "alias": "x"})))

    assert to.rows == []
    assert [warning.name for warning in to.warnings] == ["invalid_event_when_process_person_profile_is_false"]


def test_rule_40_a_personless_event_loses_its_person_properties() -> None:
    to = double()
    writes = {"$set": {"a": 1}, "$set_once": {"b": 2}, "$unset": ["c"]}

    legacy(to, event(properties=props(**writes, **{"$process_person_profile": False})))

    assert to.persons == {}
    assert not writes.keys() & to.events[0].properties.keys()


def test_rule_40_a_flag_that_is_no_bool_is_ignored_with_a_warning() -> None:
    to = double()

    legacy(to, event(properties=groups(organization="org_42") | {"$process_person_profile": "false"}))

    assert not to.events[0].personless
    assert to.events[0].groups == {"organization": "org_42"}
    assert [warning.name for warning in to.warnings] == ["invalid_process_person_profile"]
    assert names(to) == ["profile_flag_not_bool"]


def test_rule_41_person_properties_are_written_by_arrival(send: Any) -> None:
    to = double()

    send(to, event(1, properties=props(**{"$set": {"plan": "a", "x": 1}, "$set_once": {"first": 1}})))
    send(
        to, event(2, properties=props(**{"$set": {"plan": "b"}, "$set_once": {"first": 2}, "$unset": ["x"]}))
    )

    assert to.persons["u_1"].properties == {"plan": "b", "first": 1}


def test_rule_41_an_exception_writes_no_person(send: Any) -> None:
    to = double()

    send(to, event(event="$exception", properties=props(**{"$set": {"a": 1}})))

    assert to.persons["u_1"].properties == {}


@pytest.mark.parametrize("name", ["utm_source", "gclid", "$current_url", "$browser", "$os_name"])
def test_rule_41_lifted_names_change_the_person_and_are_a_finding(name: str, send: Any) -> None:
    to = double()

    send(to, event(1, properties=props(**{name: "first"})))
    send(to, event(2, properties=props(**{name: "second"})))

    initial = f"$initial_{name.removeprefix('$')}"
    assert to.persons["u_1"].properties == {name: "second", initial: "first"}
    assert names(to) == ["lifted_property"] * 2


def test_rule_41_a_servers_own_system_is_not_lifted(send: Any) -> None:
    to = double()

    send(to, event(properties=props(**{"$os": "Linux"})))

    assert to.persons["u_1"].properties == {}
    assert names(to) == []


def test_rule_41_an_alias_merges_persons() -> None:
    to = double()

    legacy(to, event(1, distinct_id="anon-1", properties=props(**{"$set": {"a": 1, "b": 1}})))
    legacy(to, event(2, properties=props(**{"$set": {"b": 2}})))
    assert len(to.persons) == 2
    legacy(to, event(3, event="$identify", properties=props(**{"$anon_distinct_id": "anon-1"})))
    legacy(to, event(4, event="$create_alias", properties=props(alias="'anonymous'")))

    assert to.persons["anon-1"].properties == to.persons["u_1"].properties == {"a": 1, "b": 2}
    assert [warning.name for warning in to.warnings] == ["cannot_merge_with_illegal_distinct_id"]


# -- 42 to 46 -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("parts", "warning", "finding"),
    [
        pytest.param(
            {"uuid": "9b2f4c1e-5f43-4c39-9a06-1f2c3d4e5f60"},
            "event_uuid_not_v7",
            "uuid_not_v7",
            id="a version 4",
        ),
        pytest.param(
            {"uuid": uuid7(1, EPOCH_NS - 3 * DAY_NS - 1_000_000)},
            "event_uuid_timestamp_divergent",
            "uuid_time_far",
            id="a uuid of more than three days ago",
        ),
        pytest.param(
            {"properties": props(**{"$session_id": "abc"})},
            "invalid_event_session_id",
            "session_id_invalid",
            id="a session that is no uuid",
        ),
    ],
)
def test_rule_42_these_warn_and_the_event_is_kept(parts: dict[str, Any], warning: str, finding: str) -> None:
    to = double()

    legacy(to, event(**parts))

    assert len(to.events) == 1
    assert [row.name for row in to.warnings] == [warning]
    assert names(to) == [finding]


def test_rule_42_three_days_are_near_enough_and_a_session_may_be_a_uuid() -> None:
    to = double()

    legacy(to, event(1, uuid=uuid7(1, EPOCH_NS - 3 * DAY_NS)))
    v1(to, event(2, session_id=uuid7(7).upper()))

    assert names(to) == []


def test_rule_43_without_geoip_disable_the_servers_address_is_recorded(send: Any) -> None:
    to = double()

    send(to, event(properties={"$is_server": True}))

    assert to.events[0].properties["$ip"] == "127.0.0.1"
    assert names(to) == ["geoip_open"]


def test_rule_43_geoip_disable_keeps_it_out(send: Any) -> None:
    to = double()

    send(to, event())

    assert "$ip" not in to.events[0].properties


def test_rule_44_a_flag_call_without_text_loses_its_own_properties(send: Any) -> None:
    to = double()
    properties = props(
        **{"$feature_flag": "f", "$feature_flag_response": True, "$feature/f": True, "plan": "pro"}
    )

    send(to, event(1, event="$feature_flag_called", properties=properties))
    send(
        to,
        event(2, event="$feature_flag_called", properties={**properties, "$feature_flag_response": "blue"}),
    )

    assert "plan" not in to.events[0].properties
    assert to.events[0].properties["$feature/f"] is True
    assert to.events[1].properties["plan"] == "pro"


GOOD_EXCEPTION: dict[str, Any] = {
    "$exception_list": [
        {
            "type": "ValueError",
            "value": "",
            "mechanism": {"exception_id": 0, "type": "generic", "handled": True},
        },
        {
            "type": "KeyError",
            "value": "k",
            "mechanism": {"exception_id": 1, "parent_id": 0, "type": "chained"},
        },
    ],
    "$exception_level": "error",
}


def exception_with(**changes: Any) -> dict[str, Any]:
    entry = {**GOOD_EXCEPTION["$exception_list"][0], **changes}
    return {**GOOD_EXCEPTION, "$exception_list": [entry]}


@pytest.mark.parametrize(
    "properties",
    [
        pytest.param({"$exception_list": []}, id="an empty list"),
        pytest.param({}, id="no list"),
        pytest.param(GOOD_EXCEPTION | {"$exception_level": "critical"}, id="a level that is none"),
        pytest.param(GOOD_EXCEPTION | {"$exception_types": ["x"]}, id="a key of the processor"),
        pytest.param(exception_with(type=""), id="no type"),
        pytest.param(exception_with(value=5), id="a value that is no text"),
        pytest.param(exception_with(mechanism={"exception_id": "0"}), id="an id that is no integer"),
        pytest.param(
            exception_with(mechanism={"exception_id": 0, "parent_id": 7}), id="a parent that is not there"
        ),
    ],
)
def test_rule_45_a_malformed_exception_makes_no_issue(properties: dict[str, Any], send: Any) -> None:
    to = double()

    send(to, event(event="$exception", properties=props(**properties)))

    assert "exception_malformed" in names(to)
    assert [warning.name for warning in to.warnings] == ["invalid_exception"]


def test_rule_45_a_well_formed_exception_is_fine_and_null_placeholders_are_a_finding(send: Any) -> None:
    to = double()

    send(to, event(1, event="$exception", properties=props(**GOOD_EXCEPTION)))
    assert names(to) == []

    send(to, event(2, event="$exception", properties=props(**exception_with(module=None))))
    assert names(to) == ["exception_null"]
    assert to.warnings == []


@pytest.mark.parametrize(
    "name",
    [
        "token",
        "$device_id",
        "$group_3",
        "$ip",
        "$insert_id",
        "$user_id",
        "alias",
        "capture_internal",
        "$set_once",
        "$initial_plan",
        "$geoip_city_name",
        "$ai_gateway_x",
        "$exception_list",
        "$group_set",
        "ph_product_tours",
    ],
)
def test_rule_46_a_reserved_property_is_a_finding(name: str, send: Any) -> None:
    to = double()

    send(to, event(properties=props(**{name: "x"})))

    assert names(to) == ["reserved_property"]


@pytest.mark.parametrize("name", ["$identify", "$set", "$snapshot", "$$heatmap", "$ai_span", "survey sent"])
def test_rule_46_a_reserved_event_name_is_a_finding(name: str, send: Any) -> None:
    to = double()

    send(to, event(event=name))

    assert names(to) == ["reserved_event_name"]


def test_rule_46_what_the_exporter_itself_sends_is_none(send: Any) -> None:
    to = double()
    own = groups(organization="org_42") | {
        "$trace_id": "0" * 32,
        "$span_id": "0" * 16,
        "$set": {"name": "Ada"},
    }

    send(to, event(1, properties=own), update(2))

    assert names(to) == []
