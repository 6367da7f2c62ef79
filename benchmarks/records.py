"""The record that everything is measured on, as each way of sending it gets it.

A server span (or a log event) of a business application: 12 attributes of its own, an organization with six
properties, a resource of eight. About fifty organizations in 512 records; ids, amounts and times vary.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from opentelemetry._logs import SeverityNumber
from opentelemetry.sdk._logs import LoggerProvider, ReadableLogRecord
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind

BATCH = 512
ORGANIZATIONS = 50
SCOPE = "shop.orders"
NAME = "POST /orders/{order_id}"

RESOURCE = Resource(
    {
        "service.name": "checkout-api",
        "service.version": "2026.11.3",
        "service.namespace": "shop",
        "service.instance.id": "2f9c8a7e-5b1d-4c3f-9e6a-0d1b2c3d4e5f",
        "deployment.environment.name": "production",
        "host.name": "ip-10-0-12-34",
        "cloud.region": "eu-central-1",
        "telemetry.distro.name": "shop",
    }
)


class Fact(NamedTuple):
    """What happened, before anybody wrapped it."""

    name: str
    start_ns: int
    duration_ns: int
    plain: dict[str, Any]  # the 12 attributes of the application
    organization: str
    profile: dict[str, Any]  # the six properties of the organization


def facts(count: int, *, seed: int, organizations: int = ORGANIZATIONS) -> list[Fact]:
    """The same ones for the same seed, whoever asks."""
    chance = random.Random(seed)
    return [_fact(chance, chance.randrange(organizations)) for _ in range(count)]


def _fact(chance: random.Random, number: int) -> Fact:
    start_ns = 1_763_900_000_000_000_000 + chance.randrange(10 * 10**9)
    return Fact(
        NAME,
        start_ns,
        chance.randrange(10**6, 10**9),
        {
            "http.request.method": "POST",
            "http.route": "/orders/{order_id}",
            "http.response.status_code": 201,
            "user.id": f"user_{chance.getrandbits(40):010x}",
            "order.id": f"ord_{chance.getrandbits(64):016x}",
            "order.amount": round(chance.uniform(1, 5_000), 2),
            "order.currency": chance.choice(["EUR", "USD", "GBP"]),
            "order.items": chance.randrange(1, 40),
            "order.express": chance.random() < 0.2,
            "checkout.step": chance.choice(["cart", "payment", "review"]),
            "request.id": f"{chance.getrandbits(128):032x}",
            "feature.flag": "new-checkout",
        },
        f"org_{number:06d}",
        profile_of(number),
    )


def profile_of(number: int) -> dict[str, Any]:
    return {
        "name": f"Organization {number:06d}",
        "plan_name": ("free", "team", "business")[number % 3],
        "seats": number % 500,
        "region": ("eu", "us")[number % 2],
        "status": "active",
        "industry": "retail",
    }


def attributes_of(fact: Fact) -> dict[str, Any]:
    """All 19 attributes of the signal."""
    said = {f"organization.{name}": value for name, value in fact.profile.items()}
    return {**fact.plain, "organization.id": fact.organization, **said}


def spans(count: int = BATCH, *, seed: int, organizations: int = ORGANIZATIONS) -> Sequence[ReadableSpan]:
    kept = InMemorySpanExporter()
    provider = TracerProvider(resource=RESOURCE, shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(kept))
    tracer = provider.get_tracer(SCOPE, "1.0")
    for fact in facts(count, seed=seed, organizations=organizations):
        span = tracer.start_span(
            fact.name, kind=SpanKind.SERVER, attributes=attributes_of(fact), start_time=fact.start_ns
        )
        span.end(fact.start_ns + fact.duration_ns)
    return kept.get_finished_spans()


def steps(count: int = BATCH, *, seed: int) -> Sequence[ReadableSpan]:
    """Spans without a group inside a request, which is what most spans are: 10 attributes, a local parent."""
    kept = InMemorySpanExporter()
    provider = TracerProvider(resource=RESOURCE, shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(kept))
    tracer = provider.get_tracer("opentelemetry.instrumentation.psycopg", "1.0")
    with tracer.start_as_current_span("request", kind=SpanKind.SERVER):
        for number in range(count):
            attributes = {f"db.attribute.{n}": f"value {number}" for n in range(10)}
            tracer.start_span("SELECT", kind=SpanKind.CLIENT, attributes=attributes).end()
    return kept.get_finished_spans()[:count]


def logs(count: int = BATCH, *, seed: int) -> Sequence[ReadableLogRecord]:
    kept = InMemoryLogRecordExporter()
    provider = LoggerProvider(resource=RESOURCE, shutdown_on_exit=False)
    provider.add_log_record_processor(SimpleLogRecordProcessor(kept))
    logger = provider.get_logger(SCOPE, "1.0")
    for fact in facts(count, seed=seed):
        logger.emit(
            event_name="order.placed",
            attributes=attributes_of(fact),
            timestamp=fact.start_ns,
            observed_timestamp=fact.start_ns + 1_000,
            severity_number=SeverityNumber.INFO,
        )
    return kept.get_finished_logs()


def sdk_properties(fact: Fact) -> dict[str, Any]:
    """What an application hands to an analytics SDK to say the same: attributes, resource, ids and times."""
    return {
        **attributes_of(fact),
        **{str(key): value for key, value in RESOURCE.attributes.items()},
        "span.kind": "server",
        "span.duration_ms": fact.duration_ns / 1e6,
        "$trace_id": f"{hash((fact.start_ns, 1)) & (1 << 128) - 1:032x}",
        "$span_id": f"{hash((fact.start_ns, 2)) & (1 << 64) - 1:016x}",
    }


def ready_events(count: int = BATCH, *, seed: int) -> list[dict[str, Any]]:
    """PostHog events that need no more than encoding: what the floor sends. About 1,300 bytes each."""
    chance = random.Random(seed)
    return [_ready(fact, chance) for fact in facts(count, seed=seed)]


def _ready(fact: Fact, chance: random.Random) -> dict[str, Any]:
    ids = f"{chance.getrandbits(128):032x}"
    properties = {
        **{str(key): value for key, value in RESOURCE.attributes.items()},
        **fact.plain,
        "span.kind": "server",
        "span.duration_ms": fact.duration_ns / 1e6,
        "otel.status_code": "OK",
        "otel.scope.name": SCOPE,
        "$trace_id": f"{chance.getrandbits(128):032x}",
        "$span_id": f"{chance.getrandbits(64):016x}",
        "$groups": {"organization": fact.organization},
        "$lib": "opentelemetry-exporter-posthog",
        "$lib_version": "0.1.0",
        "$process_person_profile": True,
    }
    return {
        "event": fact.name,
        "uuid": f"{ids[:8]}-{ids[8:12]}-{ids[12:16]}-{ids[16:20]}-{ids[20:]}",
        "distinct_id": fact.plain["user.id"],
        "timestamp": "2026-11-23T14:01:24.916575Z",
        "properties": properties,
    }


def cycle_of_batches(make: Any, count: int = 4) -> Iterator[Any]:
    """Batches in turns, so that no case profits from having seen the very records before."""
    batches = [make(seed=seed) for seed in range(count)]
    while True:
        yield from batches
