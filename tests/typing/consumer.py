"""Type-checked, never run: what mypy and pyright see in an application that uses every public name."""

from __future__ import annotations

from datetime import datetime, timezone

from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor, LogRecordExporter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter

from opentelemetry.exporter.posthog import (
    PostHogGroupProcessor,
    PostHogLogExporter,
    PostHogSpanExporter,
    __version__,
    group,
    organization,
    user,
)

version: str = __version__


def add_name(capture: dict[str, object]) -> dict[str, object] | None:
    return capture


def set_up() -> None:
    spans: SpanExporter = PostHogSpanExporter()
    logs: LogRecordExporter = PostHogLogExporter(
        api_key="phc_example",
        host="eu",
        groups={"organization": "organization.id", "workspace": "workspace.id"},
        timeout_millis=5_000,
        before_send=add_name,
    )
    tracer_provider, logger_provider = TracerProvider(), LoggerProvider()
    processor = PostHogGroupProcessor()
    tracer_provider.add_span_processor(processor)
    tracer_provider.add_span_processor(BatchSpanProcessor(spans))
    logger_provider.add_log_record_processor(processor)
    logger_provider.add_log_record_processor(BatchLogRecordProcessor(logs))


def act() -> None:
    at = datetime(2026, 11, 24, tzinfo=timezone.utc)
    with organization("org_42", name="Acme", plan_name="team", at=at), user("u_1"), group("workspace", "w_7"):
        pass


def misuse() -> None:
    PostHogSpanExporter("phc_positional")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
