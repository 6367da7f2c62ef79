"""Several group types at once, from what a user sets to what PostHog stores, with every kind of ledger."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.sdk._logs.export import LogRecordExportResult
from opentelemetry.sdk.trace.export import SpanExportResult

from opentelemetry.exporter.posthog import PostHogLogExporter, PostHogSpanExporter
from opentelemetry.exporter.posthog.testing import PostHogDouble
from tests.builders import a_log, a_span
from tests.manual_clock import EPOCH_NS
from tests.servers import running_redis

THREE = {"company": "tenant.id", "workspace": "workspace.id", "app": "app_id"}

SIGNAL = {
    "tenant.id": "7",
    "tenant.name": "Acme",
    "tenant.plan.name": "team",
    "workspace.id": "7",
    "workspace.seats": 12,
    "app_id": "7",
    "app_color": "red",
    "color": "blue",
}


@pytest.fixture
def double() -> Iterator[PostHogDouble]:
    with PostHogDouble.listening() as running:
        yield running


@pytest.fixture(params=["memory", "sqlite", "redis"])
def ledger(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "redis":
        with running_redis() as server:
            yield server.url
    else:
        yield "memory" if request.param == "memory" else str(tmp_path / "ledger.db")


@pytest.fixture
def make(double: PostHogDouble) -> Iterator[Callable[..., Any]]:
    made: list[Any] = []

    def exporter(kind: type[Any], **options: Any) -> Any:
        made.append(kind(**{"api_key": "phc_test", "host": double.url, **options}))
        return made[-1]

    yield exporter
    for one in made:
        one.shutdown(1_000)


def groups(double: PostHogDouble) -> dict[tuple[str, str], Mapping[str, Any]]:
    return {name: profile.properties for name, profile in double.groups.items()}


def test_each_type_has_its_key_and_what_stands_under_its_own_prefix(
    double: PostHogDouble, make: Callable[..., Any], ledger: str
) -> None:
    exporter = make(PostHogLogExporter, groups=THREE, group_prefixes={"app": "app_"}, ledger=ledger)
    assert exporter.export([a_log("order.paid", SIGNAL)]) is LogRecordExportResult.SUCCESS
    assert groups(double) == {
        ("company", "7"): {"name": "Acme", "plan_name": "team"},
        ("workspace", "7"): {"seats": 12},
        ("app", "7"): {"color": "red"},
    }
    (event,) = double.events
    assert event.groups == {"company": "7", "workspace": "7", "app": "7"}
    assert event.distinct_id == "$company_7", "without a user the first configured type speaks"
    assert event.properties["color"] == "blue"
    assert sorted(double.group_types) == ["app", "company", "workspace"]
    assert not double.refused, double.explain()


def test_a_change_of_one_type_is_an_update_of_that_type_alone(
    double: PostHogDouble, make: Callable[..., Any], ledger: str
) -> None:
    exporter = make(PostHogLogExporter, groups=THREE, group_prefixes={"app": "app_"}, ledger=ledger)
    exporter.export([a_log("order.paid", SIGNAL)])
    exporter.export([a_log("order.paid", SIGNAL, timestamp=EPOCH_NS)])
    assert len(double.identifies) == 3, "nothing changed"
    exporter.export([a_log("order.paid", {**SIGNAL, "workspace.seats": 13}, timestamp=EPOCH_NS + 1)])
    assert sorted(row.distinct_id for row in double.identifies) == [
        "$app_7", "$company_7", "$workspace_7", "$workspace_7",
    ]  # fmt: skip
    assert groups(double)["workspace", "7"] == {"seats": 13}
    assert groups(double)["company", "7"] == {"name": "Acme", "plan_name": "team"}


def test_spans_and_log_records_speak_of_the_same_groups(
    double: PostHogDouble, make: Callable[..., Any], ledger: str
) -> None:
    options = {"groups": THREE, "group_prefixes": {"app": "app_"}, "ledger": ledger}
    logs, spans = make(PostHogLogExporter, **options), make(PostHogSpanExporter, **options)
    logs.export([a_log("order.paid", SIGNAL)])
    assert spans.export([a_span("POST /orders", SIGNAL)]) is SpanExportResult.SUCCESS
    assert len(double.identifies) == 3
    assert [event.groups for event in double.events] == [{"company": "7", "workspace": "7", "app": "7"}] * 2


def test_a_key_without_a_prefix_of_its_own_makes_a_group_without_properties(
    double: PostHogDouble, make: Callable[..., Any]
) -> None:
    exporter = make(PostHogLogExporter, groups={"app": "app_id"})
    exporter.export([a_log("order.paid", SIGNAL)])
    assert groups(double) == {("app", "7"): {}}


def test_the_environment_says_the_same(
    double: PostHogDouble, make: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_POSTHOG_GROUPS", "company=tenant.id,workspace=workspace.id")
    monkeypatch.setenv("OTEL_EXPORTER_POSTHOG_GROUP_PREFIXES", "workspace=-")
    exporter = make(PostHogLogExporter)
    exporter.export([a_log("order.paid", SIGNAL)])
    assert groups(double) == {
        ("company", "7"): {"name": "Acme", "plan_name": "team"},
        ("workspace", "7"): {},
    }


def test_five_types_go_and_a_sixth_stops_the_start_with_the_reason(
    double: PostHogDouble, make: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    five = {f"type_{i}": f"t{i}.id" for i in range(5)}
    keys = {f"t{i}.id": "k" for i in range(6)}
    exporter = make(PostHogLogExporter, groups=five)
    exporter.export([a_log("order.paid", keys)])
    assert len(double.group_types) == 5
    assert not caplog.records or all(record.levelno < logging.ERROR for record in caplog.records)

    rows = len(double.rows)
    sixth = make(PostHogLogExporter, groups={**five, "type_5": "t5.id"})
    assert sixth.export([a_log("order.paid", keys)]) is LogRecordExportResult.FAILURE
    assert len(double.rows) == rows, "inert: PostHog would drop the sixth, or another would lose"
    (record,) = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert "6 group types" in record.getMessage()
    assert "at most 5" in record.getMessage()
    assert "never gives its place back" in record.getMessage()
    assert sixth.stats().not_selected == {"inert": 1}
