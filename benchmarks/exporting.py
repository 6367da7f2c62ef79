"""A record in, an acknowledged event out: what it costs, ours and theirs, and what goes over the wire."""

from __future__ import annotations

import queue
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from copy import deepcopy
from typing import Any, NamedTuple

from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from posthog import Posthog
from posthog.capture_compression import CaptureCompression
from posthog.capture_mode import CaptureMode
from posthog.consumer import Consumer as PosthogConsumer
from segment.analytics import Client as Segment
from segment.analytics.consumer import Consumer as SegmentConsumer

from . import records
from .floor import FLOOR, floor
from .ours import KEY, ours
from .paired import Rounds, measured
from .sink import Sink, Taken
from .table import Bench, Row, exact


class Measured(NamedTuple):
    rounds: Rounds
    taken: dict[str, Taken]  # of one batch of 512 by each case


def measure(sink: Sink, *, rounds: int, only: Callable[[str], bool] = lambda name: True) -> Measured:
    """Every case named so that ``only`` says yes."""
    with ExitStack() as stack:
        cases = {name: stack.enter_context(case(sink)) for name, case in CASES.items() if only(name)}
        taken: dict[str, Taken] = {}
        for name, case in cases.items():
            case(0)
            sink.taken()
            case(1)
            taken[name] = sink.taken()
        return Measured(measured(cases, rounds=rounds, records=records.BATCH), taken)


# -- OTLP -------------------------------------------------------------------------------------------------


def otlp(signal: str) -> Callable[[Sink], Any]:
    @contextmanager
    def case(sink: Sink) -> Iterator[Callable[[int], None]]:
        exporter: Any = (OTLPSpanExporter if signal == "spans" else OTLPLogExporter)(
            endpoint=f"{sink.url}/v1/{signal}", compression=Compression.Gzip
        )
        make = records.spans if signal == "spans" else records.logs
        batches: list[Any] = [make(seed=seed) for seed in range(4)]
        yield lambda number: exporter.export(batches[number % 4])
        exporter.shutdown()

    return case


# -- analytics SDKs: a call on the application's thread, then a consumer --------------------------------


def posthog_calls(sink: Sink) -> Any:
    """``capture()`` alone: the consumer never starts."""
    return _posthog_calls()


@contextmanager
def _posthog_calls() -> Iterator[Callable[[int], None]]:
    facts = [records.facts(records.BATCH, seed=seed) for seed in range(4)]
    client = Posthog(KEY, host="http://127.0.0.1:1", before_send=lambda message: None, max_queue_size=10**6)

    def run(number: int) -> None:
        for fact in facts[number % 4]:
            capture(client, fact)

    yield run


def capture(client: Posthog, fact: records.Fact) -> None:
    client.capture(
        fact.name,
        distinct_id=fact.plain["user.id"],
        properties=records.sdk_properties(fact),
        groups={"organization": fact.organization},
    )


def posthog_consumer(mode: CaptureMode) -> Callable[[Sink], Any]:
    @contextmanager
    def case(sink: Sink) -> Iterator[Callable[[int], None]]:
        batches = [_posthog_messages(seed) for seed in range(4)]

        def run(number: int) -> None:
            waiting: queue.Queue[Any] = queue.Queue()
            for message in batches[number % 4]:
                waiting.put(message)
            consumer = PosthogConsumer(
                waiting,
                KEY,
                host=sink.url,
                gzip=True,
                flush_interval=0.01,
                capture_mode=mode,
                capture_compression=CaptureCompression.GZIP,
            )
            while not waiting.empty():
                assert consumer.upload()

        yield run

    return case


def _posthog_messages(seed: int) -> list[dict[str, Any]]:
    messages: list[dict[str, Any]] = []

    def keep(message: dict[str, Any]) -> None:
        messages.append(deepcopy(message))

    client = Posthog(KEY, host="http://127.0.0.1:1", before_send=keep)
    for fact in records.facts(records.BATCH, seed=seed):
        capture(client, fact)
    return messages


def segment_calls(sink: Sink) -> Any:
    return _segment_calls()


@contextmanager
def _segment_calls() -> Iterator[Callable[[int], None]]:
    facts = [records.facts(records.BATCH, seed=seed) for seed in range(4)]

    def run(number: int) -> None:
        client = Segment("key", send=False, max_queue_size=10**6)
        for fact in facts[number % 4]:
            track(client, fact)

    yield run


def track(client: Segment, fact: records.Fact) -> Any:
    """The message as the consumer gets it."""
    _, message = client.track(
        fact.plain["user.id"],
        fact.name,
        records.sdk_properties(fact),
        context={"groupId": fact.organization},
    )
    return message


