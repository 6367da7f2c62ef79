"""PostHog's own Python SDK sends to the double: both must read the contract alike."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import posthog
import pytest

from opentelemetry.exporter.posthog.testing import Fault, PostHogDouble

pytestmark = pytest.mark.timeout(60)

KNOWN = {
    "v0": {
        "uuid_not_v7": 7,
        "unstable_group_id": 1,  # a random id for each group_identify
        "reserved_event_name": 2,  # $set, $create_alias
        "reserved_property": 2,  # $set_once; distinct_id beside alias
        "exception_null": 1,  # module
    },
    "v1": {
        "uuid_not_v7": 7,
        "unstable_group_id": 1,
        "reserved_event_name": 2,
        "reserved_property": 1,
        "legacy_property": 1,  # distinct_id beside alias
        "exception_null": 1,
    },
}
"""What PostHog would let pass, what its SDK may do and an exporter of telemetry must not."""


@pytest.fixture
def double() -> Iterator[PostHogDouble]:
    with PostHogDouble.listening() as listening:
        yield listening


def client(double: PostHogDouble, mode: str, **more: Any) -> Any:
    return posthog.Posthog("phc_test", host=double.url, capture_mode=mode, flush_interval=0.05, **more)


def story(sdk: Any) -> None:
    sdk.capture("checkout", distinct_id="u_1", groups={"organization": "org_42"}, properties={"plan": "pro"})
    sdk.capture("anonymous visit")
    sdk.group_identify("organization", "org_42", {"name": "Acme", "seats": 5})
    sdk.set(distinct_id="u_1", properties={"name": "Ada"})
    sdk.set_once(distinct_id="u_1", properties={"first": True})
    sdk.alias("u_0", "u_1")
    sdk.capture_exception(ValueError("outer"), distinct_id="u_1")
    sdk.shutdown()


@pytest.mark.parametrize("mode", ["v0", "v1"])
@pytest.mark.parametrize("gzip", [False, True])
def test_the_official_sdk_is_understood_in_both_capture_modes(
    mode: str, gzip: bool, double: PostHogDouble
) -> None:
    story(client(double, mode, gzip=gzip))

    assert double.refused == [], double.explain()
    assert {exchange.status for exchange in double.requests} == {200}
    assert Counter(row.name for row in double.rows)["checkout"] == 1
    assert len(double.rows) == 7
    [checkout] = [row for row in double.rows if row.name == "checkout"]
    assert checkout.groups == {"organization": "org_42"}
    assert checkout.protocol == {"v0": "legacy", "v1": "v1"}[mode]
    assert checkout.properties["$lib"] == "posthog-python"
    [visit] = [row for row in double.rows if row.name == "anonymous visit"]
    assert visit.personless
    assert double.organization("org_42").properties == {"name": "Acme", "seats": 5}
    assert double.persons["u_1"].properties["name"] == "Ada"
    assert double.persons["u_1"].properties["first"] is True


@pytest.mark.parametrize("mode", ["v0", "v1"])
def test_the_official_sdks_findings_are_the_known_ones(mode: str, double: PostHogDouble) -> None:
    story(client(double, mode))

    assert Counter(finding.name for finding in double.findings) == KNOWN[mode], double.explain()
    assert [warning.name for warning in double.warnings] == []  # its uuids are exempt


def test_the_official_sdk_retries_v1_as_the_double_asks(double: PostHogDouble) -> None:
    double.fail(Fault(results={"checkout": "retry"}))
    sdk = client(double, "v1")

    sdk.capture("checkout", distinct_id="u_1")
    sdk.shutdown()

    assert [exchange.attempt for exchange in double.requests] == [1, 2]
    assert [finding for finding in double.findings if finding.rule == 35] == [], double.explain()
    assert len(double.events) == 1
