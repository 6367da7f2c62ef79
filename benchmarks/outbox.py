"""How fast captures go into and out of the outbox, and what writing ahead costs an export.

``python benchmarks/outbox.py [--rounds 30] [--directory PLACE] [--json]``. Cases alternate within a round,
the first round is thrown away; a ratio is the median of the ratios taken round by round, so that a busy
machine moves both. The double is a process of its own. The network is loopback: a real one hides more.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor

from opentelemetry.exporter.posthog import PostHogLogExporter
from opentelemetry.exporter.posthog.clock import SystemClock
from opentelemetry.exporter.posthog.delivery.sqlite_outbox import SqliteOutbox
from opentelemetry.exporter.posthog.model import DELIVERED, Envelope, Outcome, OutcomeKind
from opentelemetry.exporter.posthog.sqlite import StateOwner

BATCH = 512
RETRY = Outcome(OutcomeKind.RETRY, "benchmark")


class Silent:
    """A report that nobody reads."""

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *_: None


def an_envelope() -> Envelope:
    text = os.urandom(600).hex()
    properties = f'{{"text":"{text}"}}'.encode()
    return Envelope("order placed", str(uuid.uuid4()), "user_1", "2026-11-23T14:01:24.916575Z", properties)


def milliseconds(act: Callable[[], object]) -> float:
    start = time.perf_counter()
    act()
    return (time.perf_counter() - start) * 1000


def spread(times: list[float]) -> str:
    ordered = sorted(times[1:])
    return f"p50 {statistics.median(ordered):.2f} ms, p99 {ordered[int(len(ordered) * 0.99)]:.2f} ms"


def outbox_alone(place: Path, rounds: int) -> dict[str, Any]:
    """Batches of 512 events of 1.2 KB, and single events: put, settle, and drain of a backlog."""
    outbox = SqliteOutbox(place / "alone", owner=StateOwner("h", "k"), clock=SystemClock(), report=Silent())
    batches = [[an_envelope() for _ in range(BATCH)] for _ in range(rounds)]
    put: list[float] = []
    settle: list[float] = []
    for batch in batches:
        start = time.perf_counter()
        receipt = outbox.put(batch)
        middle = time.perf_counter()
        assert receipt is not None
        outbox.settle(receipt, [DELIVERED] * BATCH)
        put.append((middle - start) * 1000)
        settle.append((time.perf_counter() - middle) * 1000)
    one = [milliseconds(lambda event=event: put_and_settle(outbox, event)) for event in batches[0]]
    for batch in batches:
        receipt = outbox.put(batch)
        assert receipt is not None
        outbox.settle(receipt, [RETRY] * BATCH)
    start, drained = time.perf_counter(), 0
    while (claimed := outbox.claim(4 << 20)) is not None:
        drained += len(claimed.envelopes)
        outbox.settle(claimed, [DELIVERED] * len(claimed.envelopes))
    seconds = time.perf_counter() - start
    outbox.close()
    return {
        "put 512": spread(put),
        "settle 512": spread(settle),
        "put and settle one event": spread(one),
        "events a second in": round(BATCH * 1000 / statistics.median(put)),
        "events a second out": round(drained / seconds),
    }


def put_and_settle(outbox: SqliteOutbox, event: Envelope) -> None:
    receipt = outbox.put([event])
    assert receipt is not None
    outbox.settle(receipt, [DELIVERED])


def records() -> list[Any]:
    """512 log events of 25 organizations, as the SDK hands them over."""
    kept = InMemoryLogRecordExporter()
    provider = LoggerProvider()
    provider.add_log_record_processor(SimpleLogRecordProcessor(kept))
    logger = provider.get_logger("benchmark")
    for number in range(BATCH):
        attributes = {f"app.attribute_{n}": os.urandom(20).hex() for n in range(12)}
        logger.emit(
            LogRecord(
                timestamp=time.time_ns(),
                event_name="order placed",
                severity_number=SeverityNumber.INFO,
                attributes={
                    **attributes,
                    "organization.id": f"org_{number % 25}",
                    "posthog.distinct_id": "u_1",
                },
            )
        )
    return list(kept.get_finished_logs())


def write_ahead(place: Path, rounds: int) -> dict[str, Any]:
    """An export of 512 log events to a healthy PostHog, with an outbox and without, in turn."""
    command = [sys.executable, "-m", "opentelemetry.exporter.posthog.testing", "--print-url"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as double:
        assert double.stdout is not None
        url = double.stdout.readline().strip()
        # two projects: exporters of one project share a pipeline
        plain = PostHogLogExporter(api_key="phc_plain", host=url)
        ahead = PostHogLogExporter(
            api_key="phc_ahead", host=url, outbox=str(place / "ahead"), ledger="memory"
        )
        without, with_outbox, ratios = [], [], []
        for number in range(rounds):
            pairs = [(plain, without), (ahead, with_outbox)]
            for exporter, times in pairs if number % 2 else reversed(pairs):
                batch = records()
                times.append(milliseconds(lambda exporter=exporter, batch=batch: exporter.export(batch)))
            ratios.append(with_outbox[-1] / without[-1])
        plain.shutdown()
        ahead.shutdown()
        double.terminate()
    return {
        "export of 512 without outbox": spread(without),
        "export of 512, written ahead": spread(with_outbox),
        "ratio": round(statistics.median(ratios[1:]), 2),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--directory", type=Path, help="on the disk to be measured")
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=asked.directory) as place:
        Path(place).chmod(0o700)
        found = {**outbox_alone(Path(place), asked.rounds), **write_ahead(Path(place), asked.rounds)}
    lines = [f"{name:32} {value}" for name, value in found.items()]
    sys.stdout.write((json.dumps(found, indent=2) if asked.json else "\n".join(lines)) + "\n")


if __name__ == "__main__":
    main()
