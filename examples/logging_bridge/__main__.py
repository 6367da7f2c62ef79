"""Events by ``logging``, in a process that ends at once: ``python -m examples.logging_bridge``."""

from __future__ import annotations

import sys
from pathlib import Path

from examples.stage import Stage, difference, perform, show


def play(stage: Stage) -> list[str]:
    environment = stage.settings(OTEL_SERVICE_NAME="nightly", OTEL_TRACES_EXPORTER="none")
    command = ["opentelemetry-instrument", "python", "nightly.py"]
    with stage.start("nightly", command, environment, cwd=Path(__file__).parent) as job:
        status = job.ended()
        print(job.output, end="")
    stored = stage.stored()
    show(stored)
    found = {(event["event"], event["groups"].get("organization")): event for event in stored.events}
    exceeded = found.get(("plan exceeded", "org_acme"), {"properties": {}})["properties"]
    failed = found.get(("mail failed", "org_acme"), {"properties": {}})["properties"]
    return [
        *difference("exit status", status, 0),
        *difference(
            "events",
            sorted(found, key=str),
            [
                ("mail failed", "org_acme"),
                ("mail failed", "org_globex"),
                ("plan exceeded", "org_acme"),
                ("usage reported", "org_acme"),
                ("usage reported", "org_globex"),
            ],
        ),
        *difference("usage.over", exceeded.get("usage.over"), 200),
        *difference("log.severity", exceeded.get("log.severity"), "WARN"),
        *difference("exception.type", failed.get("exception.type"), "TimeoutError"),
        *difference("text of the log line", "10.0.0.7" in str(stored.state), False),
        *difference(
            "profile of org_acme", stored.profiles["organization org_acme"], {"requests_included": 1000}
        ),
        *stored.complaints,
    ]


if __name__ == "__main__":
    sys.exit(perform(play, __doc__ or ""))
