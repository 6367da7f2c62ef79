"""Make the state files that an exporter of this version leaves behind in the middle of an outage.

Run once a release whose schema is new, by the released code, with nothing but public names:

    python -m venv /tmp/old && /tmp/old/bin/pip install opentelemetry-exporter-posthog==<version>
    /tmp/old/bin/python tests/upgrades/make_state.py tests/upgrades/data/<version>

and commit what it wrote. ``test_upgrades.py`` opens every folder there with the code of its day.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import SimpleLogRecordProcessor

from opentelemetry.exporter.posthog import PostHogLogExporter
from opentelemetry.exporter.posthog.testing import Fault, PostHogDouble

PORT = 8123
KEY = "phc_upgrades"
"""State files belong to a host and a key; whoever opens these must name the same."""


NOBODY = "redis://127.0.0.1:1/0"
"""A Redis ledger that nobody can reach: what it would be told waits on disk."""


def make(folder: Path) -> None:
    folder.mkdir(mode=0o700, parents=True)
    made = make_events_and_ledger(folder)
    made["for_redis"] = make_observations(folder)
    (folder / "made.json").write_text(json.dumps(made, indent=2) + "\n")
    for path in folder.iterdir():
        if path.suffix not in (".db", ".json"):
            path.unlink()  # locks and logs, empty once nobody has the files open


def make_events_and_ledger(folder: Path) -> dict[str, Any]:
    with PostHogDouble.listening(PORT) as posthog:
        provider = LoggerProvider(shutdown_on_exit=False)
        exporter = PostHogLogExporter(
            api_key=KEY, host=posthog.url, outbox=str(folder), max_retries=0, timeout_millis=2_000
        )
        provider.add_log_record_processor(SimpleLogRecordProcessor(exporter))
        events = provider.get_logger("upgrades")
        made_ns = time.time_ns()

        def say(number: int, seconds_before: int, organization: str, **properties: object) -> None:
            events.emit(
                event_name="order placed",
                timestamp=made_ns - seconds_before * 1_000_000_000,
                attributes={
                    "number": number,
                    "user.id": f"u_{number}",
                    "organization.id": organization,
                    **{f"organization.{name}": value for name, value in properties.items()},
                },
            )

        say(1, 300, "acme", name="Acme Inc.", plan="team")
        assert [event.properties["number"] for event in posthog.events] == [1]
        delivered = posthog.organization("acme").properties
        posthog.fail(Fault(status=503, times=None))
        say(2, 200, "acme", name="Acme Inc.", plan="business")
        say(3, 100, "globex", name="Globex")
        say(4, 90, "acme", name="Acme Inc.", plan="business")
        provider.shutdown()
        assert posthog.organization("acme").properties == delivered
    return {
        "version": version("opentelemetry-exporter-posthog"),
        "made_ns": made_ns,
        "delivered": {"numbers": [1], "acme": dict(delivered)},
        "waiting": {"numbers": [2, 3, 4], "acme": {"plan": "business"}, "globex": {"name": "Globex"}},
    }


def make_observations(folder: Path) -> dict[str, Any]:
    """``observations.db``: PostHog is there, the ledger is not."""
    with tempfile.TemporaryDirectory() as name, PostHogDouble.listening(PORT) as posthog:
        provider = LoggerProvider(shutdown_on_exit=False)
        exporter = PostHogLogExporter(
            api_key=KEY, host=posthog.url, outbox=name, ledger=NOBODY, timeout_millis=2_000
        )
        provider.add_log_record_processor(SimpleLogRecordProcessor(exporter))
        for key, label in (("initech", "Initech"), ("hooli", "Hooli")):
            provider.get_logger("upgrades").emit(
                event_name="order placed", attributes={"organization.id": key, "organization.name": label}
            )
        provider.shutdown()
        assert not posthog.identifies
        Path(name, "observations.db").rename(folder / "observations.db")
    return {"initech": {"name": "Initech"}, "hooli": {"name": "Hooli"}}


if __name__ == "__main__":
    make(Path(sys.argv[1]))
