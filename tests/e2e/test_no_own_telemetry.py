"""Our own traffic makes no telemetry: one record in, one request out, even when everything is watched."""

from __future__ import annotations

import sys

import pytest

from opentelemetry.exporter.posthog.testing import PostHogDouble
from opentelemetry.exporter.posthog.testing.faults import Fault
from tests.e2e.processes import APPS, run


@pytest.mark.parametrize("handler", ["sdk", "contrib"])
@pytest.mark.parametrize("healthy", [pytest.param(True, id="healthy"), pytest.param(False, id="failing")])
def test_neither_spans_nor_log_lines_of_our_requests_come_back_to_us(handler: str, healthy: bool) -> None:
    with PostHogDouble.listening() as double:
        if not healthy:
            double.fail(Fault(status=400, body="no", times=None))
        run([sys.executable, APPS / "self_watching.py", handler], {"TEST_HOST": double.url})
        assert len(double.requests) <= (2 if healthy else 8), "each of the two exporters had one thing to say"
        assert not any("traceparent" in exchange.request.headers for exchange in double.requests)
        if healthy:
            names = sorted(event.name for event in double.events)
            assert len(names) == 2, names
