"""A WSGI service without a framework: one span and one event a request, for one organization."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from opentelemetry._logs import get_logger

from opentelemetry import trace
from opentelemetry.exporter.posthog import organization

tracer = trace.get_tracer("wsgi")
events = get_logger("wsgi")


def app(
    environ: dict[str, str], start_response: Callable[[str, list[tuple[str, str]]], object]
) -> Iterable[bytes]:
    org_id = environ["PATH_INFO"].rsplit("/", 1)[-1]
    with tracer.start_as_current_span("GET /orgs", kind=trace.SpanKind.SERVER), organization(org_id):
        events.emit(event_name="org.read")
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"ok"]
