"""A process of the fleet, seen from inside: real providers, batch processors and exporters that keep a book.

Two things differ from production. A request lives for ``LIFE`` seconds instead of a minute, for nothing holds
one longer here, and so a lease ends while the test watches. And the network has moods: some requests with
group updates are held up until long after their sender gave up, some lose their answer, some are turned away.

``FLEET_BUG`` plants a bug: see :data:`BUGS`.
"""

from __future__ import annotations

import itertools
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from opentelemetry.sdk._logs import LoggerProvider, ReadableLogRecord
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor, LogRecordExportResult
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExportResult

from opentelemetry import trace
from opentelemetry.exporter.posthog import PostHogLogExporter, PostHogSpanExporter
from opentelemetry.exporter.posthog.assembly import assemble
from opentelemetry.exporter.posthog.clock import SystemClock
from opentelemetry.exporter.posthog.delivery.httpx_transport import HttpxTransport
from opentelemetry.exporter.posthog.diagnostics import Diagnostics
from opentelemetry.exporter.posthog.runtime import SharedPipeline, track
from opentelemetry.exporter.posthog.sdk.intake import Intake, log_source, span_source
from opentelemetry.exporter.posthog.settings.sources import resolve
from opentelemetry.exporter.posthog.source import Source
from opentelemetry.exporter.posthog.wire.exchange import NoAnswer, Request, Response
from tests.fleet.book import Book
from tests.fleet.script import Signal, read_script

T = TypeVar("T")

TIMEOUT = 1.5
"""Seconds of an export; an attempt may take half of it."""

LIFE = 2 * TIMEOUT
"""Seconds: the shortest life of a request that an exporter believes in under this deadline."""

LEASE = TIMEOUT + LIFE

HOLD = 1.5
"""Seconds that the network holds a request up: longer than anybody waits for it, shorter than its life."""

BEGAN, LOST = "began", "lost"
"""Signs, which are files beside the books: the script begins; the shared ledger was lost, it may go on. Each
says when the script's clock showed nothing (ns since the epoch)."""

SCRIPT = "script"
"""The file beside the books that says what is said."""

MOOD = "x-network"
"""The header by which a request tells the test's network what to do with it."""

SENT = "x-sent"
"""The header that says when it started, in monotonic seconds."""

BUGS = {
    "": "none",
    "by arrival": "an observation is as new as its arrival",
    "no life": "who gave up a request believes that it can't arrive any more",
}


MOODS = {3: "hold", 7: "lose", 10: "turn away"}


def mood_of(number: int) -> str:
    """What becomes of a process's request with group updates of this number."""
    return MOODS.get(number % 12, "")


class MoodyTransport(HttpxTransport):
    """Sends over real connections and writes down what; may be told to die with a request in the air."""

    def __init__(self, book: Book, *, life: float) -> None:
        super().__init__(request_life=life)
        self._book = book
        self._dies_at: float | None = None
        self._numbers = itertools.count()

    def will_die(self, at: float) -> None:
        """Die with the first request with group updates after ``at`` (seconds since the epoch)."""
        self._dies_at = at

    def send(self, request: Request, *, timeout: float) -> Response | NoAnswer:
        updates = updates_in(request.body)
        if not updates:
            return super().send(request, timeout=timeout)
        mood = mood_of(next(self._numbers))
        if self._dies_at is not None and time.time() >= self._dies_at:
            mood = "hold"
            threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGKILL)).start()
        sent = (SENT, str(time.monotonic()))  # one clock for all processes of a machine
        request = request._replace(headers=(*request.headers, (MOOD, mood), sent))
        number = self._book_number()
        self._book.write("sent", number=number, updates=updates)
        answer = super().send(request, timeout=timeout)
        lost = isinstance(answer, NoAnswer)
        self._book.write(
            "answered",
            number=number,
            left=not isinstance(answer, NoAnswer) or answer.sent,
            unknown=lost or answer.status >= 500,
        )
        return answer

    def _book_number(self) -> str:
        return f"{os.getpid()}.{threading.get_ident()}.{time.monotonic_ns()}"


