"""The exporter's own OpenTelemetry metrics, as a metric reader sees them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

from opentelemetry.exporter.posthog.delivery.record import DeliveryRecord
from opentelemetry.exporter.posthog.diagnostics import Diagnostics
from opentelemetry.exporter.posthog.diagnostics.self_metrics import CONVENTIONAL, INSTRUMENTS, SelfMetrics
from opentelemetry.exporter.posthog.reasons import Reason
from tests.manual_clock import ManualClock

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "metrics.md"


@pytest.fixture
def reader() -> InMemoryMetricReader:
    return InMemoryMetricReader()


@pytest.fixture
def told(reader: InMemoryMetricReader) -> Iterator[Diagnostics]:
    provider = MeterProvider([reader], shutdown_on_exit=False)
    told = Diagnostics(clock=ManualClock())
    told._metrics = SelfMetrics("https://eu.i.posthog.com", told.snapshot, provider)
    yield told
    provider.shutdown()


def points(reader: InMemoryMetricReader, name: str) -> dict[tuple[tuple[str, object], ...], float]:
    """Data points by their attributes, without those that every point of ours has."""
    constant = {"otel.component.type", "otel.component.name", "server.address", "server.port"}
    data = reader.get_metrics_data()
    found: dict[tuple[tuple[str, object], ...], float] = {}
    for resource in data.resource_metrics if data is not None else ():
        for scope in resource.scope_metrics:
            assert scope.scope.name == "opentelemetry.exporter.posthog"
            for metric in scope.metrics:
                for point in metric.data.data_points if metric.name == name else ():
                    told_apart = {k: v for k, v in (point.attributes or {}).items() if k not in constant}
                    value = point.value if hasattr(point, "value") else point.count
                    found[tuple(sorted(told_apart.items()))] = value
    return found


def test_signals_that_were_lost_have_an_error_type_and_the_others_have_none(
    told: Diagnostics, reader: InMemoryMetricReader
) -> None:
    with told.exporting("span", 10):
        told.received("span", 10)
        told.not_selected(Reason.NO_GROUP, 4)
        told.refused("invalid", 1)
        told.dropped("http_503", 2)
        told.dropped(Reason.BEFORE_SEND, 1)  # somebody asked for that: no failure
        told.delivery(DeliveryRecord(envelopes=5, protocol="v1", statuses={200: 1, 503: 2}))
    assert points(reader, "otel.sdk.exporter.span.exported") == {
        (): 7,
        (("error.type", "invalid"),): 1,
        (("error.type", "503"),): 2,
    }
    assert points(reader, "otel.sdk.exporter.span.inflight") == {(): 0}
    assert points(reader, "otel.sdk.exporter.operation.duration") == {
        (("error.type", "503"), ("http.response.status_code", 503)): 1
    }


def test_signals_are_in_flight_while_an_export_runs(told: Diagnostics, reader: InMemoryMetricReader) -> None:
    with told.exporting("log", 3):
        assert points(reader, "otel.sdk.exporter.log.inflight") == {(): 3}
    assert points(reader, "otel.sdk.exporter.log.inflight") == {(): 0}


def test_an_export_that_raises_is_counted_as_failed(told: Diagnostics, reader: InMemoryMetricReader) -> None:
    with pytest.raises(OSError, match="disk"), told.exporting("log", 3):
        raise OSError("disk")
    assert points(reader, "otel.sdk.exporter.log.exported") == {(("error.type", "OSError"),): 3}


def test_our_own_figures_are_those_of_the_snapshot(told: Diagnostics, reader: InMemoryMetricReader) -> None:
    told.received("log", 3)
    told.not_selected(Reason.PLAIN_LOG)
    told.made(["a"] * 2)
    told.delivered(1)
    told.stored(1)
    told.updates(granted=2, delivered=1, unknown=1)
    told.note("identifies_saved", 9)
    assert points(reader, "posthog.exporter.received") == {(("signal", "log"),): 3}
    assert points(reader, "posthog.exporter.not_selected") == {(("reason", "plain_log"),): 1}
    assert points(reader, "posthog.exporter.made") == {(): 2}
    assert points(reader, "posthog.exporter.delivered") == {(): 1}
    assert points(reader, "posthog.exporter.stored") == {(): 1}
    assert points(reader, "posthog.exporter.notes") == {(("word", "identifies_saved"),): 9}
    outcomes = points(reader, "posthog.exporter.group_updates")
    assert outcomes[("outcome", "granted"),] == 2
    assert outcomes[("outcome", "unknown"),] == 1


def test_metrics_do_not_keep_a_pipeline_alive(reader: InMemoryMetricReader) -> None:
    provider = MeterProvider([reader], shutdown_on_exit=False)
    told = Diagnostics(clock=ManualClock())
    told._metrics = SelfMetrics("https://eu.i.posthog.com", told.snapshot, provider)
    told.delivered(1)
    del told
    assert points(reader, "posthog.exporter.delivered") == {}
    provider.shutdown()


def test_the_page_and_the_tables_agree() -> None:
    rows = {
        (cells[1].strip(" `"), cells[2].strip(" `"), cells[3].strip(" `"))
        for line in PAGE.read_text().splitlines()
        if line.startswith("| `") and (cells := line.split("|"))
    }
    ours = {(each.name, each.unit, each.attribute or "") for each in INSTRUMENTS}
    conventional = {(name, unit) for name, unit, _ in CONVENTIONAL}
    assert ours <= rows
    assert {(name, unit) for name, unit, _ in rows - ours} == conventional


def test_not_switched_on_they_are_not_even_imported() -> None:
    code = (
        "import sys\n"
        "from opentelemetry.exporter.posthog.clock import SystemClock\n"
        "from opentelemetry.exporter.posthog.diagnostics import Diagnostics\n"
        "told = Diagnostics(clock=SystemClock())\n"
        "with told.exporting('span', 1): told.dropped('x', 1)\n"
        "assert not [m for m in sys.modules if m.startswith('opentelemetry.metrics') or 'self_metrics' in m]"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
