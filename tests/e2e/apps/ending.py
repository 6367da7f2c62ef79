"""Makes one span and one log event, both still queued, and ends in the way named by the first argument."""

from __future__ import annotations

import os
import signal
import sys

from opentelemetry._logs import get_logger, set_logger_provider
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from opentelemetry import trace
from opentelemetry.exporter.posthog import PostHogLogExporter, PostHogSpanExporter

options = {"api_key": "phc_test", "host": os.environ["TEST_HOST"]}
tracers, loggers = TracerProvider(), LoggerProvider()
trace.set_tracer_provider(tracers)
set_logger_provider(loggers)
tracers.add_span_processor(BatchSpanProcessor(PostHogSpanExporter(**options), schedule_delay_millis=60_000))
loggers.add_log_record_processor(
    BatchLogRecordProcessor(PostHogLogExporter(**options), schedule_delay_millis=60_000)
)

attributes = {"organization.id": "org_last", "organization.name": "Last"}
tracers.get_tracer("app").start_span("GET /", kind=trace.SpanKind.SERVER, attributes=attributes).end()
get_logger("app").emit(event_name="left", attributes={"organization.id": "org_last"})

match sys.argv[1]:
    case "exception":
        raise ValueError("the application's own")
    case "sys.exit":
        sys.exit(3)
    case "ctrl-c":
        os.kill(os.getpid(), signal.SIGINT)
        signal.pause()
    case "child":
        # A forked worker ends without the interpreter's exit hooks, so it closes its providers itself.
        if not (pid := os.fork()):
            get_logger("app").emit(event_name="left by the child", attributes={"organization.id": "org_last"})
            loggers.shutdown()
            tracers.shutdown()
            os._exit(0)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
