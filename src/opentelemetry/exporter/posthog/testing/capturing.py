"""Wires the real exporters to the double for the length of one test: what ``posthog_capture`` is made of.

In pytest, ask for the fixture. In unittest, or anywhere:

>>> with capturing() as captured:
...     upgrade("acme", plan="pro")
...     captured.assert_captured("plan_upgraded", organization="acme", properties={"plan": "pro"})

No network, no thread, no sleep (waiting moves a clock), no global provider replaced: where the test has set
SDK providers, a processor is added to them and removed at the end.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from .capture import PostHogCapture, Seen
from .double import PostHogDouble
from .transport import InMemoryTransport

if TYPE_CHECKING:
    from opentelemetry.sdk._logs import LoggerProvider
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider

    from ..sdk.group_processor import PostHogGroupProcessor
    from ..sdk.rehearsal import Rehearsal

KEY = "phc_posthog_capture"
HOST = "http://127.0.0.1:9"
"""Nobody is called there; the requests are function calls."""

LONGEST_PAUSE = 61.0
"""Seconds: more than any ``Retry-After`` that is honoured, and than the breaker's rest."""

MAX_FLUSHES = 3
"""Tries of one flush: a group that failed, what it had meanwhile become, and one to see that it is over."""

PRODUCTION_ONLY = frozenset(
    "OTEL_EXPORTER_POSTHOG_" + name
    for name in (
        "API_KEY", "HOST", "LEDGER", "OUTBOX", "OUTBOX_MODE", "OUTBOX_MAX_BYTES", "OUTBOX_MAX_AGE",
        "CA_BUNDLE", "PROXY", "INSECURE", "DISABLED", "DRY_RUN", "SIGTERM_FLUSH", "CELERY",
    )
) | {"POSTHOG_API_KEY", "POSTHOG_PROJECT_API_KEY", "POSTHOG_HOST", "OTEL_SDK_DISABLED"}  # fmt: skip
"""Variables that say where events go and what is kept on disk: never a test's business."""


@contextmanager
def capturing(**options: Any) -> Generator[PostHogCapture]:
    """Capture the telemetry of the block. ``options`` are those of the exporters, ``groups`` among them.

    Options come from the environment too, but for those that say where events go or what is kept on disk.
    Raises :class:`~opentelemetry.exporter.posthog.errors.ConfigurationError` when one is wrong.
    """
    clock = TurningClock()
    double = PostHogDouble(clock=clock)
    wiring = _Wiring(double, clock, options)
    try:
        wiring.attach_global()
        yield PostHogCapture(double, wiring, wiring.seen)
    finally:
        wiring.close()


class TurningClock:
    """The machine's clock, but nobody waits: waiting moves it on. Implements ``clock.Clock``."""

    def __init__(self) -> None:
        self._lock = threading.Lock()  # guards _ahead
        self._ahead = 0.0  # seconds that were waited

    def time_ns(self) -> int:
        return time.time_ns() + round(self._ahead * 1e9)

    def monotonic(self) -> float:
        return time.monotonic() + self._ahead

    def wait(self, seconds: float, wake: threading.Event) -> bool:
        if not wake.is_set():
            self.skip(seconds)
        return wake.is_set()

    def skip(self, seconds: float) -> None:
        """Be so many seconds later."""
        with self._lock:
            self._ahead += max(0.0, seconds)


