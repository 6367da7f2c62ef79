"""The blocks of the how-to guides run, and PostHog then holds what the guide promises."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import Any

import httpx
import pytest
from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from tests.docs.blocks import ROOT, code_of
from tests.docs.guide_runs import HOST, HOW_TO, emit, exports_of, instrumented

from opentelemetry.exporter.posthog import organization, user
from opentelemetry.exporter.posthog.testing import PostHogDouble, capturing

RUNS = {
    "docs/how-to/aws-lambda.md": ("python", "console"),
    "docs/how-to/costs.md": ("console",),
    "docs/how-to/django.md": ("python", "console"),
    "docs/how-to/feature-flags.md": ("python", "console"),
    "docs/how-to/link-browser-and-backend.md": ("python",),
    "docs/how-to/sampling.md": ("python",),
}


def run_blocks(page: str, names: dict[str, Any] | None = None) -> dict[str, Any]:
    """Run all Python blocks of a guide in one namespace, which is returned."""
    names = {"__name__": "guide"} if names is None else names
    for code in code_of(HOW_TO + page, "python"):
        exec(compile(code, page, "exec", flags=0, dont_inherit=True), names)
    return names


# -- Django -----------------------------------------------------------------------------------------------

DJANGO_SETTINGS = """
SECRET_KEY = "test"
ALLOWED_HOSTS = ["*"]
ROOT_URLCONF = "urls"
MIDDLEWARE = ["urls.SignIn", "tenancy.TenantMiddleware"]
"""

DJANGO_URLS = """
import types

from django.http import HttpResponse
from django.urls import path
from opentelemetry._logs import get_logger

ACME = types.SimpleNamespace(id="org_acme", name="Acme Inc.", plan="team")
ADA = types.SimpleNamespace(is_authenticated=True, pk=7, organization=ACME)
NOBODY = types.SimpleNamespace(is_authenticated=False)


class SignIn:
    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        request.user = ADA if request.headers.get("Authorization") else NOBODY
        return self.get_response(request)


def order(request):
    get_logger("shop").emit(event_name="order placed")
    return HttpResponse(status=201)


async def share(request):
    get_logger("shop").emit(event_name="order shared")
    return HttpResponse(status=200)


urlpatterns = [path("orders", order), path("share", share)]
"""

DJANGO_CLIENT = """
import asyncio

import django
from opentelemetry.instrumentation.django import DjangoInstrumentor

django.setup()
DjangoInstrumentor().instrument()

from django.test import AsyncClient, Client

Client().post("/orders", headers={"Authorization": "ada"})
Client().post("/orders")


async def over_asgi():
    await AsyncClient().post("/share", headers={"Authorization": "ada"})


asyncio.run(over_asgi())
"""


def test_djangos_middleware_names_the_organization_of_each_request(tmp_path: Path) -> None:
    (middleware,) = code_of(HOW_TO + "django.md", "python")
    (tmp_path / "tenancy.py").write_text(middleware)
    (tmp_path / "shop_settings.py").write_text(DJANGO_SETTINGS)
    (tmp_path / "urls.py").write_text(DJANGO_URLS)
    env = exports_of(HOW_TO + "django.md", without=["OTEL_EXPORTER_POSTHOG_LEDGER"])

    with PostHogDouble.listening() as double:
        more = {HOST: double.url, "DJANGO_SETTINGS_MODULE": "shop_settings"}
        instrumented(DJANGO_CLIENT, tmp_path, {**env, **more})

        of_acme = sorted(event.name for event in double.events if event.groups)
        assert of_acme == ["POST orders", "POST share", "order placed", "order shared"]
        assert {event.distinct_id for event in double.events if event.groups} == {"7"}
        assert double.organization("org_acme").properties == {"name": "Acme Inc.", "plan_name": "team"}


# -- AWS Lambda -------------------------------------------------------------------------------------------

INVOKED_AND_FROZEN = """
import os

from function import handler