def make_sign(path: Path, time_ns: int) -> None:
    unseen = path.with_suffix(".new")
    unseen.write_text(str(time_ns))
    unseen.replace(path)


def read_sign(path: Path) -> int:
    """What the sign says, once it is there. Ends the process when nobody is left who could make it."""
    parent = os.getppid()
    while not path.exists():
        if os.getppid() != parent:
            sys.exit("the test is gone")
        time.sleep(0.01)
    return int(path.read_text())


def updates_in(body: bytes) -> list[tuple[str, str]]:
    """Organization and uuid of each group update in a request."""
    return [
        (event["properties"]["$group_key"], event["uuid"])
        for event in json.loads(body)["batch"]
        if event["event"] == "$groupidentify"
    ]


class BookedLogExporter(PostHogLogExporter):
    """The real one; what it answered for which signals is in the book."""

    def __init__(self, intake: Intake[ReadableLogRecord], book: Book) -> None:
        self._intake = intake
        self._book = book

    def export(self, batch: Sequence[ReadableLogRecord]) -> LogRecordExportResult:
        began = time.monotonic()
        result = super().export(batch)
        _exported(self._book, [r.log_record.attributes for r in batch], began, result.name, self)
        return result


class BookedSpanExporter(PostHogSpanExporter):
    """The real one; what it answered for which signals is in the book."""

    def __init__(self, intake: Intake[ReadableSpan], book: Book) -> None:
        self._intake = intake
        self._book = book

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        began = time.monotonic()
        result = super().export(spans)
        _exported(self._book, [span.attributes for span in spans], began, result.name, self)
        return result


def _exported(
    book: Book,
    attributes: Sequence[Mapping[str, Any] | None],
    began: float,
    result: str,
    exporter: PostHogLogExporter | PostHogSpanExporter,
) -> None:
    book.write(
        "exported",
        signals=[(one or {})["n"] for one in attributes],
        began=began,
        ok=result == "SUCCESS",
        notes=dict(exporter.stats().notes),
    )


@dataclass(frozen=True)
class Orders:
    """What a process is told by its environment."""

    directory: Path  # for books and signs
    loss: float  # seconds after the script's beginning; 0: the ledger is never lost
    bug: str
    dies_at: float | None  # seconds after the script's beginning

    @classmethod
    def given(cls) -> Orders:
        dies_at = os.environ.get("FLEET_DIES_AT")
        return cls(
            Path(os.environ["FLEET_BOOKS"]),
            float(os.environ["FLEET_LOSS"]),
            os.environ.get("FLEET_BUG", ""),
            None if dies_at is None else float(dies_at),
        )


