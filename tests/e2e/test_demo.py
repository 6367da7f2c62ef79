"""The demo's story as `make demo` plays it: real processes, judged by what PostHog would hold."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from opentelemetry.exporter.posthog.testing import PostHogDouble
from tests.e2e.processes import Service, instrumenting
from tests.servers import redis_binary

ROOT = Path(__file__).parents[2]
RUNS = {"examples/b2b_saas/README.md": ("console",)}
SERVICE = ROOT / "examples/b2b_saas"

LIMIT = 60.0
"""Seconds the demo may take after set-up."""

pytestmark = pytest.mark.xdist_group("demo")


def play(*arguments: str) -> subprocess.CompletedProcess[str]:
    """With the instrumentations that the demo's page installs."""
    (installed,) = instrumenting("fastapi", "logging").items()
    return subprocess.run(
        [sys.executable, "-m", "examples.b2b_saas.demo", "--set", "=".join(installed), *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=LIMIT,
        check=False,
    )


@pytest.fixture(scope="module")
def told() -> subprocess.CompletedProcess[str]:
    return play()


def test_posthog_holds_exactly_what_the_story_must_give(
    told: subprocess.CompletedProcess[str],
) -> None:  # [P-ORDER] [P-ONLY-CHANGES]
    assert told.returncode == 0, told.stdout + told.stderr
    assert "PostHog holds exactly what the story must give." in told.stdout


def test_the_demo_says_what_was_not_exported_and_why(told: subprocess.CompletedProcess[str]) -> None:
    for reason in ("refused_request", "excluded_by_rule", "not_an_entry", "no_group", "plain_log"):
        assert reason in told.stdout, told.stdout


@pytest.mark.parametrize(
    "by",
    [
        pytest.param("environment", id="told by the environment", marks=pytest.mark.long),
        pytest.param("yaml", id="told by a file", marks=pytest.mark.newest),
    ],
)
def test_an_outbox_and_a_ledger_in_redis_give_the_same(
    by: str, told: subprocess.CompletedProcess[str]
) -> None:
    redis_binary()  # skips where there is none, and CI fails on a skip
    otherwise = play("--by", by, "--durable")

    assert otherwise.returncode == 0, otherwise.stdout + otherwise.stderr
    assert "the outbox is left with outbox.db" in otherwise.stdout
    assert re.search(r"the ledger is left with [1-9]\d* keys in Redis", otherwise.stdout)
    assert events_in(otherwise.stdout) == events_in(told.stdout)


def test_the_service_alone_is_switched_on_by_the_lines_of_its_page(tmp_path: Path) -> None:
    (block,) = re.findall(r"```console\n(.*?)```", (SERVICE / "README.md").read_text(), re.DOTALL)
    double_line, *settings, start = block.strip().splitlines()
    assert double_line.endswith("testing --port 8009 &")
    with PostHogDouble.listening() as double:
        lines = "\n".join([*settings, f"exec {start}"])
        lines = lines.replace("http://127.0.0.1:8009", double.url).replace("--port 8000", "--port 0")
        with Service(["bash", "-ec", lines], instrumenting("fastapi", "logging"), cwd=SERVICE) as service:
            url = re.search(r"http://127\S+", service.wait_for("Uvicorn running on"))
            assert url is not None
            founded = {"id": "org_1", "name": "Acme", "website": "https://acme.example"}
            body = {**founded, "created_at": "2026-11-01T00:00:00Z", "management_email": "a@b.example"}
            request = urllib.request.Request(
                f"{url[0]}/orgs",
                json.dumps(body).encode(),
                {"Content-Type": "application/json", "X-User": "u_ada"},
            )
            urllib.request.urlopen(request, timeout=30).close()
            service.stop()
        assert [(event.name, event.distinct_id) for event in double.events] == [
            ("organization created", "u_ada")
        ]
        assert double.organization("org_1").properties["name"] == "Acme"


def events_in(said: str) -> list[str]:
    """The lines of the table of events."""
    return said.partition("EVENTS IN POSTHOG")[2].partition("PROFILE OF")[0].splitlines()


def test_the_demo_fails_when_the_store_is_wrong_and_names_every_difference() -> None:
    wrong = play(
        "--set", "OTEL_EXPORTER_POSTHOG_SIGTERM_FLUSH=false",
        "--set", "OTEL_EXPORTER_POSTHOG_PRIVACY=patterns.email=keep",
    )  # fmt: skip

    assert wrong.returncode == 1
    assert "event 'report exported' of org_globex: 0 stored, 1 expected" in wrong.stdout
    assert "an e-mail address reached PostHog" in wrong.stdout
