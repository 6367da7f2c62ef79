"""A record in, an acknowledged event out: what it costs, ours and theirs, and what goes over the wire."""

from __future__ import annotations

import queue
import random
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from copy import deepcopy
from typing import Any, NamedTuple

import httpx
import orjson
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from posthog import Posthog
from posthog.capture_compression import CaptureCompression
from posthog.capture_mode import CaptureMode
from posthog.consumer import Consumer as PosthogConsumer
from segment.analytics import Client as Segment
from segment.analytics.consumer import Consumer as SegmentConsumer

from opentelemetry.exporter.posthog import PostHogLogExporter, PostHogSpanExporter
from opentelemetry.exporter.posthog.wire import body

from . import records
from .paired import Rounds, measured
from .sink import Sink, Taken

KEY = "phc_benchmark"

FLOOR = "floor: ready dicts, orjson, gzip 1, httpx"


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


# -- the floor --------------------------------------------------------------------------------------------


@contextmanager
def floor(sink: Sink) -> Iterator[Callable[[int], None]]:
    """What nobody can do without: the events are there, they need to be written, squeezed and sent."""
    batches = [records.ready_events(seed=seed) for seed in range(4)]
    with httpx.Client() as client:

        def run(number: int) -> None:
            packed = zlib.compressobj(1, zlib.DEFLATED, 31)
            content = packed.compress(orjson.dumps({"batch": batches[number % 4]})) + packed.flush()
            client.post(f"{sink.url}/batch/", content=content).raise_for_status()

        yield run


# -- ours -------------------------------------------------------------------------------------------------


def ours(
    signal: str,
    *,
    compression: str = "gzip",
    level: int | None = None,
    stdlib_json: bool = False,
    **options: Any,
) -> Callable[[Sink], Any]:
    """The exporter as a user has it. ``level`` and ``stdlib_json`` are not options of its own: they put it
    beside what was measured of others.
    """

    @contextmanager
    def case(sink: Sink) -> Iterator[Callable[[int], None]]:
        made: Any = PostHogSpanExporter if signal == "spans" else PostHogLogExporter
        make = records.spans if signal == "spans" else records.logs
        batches: list[Any] = [make(seed=seed) for seed in range(4)]
        exporter = made(
            api_key=f"{KEY}{random.getrandbits(64):x}", host=sink.url, compression=compression, **options
        )
        with _changed(body, "_optional", _without_orjson if stdlib_json else body._optional):
            exporter.export(batches[0])  # builds the pipeline

        def run(number: int) -> None:
            with _changed(body, "GZIP_LEVEL", body.GZIP_LEVEL if level is None else level):
                exporter.export(batches[number % 4])

        yield run
        exporter.shutdown()

    return case


def _without_orjson(name: str, real: Callable[[str], Any] = body._optional) -> Any:
    return None if name == "orjson" else real(name)


@contextmanager
def _changed(owner: Any, name: str, value: Any) -> Iterator[None]:
    former = getattr(owner, name)
    setattr(owner, name, value)
    try:
        yield
    finally:
        setattr(owner, name, former)


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


def track(client: Segment, fact: records.Fact) -> None:
    client.track(
        fact.plain["user.id"],
        fact.name,
        records.sdk_properties(fact),
        context={"groupId": fact.organization},
    )


@contextmanager
def segment_consumer(sink: Sink) -> Iterator[Callable[[int], None]]:
    batches: list[list[Any]] = []
    for seed in range(4):
        client = Segment("key", host=sink.url, upload_interval=10**6)
        for thread in client.consumers:
            thread.pause()
        client.queue = queue.Queue()
        for fact in records.facts(records.BATCH, seed=seed):
            track(client, fact)
        batches.append(list(client.queue.queue))

    def run(number: int) -> None:
        waiting: queue.Queue[Any] = queue.Queue()
        for message in batches[number % 4]:
            waiting.put(message)
        consumer = SegmentConsumer(waiting, "key", host=sink.url, gzip=True, upload_interval=0.01)
        while not waiting.empty():
            assert consumer.upload()

    yield run


OURS_SHIPPED = "ours, spans, zstd"
CASES: dict[str, Callable[[Sink], Any]] = {
    FLOOR: floor,
    OURS_SHIPPED: ours("spans", compression="zstd"),
    "ours, spans, gzip 6": ours("spans"),
    "ours, spans, gzip 1": ours("spans", level=1),
    "ours, spans, gzip 1, stdlib json": ours("spans", level=1, stdlib_json=True),
    "ours, logs, gzip 6": ours("logs"),
    "OTLP spans, gzip": otlp("spans"),
    "OTLP logs, gzip": otlp("logs"),
    "posthog capture()": posthog_calls,
    "posthog consumer v0, gzip": posthog_consumer(CaptureMode.V0),
    "posthog consumer v1, gzip": posthog_consumer(CaptureMode.V1),
    "segment track()": segment_calls,
    "segment consumer, gzip": segment_consumer,
}


def main() -> None:
    from .sink import running_sink

    with running_sink() as sink:
        started = time.monotonic()
        found = measure(sink, rounds=9)
        for name in CASES:
            taken = found.taken[name]
            print(
                f"{name:36} {found.rounds.cost(name) * 1e6!s:26} µs {found.rounds.ratio(name, FLOOR)!s:24} F "
                f"{taken.requests:3} requests {taken.wire_bytes / records.BATCH:6.0f} B"
            )
        print(f"{time.monotonic() - started:.0f} s")


if __name__ == "__main__":
    main()
