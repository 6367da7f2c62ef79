"""Emits log events one by one through the simple processor, and says so after each; to be killed at any time.

``python durable.py NAME``: with an outbox configured, an event that was said to be emitted is on disk.
"""

from __future__ import annotations

import sys

from opentelemetry._logs import SeverityNumber
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import SimpleLogRecordProcessor

from opentelemetry.exporter.posthog import PostHogLogExporter

provider = LoggerProvider()
provider.add_log_record_processor(SimpleLogRecordProcessor(PostHogLogExporter()))
logger = provider.get_logger("durable")
for number in range(1_000_000):
    logger.emit(
        event_name="order placed",
        severity_number=SeverityNumber.INFO,
        attributes={
            "order": f"{sys.argv[1]} {number}",
            "organization.id": "org_1",
            "posthog.distinct_id": "u_1",
        },
    )
    print(f"emitted {sys.argv[1]} {number}", flush=True)
