"""What a batch costs in `export`, beside the OTLP exporter in one run, as a ratio."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind

from opentelemetry.exporter.posthog import PostHogSpanExporter

SINK = Path(__file__).parent / "apps/sink.py"

BATCH = 512
"""Spans of a full batch of the SDK."""

ROUNDS = 9
"""Alternating rounds; the median of their ratios shrugs off a neighbour on the machine."""


@pytest.fixture
def sink() -> Iterator[str]:
    with subprocess.Popen([sys.executable, str(SINK)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield f"http://127.0.0.1:{process.stdout.readline().strip()}"
        process.kill()


def a_batch() -> Sequence[ReadableSpan]:
    """Server spans with a dozen attributes, of fifty organizations with six properties each."""
    kept = InMemorySpanExporter()
    provider = TracerProvider(resource=Resource({"service.name": "shop", "service.version": "1.2"}))
    provider.add_span_processor(SimpleSpanProcessor(kept))
    tracer = provider.get_tracer("shop")
    for number in range(BATCH):
        organization = number % 50
        tracer.start_span(
            "POST /orders/{order_id}",
            kind=SpanKind.SERVER,
            attributes={
                "http.route": "/orders/{order_id}",
                "http.request.method": "POST",
                "http.response.status_code": 200,
                "url.path": f"/orders/{number}",
                "user.id": f"u_{number % 97}",
                "order.id": f"o_{number}",
                "order.amount": number * 1.5,
                "order.currency": "EUR",
                "order.items": ["a", "b", "c"],
                "order.express": number % 2 == 0,
                "feature.flag": "new-checkout",
                "queue.depth": number % 7,
                "organization.id": f"org_{organization}",
                "organization.name": f"Organization {organization}",
                "organization.plan_name": "team",
                "organization.seats": organization,
                "organization.region": "eu",
                "organization.status": "active",
                "organization.industry": "retail",
            },
        ).end()
    return kept.get_finished_spans()


def cpu_of(act: Callable[[], object]) -> float:
    start = time.process_time()
    act()
    return time.process_time() - start


def test_an_export_costs_no_more_than_otlps(sink: str) -> None:
    batch = a_batch()
    ours = PostHogSpanExporter(api_key="phc_test", host=sink, capture_mode="legacy", timeout_millis=30_000)
    otlp = OTLPSpanExporter(endpoint=f"{sink}/v1/traces", compression=Compression.Gzip)
    ours.export(batch), otlp.export(batch)  # imports, connections, the organizations' first sight

    ratios = [cpu_of(lambda: ours.export(batch)) / cpu_of(lambda: otlp.export(batch)) for _ in range(ROUNDS)]
    delivered = ours.stats().delivered
    ours.shutdown(), otlp.shutdown()

    assert delivered == BATCH * (ROUNDS + 1)
    assert statistics.median(ratios) <= 1.0, ratios
