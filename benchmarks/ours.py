"""Our exporters as a user has them, in turns with others."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from opentelemetry.exporter.posthog import PostHogLogExporter, PostHogSpanExporter
from opentelemetry.exporter.posthog.wire import body

from . import records
from .sink import Sink

KEY = "phc_benchmark"


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
