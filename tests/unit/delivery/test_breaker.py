from __future__ import annotations

import pytest

from opentelemetry.exporter.posthog.delivery.breaker import FAILURES, INTERVAL, Admission, Breaker


def opened(*, durable: bool = False) -> Breaker:
    breaker = Breaker(durable=durable)
    for _ in range(FAILURES):
        breaker.failed(0.0, "http_503")
    return breaker


def test_it_opens_at_the_fifth_failure_in_a_row_and_not_before() -> None:
    breaker = Breaker(durable=False)
    for _ in range(FAILURES - 1):
        breaker.failed(0.0, "http_503")
    assert breaker.admit(0.0) is Admission.FULL
    breaker.failed(0.0, "http_503")
    assert breaker.is_open
    assert breaker.cause == "http_503"


def test_a_success_in_between_starts_the_count_again() -> None:
    breaker = Breaker(durable=False)
    for _ in range(3 * FAILURES):
        breaker.failed(0.0, "http_503")
        breaker.failed(0.0, "http_503")
        breaker.succeeded()
    assert not breaker.is_open


def test_one_export_that_used_its_whole_deadline_opens_it() -> None:
    breaker = Breaker(durable=False)
    breaker.exhausted(0.0, "deadline")
    assert breaker.is_open


@pytest.mark.parametrize(
    ("durable", "between"),
    [
        pytest.param(False, Admission.BRIEF, id="what would be lost is tried once, briefly"),
        pytest.param(True, Admission.NONE, id="what is safe on disk waits"),
    ],
)
def test_while_open_there_is_one_probe_an_interval(durable: bool, between: Admission) -> None:
    breaker = opened(durable=durable)
    admissions = [breaker.admit(second / 2) for second in range(int(4 * INTERVAL))]
    probes = [index / 2 for index, admission in enumerate(admissions) if admission is Admission.PROBE]
    assert probes == [INTERVAL]
    assert set(admissions) == {between, Admission.PROBE}


def test_brief_failures_do_not_put_the_probe_off_for_ever() -> None:
    breaker = opened()
    for second in range(int(INTERVAL)):
        assert breaker.admit(float(second)) is Admission.BRIEF
        breaker.failed(float(second), "timeout")
    assert breaker.admit(INTERVAL) is Admission.PROBE


def test_the_probe_waits_as_long_as_the_server_asks_for() -> None:
    breaker = opened()
    breaker.failed(0.0, "http_429", retry_after=120.0)
    assert breaker.admit(INTERVAL) is Admission.BRIEF
    assert breaker.admit(120.0) is Admission.PROBE


def test_a_success_closes_it_at_once() -> None:
    breaker = opened()
    breaker.succeeded()
    assert breaker.admit(0.0) is Admission.FULL
    assert breaker.cause == ""


def test_a_wrong_key_opens_it_with_its_own_name() -> None:
    breaker = Breaker(durable=True)
    breaker.stopped(0.0, "credentials")
    assert breaker.admit(0.0) is Admission.NONE
    assert breaker.cause == "credentials"
