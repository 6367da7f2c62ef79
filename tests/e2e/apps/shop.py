"""A service as a user writes it: OpenTelemetry only, not a word of PostHog. Runs once and ends."""

from __future__ import annotations

from opentelemetry._logs import SeverityNumber, get_logger

from opentelemetry import trace

tracer = trace.get_tracer("shop")
events = get_logger("shop")

ACME = {"organization.id": "org_acme", "organization.name": "Acme", "organization.plan.name": "team"}

with tracer.start_as_current_span(
    "POST /orders", kind=trace.SpanKind.SERVER, attributes={**ACME, "user.id": "u1"}
):
    with tracer.start_as_current_span("charge card", kind=trace.SpanKind.CLIENT):
        pass
    events.emit(
        event_name="order.paid",
        attributes={**ACME, "user.id": "u1", "amount": 49},
        severity_number=SeverityNumber.INFO,
    )
print("the service ran to its end")