@contextmanager
def segment_consumer(sink: Sink) -> Iterator[Callable[[int], None]]:
    client = Segment("key", send=False)  # without threads: one would be waited for at exit
    batches = [[track(client, fact) for fact in records.facts(records.BATCH, seed=seed)] for seed in range(4)]

    def run(number: int) -> None:
        waiting: queue.Queue[Any] = queue.Queue()
        for message in batches[number % 4]:
            waiting.put(message)
        consumer = SegmentConsumer(waiting, "key", host=sink.url, gzip=True, upload_interval=0.01)
        while not waiting.empty():
            assert consumer.upload()

    yield run


OURS_SHIPPED = "ours, spans, zstd"
OURS_GZIP = "ours, spans, gzip"
STDLIB = "ours, spans, gzip 1, stdlib json"
OTLP = "OTLP spans, gzip"
CASES: dict[str, Callable[[Sink], Any]] = {
    FLOOR: floor,
    OURS_SHIPPED: ours("spans", compression="zstd"),
    OURS_GZIP: ours("spans"),
    "ours, spans, gzip 1": ours("spans", level=1),
    STDLIB: ours("spans", level=1, stdlib_json=True),
    "ours, logs, gzip": ours("logs"),
    OTLP: otlp("spans"),
    "OTLP logs, gzip": otlp("logs"),
    "posthog capture()": posthog_calls,
    "posthog consumer v0, gzip": posthog_consumer(CaptureMode.V0),
    "posthog consumer v1, gzip": posthog_consumer(CaptureMode.V1),
    "segment track()": segment_calls,
    "segment consumer, gzip": segment_consumer,
}


def rows(bench: Bench) -> list[Row]:
    found = measure(bench.sink, rounds=bench.rounds)
    rounds, taken = found.rounds, found.taken

    def row(name: str, case: str, *others: str, unit: str, **goal: Any) -> Row:
        return Row(
            name=name, cost=rounds.cost(case) * 1e6, found=rounds.ratio(case, *others), unit=unit, **goal
        )

    def size(name: str, case: str, other: str, unit: str, **goal: Any) -> Row:
        mine, theirs = (taken[each].wire_bytes / records.BATCH for each in (case, other))
        note = f"{mine:.0f} B an event, head and body"
        return Row(name=f"{name}: {mine:.0f} B", found=exact(mine / theirs), unit=unit, note=note, **goal)

    peers = [name for name in CASES if not name.startswith("ours") and name != FLOOR]
    posthog = ("posthog capture()", "posthog consumer v0, gzip")
    segment = ("segment track()", "segment consumer, gzip")
    return [
        row("floor F", FLOOR, FLOOR, unit="F"),
        row("spans, zstd: the [fast] configuration", OURS_SHIPPED, FLOOR, unit="F", must=2.0),
        row("spans, gzip 1", "ours, spans, gzip 1", FLOOR, unit="F", must=2.8, aim=2.4),
        row("spans, gzip 1, stdlib json", STDLIB, FLOOR, unit="F", must=4.2),
        row("spans, gzip", OURS_GZIP, FLOOR, unit="F"),
        row("logs, gzip", "ours, logs, gzip", FLOOR, unit="F"),
        *(row(name, name, FLOOR, unit="F") for name in peers),
        row("spans, zstd", OURS_SHIPPED, OTLP, unit="x OTLP gzip", must=0.25, aim=0.20),
        row("spans, gzip", OURS_GZIP, OTLP, unit="x OTLP gzip", must=0.38, aim=0.30),
        row("spans, gzip 1, stdlib json", STDLIB, OTLP, unit="x OTLP gzip", must=0.48),
        row(
            "logs, gzip", "ours, logs, gzip", "OTLP logs, gzip", unit="x OTLP logs gzip", must=0.38, aim=0.30
        ),
        row("spans, zstd", OURS_SHIPPED, *posthog, unit="x posthog call + consumer", must=1 / 7),
        row("spans, gzip", OURS_GZIP, *posthog, unit="x posthog call + consumer", must=0.20, aim=0.16),
        row("spans, gzip", OURS_GZIP, *segment, unit="x segment call + consumer", must=0.28, aim=0.22),
        size("bytes an event, zstd", OURS_SHIPPED, posthog[1], "x posthog gzip", must=0.95, aim=0.85),
        size("bytes an event, zstd", OURS_SHIPPED, OTLP, "x OTLP gzip", must=1.30, aim=1.15),
        size("bytes an event, gzip", OURS_GZIP, posthog[1], "x posthog gzip", must=0.95, aim=0.85),
        size("bytes an event, gzip", OURS_GZIP, OTLP, "x OTLP gzip", must=1.30, aim=1.15),
        Row(
            name="requests for 512 events",
            found=exact(taken[OURS_SHIPPED].requests),
            unit="requests",
            must=1,
        ),
    ]
