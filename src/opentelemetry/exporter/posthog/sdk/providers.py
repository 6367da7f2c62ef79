"""The process's global providers: putting our processor into them, flushing and closing them in time."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from opentelemetry._logs import get_logger_provider
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk.trace import TracerProvider

from opentelemetry import trace

if TYPE_CHECKING:
    from .group_processor import PostHogGroupProcessor


def add_processor(processor: PostHogGroupProcessor) -> str | None:
    """Add one processor to both global providers. What is wrong, or None."""
    tracers, loggers = trace.get_tracer_provider(), get_logger_provider()
    if isinstance(tracers, TracerProvider):
        tracers.add_span_processor(processor)
    if isinstance(loggers, LoggerProvider):
        add_first(loggers, processor)
    if isinstance(tracers, TracerProvider) or isinstance(loggers, LoggerProvider):
        return None
    return "no OpenTelemetry SDK is set up in this process"


def add_first(provider: LoggerProvider, processor: PostHogGroupProcessor) -> None:
    """Add a log processor before those that export.

    The public way appends, which is too late for simple processors: they would export the record first. All
    SDKs from 1.39 on keep a tuple behind the provider; where one doesn't, appending still serves batch
    processors, which export later and share the record.
    """
    pipeline: Any = getattr(provider, "_multi_log_record_processor", None)
    processors: object = getattr(pipeline, "_log_record_processors", None)
    lock: object = getattr(pipeline, "_lock", None)
    if not isinstance(processors, tuple) or lock is None:
        provider.add_log_record_processor(processor)
        return
    with pipeline._lock:
        pipeline._log_record_processors = (processor, *pipeline._log_record_processors)


def close_providers(timeout: float) -> bool:
    """Flush and shut down both global providers within ``timeout`` seconds. True when they ended in time.

    Providers have no deadline of their own, and other exporters may hang: so the work is done on a daemon
    thread, which is left behind when the time is up.
    """
    worker = threading.Thread(target=_close, name="posthog-close-providers", daemon=True)
    worker.start()
    worker.join(timeout)
    return not worker.is_alive()


def _close() -> None:
    # In the order of interpreter exit. Shutting down flushes: the batch processors export what they have.
    for provider in (get_logger_provider(), trace.get_tracer_provider()):
        if isinstance(provider, (LoggerProvider, TracerProvider)):
            try:
                provider.shutdown()
            except Exception:  # noqa: BLE001 - the second provider is closed all the same
                continue


def remove_processor(provider: object, processor: object) -> bool:
    """Take a processor out of a provider again, which the SDK has no public way for. False: it stays in.

    Whoever calls switches the processor off as well, so that one that stays does nothing.
    """
    for owner, names in (("_active_span_processor", "_span_processors"), *_LOG_PIPELINE):
        pipeline: Any = getattr(provider, owner, None)
        processors: object = getattr(pipeline, names, None)
        lock: Any = getattr(pipeline, "_lock", None)
        if isinstance(processors, tuple) and lock is not None and processor in processors:
            with lock:
                setattr(
                    pipeline, names, tuple(one for one in getattr(pipeline, names) if one is not processor)
                )
            return True
    return False


_LOG_PIPELINE = (("_multi_log_record_processor", "_log_record_processors"),)
