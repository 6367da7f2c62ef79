"""What the steps give in their order, judged by what PostHog ends with and by the balance."""

from __future__ import annotations

import pytest
from tests.builders import a_log
from tests.pipelines import Lab

from opentelemetry.exporter.posthog.testing.faults import Fault


def test_a_change_is_sent_in_the_export_that_saw_it_and_nothing_twice() -> None:
    lab = Lab()
    for second in range(3):
        assert lab.export(lab.says(second, plan="team"), lab.says(second, plan="team"))
    assert lab.export(lab.says(9, plan="pro"))
    assert [update.properties["$group_set"] for update in lab.double.identifies] == [
        {"plan": "team"},
        {"plan": "pro"},
    ]
    assert len(lab.double.events) == 7
    assert not lab.double.findings, lab.double.explain()


def test_many_changes_in_one_batch_are_one_update_with_the_time_of_the_newest() -> None:
    lab = Lab()
    lab.export(lab.says(1, plan="free", seats=1), lab.says(3, plan="pro"), lab.says(2, seats=5))
    (update,) = lab.double.identifies
    assert update.properties["$group_set"] == {"plan": "pro", "seats": 5}
    assert update.time_ns == lab.says(3).log_record.timestamp


def test_a_late_signal_is_captured_and_changes_no_profile() -> None:
    lab = Lab()
    lab.export(lab.says(10, plan="pro"))
    lab.export(lab.says(2, plan="free"))
    assert lab.profile() == {"plan": "pro"}
    assert len(lab.double.events) == 2


def test_the_bucket_bounds_the_bill_and_a_flush_brings_the_last_value() -> None:
    lab = Lab()
    for second in range(9):
        lab.export(lab.says(second, counter=second))
    assert len(lab.double.identifies) == 5, "a burst of five, then one an interval"
    assert lab.pipeline.force_flush(5.0) is True
    assert len(lab.double.identifies) == 6
    assert lab.profile() == {"counter": 8}


def test_what_waits_for_its_bucket_is_sent_within_an_interval_without_any_export() -> None:
    lab = Lab()
    for second in range(9):
        lab.export(lab.says(second, counter=second))
    pause = lab.pipeline.tend()
    assert pause is not None
    assert pause <= 30.0
    lab.clock.advance(pause)
    lab.pipeline.tend()
    assert lab.profile() == {"counter": 8}
    assert lab.pipeline.tend() is None, "nothing waits any more"


def test_a_failed_first_delivery_does_not_forget_the_profile() -> None:
    lab = Lab(max_retries=0)
    lab.double.fail(Fault(status=503))
    assert lab.export(lab.says(1, plan="team")) is False
    assert lab.double.groups == {}
    lab.clock.advance(60.0)
    lab.export(lab.says(2, plan="team"))
    assert lab.pipeline.force_flush(5.0)
    assert lab.profile() == {"plan": "team"}
    assert lab.stats.balanced


def test_other_content_waits_until_an_unanswered_request_can_no_longer_land() -> None:
    lab = Lab(life=60.0, max_retries=0)
    lab.double.fail(Fault(reset="after"))
    lab.export(lab.says(1, plan="team"))
    lab.export(lab.says(2, plan="pro"))
    assert [u.properties["$group_set"] for u in lab.double.identifies] == [{"plan": "team"}]
    assert lab.pipeline.force_flush(1.0) is False, "a cooling is not passed, and the answer is the truth"
    lab.clock.advance(61.0)
    assert lab.pipeline.force_flush(1.0) is True
    assert lab.profile() == {"plan": "pro"}


class Bell:
    """A caretaker that only notes that it was called."""

    rung = 0

    def attend(self) -> None:
        self.rung += 1


def test_what_a_flush_could_not_deliver_is_looked_after_though_no_export_comes() -> None:
    lab = Lab(life=60.0, max_retries=0)
    lab.double.fail(Fault(reset="after", times=2))
    lab.export(lab.says(1, plan="team"))
    lab.clock.advance(61.0)
    bell = Bell()
    lab.pipeline.employ(bell)  # type: ignore[arg-type]
    assert lab.pipeline.force_flush(1.0) is False
    assert bell.rung == 1


