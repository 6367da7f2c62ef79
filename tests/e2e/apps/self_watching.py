"""All that could feed an exporter its own traffic: httpx instrumented, every log line an OTel record."""

from __future__ import annotations

import logging
import os
import sys
import time

from opentelemetry._logs import set_logger_provider
from opentelemetry.instrumentation.httpx import HTTPXClientInstrumentor
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from opentelemetry import trace
from opentelemetry.exporter.posthog import PostHogLogExporter, PostHogSpanExporter

# "all": plain log lines are events too, so that anything of ours that got in would become a request.
options = {"api_key": "phc_test", "host": os.environ["TEST_HOST"], "logs": "all", "spans": "all"}
tracers, loggers = TracerProvider(), LoggerProvider()
trace.set_tracer_provider(tracers)
set_logger_provider(loggers)
HTTPXClientInstrumentor().instrument()
tracers.add_span_processor(BatchSpanProcessor(PostHogSpanExporter(**options), schedule_delay_millis=20))
loggers.add_log_record_processor(
    BatchLogRecordProcessor(PostHogLogExporter(**options), schedule_delay_millis=20)
)
if sys.argv[1] == "sdk":
    from opentelemetry.sdk._logs import LoggingHandler
else:
    from opentelemetry.instrumentation.logging.handler import LoggingHandler
logging.basicConfig(
    level=logging.DEBUG, handlers=[LoggingHandler(level=logging.DEBUG, logger_provider=loggers)]
)

logging.getLogger("app").warning("one line of the application")
with trace.get_tracer("app").start_as_current_span("one span of the application"):
    pass
time.sleep(1.0)  # fifty delays: a loop would show itself