class Voice:
    """Says signals through the SDK, as an application does, each when it is due."""

    def __init__(self, orders: Orders) -> None:
        self.signals = read_script(orders.directory / SCRIPT)
        self.book = Book(orders.directory)
        self._orders = orders
        self._transport = MoodyTransport(self.book, life=0.0 if orders.bug == "no life" else LIFE)
        self._logs, self._spans = _exporters(orders, self.book, self._transport)
        resource = Resource({"service.name": os.environ.get("FLEET_SERVICE", "fleet")})
        batches = {"schedule_delay_millis": 200, "max_export_batch_size": 64, "max_queue_size": 100_000}
        self._log_provider = LoggerProvider(resource)
        self._log_provider.add_log_record_processor(BatchLogRecordProcessor(self._logs, **batches))
        self._logger = self._log_provider.get_logger("fleet")
        self._span_provider = TracerProvider(resource=resource)
        self._span_provider.add_span_processor(BatchSpanProcessor(self._spans, **batches))
        self._tracer = self._span_provider.get_tracer("fleet")
        print("ready", flush=True)
        self._began_ns = read_sign(orders.directory / BEGAN)
        self._now_ns = self._began_ns  # when the script's clock showed nothing; later once it was held up
        self._is_past_loss = not orders.loss
        if self._is_past_loss:
            self._set_end()

    def _set_end(self) -> None:
        if self._orders.dies_at is not None:
            self._transport.will_die(self._now_ns / 1e9 + self._orders.dies_at)

    def wait_for(self, told: Signal) -> None:
        """Until this signal arrives; when the ledger was lost late, all that follows is late too."""
        if not self._is_past_loss and told.at >= self._orders.loss * 1e9:
            self._now_ns = read_sign(self._orders.directory / LOST)
            self._is_past_loss = True
            self._set_end()
        time.sleep(max(0.0, (self._now_ns + told.at - time.time_ns()) / 1e9))

    def die_if_told_to(self) -> None:
        """The script is over, and no request with a group update came by any more to die with."""
        if self._orders.dies_at is not None:
            os.kill(os.getpid(), signal.SIGKILL)

    def say(self, told: Signal) -> None:
        attributes: dict[str, Any] = {"organization.id": told.organization, "n": told.n}
        unset = [f"organization.{name}" for name, value in told.said.items() if value is None]
        if unset:
            attributes["posthog.group.unset"] = unset
        for name, value in told.said.items():
            if value is not None:
                attributes[f"organization.{name}"] = value
        time_ns, seen_ns = self._began_ns + told.time, self._began_ns + told.seen
        if told.kind == "span":
            self._tracer.start_span(
                "told", kind=trace.SpanKind.SERVER, attributes=attributes, start_time=time_ns
            ).end(seen_ns)
            return
        if told.kind == "webhook":
            attributes["posthog.observed_at"] = time_ns
            time_ns = self._began_ns + told.at
        self._logger.emit(
            event_name="told", timestamp=time_ns, observed_timestamp=seen_ns, attributes=attributes
        )

    def flush(self) -> bool:
        """True when a kill of this process would lose nothing."""
        self._log_provider.force_flush()
        self._span_provider.force_flush()
        return self._logs.force_flush(10_000)

    def end(self) -> None:
        self._log_provider.shutdown()
        self._span_provider.shutdown()
        self.sum_up()

    def sum_up(self) -> None:
        stats = self._logs.stats()
        self.book.write(
            "summed up",
            cpu=time.process_time(),
            balanced=stats.balanced,
            notes=dict(stats.notes),
            dropped=dict(stats.dropped),
        )


def _exporters(
    orders: Orders, book: Book, transport: MoodyTransport
) -> tuple[BookedLogExporter, BookedSpanExporter]:
    resolution = resolve({}, os.environ)
    settings = resolution.settings
    assert settings is not None, resolution.problems
    assert not resolution.problems
    diagnostics = Diagnostics(clock=SystemClock())
    shared = SharedPipeline(settings, diagnostics, partial(assemble, transport=transport))
    track(shared)
    logs, spans = log_source(settings, shared.group_names), span_source(settings, shared.group_names)
    if orders.bug == "by arrival":
        logs, spans = _by_arrival(logs), _by_arrival(spans)
    for _ in range(2):
        shared.hold()
    return (
        BookedLogExporter(Intake(shared, logs.signal, lambda _: logs, counts=diagnostics), book),
        BookedSpanExporter(Intake(shared, spans.signal, lambda _: spans, counts=diagnostics), book),
    )


def _by_arrival(source: Source[T]) -> Source[T]:
    """A planted bug: what comes last is believed."""

    def translate(signal: T) -> Any:
        translation = source.translate(signal)
        now_ns = time.time_ns()
        return translation._replace(
            observations=tuple(
                one._replace(time_ns=now_ns, seen_ns=now_ns) for one in translation.observations
            )
        )

    return Source(source.signal, translate)
