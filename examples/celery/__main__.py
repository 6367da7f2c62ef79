"""Organization and user travel from a web request into prefork workers: ``python -m examples.celery``."""

from __future__ import annotations

import sys
import urllib.request
from pathlib import Path

from examples.stage import Stage, difference, perform, redis, show

ORDERS = {1: "ada", 2: "hedy", 3: "ada", 4: "hedy", 5: "ada", 6: "ada"}
SPAN_RULES = "entry;POST /orders/*=order placed;run/clean up=-;run/*=task run;POST *=-"
TASKS = 2 * len(ORDERS) + 1


def play(stage: Stage) -> list[str]:
    with redis(stage.folder) as broker:
        environment = stage.settings(
            BROKER_URL=f"redis+socket://{broker.removeprefix('unix://')}",
            OTEL_EXPORTER_POSTHOG_CELERY="true",
            OTEL_EXPORTER_POSTHOG_LEDGER=str(stage.folder / "ledger.db"),
            OTEL_EXPORTER_POSTHOG_SPANS=SPAN_RULES,
        )
        here = Path(__file__).parent
        celery = [
            "opentelemetry-instrument", "celery", "--app", "shop.tasks", "worker", "--pool", "prefork",
            "--concurrency", "2", "--loglevel", "INFO", "--without-mingle", "--without-gossip",
        ]  # fmt: skip
        gunicorn = ["opentelemetry-instrument", "gunicorn", "shop.web:app", "--bind", "127.0.0.1:0"]
        with (
            stage.start(
                "celery", celery, {**environment, "OTEL_SERVICE_NAME": "shop-worker"}, cwd=here
            ) as worker,
            stage.start(
                "gunicorn", gunicorn, {**environment, "OTEL_SERVICE_NAME": "shop-web"}, cwd=here
            ) as web,
        ):
            url = web.url()
            worker.said(r"celery@\S+ ready")
            for number, person in ORDERS.items():
                post(f"{url}/orders/{number}", person)
            post(f"{url}/clean-up", "")
            worker.said(r"Task .* succeeded", count=TASKS)
            print(f"{len(ORDERS)} orders placed, {TASKS} tasks ran; both are stopped at once")
            statuses = (web.terminate(), worker.terminate())
    stored = stage.stored()
    show(stored)
    found = {(name, who, groups): count for (name, who, groups), count in stored.counts().items()}
    expected = {
        (name, who, group): count * factor
        for who, group, count in [
            ("u_ada", "organization org_acme", 4),
            ("u_hedy", "organization org_globex", 2),
        ]
        for name, factor in [("order placed", 1), ("invoice made", 1), ("invoice sent", 1), ("task run", 2)]
    }
    return [
        *difference("exit statuses", statuses, (0, 0)),
        *difference("events", found, expected),
        *difference(
            "group updates", stored.updates, {"organization org_acme": 1, "organization org_globex": 1}
        ),
        *stored.complaints,
    ]


def post(url: str, person: str) -> None:
    request = urllib.request.Request(url, method="POST", headers={"Authorization": person})
    with urllib.request.urlopen(request, timeout=30):
        pass


if __name__ == "__main__":
    sys.exit(perform(play, __doc__ or ""))
