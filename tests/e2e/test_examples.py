"""Each example as its README says it is run: real servers and workers, judged by what the double stored."""

from __future__ import annotations

import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from opentelemetry.exporter.posthog.testing import PostHogDouble
from tests.e2e.processes import environment, instrumenting
from tests.servers import redis_binary

ROOT = Path(__file__).parents[2]
RUNS = {"examples/gunicorn_flask/README.md": ("console",)}
EXAMPLES = sorted(path.parent.name for path in (ROOT / "examples").glob("*/__main__.py"))

LIMIT = 100.0
"""Seconds for one example; each takes 2 to 15 on an idle machine."""


@pytest.fixture
def double() -> Iterator[PostHogDouble]:
    with PostHogDouble.listening() as running:
        yield running
        assert not running.refused, running.explain()
        assert not running.findings, running.explain()


def play(name: str, *arguments: str) -> tuple[int, str]:
    """Exit status and output of ``python -m examples.<name>``, with the instrumentations that its page
    installs."""
    needed = (ROOT / "examples" / name / "requirements.txt").read_text()
    installed = instrumenting(*re.findall(r"^opentelemetry-instrumentation-(\w+)$", needed, re.MULTILINE))
    given = [part for setting in installed.items() for part in ("--set", "=".join(setting))]
    done = subprocess.run(
        [sys.executable, "-m", f"examples.{name}", *given, *arguments],
        cwd=ROOT,
        env=environment({}),
        capture_output=True,
        text=True,
        timeout=LIMIT,
        check=False,
    )
    print(done.stdout + done.stderr)  # pytest shows it when the test failed
    return done.returncode, done.stdout


def by_organization(double: PostHogDouble) -> Counter[tuple[str, str | None]]:
    return Counter((event.name, event.groups.get("organization")) for event in double.events)


def updates(double: PostHogDouble) -> Counter[str]:
    return Counter(event.properties["$group_key"] for event in double.identifies)


def test_four_preloaded_gunicorn_workers_tell_posthog_of_each_organization_once(
    double: PostHogDouble,
) -> None:
    status, _ = play("gunicorn_flask", "--posthog", double.url)
    assert status == 0
    assert updates(double) == {"org_acme": 2, "org_globex": 1, "org_initech": 1}
    assert double.organization("org_acme").properties["plan_name"] == "business"
    assert {event.name for event in double.events} == {"report created"}


def test_the_gunicorn_example_fails_when_each_worker_has_a_ledger_of_its_own() -> None:
    status, said = play("gunicorn_flask", "--set", "OTEL_EXPORTER_POSTHOG_LEDGER=memory")
    assert status == 1
    assert "group updates of org_acme" in said


def test_a_celery_task_belongs_to_the_organization_and_user_of_the_request_that_sent_it(
    double: PostHogDouble,
) -> None:
    redis_binary()  # skips where there is none, and CI fails on a skip
    status, _ = play("celery", "--posthog", double.url)
    assert status == 0
    sent = [(event.distinct_id, event.groups["organization"]) for event in double.events
            if event.name == "invoice sent"]  # fmt: skip
    assert Counter(sent) == {("u_ada", "org_acme"): 4, ("u_hedy", "org_globex"): 2}
    assert updates(double) == {"org_acme": 1, "org_globex": 1}


def test_one_django_middleware_names_the_organization_under_both_servers(double: PostHogDouble) -> None:
    status, _ = play("django", "--posthog", double.url)
    assert status == 0
    told = by_organization(double)
    assert told["order shared", "org_acme"] == 2, "the async view"
    assert told["POST orders", "org_acme"] == told["POST orders", "org_globex"] == 2
    assert double.organization("org_acme").properties["plan_name"] == "uvicorn"
    assert all(event.groups for event in double.events), "a refused request is nobody's"


def test_log_lines_that_name_an_event_become_events_and_no_others(double: PostHogDouble) -> None:
    status, _ = play("logging_bridge", "--posthog", double.url)
    assert status == 0
    assert by_organization(double) == {
        ("usage reported", "org_acme"): 1,
        ("plan exceeded", "org_acme"): 1,
        ("mail failed", "org_acme"): 1,
        ("usage reported", "org_globex"): 1,
        ("mail failed", "org_globex"): 1,
    }
    (exceeded,) = [event for event in double.events if event.name == "plan exceeded"]
    assert exceeded.properties["usage.over"] == 200


def test_every_example_has_a_page_of_one_screen_a_command_and_a_place_in_the_list() -> None:
    folders = [path for path in (ROOT / "examples").iterdir() if (path / "requirements.txt").exists()]
    index = (ROOT / "examples/README.md").read_text()
    assert {path.name for path in folders} == {*EXAMPLES, "b2b_saas"}
    for folder in folders:
        page = (folder / "README.md").read_text().splitlines()
        assert len(page) <= 50, f"{folder.name}: more than a screen"
        assert f"({folder.name}/README.md)" in index, folder.name
        text = "\n".join(page)
        for part in ("**Run it** from the repository's root: `make ", "Reading order: ", "| in PostHog |\n"):
            assert part in text, f"{folder.name}: no part {part!r}"
    for name in EXAMPLES:
        assert f"make example-{name}" in (ROOT / "examples" / name / "README.md").read_text()
        assert f"make example-{name}" in index
