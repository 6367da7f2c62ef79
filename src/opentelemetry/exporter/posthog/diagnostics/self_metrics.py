"""The exporter's own OpenTelemetry metrics. Imported only where somebody switched them on.

``OTEL_PYTHON_SDK_INTERNAL_METRICS_ENABLED=true``, the SDK's own switch, gives the instruments that every
exporter has by OpenTelemetry's conventions (``otel.sdk.exporter.*``), and ours (``posthog.exporter.*``).
Ours are observable: they read the same counters as everybody else when somebody collects, cost nothing in
between, and lose nothing that was counted before the meter provider was there.
"""

from __future__ import annotations

import threading
import weakref
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from time import perf_counter
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from opentelemetry.metrics import CallbackOptions, MeterProvider, Observation, get_meter_provider

from ..version import __version__

if TYPE_CHECKING:
    from opentelemetry.util.types import AttributeValue

    from .stats import Stats

METER = "opentelemetry.exporter.posthog"

COMPONENT_TYPES = {"span": "posthog_span_exporter", "log": "posthog_log_exporter"}

_components: Counter[str] = Counter()  # component type -> how many this process has made


@dataclass(frozen=True, slots=True)
class Instrument:
    """One row of ours: what it is called, and where its figures stand."""

    name: str
    unit: str
    description: str
    read: Callable[[Stats], Mapping[str, int]] = field(repr=False)
    attribute: str = ""  # what the figures are told apart by; empty: one figure
    falls: bool = False  # may also become less


def _one(read: Callable[[Stats], int]) -> Callable[[Stats], Mapping[str, int]]:
    return lambda stats: {"": read(stats)}


def _update_outcomes(stats: Stats) -> Mapping[str, int]:
    return asdict(stats.updates)


INSTRUMENTS: tuple[Instrument, ...] = (
    Instrument(
        "posthog.exporter.received", "{signal}", "Spans and log records handed to the exporters.",
        lambda stats: stats.received_by_signal, "signal",
    ),
    Instrument(
        "posthog.exporter.not_selected", "{signal}", "Signals that became no event, by reason.",
        lambda stats: stats.not_selected, "reason",
    ),
    Instrument("posthog.exporter.made", "{event}", "Events made of signals.", _one(lambda stats: stats.made)),
    Instrument(
        "posthog.exporter.delivered", "{event}", "Events that PostHog acknowledged.",
        _one(lambda stats: stats.delivered),
    ),
    Instrument(
        "posthog.exporter.refused", "{event}", "Events to which PostHog said no, by reason.",
        lambda stats: stats.refused, "reason",
    ),
    Instrument(
        "posthog.exporter.dropped", "{event}", "Events that the exporter let go, by reason.",
        lambda stats: stats.dropped, "reason",
    ),
    Instrument(
        "posthog.exporter.stored", "{event}",
        "Events put on disk less those taken from it by this process.",
        _one(lambda stats: stats.stored), falls=True,
    ),
    Instrument(
        "posthog.exporter.group_updates", "{update}",
        "Group updates by outcome: granted, and of those delivered, refused, released or unknown.",
        _update_outcomes, "outcome",
    ),
    Instrument(
        "posthog.exporter.notes", "{note}",
        "Everything else that is counted: what the ledger saved and forgot, values that were not usable.",
        lambda stats: stats.notes, "word",
    ),
)  # fmt: skip
"""Checked against ``docs/reference/metrics.md``."""

CONVENTIONAL: tuple[tuple[str, str, str], ...] = (
    ("otel.sdk.exporter.span.inflight", "{span}", "Spans in an export that has not ended."),
    (
        "otel.sdk.exporter.span.exported",
        "{span}",
        "Spans whose export ended; error.type tells which failed.",
    ),
    ("otel.sdk.exporter.log.inflight", "{log_record}", "Log records in an export that has not ended."),
    (
        "otel.sdk.exporter.log.exported",
        "{log_record}",
        "Log records whose export ended; error.type tells which failed.",
    ),
    ("otel.sdk.exporter.operation.duration", "s", "Duration of an export."),
)
"""OpenTelemetry's own names, units; of status development there."""


@dataclass(slots=True)
class Operation:
    """What one export lost, and the last HTTP status it saw. Belongs to one thread."""

    lost: Counter[str] = field(default_factory=Counter[str])
    status: int | None = None


