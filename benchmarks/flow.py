"""A whole process with the SDK's batch processor: how much arrives, what is dropped, how long stopping takes,
and what an innocent thread feels of it. Ours and OTLP/HTTP in turns, each time in a fresh process.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from statistics import quantiles
from typing import Any

from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.trace import SpanKind

from . import records
from .paired import Spread, spread_of
from .table import Bench, Row

OURS, OTLP = "ours", "otlp"
QUEUED = 10_000
EMITTED = 20_000
SECONDS = 2.5
RATE = 4_000  # spans a second beside the innocent thread

LEAST = {"dropped": 0.01}
"""A share below which a ratio to it says nothing."""

Found = dict[str, float]


def rows(bench: Bench) -> list[Row]:
    rounds = 2 if bench.quick else 3
    found: dict[tuple[str, str], list[Found]] = {}
    for number in range(rounds):
        for measure in MEASURES:
            for peer in (OURS, OTLP) if number % 2 else (OTLP, OURS):
                found.setdefault((measure, peer), []).append(_in_a_process(measure, peer, bench.sink.url))

    def ratio(measure: str, value: str) -> Spread:
        pairs = zip(found[measure, OURS], found[measure, OTLP], strict=True)
        return spread_of([mine[value] / max(theirs[value], LEAST.get(value, 0.0)) for mine, theirs in pairs])

    def told(measure: str, value: str, shape: str) -> str:
        mine, theirs = (spread_of([one[value] for one in found[measure, peer]]) for peer in (OURS, OTLP))
        return f"{format(mine.median, shape)} against {format(theirs.median, shape)}"

    return [
        Row(
            name=f"stop with {QUEUED:,} queued: {told('stop', 'ms', '.0f')} ms",
            found=ratio("stop", "ms"),
            unit="x OTLP",
            must=0.42,
            aim=0.32,
        ),
        Row(
            name=f"arrived, one producer: {told('arrived', 'a_second', ',.0f')} a second",
            found=ratio("arrived", "a_second"),
            unit="x OTLP",
            must=1.9,
            aim=2.3,
            more_is_better=True,
        ),
        Row(
            name=f"dropped in a flood: {told('flood', 'dropped', '.0%')}",
            found=ratio("flood", "dropped"),
            unit="x OTLP's share",
            must=0.5,
        ),
        *(
            Row(
                name=f"stall of another thread, {name}: {told('stall', name, '.1f')} ms",
                found=ratio("stall", name),
                unit="x OTLP",
                must=0.40,
                aim=0.30,
            )
            for name in ("p99", "p99.9")
        ),
    ]


def _in_a_process(measure: str, peer: str, url: str) -> Found:
    command = [sys.executable, "-m", "benchmarks.flow", measure, peer, url]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True, text=True)
    found: Found = json.loads(done.stdout.splitlines()[-1])
    return found


# -- in the process that is measured ---------------------------------------------------------------------


class Gate(SpanExporter):
    """Holds batches back until it is opened, and counts what went through."""

    def __init__(self, inner: SpanExporter, *, is_open: bool = True) -> None:
        self._inner = inner
        self._opened = threading.Event()
        self.arrived = 0
        if is_open:
            self._opened.set()

    def open(self) -> None:
        self._opened.set()

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        self._opened.wait()
        result = self._inner.export(spans)
        if result is SpanExportResult.SUCCESS:
            self.arrived += len(spans)
        return result

    def shutdown(self) -> None:
        self._inner.shutdown()


def _exporter(peer: str, url: str) -> SpanExporter:
    if peer == OURS:
        from opentelemetry.exporter.posthog import PostHogSpanExporter

        return PostHogSpanExporter(api_key="phc_flow", host=url, compression="zstd")
    from opentelemetry.exporter.otlp.proto.http import Compression
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

    return OTLPSpanExporter(endpoint=f"{url}/v1/traces", compression=Compression.Gzip)


def _provider(gate: Gate, queue: int | None = None) -> TracerProvider:
    provider = TracerProvider(resource=records.RESOURCE, shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(gate, max_queue_size=queue, max_export_batch_size=512))
    return provider


def _emitter(provider: TracerProvider) -> Callable[[int], None]:
    tracer = provider.get_tracer(records.SCOPE, "1.0")
    attributes = [records.attributes_of(fact) for fact in records.facts(4_096, seed=1)]

    def emit(number: int) -> None:
        tracer.start_span(records.NAME, kind=SpanKind.SERVER, attributes=attributes[number % 4_096]).end()

    return emit


def stop(exporter: SpanExporter) -> Found:
    _warm(exporter)
    gate = Gate(exporter, is_open=False)
    provider = _provider(gate, 2 * QUEUED)
    emit = _emitter(provider)
    for number in range(QUEUED):
        emit(number)
    started = time.perf_counter()
    gate.open()
    provider.shutdown()
    assert gate.arrived == QUEUED
    return {"ms": (time.perf_counter() - started) * 1e3}


def arrived(exporter: SpanExporter) -> Found:
    _warm(exporter)
    gate = Gate(exporter)
    provider = _provider(gate, 2 * EMITTED)
    emit = _emitter(provider)
    started = time.perf_counter()
    for number in range(EMITTED):
        emit(number)
    provider.shutdown()
    return {"a_second": gate.arrived / (time.perf_counter() - started)}


def flood(exporter: SpanExporter) -> Found:
    _warm(exporter)
    gate = Gate(exporter)
    provider = _provider(gate)
    emit = _emitter(provider)
    offered, end = 0, time.perf_counter() + SECONDS
    while time.perf_counter() < end:
        emit(offered)
        offered += 1
    in_time = gate.arrived
    provider.shutdown()
    return {"dropped": 1 - gate.arrived / offered, "arrived_in_time": in_time}


def stall(exporter: SpanExporter) -> Found:
    os.sched_setaffinity(0, range(os.cpu_count() or 1))
    _warm(exporter)
    provider = _provider(Gate(exporter))
    emit = _emitter(provider)
    felt: list[float] = []
    over = threading.Event()
    innocent = threading.Thread(target=_innocent, args=(felt, over))
    innocent.start()
    started, sent = time.perf_counter(), 0
    while (now := time.perf_counter() - started) < SECONDS:
        while sent < now * RATE:
            emit(sent)
            sent += 1
        time.sleep(0.001)
    over.set()
    innocent.join()
    provider.shutdown()
    parts = quantiles(felt, n=1_000, method="inclusive")
    return {"p99": parts[989] * 1e3, "p99.9": parts[998] * 1e3}


def _innocent(felt: list[float], over: threading.Event) -> None:
    while not over.is_set():
        started = time.perf_counter()
        time.sleep(0.001)
        worked = time.perf_counter()
        while time.perf_counter() - worked < 50e-6:
            pass
        felt.append(time.perf_counter() - started)


def _warm(exporter: SpanExporter) -> None:
    exporter.export(records.spans(64, seed=9))


MEASURES: dict[str, Callable[[Any], Found]] = {
    "stop": stop,
    "arrived": arrived,
    "flood": flood,
    "stall": stall,
}


if __name__ == "__main__":
    measure, peer, url = sys.argv[1:]
    print(json.dumps(MEASURES[measure](_exporter(peer, url))))
