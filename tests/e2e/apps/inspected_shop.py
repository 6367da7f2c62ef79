"""A service of three organizations: requests, steps inside them, probes, a refused one, a late webhook.

``inspected_shop.py EVENTS PER_SECOND``. OpenTelemetry only; the environment decides where it goes.
"""

from __future__ import annotations

import sys
import time

from opentelemetry._logs import get_logger

from opentelemetry import trace

EVENTS, PER_SECOND = int(sys.argv[1]), float(sys.argv[2])
HOUR_NS = 3_600 * 1_000_000_000
ORGANIZATIONS = [
    ("org_acme", "Acme Inc.", "team"),
    ("org_globex", "Globex", "free"),
    ("org_initech", "Initech", "enterprise"),
]

tracer = trace.get_tracer("shop.http")
events = get_logger("shop")
server, client = trace.SpanKind.SERVER, trace.SpanKind.CLIENT

for n in range(EVENTS):
    key, name, plan = ORGANIZATIONS[n % 3]
    if key == "org_globex" and n > EVENTS // 2:
        plan = "team"
    about = {
        "organization.id": key,
        "organization.name": name,
        "organization.plan": plan,
        "user.id": f"u_{n % 7}",
    }
    http = {"http.route": "/orders", "http.request.method": "POST", "http.response.status_code": 201}
    with tracer.start_as_current_span(
        "POST /orders", kind=server, attributes={**about, **http, "cart.items": n % 5}
    ):
        with tracer.start_as_current_span("charge card", kind=client):
            pass
        if n % 4 == 0:
            events.emit(
                event_name="order.paid",
                attributes={**about, "amount": 49.5, "billing.email": "ada@example.com"},
            )
    with tracer.start_as_current_span("GET /healthz", kind=server):
        pass
    if n == EVENTS // 2:
        with tracer.start_as_current_span(
            "POST /login", kind=server, attributes={**about, "http.response.status_code": 401}
        ):
            pass
        late = {"organization.id": "org_acme", "organization.plan": "trial"}
        events.emit(event_name="plan.changed", timestamp=time.time_ns() - HOUR_NS, attributes=late)
    time.sleep(1 / PER_SECOND)
print("the shop is closed", flush=True)
