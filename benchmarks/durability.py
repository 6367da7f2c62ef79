"""What writing ahead costs while the network is healthy, and how many requests so many events take."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from math import ceil
from pathlib import Path

from opentelemetry.exporter.posthog import PostHogSpanExporter

from . import records
from .paired import measured
from .sink import Sink
from .table import Bench, Row, exact

WITHOUT, WITH = "no outbox", "write-ahead outbox"


def rows(bench: Bench) -> list[Row]:
    with ExitStack() as stack:
        place = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        cases: dict[str, Callable[[int], object]] = {
            WITHOUT: stack.enter_context(_exporting(bench.sink, "phc_without")),
            WITH: stack.enter_context(_exporting(bench.sink, "phc_with", outbox=str(place / "outbox"))),
        }
        # The same ledger for both: an outbox brings SQLite along, which has a benchmark of its own.
        cpu = measured(cases, rounds=2 * bench.rounds, records=records.BATCH)
        wall = measured(cases, rounds=2 * bench.rounds, records=records.BATCH, timer=time.perf_counter)
    return [
        Row(
            name="write-ahead outbox, CPU",
            cost=cpu.cost(WITH) * 1e6,
            found=cpu.ratio(WITH, WITHOUT),
            unit="x without",
            must=1.5,
        ),
        Row(
            name=f"write-ahead outbox, time on the clock: {wall.cost(WITH).median * 512e3:.0f} ms a batch",
            cost=wall.cost(WITH) * 1e6,
            found=wall.ratio(WITH, WITHOUT),
            unit="x without",
            must=1.5,
        ),
        *_requests(bench.sink),
    ]


@contextmanager
def _exporting(sink: Sink, key: str, **options: str) -> Iterator[Callable[[int], object]]:
    batches = [records.spans(seed=seed) for seed in range(4)]
    exporter = PostHogSpanExporter(api_key=key, host=sink.url, compression="zstd", ledger="memory", **options)  # type: ignore[misc]
    exporter.export(batches[0])
    yield lambda number: exporter.export(batches[number % 4])
    exporter.shutdown()


def _requests(sink: Sink) -> list[Row]:
    found: list[Row] = []
    with _exporter_alone(sink) as exporter:
        for count in (1, 512, 513, 5_000):
            spans = records.spans(count, seed=count, organizations=1)
            sink.taken()
            exporter.export(spans)
            requests = sink.taken().requests
            found.append(
                Row(
                    name=f"requests for {count:,} events: {requests}",
                    found=exact(requests / ceil(count / records.BATCH)),
                    unit="x ceil(n/512)",
                    must=1,
                )
            )
    return found


@contextmanager
def _exporter_alone(sink: Sink) -> Iterator[PostHogSpanExporter]:
    exporter = PostHogSpanExporter(api_key="phc_requests", host=sink.url)
    exporter.export(records.spans(1, seed=0, organizations=1))  # the group is known from here on
    yield exporter
    exporter.shutdown()
