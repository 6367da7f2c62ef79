"""An exporter's way into its project's pipeline: configured, or inert.

Under zero-code set-up an exception from an exporter's constructor ends *all* telemetry of the application,
other exporters and instrumentations included. So nothing here raises for configuration: one ERROR lists
every problem, and where the key, the host, the groups or the privacy policy can't be used the exporter is
inert, which means that it counts and does nothing else.

Translation and everything behind it is imported at the first batch, on the thread that exports and before the
export's deadline begins: the application's start pays for the settings only.
"""

from __future__ import annotations

import logging
import os
import random
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Final, Generic, TypeVar

from ..clock import SystemClock
from ..context.blocks import configure
from ..context.stamps import groups_of_span
from ..diagnostics import Diagnostics, Stats
from ..errors import ConfigurationError, PostHogExporterError
from ..reasons import Reason
from ..runtime import SharedPipeline, share
from ..settings.addresses import is_this_machine
from ..settings.model import CaptureMode, Compression
from ..settings.surroundings import ThisMachine, resolve_here
from ..source import Source
from ..uuid7 import RANDOM_BITS
from ..version import __version__
from .attribute_limits import text_limit
from .describing import log_describer, span_describer

if TYPE_CHECKING:
    from opentelemetry.sdk._logs import ReadableLogRecord
    from opentelemetry.sdk.trace import ReadableSpan

    from ..pipeline import Pipeline
    from ..settings.model import Settings
    from ..translate.plans import GroupNames
    from ..translate.translator import Translation

SignalT = TypeVar("SignalT")

logger = logging.getLogger("opentelemetry.exporter.posthog")

SPAN, LOG = "span", "log"

INTERNAL_METRICS = "OTEL_PYTHON_SDK_INTERNAL_METRICS_ENABLED"
"""The SDK's switch for the metrics that its own parts keep of themselves."""

BLOCK_LIVE = "PYTEST_POSTHOG_BLOCK_LIVE"
"""Set by our pytest plugin under ``posthog_block_live``; processes that a test starts inherit it."""

_system: Final = random.SystemRandom()

_said: set[str] = set()
"""What was already logged in this process: two exporters with the same mistake are one mistake."""


class Intake(Generic[SignalT]):
    """Takes one exporter's batches. All methods are safe from many threads and never raise for a user."""

    def __init__(
        self,
        shared: SharedPipeline | None,
        signal: str,
        make_source: Callable[[GroupNames], Source[SignalT]],
        *,
        counts: Diagnostics,
    ) -> None:
        self._shared = shared
        self._signal = signal
        self._make_source = make_source
        self._source: Source[SignalT] | None = None  # until the first batch: translation is imported then
        self._counts = counts
        self._lock = threading.Lock()  # guards _open
        self._open = True

    def export(self, batch: Sequence[SignalT]) -> bool:
        """True when everything made of ``batch`` was acknowledged or is durably stored."""
        shared = self._shared
        if shared is None:
            self._turn_away(len(batch), Reason.INERT)
            return False
        if not self._open:
            shared.turn_away(self._signal, len(batch), Reason.SHUT_DOWN)
            return False
        try:
            if self._source is None:
                self._source = shared.prepare(self._make_source)
            with self._counts.exporting(self._signal, len(batch)):
                return shared.export(self._source, batch)
        except BaseException as error:
            # An exception, SystemExit included, would kill the batch processor's worker for good. Only on the
            # main thread do exit signals belong to somebody else; everything is settled by now.
            if not isinstance(error, Exception) and threading.current_thread() is threading.main_thread():
                raise
            self._counts.error("export_error", f"an export ended in {type(error).__name__}")
            return False

    def force_flush(self, timeout: float) -> bool:
        """True when nothing waits that is neither acknowledged nor durably stored. ``timeout`` in seconds."""
        if self._shared is None or not self._open:
            return True
        try:
            return self._shared.force_flush(timeout)
        except Exception as error:  # noqa: BLE001 - a flush must never fail its caller
            self._counts.error("flush_error", f"a flush ended in {type(error).__name__}")
            return False

    def shutdown(self, timeout: float) -> None:
        """Once: no more batches; the pipeline closes with its last exporter. ``timeout`` in seconds."""
        with self._lock:
            if not self._open:
                return
            self._open = False
        if self._shared is not None:
            try:
                self._shared.release(timeout)
            except Exception as error:  # noqa: BLE001 - an exception here skips other processors' shutdown
                self._counts.error("shutdown_error", f"a shutdown ended in {type(error).__name__}")

    def stats(self) -> Stats:
        return self._counts.snapshot()

    def _turn_away(self, count: int, reason: Reason) -> None:
        self._counts.received(self._signal, count)
        self._counts.not_selected(reason, count)


# -- configuration ----------------------------------------------------------------------------------


def intake_for_spans(options: Mapping[str, object]) -> Intake[ReadableSpan]:
    """Configure a span exporter from keywords, environment and defaults."""
    settings, shared, counts = _configure(options)
    return Intake(shared, SPAN, partial(span_source, settings), counts=counts)


def intake_for_logs(options: Mapping[str, object]) -> Intake[ReadableLogRecord]:
    """Configure a log exporter from keywords, environment and defaults."""
    settings, shared, counts = _configure(options)
    return Intake(shared, LOG, partial(log_source, settings), counts=counts)