class SelfMetrics:
    """The instruments of one pipeline. Safe for many threads."""

    def __init__(
        self, server: str, snapshot: Callable[[], Stats], meter_provider: MeterProvider | None = None
    ) -> None:
        meter = (meter_provider or get_meter_provider()).get_meter(METER, __version__)
        self._attributes = {signal: _attributes_of(signal, server) for signal in COMPONENT_TYPES}
        texts = {name: {"unit": unit, "description": text} for name, unit, text in CONVENTIONAL}
        self._inflight: dict[str, Any] = {}
        self._exported: dict[str, Any] = {}
        for signal in COMPONENT_TYPES:
            inflight, exported = (f"otel.sdk.exporter.{signal}.{what}" for what in ("inflight", "exported"))
            self._inflight[signal] = meter.create_up_down_counter(inflight, **texts[inflight])
            self._exported[signal] = meter.create_counter(exported, **texts[exported])
        duration = "otel.sdk.exporter.operation.duration"
        self._duration = meter.create_histogram(
            duration, unit=texts[duration]["unit"], description=texts[duration]["description"]
        )
        self._current = threading.local()  # .operation: of the export on this thread
        pipeline = _component("posthog_exporter")
        for instrument in INSTRUMENTS:
            create = (
                meter.create_observable_up_down_counter
                if instrument.falls
                else meter.create_observable_counter
            )
            create(
                instrument.name,
                callbacks=[_observer(instrument, snapshot, pipeline)],
                unit=instrument.unit,
                description=instrument.description,
            )

    @contextmanager
    def exporting(self, signal: str, count: int) -> Generator[None]:
        """Measure one export of ``count`` signals on this thread."""
        attributes = self._attributes[signal]
        operation = Operation()
        self._inflight[signal].add(count, attributes)
        started = perf_counter()
        self._current.operation = operation
        try:
            yield
        except BaseException as error:
            operation.lost[type(error).__name__] = count - operation.lost.total()
            raise
        finally:
            self._current.operation = None
            self._inflight[signal].add(-count, attributes)
            self._ended(signal, count, operation, perf_counter() - started)

    def _ended(self, signal: str, count: int, operation: Operation, seconds: float) -> None:
        attributes = self._attributes[signal]
        well = count - operation.lost.total()
        if well > 0:
            self._exported[signal].add(well, attributes)
        for reason, lost in operation.lost.items():
            self._exported[signal].add(lost, {**attributes, "error.type": error_type(reason)})
        about: dict[str, AttributeValue] = dict(attributes)
        if operation.lost:
            about["error.type"] = error_type(operation.lost.most_common(1)[0][0])
        if operation.status is not None:
            about["http.response.status_code"] = operation.status
        self._duration.record(seconds, about)

    def lost(self, reason: str, count: int) -> None:
        """Signals of the export on this thread that will reach nobody."""
        operation: Operation | None = getattr(self._current, "operation", None)
        if operation is not None:
            operation.lost[reason] += count

    def answered(self, statuses: Iterable[int]) -> None:
        """HTTP statuses that the export on this thread saw; the worst one is reported."""
        operation: Operation | None = getattr(self._current, "operation", None)
        if operation is not None:
            operation.status = max(statuses, default=operation.status)


def error_type(reason: str) -> str:
    """``503`` for ``http_503``, as the conventions want it; any other reason is its own type."""
    status = reason.removeprefix("http_")
    return status if status.isdecimal() else reason


def _attributes_of(signal: str, server: str) -> dict[str, AttributeValue]:
    address = urlsplit(server)
    attributes = _component(COMPONENT_TYPES[signal])
    if address.hostname:
        attributes["server.address"] = address.hostname
        attributes["server.port"] = address.port or (80 if address.scheme == "http" else 443)
    return attributes


def _component(type_: str) -> dict[str, AttributeValue]:
    """The conventional names of one more component of this type."""
    number = _components[type_]
    _components[type_] += 1
    return {"otel.component.type": type_, "otel.component.name": f"{type_}/{number}"}


def _observer(
    instrument: Instrument, snapshot: Callable[[], Stats], pipeline: Mapping[str, AttributeValue]
) -> Callable[[CallbackOptions], Iterable[Observation]]:
    """A callback that does not keep the pipeline alive."""
    owner = weakref.WeakMethod(snapshot)

    def observe(_: CallbackOptions) -> Iterable[Observation]:
        read = owner()
        if read is None:
            return
        for word, figure in instrument.read(read()).items():
            told_apart = {instrument.attribute: word} if instrument.attribute else {}
            yield Observation(figure, {**pipeline, **told_apart})

    return observe