class _Wiring:
    """Both exporters over the double, and the processors that were put into providers."""

    def __init__(self, double: PostHogDouble, clock: TurningClock, options: Mapping[str, object]) -> None:
        self.seen = Seen()
        self._clock = clock
        self._attached: list[tuple[object, Any]] = []
        self._tracers: TracerProvider | None = None
        self._loggers: LoggerProvider | None = None
        self._rehearsal = self._rehearse(double, clock, options)
        self._undelivered = 0

    def _rehearse(
        self, double: PostHogDouble, clock: TurningClock, options: Mapping[str, object]
    ) -> Rehearsal:
        from ..sdk.rehearsal import NoAnswer, Response, rehearse

        transport = InMemoryTransport(double, answered=Response, unanswered=NoAnswer)
        env = {name: value for name, value in os.environ.items() if name not in PRODUCTION_ONLY}
        fixed = {"api_key": KEY, "host": HOST, "ledger": "memory"}
        return rehearse(
            {**options, **fixed},
            env,
            transport=transport,
            clock=clock,
            saw=self._saw,
            exported=self._exported,
        )

    def _saw(self, kind: str, name: str, translation: Any) -> None:
        capture, reason = translation.capture, translation.reason

        def why() -> tuple[str, str, str]:
            return reason.value, reason.text.sentence, reason.text.remedy

        self.seen.note(kind, name if capture is None else capture.name, capture and capture.uuid, why)

    def _exported(self) -> None:
        """After an update failed, the next export tries its group again, whatever the back-off says."""
        updates = self._rehearsal.stats().updates
        undelivered = updates.released + updates.unknown
        if self._undelivered and undelivered == self._undelivered:
            self._undelivered = 0
            self.flush()
        elif undelivered > self._undelivered:
            self._undelivered = undelivered

    # -- capture.Wiring -------------------------------------------------------------------------------

    def flush(self) -> bool:
        """Nothing is in the air here, so what PostHog or the breaker asks to wait for is over at once."""
        for _ in range(MAX_FLUSHES):
            if self._rehearsal.spans.force_flush():
                return True
            self._clock.skip(LONGEST_PAUSE)
        return False

    def dropped(self) -> Mapping[str, int]:
        return self._rehearsal.stats().dropped

    @property
    def tracer_provider(self) -> TracerProvider:
        from opentelemetry.sdk.trace import TracerProvider

        if self._tracers is None:
            self._tracers = TracerProvider(shutdown_on_exit=False, resource=_resource())
            self.attach(self._tracers, None, stamp=True)
        return self._tracers

    @property
    def logger_provider(self) -> LoggerProvider:
        from opentelemetry.sdk._logs import LoggerProvider

        if self._loggers is None:
            self._loggers = LoggerProvider(shutdown_on_exit=False, resource=_resource())
            self.attach(None, self._loggers, stamp=True)
        return self._loggers

    def attach_global(self) -> None:
        """Attach to the global providers, as far as they are the SDK's."""
        from opentelemetry._logs import get_logger_provider
        from opentelemetry.sdk._logs import LoggerProvider
        from opentelemetry.sdk.trace import TracerProvider

        from opentelemetry import trace

        tracers, loggers = trace.get_tracer_provider(), get_logger_provider()
        self.attach(
            tracers if isinstance(tracers, TracerProvider) else None,
            loggers if isinstance(loggers, LoggerProvider) else None,
            stamp=False,
        )

    def attach(
        self, tracer_provider: TracerProvider | None, logger_provider: LoggerProvider | None, *, stamp: bool
    ) -> None:
        from opentelemetry.sdk._logs.export import SimpleLogRecordProcessor
        from opentelemetry.sdk.trace.export import SimpleSpanProcessor

        if tracer_provider is not None:
            for processor in (*_stamps(stamp=stamp), SimpleSpanProcessor(self._rehearsal.spans)):
                tracer_provider.add_span_processor(processor)
                self._attached.append((tracer_provider, processor))
        if logger_provider is not None:
            for record_processor in (*_stamps(stamp=stamp), SimpleLogRecordProcessor(self._rehearsal.logs)):
                logger_provider.add_log_record_processor(record_processor)
                self._attached.append((logger_provider, record_processor))

    def close(self) -> None:
        """Take every processor out again; one that can't be taken out exports nothing any more."""
        from ..sdk.providers import remove_processor

        for provider, processor in reversed(self._attached):
            remove_processor(provider, processor)
        self._rehearsal.shutdown()


def _resource() -> Resource:
    """Always the same; the SDK's own default looks around the machine, on threads."""
    from opentelemetry.sdk.resources import Resource

    return Resource({"service.name": "posthog-capture"})


def _stamps(*, stamp: bool) -> tuple[PostHogGroupProcessor, ...]:
    """What stamps groups on signals, before what exports them."""
    from ..sdk.group_processor import PostHogGroupProcessor

    return (PostHogGroupProcessor(),) if stamp else ()
