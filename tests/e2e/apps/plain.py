"""Plain Python set-up: providers, batch processors, our exporters."""

from __future__ import annotations

import os
import runpy
from pathlib import Path

from opentelemetry._logs import set_logger_provider
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from opentelemetry import trace
from opentelemetry.exporter.posthog import PostHogLogExporter, PostHogSpanExporter

host = os.environ["TEST_HOST"]
tracers, loggers = TracerProvider(), LoggerProvider()
tracers.add_span_processor(BatchSpanProcessor(PostHogSpanExporter(api_key="phc_test", host=host)))
loggers.add_log_record_processor(BatchLogRecordProcessor(PostHogLogExporter(api_key="phc_test", host=host)))
trace.set_tracer_provider(tracers)
set_logger_provider(loggers)

runpy.run_path(str(Path(__file__).with_name("shop.py")))