def span_source(settings: Settings | None, names: GroupNames | None = None) -> Source[ReadableSpan]:
    """Translation of spans under ``settings``; without settings the source only names its signal.

    ``names`` are the property names that the project's groups have so far, shared by both kinds of signal.
    """
    if settings is None:
        return Source(SPAN, _nothing)
    from ..translate.translator import Translator
    from .span_fields import events_of, looks_of

    translator = Translator(
        settings,
        stamps=groups_of_span,
        length_limit=text_limit,
        looks_of=looks_of,
        events_of=events_of,
        names=names,
    )

    def translated(span: ReadableSpan) -> Translation:
        return translator.span(span, now_ns=time.time_ns())

    def together(spans: Sequence[ReadableSpan]) -> list[Translation]:
        return translator.spans(spans, now_ns=time.time_ns())

    return Source(SPAN, translated, span_describer(translator), together)


def log_source(settings: Settings | None, names: GroupNames | None = None) -> Source[ReadableLogRecord]:
    """Translation of log records under ``settings``; a record has no id of its own, so it gets random bits.

    From the operating system, not from ``random``: an application that seeds ``random`` would repeat ids.
    """
    if settings is None:
        return Source(LOG, _nothing)
    from ..translate.translator import Translator

    translator = Translator(settings, names=names)

    def translated(record: ReadableLogRecord) -> Translation:
        return translator.log(record, now_ns=time.time_ns(), random_bits=_random_bits(1))

    def together(records: Sequence[ReadableLogRecord]) -> list[Translation]:
        return translator.logs(records, now_ns=time.time_ns(), random_bits=_random_bits(len(records)))

    return Source(LOG, translated, log_describer(translator), together)


def _random_bits(ids: int) -> Callable[[int], int]:
    """Random bits for so many ids, asked of the operating system at once, when the first one is needed. Kept
    for longer than some signals, a forked process would make the same ids.
    """
    pool = left = 0

    def draw(bits: int) -> int:
        nonlocal pool, left
        if left < bits:
            left = max(bits, ids * RANDOM_BITS)
            pool = _system.getrandbits(left)
        drawn = pool & (1 << bits) - 1
        pool >>= bits
        left -= bits
        return drawn

    return draw


def _nothing(signal: object) -> Translation:
    raise PostHogExporterError("an inert exporter translates nothing")


def _configure(options: Mapping[str, object]) -> tuple[Settings | None, SharedPipeline | None, Diagnostics]:
    resolution = resolve_here(options, os.environ)
    for notice in resolution.notices:
        _say_once(logging.INFO, notice)
    if resolution.problems:
        _say_once(logging.ERROR, str(ConfigurationError(resolution.problems)))
    settings = resolution.settings
    if settings is None or settings.disabled:
        return None, None, Diagnostics(clock=SystemClock())
    if os.environ.get(BLOCK_LIVE) == "true" and not is_this_machine(settings.host):
        _say_once(
            logging.ERROR,
            f"posthog_block_live forbids to send to {settings.host} in this test run: the exporter sends "
            "nothing. Use the fixture posthog_capture, or a PostHogDouble on this machine as the host.",
        )
        return None, None, Diagnostics(clock=SystemClock())
    # Blocks must write what this exporter reads. What is not asked for here, a processor may have asked for.
    configure(
        settings.groups,
        propagate=settings.propagate_baggage or None,
        trust=settings.groups_from_baggage or None,
    )
    shared, differing = share(settings, lambda: _shared_pipeline(settings))
    if differing:
        _say_once(
            logging.ERROR,
            f"two PostHog exporters of one project differ in {', '.join(differing)}: the first one's values "
            "hold for both. Give both exporters the same delivery options.",
        )
    return settings, shared, shared.diagnostics


def _shared_pipeline(settings: Settings) -> SharedPipeline:
    _say_once(logging.INFO, start_line(settings))
    diagnostics = Diagnostics(clock=SystemClock())
    if os.environ.get(INTERNAL_METRICS, "").strip().lower() == "true":
        diagnostics.measure(settings.host)
    return SharedPipeline(settings, diagnostics, _assembled)


def _assembled(settings: Settings, diagnostics: Diagnostics) -> Pipeline:
    from ..assembly import assemble

    return assemble(settings, diagnostics)


def start_line(settings: Settings) -> str:
    """One line that says what runs here: never the key, never a value of a property."""
    groups = ", ".join(f"{rule.type} from {rule.attribute}" for rule in settings.groups)
    return (
        f"PostHog exporter {__version__} to {settings.host} with key phc_…{settings.api_key[-4:]}: "
        f"groups {groups}; spans {settings.spans.preset.value} + {len(settings.spans.rules)} rules; "
        f"logs {settings.logs.preset.value} + {len(settings.logs.rules)} rules; "
        f"protocol {settings.capture_mode.value}, {_compression(settings)}; "
        f"ledger {ledger_kind(settings)}; outbox {settings.outbox_mode.value if settings.outbox else 'none'}"
        + ("; dry run, nothing is sent" if settings.dry_run else "")
    )


def _compression(settings: Settings) -> str:
    """What bodies will be; the host may still say that it can't read zstd."""
    if settings.compression is Compression.NONE:
        return "not compressed"
    best = settings.compression is not Compression.GZIP and settings.capture_mode is not CaptureMode.LEGACY
    if not best or not ThisMachine().has("zstandard"):
        return "gzip"
    return "zstd" if settings.capture_mode is CaptureMode.V1 else "zstd where v1 is spoken, else gzip"


def ledger_kind(settings: Settings) -> str:
    """Which store the ledger lives in, without the address it may carry."""
    ledger = settings.ledger
    if ledger is None:
        return "sqlite beside the outbox" if settings.outbox else "memory (forgets at restart)"
    if ledger == "memory":
        return "memory (forgets at restart)"
    return "redis" if ledger.split(":", 1)[0] in {"redis", "rediss", "unix"} else "sqlite"


def _say_once(level: int, text: str) -> None:
    if text not in _said:
        _said.add(text)
        logger.log(level, text)