print("flushed", handler({"org": "org_42", "amount": 49}, None)["flushed"], flush=True)
os._exit(0)  # frozen, and never thawed
"""


@pytest.mark.parametrize("healthy", [True, False], ids=["healthy", "down"])
def test_a_function_that_is_frozen_after_its_handler_has_sent_everything_or_says_so(
    healthy: bool, tmp_path: Path
) -> None:
    (code,) = code_of(HOW_TO + "aws-lambda.md", "python")
    (tmp_path / "function.py").write_text(code)
    env = exports_of(HOW_TO + "aws-lambda.md", without=["OTEL_EXPORTER_POSTHOG_LEDGER"])

    with PostHogDouble.listening() as double:
        host = double.url if healthy else "http://127.0.0.1:9"
        said = instrumented(INVOKED_AND_FROZEN, tmp_path, {**env, HOST: host})

        assert f"flushed {healthy}" in said
        arrived = {event.name: event.groups for event in double.events}
        groups = {"organization": "org_42"}
        assert arrived == ({"order imported": groups, "order paid": groups} if healthy else {})


# -- sampling ---------------------------------------------------------------------------------------------


def test_a_fact_that_is_a_log_event_survives_a_sampler_that_takes_nothing() -> None:
    names = run_blocks("sampling.md")
    with capturing() as captured:
        sampled_out = TracerProvider(sampler=ALWAYS_OFF, shutdown_on_exit=False)
        captured.attach(sampled_out)
        names["events"] = captured.logger_provider.get_logger("shop")
        with sampled_out.get_tracer("shop").start_as_current_span(
            "POST /pay", attributes={"organization.id": "acme"}
        ):
            names["paid"]("acme", 49)

        assert [(event.name, event.groups) for event in captured.events] == [
            ("invoice paid", {"organization": "acme"})
        ]
        assert captured.not_exported == []  # nobody can count what never came


def test_sampling_behind_us_thins_out_the_other_exporter_alone() -> None:
    names = run_blocks("sampling.md")
    traces, kept = 400, InMemorySpanExporter()
    with capturing() as captured:
        provider = TracerProvider(shutdown_on_exit=False)
        share: SpanProcessor = names["ShareOfTraces"](kept, share=0.25)
        provider.add_span_processor(share)
        captured.attach(provider)
        for _ in range(traces):
            with provider.get_tracer("shop").start_as_current_span(
                "outer", attributes={"organization.id": "a"}
            ):
                emit(provider, "inner")
        provider.force_flush()
        provider.shutdown()

        assert len(captured.events) == traces
        by_trace: dict[int, int] = {}
        for span in kept.get_finished_spans():
            assert span.context is not None
            by_trace[span.context.trace_id] = by_trace.get(span.context.trace_id, 0) + 1
        assert set(by_trace.values()) == {2}, "whole traces"
        assert 0.1 * traces < len(by_trace) < 0.4 * traces


# -- costs ------------------------------------------------------------------------------------------------

FOUR_EVENTS = """
import logging

logging.basicConfig(level="INFO")
from opentelemetry import trace

tracer = trace.get_tracer("shop")
kind = trace.SpanKind.SERVER
for name in ["POST /orders"] * 4 + ["GET /orders"] * 2:
    tracer.start_span(name, kind=kind, attributes={"organization.id": "org_42"}).end()
