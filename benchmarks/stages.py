"""Where the time of an export goes: each stage alone, on what the stage before it made.

The sum is a little less than a whole export, which hands values on and lets go of them too.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

from opentelemetry.exporter.posthog.assembly import assemble
from opentelemetry.exporter.posthog.batch_translation import TOGETHER
from opentelemetry.exporter.posthog.clock import SystemClock
from opentelemetry.exporter.posthog.delivery.httpx_transport import HttpxTransport
from opentelemetry.exporter.posthog.delivery.trip import Trip
from opentelemetry.exporter.posthog.diagnostics import Diagnostics
from opentelemetry.exporter.posthog.sdk.intake import span_source
from opentelemetry.exporter.posthog.settings.sources import resolve
from opentelemetry.exporter.posthog.wire import body
from opentelemetry.exporter.posthog.wire.encoding import Encoder
from opentelemetry.exporter.posthog.wire.exchange import Response
from opentelemetry.exporter.posthog.wire.v1 import V1Wire

from . import records
from .floor import floor as floor_of
from .paired import measured
from .table import Bench, Row

BATCHES = 4


def rows(bench: Bench) -> list[Row]:
    stages = _stages(bench)
    with floor_of(bench.sink) as floor:
        rounds = measured({"floor": floor, **stages}, rounds=bench.rounds, records=records.BATCH)
    return [
        Row(name=name, cost=rounds.cost(name) * 1e6, found=rounds.ratio(name, "floor"), unit="F")
        for name in stages
    ]


def _stages(bench: Bench) -> dict[str, Callable[[int], object]]:
    settings = resolve({"api_key": "phc_stages", "host": bench.sink.url, "compression": "zstd"}, {}).settings
    assert settings is not None
    pipeline = assemble(settings, Diagnostics(clock=SystemClock()))
    source = span_source(settings)
    encoder, numbers = Encoder(), itertools.count()
    wire = V1Wire(host=settings.host, api_key=settings.api_key, agent="benchmark/1", codec=body.NONE)
    codecs = {"zstd 1": body.zstd() or body.NONE, "gzip": body.GZIP}
    transport = HttpxTransport()
    spans = [records.spans(seed=seed) for seed in range(BATCHES)]
    translated = [[source.translate(span) for span in batch] for batch in spans]
    captures = [[each.capture for each in batch if each.capture is not None] for batch in translated]
    observations = [[seen for each in batch for seen in each.observations] for batch in translated]
    envelopes: list[Any] = [[encoder.capture(capture) for capture in batch] for batch in captures]
    plain = [_request(wire, _loaded(wire, batch)).body for batch in envelopes]
    packed = [body.zstd().compress(content) if body.zstd() else content for content in plain]
    answer = Response(200, {}, b'{"results":{},"status":1}')
    pipeline.export(source, spans[0])

    def turn(number: int) -> int:
        return next(numbers) % BATCHES

    def translate(batch: Any) -> None:
        assert source.translate_together is not None
        for start in range(0, len(batch), TOGETHER):
            source.translate_together(batch[start : start + TOGETHER])

    def send(number: int) -> None:
        request = _request(wire, (), content=packed[turn(number)])
        assert isinstance(transport.send(request, timeout=10), Response)

    return {
        "translate": lambda number: translate(spans[turn(number)]),
        "observe: the ledger in memory": lambda number: pipeline._ledger.observe(observations[turn(number)]),
        "encode properties": lambda number: [encoder.capture(each) for each in captures[turn(number)]],
        "check, shape and pack": lambda number: _loaded(wire, envelopes[turn(number)]),
        "join": lambda number: b",".join(_EVENTS),
        **{
            f"compress, {name}": lambda number, codec=codec: codec.compress(plain[turn(number)])
            for name, codec in codecs.items()
        },
        "send": send,
        "judge": lambda number: wire.judge(answer, envelopes[turn(number)]),
        "the whole export": lambda number: pipeline.export(source, spans[turn(number)]),
    }


_EVENTS = [b"x" * 1_300] * records.BATCH


def _loaded(wire: V1Wire, envelopes: Any) -> list[bytes]:
    trip = Trip(envelopes, started=0.0, new_id=lambda: "id")
    trip.load(trip.sound(), wire, created_ns=0, due=0.0)
    parcel = trip.next()
    assert parcel is not None
    return trip.events_of(parcel)


def _request(wire: V1Wire, events: Any, content: bytes | None = None) -> Any:
    return wire.request(events, attempt=1, request_id="id", created_ns=0, now_ns=0, body=content)
