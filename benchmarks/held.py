"""What is held of a record beyond the SDK's queue: in memory while its request is under way, and on disk.

A transport that never answers stands in for the network, so that memory is looked at in the very moment in
which a batch waits for PostHog; memory is what Python's allocators were asked for (``tracemalloc``). Group
updates of the batch are counted in; the records themselves are the SDK's.
"""

from __future__ import annotations

import gc
import tempfile
import tracemalloc
from pathlib import Path

from opentelemetry.exporter.posthog.assembly import assemble
from opentelemetry.exporter.posthog.clock import SystemClock
from opentelemetry.exporter.posthog.diagnostics import Diagnostics
from opentelemetry.exporter.posthog.sdk.intake import span_source
from opentelemetry.exporter.posthog.settings.sources import resolve
from opentelemetry.exporter.posthog.wire.exchange import NoAnswer, Request

from . import records
from .table import Bench, Row, exact

BATCHES = 8


def rows(bench: Bench) -> list[Row]:
    with tempfile.TemporaryDirectory() as place:
        waiting, peak, _ = _of_a_record(None)
        _, _, on_disk = _of_a_record(Path(place) / "outbox")
    return [
        Row(name="memory of a record under way", found=exact(waiting), unit="B", must=1_500, aim=200),
        Row(name="the same at its highest, while a batch is made", found=exact(peak), unit="B"),
        Row(name="a record that waits in the outbox, on disk", found=exact(on_disk), unit="B"),
    ]


class _Silence:
    """A network without an answer, and what was held when each request reached it."""

    request_life = 0.0

    def __init__(self) -> None:
        self.held = 0

    def send(self, request: Request, *, timeout: float) -> NoAnswer:
        self.held = _traced()
        return NoAnswer("no_connection", sent=False)

    def abort(self) -> None: ...

    def close(self) -> None: ...

    def after_fork_in_child(self) -> None: ...


def _of_a_record(outbox: Path | None) -> tuple[float, float, float]:
    """Bytes a record: while a request is under way, at the highest, and in the files of the outbox."""
    settings = resolve(
        {
            "api_key": "phc_held",
            "host": "http://127.0.0.1:1",
            "max_retries": 0,
            "ledger": "memory",
            "outbox": None if outbox is None else str(outbox),
        },
        {},
    ).settings
    assert settings is not None
    network = _Silence()
    pipeline = assemble(
        settings, Diagnostics(clock=SystemClock()), transport=network, clock=SystemClock(), background=False
    )
    source = span_source(settings)
    batches = [records.spans(seed=seed) for seed in range(BATCHES)]
    tracemalloc.start()
    waiting: list[int] = []
    peaks: list[int] = []
    for batch in batches:
        tracemalloc.reset_peak()
        before, network.held = _traced(), 0
        pipeline.export(source, batch)
        if network.held:  # an open breaker asks no network
            waiting.append(network.held - before)
            peaks.append(tracemalloc.get_traced_memory()[1] - before)
    tracemalloc.stop()
    status = None if pipeline._outbox is None else pipeline._outbox.status()
    pipeline.shutdown(1.0)
    stored = 0.0 if status is None else status.payload_bytes / status.events
    return min(waiting) / records.BATCH, min(peaks) / records.BATCH, stored


def _traced() -> int:
    gc.collect()  # lets go of the interpreter's own reserves too: freed tuples and dicts for the next ones
    return tracemalloc.get_traced_memory()[0]