def test_shutdown_of_a_memory_ledger_sends_what_cools_as_its_last_act() -> None:
    lab = Lab(life=60.0, max_retries=0)
    lab.double.fail(Fault(reset="after"))
    lab.export(lab.says(1, plan="team"))
    lab.export(lab.says(2, plan="pro"))
    lab.pipeline.shutdown(5.0)
    assert lab.profile() == {"plan": "pro"}
    assert lab.stats.notes["sent_early"] == 1


def test_after_shutdown_nothing_is_claimed_any_more() -> None:
    lab = Lab(life=60.0, max_retries=0)
    lab.double.fail(Fault(reset="after"))
    lab.export(lab.says(1, plan="team"))
    lab.pipeline.shutdown(5.0)
    sent = len(lab.double.identifies)
    lab.clock.advance(120.0)
    assert lab.pipeline.force_flush(5.0) is False
    assert lab.pipeline.tend() is None
    assert len(lab.double.identifies) == sent


def test_a_uuid_repeated_within_a_batch_is_dropped_by_us_and_counted() -> None:
    lab = Lab()
    twice = {"organization.id": "org_1", "posthog.idempotency_key": "evt_7"}
    assert lab.export(a_log("paid", twice), a_log("paid", twice))
    assert lab.export(a_log("paid", twice))
    assert len(lab.double.events) == 1, "a webhook delivered again is one event"
    assert lab.stats.dropped == {"duplicate_uuid": 1}
    assert lab.stats.balanced


def test_one_event_too_large_falls_alone() -> None:
    lab = Lab()
    big = {f"k{n}": "x" * 8_000 for n in range(120)}
    assert lab.export(a_log("small"), a_log("big", {"organization.id": "org_42", **big})) is False
    assert [event.name for event in lab.double.events] == ["small"]
    assert lab.stats.balanced


def test_a_dry_run_sends_nothing_and_counts_what_it_would_have_sent() -> None:
    lab = Lab(dry_run=True)
    assert lab.export(lab.says(1, plan="team"), a_log(None))
    assert lab.double.requests == []
    assert lab.stats.dropped == {"dry_run": 1}
    assert lab.stats.not_selected == {"plain_log": 1}
    assert lab.stats.balanced


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        pytest.param(Fault(status=401, times=None), "credentials", id="a key that PostHog does not know"),
        pytest.param(Fault(quota="events", times=None), "quota", id="a quota that is used up"),
        pytest.param(Fault(html=True, times=None), "not_posthog", id="a host that is not PostHog"),
        pytest.param(Fault(status=503, times=None), "http_503", id="an outage"),
        pytest.param(Fault(reset="before", times=None), "connection_lost", id="a network that resets"),
    ],
)
def test_what_is_lost_without_an_outbox_is_counted_by_its_reason(fault: Fault, reason: str) -> None:
    lab = Lab(max_retries=1)
    lab.double.fail(fault)
    assert lab.export(lab.says(1, plan="team"), lab.says(2, plan="pro")) is False
    assert lab.stats.dropped == {reason: 2}
    assert lab.stats.balanced


def test_a_hook_that_raises_drops_its_event_and_nothing_else() -> None:
    def fussy(event: dict[str, object]) -> dict[str, object]:
        if event["event"] == "bad":
            raise RuntimeError("no")
        return event

    lab = Lab(before_send=fussy)
    lab.export(a_log("bad"), a_log("good"))
    assert [event.name for event in lab.double.events] == ["good"]
    assert sum(lab.stats.dropped.values()) + sum(lab.stats.not_selected.values()) == 1
    assert lab.stats.balanced


def test_a_new_property_of_a_group_is_announced_once_by_its_name(caplog: pytest.LogCaptureFixture) -> None:
    lab = Lab()
    with caplog.at_level("INFO", logger="tests.lab"):
        lab.export(lab.says(1, plan="secret value"), lab.says(2, plan="another"))
        lab.export(lab.says(3, seats=3))
    lines = [record.message for record in caplog.records if "goes to PostHog from now on" in record.message]
    assert len(lines) == 2
    assert "plan of organization" in lines[0]
    assert "secret value" not in caplog.text


def test_an_event_that_before_send_lets_go_was_made_and_dropped() -> None:
    lab = Lab(before_send=lambda event: None)
    lab.export(a_log("any"))
    assert lab.stats.made == 1
    assert lab.stats.dropped == {"before_send": 1}
    assert lab.stats.balanced
