"""What goes wrong when people write PostHog calls by hand, one test a defect, judged by what PostHog stored.

The defects that a single signal shows have their tests beside translation
(``unit/translate/test_hand_written_defects.py`` and its neighbours); these need several signals.
"""

from __future__ import annotations

from tests.builders import a_log
from tests.pipelines import SECOND_NS, START_NS, Lab

from opentelemetry.exporter.posthog.testing.faults import Fault


def test_identify_on_every_event() -> None:
    lab = Lab()
    for second in range(50):
        lab.export(lab.says(second, plan="team", name="Acme"))
    assert len(lab.double.events) == 50
    assert len(lab.double.identifies) == 1
    assert lab.stats.notes["identifies_saved"] == 49


def test_identify_under_changing_distinct_ids() -> None:
    """PostHog keeps order only within one distinct id."""
    lab = Lab()
    lab.export(lab.says(1, plan="free"))
    lab.export(lab.says(2, plan="pro"), lab.says(3, "org_2", plan="team"))
    ids = [(update.properties["$group_key"], update.distinct_id) for update in lab.double.identifies]
    assert ids == [
        ("org_1", "$organization_org_1"),
        ("org_1", "$organization_org_1"),
        ("org_2", "$organization_org_2"),
    ]


def test_a_failed_first_delivery_forgetting_a_profile() -> None:
    lab = Lab(max_retries=0)
    lab.double.fail(Fault(status=503), Fault(status=429), Fault(reset="before"))
    for second in range(4):
        lab.export(lab.says(second, plan="team"))
        lab.clock.advance(120.0)
    lab.pipeline.tend()
    assert lab.profile() == {"plan": "team"}
    assert lab.stats.balanced


def test_two_changes_in_one_second() -> None:
    """Providers stamp whole seconds: the change that was seen later wins, in whatever order both arrive."""
    for order in ((0, 1), (1, 0)):
        lab = Lab()
        changes = [
            a_log(
                "changed",
                {"organization.id": "org_1", "organization.plan": plan},
                timestamp=START_NS,
                observed_ns=START_NS + seen,
            )
            for seen, plan in ((1, "free"), (2, "pro"))
        ]
        for position in order:
            lab.export(changes[position])
        assert lab.profile() == {"plan": "pro"}


def test_processing_time_instead_of_event_time() -> None:
    lab = Lab()
    record = lab.says(5, plan="team")
    lab.clock.advance(3_600.0)
    lab.export(record)
    assert lab.double.events[0].time_ns == START_NS + 5 * SECOND_NS
    assert lab.double.identifies[0].time_ns == START_NS + 5 * SECOND_NS


def test_a_late_webhook_with_the_old_plan() -> None:
    lab = Lab()
    lab.export(lab.says(50, plan="business"))
    lab.export(lab.says(10, plan="team"))
    assert lab.profile() == {"plan": "business"}
    assert [event.properties["organization.plan"] for event in lab.double.events] == ["business", "team"]


def test_a_random_person_an_event() -> None:
    """Machines act too: without a user, every event of an organization is its group's one person."""
    lab = Lab()
    lab.export(*(lab.says(second) for second in range(5)))
    assert {event.distinct_id for event in lab.double.events} == {"$organization_org_1"}
    assert set(lab.double.persons) == {"$organization_org_1"}


def test_personless_events_losing_their_group() -> None:
    lab = Lab()
    lab.export(lab.says(1), a_log("nobody did it", {}))
    grouped, alone = lab.double.events
    assert grouped.personless is False
    assert grouped.groups == {"organization": "org_1"}
    assert alone.personless is True, "an event of no user and no group makes no person"


def test_null_or_empty_values_erasing_known_ones() -> None:
    lab = Lab()
    lab.export(lab.says(1, plan="team", name="Acme"))
    lab.export(lab.says(2, plan="", name=None), lab.says(3, plan="  "))
    assert lab.profile() == {"plan": "team", "name": "Acme"}
    assert len(lab.double.identifies) == 1


def test_a_value_that_is_unset_on_purpose() -> None:
    lab = Lab()
    lab.export(lab.says(1, plan="team"))
    unset = {"organization.id": "org_1", "posthog.group.unset": ("plan",)}
    lab.export(a_log("left the plan", unset, timestamp=START_NS + 9 * SECOND_NS))
    assert lab.profile() == {"plan": None}


def test_a_wrong_clock_freezing_a_profile() -> None:
    lab = Lab()
    lab.export(lab.says(10 * 365 * 86_400, plan="from the future"))
    lab.clock.advance(30.0)
    lab.export(lab.says(80, plan="true"))
    assert lab.profile() == {"plan": "true"}


def test_an_event_without_an_organization_and_the_one_after_it() -> None:
    lab = Lab()
    lab.export(lab.says(1, plan="team"), a_log("anonymous", {"user.id": "u1"}), lab.says(2, "org_2"))
    assert [event.groups for event in lab.double.events] == [
        {"organization": "org_1"},
        {},
        {"organization": "org_2"},
    ]