"""


def test_a_dry_run_says_what_would_be_sent_in_the_words_of_the_page(tmp_path: Path) -> None:
    env = exports_of(HOW_TO + "costs.md", without=["OTEL_EXPORTER_POSTHOG_SPANS"])
    more = {"OTEL_TRACES_EXPORTER": "posthog", "OTEL_LOGS_EXPORTER": "none", "OTEL_METRICS_EXPORTER": "none"}
    with PostHogDouble.listening() as double:
        more |= {HOST: double.url, "OTEL_EXPORTER_POSTHOG_SPANS": "GET *=-"}
        said = instrumented(FOUR_EVENTS, tmp_path, {**env, **more})

        assert double.rows == []
    (last,) = code_of(HOW_TO + "costs.md", "text")
    assert last.strip() in said


def test_each_selection_of_the_page_takes_what_the_page_says() -> None:
    (less, only) = [
        line.split("SPANS=")[1].strip("'\n")
        for code in code_of(HOW_TO + "costs.md", "console")
        for line in code.splitlines()
        if "SPANS=" in line
    ]
    taken: list[list[str]] = []
    for spans in (less, only):
        with capturing(spans=spans) as captured:
            for name in ("GET /orgs/{org_id}", "POST /orgs/{org_id}/members", "POST /other"):
                emit(captured.tracer_provider, name, **{"organization.id": "acme"})
            taken.append([event.name for event in captured.events])

    assert taken == [["member invited", "POST /other"], ["member invited"]]


# -- feature flags ----------------------------------------------------------------------------------------


def test_flags_are_on_events_and_an_evaluation_is_an_exposure(monkeypatch: pytest.MonkeyPatch) -> None:
    names = run_blocks("feature-flags.md")
    for name, value in exports_of(HOW_TO + "feature-flags.md").items():
        monkeypatch.setenv(name, value)
    with capturing() as captured:
        loggers = captured.logger_provider
        names["get_logger"] = loggers.get_logger
        tracer = captured.tracer_provider.get_tracer("shop")
        with tracer.start_as_current_span("checkout", attributes={"organization.id": "acme"}):
            names["note_flag"]("new-checkout", "test")
        with organization("acme"), user("u_ada"):
            for _ in range(3):
                names["evaluated"]("new-checkout", "test")

        checkout, *exposures = captured.events
        assert checkout.name == "checkout"
        assert checkout.properties["$feature/new-checkout"] == "test"
        assert [event.name for event in exposures] == ["$feature_flag_called"], "one of a day"
        assert exposures[0].repeats == 2
        assert exposures[0].groups == {"organization": "acme"}
        assert exposures[0].properties["$feature_flag_response"] == "test"


def test_without_the_option_no_flag_is_told_in_posthogs_words() -> None:
    names = run_blocks("feature-flags.md")
    with capturing() as captured:
        names["get_logger"] = captured.logger_provider.get_logger
        names["evaluated"]("new-checkout", "test")

        assert [event.name for event in captured.events] == ["feature_flag.evaluation"]


def test_openfeatures_hook_leaves_span_events(monkeypatch: pytest.MonkeyPatch) -> None:
    with capturing(feature_flags=True) as captured:
        tracer = captured.tracer_provider.get_tracer("shop")
        with tracer.start_as_current_span("checkout", attributes={"organization.id": "acme"}) as span:
            for key in ("one", "two"):
                span.add_event(
                    "feature_flag.evaluation",
                    {"feature_flag.key": key, "feature_flag.result.variant": "on"},
                )

        (event,) = captured.events
        assert {name for name in event.properties if name.startswith("$feature/")} == {
            "$feature/one",
            "$feature/two",
        }


# -- browser and backend ----------------------------------------------------------------------------------

SESSION = "019ab000-0000-7000-8000-000000000000"


def test_a_session_of_the_browser_is_on_everything_inside_of_its_request() -> None:
    names = run_blocks("link-browser-and-backend.md")
    app = names["app"]
    with capturing() as captured:
        stamp = names["SessionProcessor"]()
        tracers, loggers = TracerProvider(shutdown_on_exit=False), LoggerProvider(shutdown_on_exit=False)
        tracers.add_span_processor(stamp)
        loggers.add_log_record_processor(stamp)
        captured.attach(tracers, loggers, stamp=True)

        @app.post("/reports")
        async def report() -> dict[str, str]:
            with organization("acme"), tracers.get_tracer("shop").start_as_current_span("render") as span:
                span.set_attribute("posthog.event", "report rendered")
                loggers.get_logger("shop").emit(event_name="report created")
            return {}

        FastAPIInstrumentor.instrument_app(app, tracer_provider=tracers)

        async def ask(headers: dict[str, str]) -> None:
            async with httpx.AsyncClient(
                transport=httpx.ASGITransport(app), base_url="http://shop.example"
            ) as browser:
                await browser.post("/reports", headers=headers)

        asyncio.run(ask({"X-POSTHOG-SESSION-ID": SESSION}))
        sessions = {event.name: event.properties.get("$session_id") for event in captured.events}
        assert sessions == dict.fromkeys(("report created", "report rendered", "POST /reports"), SESSION)

        captured.clear()
        asyncio.run(ask({"X-POSTHOG-SESSION-ID": "made up"}))
        asyncio.run(ask({}))
        assert [event.properties.get("$session_id") for event in captured.events] == [None] * 6


def test_whoever_signed_in_comes_before_what_the_browser_says() -> None:
    visitor = run_blocks("link-browser-and-backend.md")["visitor"]
    header = {"x-posthog-distinct-id": "visitor_7"}
    with capturing() as captured:
        logger = captured.logger_provider.get_logger("shop")
        for member, headers in (("u_ada", header), (None, header), (None, {})):
            with visitor(member, headers):
                logger.emit(event_name="seen")

        who = [None if event.personless else event.distinct_id for event in captured.events]
        assert who == ["u_ada", "visitor_7", None]


def test_the_curl_of_the_page_sends_a_session_that_posthog_takes() -> None:
    page = (ROOT / HOW_TO / "link-browser-and-backend.md").read_text()

    assert f"X-POSTHOG-SESSION-ID: {SESSION}" in page
    assert re.fullmatch(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", SESSION)
