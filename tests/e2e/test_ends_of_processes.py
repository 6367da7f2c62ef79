"""How servers and workers end, and that what they had queued arrives: real programs, judged by the double."""

from __future__ import annotations

import re
import signal
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from opentelemetry.exporter.posthog.testing import PostHogDouble
from tests.e2e.processes import Service, instrumenting

NEVER = "3600000"
"""A schedule delay in ms: nothing is exported unless something flushes."""


@pytest.fixture
def double() -> Iterator[PostHogDouble]:
    with PostHogDouble.listening() as running:
        yield running
        assert not running.refused, running.explain()


def zero_code(double: PostHogDouble, **more: str) -> dict[str, str]:
    return {
        "OTEL_TRACES_EXPORTER": "posthog",
        "OTEL_LOGS_EXPORTER": "posthog",
        "OTEL_METRICS_EXPORTER": "none",
        "OTEL_SERVICE_NAME": "web",
        "OTEL_BSP_SCHEDULE_DELAY": NEVER,
        "OTEL_BLRP_SCHEDULE_DELAY": NEVER,
        "OTEL_EXPORTER_POSTHOG_API_KEY": "phc_test",
        "OTEL_EXPORTER_POSTHOG_HOST": double.url,
        "OTEL_EXPORTER_POSTHOG_GROUP_PROCESSOR": "true",
        **instrumenting(),
        **more,
    }


def get(url: str) -> None:
    with urllib.request.urlopen(url, timeout=30) as answer:
        assert answer.status == 200


def address_in(line: str) -> str:
    found = re.search(r"http://127\.0\.0\.1:\d+", line)
    assert found is not None, line
    return found[0]


def uvicorn(env: dict[str, str]) -> Service:
    command = ["opentelemetry-instrument", "uvicorn", "web:app", "--port", "0"]
    return Service(command, {**env, **instrumenting("fastapi")})


# -- uvicorn: ends on SIGTERM without exit hooks -----------------------------------------------------------


def test_uvicorn_under_sigterm_flush_loses_nothing_and_stamps_the_server_span(double: PostHogDouble) -> None:
    with uvicorn(zero_code(double, OTEL_EXPORTER_POSTHOG_SIGTERM_FLUSH="true")) as server:
        url = address_in(server.wait_for("Uvicorn running on"))
        get(f"{url}/orgs/org_1")
        get(f"{url}/orgs/org_2")
        get(f"{url}/health")
        assert server.stop(signal.SIGTERM) == 143
    told = sorted(
        (event.name, event.groups.get("organization", ""), event.distinct_id) for event in double.events
    )
    assert told == [
        ("GET /orgs/{org_id}", "org_1", "u_1"),
        ("GET /orgs/{org_id}", "org_2", "u_1"),
        ("org.read", "org_1", "u_1"),
        ("org.read", "org_2", "u_1"),
    ]
    assert double.organization("org_1").properties["plan_name"] == "team"


@pytest.mark.long
def test_uvicorn_without_it_loses_what_was_queued(double: PostHogDouble) -> None:
    """What the option is for. When this fails, uvicorn has changed and the page about it is out of date."""
    with uvicorn(zero_code(double)) as server:
        url = address_in(server.wait_for("Uvicorn running on"))
        get(f"{url}/orgs/org_1")
        server.stop(signal.SIGTERM)
    assert not double.events


def test_gunicorn_with_preload_loses_nothing_in_any_worker(double: PostHogDouble) -> None:
    command = ["opentelemetry-instrument", "gunicorn", "wsgi:app", "--bind", "127.0.0.1:0", "--workers", "2"]
    with Service([*command, "--preload"], zero_code(double)) as server:
        url = address_in(server.wait_for("Listening at"))
        server.wait_for("Booting worker", count=2)
        for number in range(6):
            get(f"{url}/orgs/org_{number}")
        assert server.stop(signal.SIGTERM) == 0
    assert sorted(event.groups["organization"] for event in double.events if event.name == "org.read") == [
        f"org_{number}" for number in range(6)
    ]


# -- Celery: prefork children end by os._exit --------------------------------------------------------------


def worker(double: PostHogDouble, folder: Path, **more: str) -> Service:
    folder.mkdir()
    # Without the instrumentation of Celery, whose spans are entries too: only the tasks' own are counted.
    broker = {"TEST_BROKER": "filesystem://", "TEST_BROKER_FOLDER": str(folder)}
    command = ["opentelemetry-instrument", "celery", "-A", "tasks", "worker", "--concurrency", "2"]
    return Service(
        [*command, "--pool", "prefork", "--loglevel", "INFO", "--without-mingle", "--without-gossip"],
        {**zero_code(double, **more), **broker},
    )


def send(double: PostHogDouble, folder: Path, count: int) -> None:
    broker = {"TEST_BROKER": "filesystem://", "TEST_BROKER_FOLDER": str(folder)}
    code = f"import tasks\nfor n in range({count}): tasks.bill.delay(f'org_{{n}}')"
    with Service(["python", "-c", code], broker) as sender:
        assert sender.ended() == 0


def test_celery_workers_flush_when_they_end(double: PostHogDouble, tmp_path: Path) -> None:
    folder = tmp_path / "broker"
    with worker(double, folder, OTEL_EXPORTER_POSTHOG_CELERY="true") as celery:
        celery.wait_for("ready.")
        send(double, folder, 4)
        celery.wait_for("billed", count=4)
        assert celery.stop(signal.SIGTERM) == 0
    assert sorted(event.groups["organization"] for event in double.events) == [f"org_{n}" for n in range(4)]


@pytest.mark.long
def test_celery_workers_without_it_lose_what_was_queued(double: PostHogDouble, tmp_path: Path) -> None:
    """What the option is for. When this fails, Celery has changed and the page about it is out of date."""
    folder = tmp_path / "broker"
    with worker(double, folder) as celery:
        celery.wait_for("ready.")
        send(double, folder, 2)
        celery.wait_for("billed", count=2)
        celery.stop(signal.SIGTERM)
    assert not double.events
