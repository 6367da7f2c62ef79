"""Four preloaded gunicorn workers share one ledger: ``python -m examples.gunicorn_flask``."""

from __future__ import annotations

import sys
import urllib.request
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from examples.stage import Stage, difference, perform, show

WORKERS = 4
ROUNDS = 40
"""Rounds of requests until every worker must have served each organization; a handful is enough."""

PEOPLE = {"ada": "org_acme", "hedy": "org_globex", "joan": "org_initech"}


def play(stage: Stage) -> list[str]:
    environment = stage.settings(
        OTEL_SERVICE_NAME="reports",
        OTEL_EXPORTER_POSTHOG_LEDGER=str(stage.folder / "ledger.db"),
        OTEL_EXPORTER_POSTHOG_SPANS="GET *=-;POST *=-",  # the log events say it better
    )
    command = [
        "opentelemetry-instrument", "gunicorn", "app:app", "--preload",
        "--workers", str(WORKERS), "--bind", "127.0.0.1:0",
    ]  # fmt: skip
    with stage.start("gunicorn", command, environment, cwd=Path(__file__).parent) as gunicorn:
        url = gunicorn.url()
        gunicorn.said("Booting worker", count=WORKERS)
        made = every_worker_serves_everybody(url, "")
        print(f"{sum(made.values())} reports, made in {WORKERS} workers for {len(made)} organizations")
        stage.stored_once(sum(made.values()))
        made += every_worker_serves_everybody(url, "?plan=business", ["ada"])
        print("org_acme upgraded; every worker saw it")
        status = gunicorn.terminate()
    stored = stage.stored()
    show(stored)
    found = Counter(event["groups"]["organization"] for event in stored.events)
    return [
        *difference("exit status of gunicorn", status, 0),
        *difference("events by organization", dict(found), dict(made)),
        *difference("plan of org_acme", stored.profiles["organization org_acme"]["plan_name"], "business"),
        *difference("group updates of org_acme", stored.updates["organization org_acme"], 2),
        *difference("group updates of org_globex", stored.updates["organization org_globex"], 1),
        *difference("group updates of org_initech", stored.updates["organization org_initech"], 1),
        *stored.complaints,
    ]


def every_worker_serves_everybody(url: str, query: str, people: list[str] | None = None) -> Counter[str]:
    """Make reports, a few at once, until each worker has made one for each; reports by organization."""
    made: Counter[str] = Counter()
    for person in people or list(PEOPLE):
        workers: set[str] = set()
        with ThreadPoolExecutor(WORKERS) as pool:
            for _ in range(ROUNDS):
                workers.update(pool.map(post, [f"{url}/reports{query}"] * WORKERS, [person] * WORKERS))
                made[PEOPLE[person]] += WORKERS
                if len(workers) == WORKERS:
                    break
        if len(workers) != WORKERS:
            raise TimeoutError(f"only {len(workers)} of {WORKERS} workers took a request")
    return made


def post(url: str, person: str) -> str:
    """The worker that answered."""
    request = urllib.request.Request(url, method="POST", headers={"Authorization": person})
    with urllib.request.urlopen(request, timeout=30) as answer:
        return str(answer.headers["X-Worker"])


if __name__ == "__main__":
    sys.exit(perform(play, __doc__ or ""))
