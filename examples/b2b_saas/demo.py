"""Play the story against the real service, look at what PostHog would hold, and judge it.

``make demo`` runs this. Exit status 0: the store is exactly what the story must give. ``--durable`` adds an
outbox on disk and a ledger in Redis, ``--by yaml`` says it in a file. To see what a setting is for, take it
away: ``--set OTEL_EXPORTER_POSTHOG_SIGTERM_FLUSH=false``.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Generator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import httpx
from examples.b2b_saas.judge import differences, missing
from examples.b2b_saas.report import LastWords, lines
from examples.b2b_saas.stored import Stored
from examples.b2b_saas.story import ACME, APP, GLOBEX, SPAN_RULES, Counts, Story
from examples.stage import Process, double, redis, wait_for

HERE = Path(__file__).parent
KEY = "phc_demo_key_of_the_local_double"
WEBHOOK_SECRET = "whsec_demo"

STORE_LIMIT = 15.0
"""Seconds until an event must be stored; the batch processors below wait half a second."""


@dataclass(frozen=True, slots=True)
class Ways:
    """How the operator starts the service."""

    by: str
    durable: bool
    overrides: Mapping[str, str]


def environment_of(ways: Ways, posthog: str, outbox: str, ledger: str) -> dict[str, str]:
    """All that the operator of the service says about telemetry. No line of this is code."""
    if ways.by == "yaml":
        return {
            "OTEL_CONFIG_FILE": str(HERE / "otel.yaml"),
            "BILLING_POSTHOG_KEY": KEY,
            "BILLING_POSTHOG_HOST": posthog,
            "BILLING_OUTBOX": outbox,
            "BILLING_LEDGER": ledger,
            **beside_the_exporter(),
        }
    stores = {"OTEL_EXPORTER_POSTHOG_OUTBOX": outbox, "OTEL_EXPORTER_POSTHOG_LEDGER": ledger}
    return {**exporter_settings(posthog), **(stores if ways.durable else {}), **beside_the_exporter()}


def exporter_settings(posthog: str) -> dict[str, str]:
    return {
        "OTEL_TRACES_EXPORTER": "posthog",
        "OTEL_LOGS_EXPORTER": "posthog",
        "OTEL_METRICS_EXPORTER": "none",
        "OTEL_SERVICE_NAME": "b2b-saas",
        "OTEL_BSP_SCHEDULE_DELAY": "500",  # the story should not wait 5 s at each chapter
        "OTEL_BLRP_SCHEDULE_DELAY": "500",
        "OTEL_EXPORTER_POSTHOG_API_KEY": KEY,
        "OTEL_EXPORTER_POSTHOG_HOST": posthog,
        "OTEL_EXPORTER_POSTHOG_SPANS": SPAN_RULES,
    }


def beside_the_exporter() -> dict[str, str]:
    """What the hook of ``opentelemetry-instrument`` reads, and the service itself."""
    return {
        "OTEL_EXPORTER_POSTHOG_GROUP_PROCESSOR": "true",
        "OTEL_EXPORTER_POSTHOG_GROUPS": "organization=organization.id,app=app.id",
        "OTEL_EXPORTER_POSTHOG_GROUP_PREFIXES": "app=app.",  # too common a prefix to be taken unasked
        "OTEL_EXPORTER_POSTHOG_SIGTERM_FLUSH": "true",
        "BILLING_WEBHOOK_SECRET": WEBHOOK_SECRET,
    }


def main(ways: Ways) -> int:
    with tempfile.TemporaryDirectory() as name, running(Path(name), ways) as (posthog, application):
        folder = Path(name)
        with httpx.Client(base_url=application.url(), timeout=30.0) as client:
            story = Story(client, datetime.now(timezone.utc), WEBHOOK_SECRET)
            play(story, posthog, application)
            status = application.terminate()
            say(f"     the service ended with status {status}")
            if ways.durable:
                say(f"     the outbox is left with {', '.join(files_in(folder / 'outbox'))}")
                say(f"     the ledger is left with {keys_in(folder)} keys in Redis")
        stored = look(posthog)
        words = LastWords.found_in(application.output)
        problems = differences(story.expected(), stored)
        if words is None:
            problems.append("the exporter did not say its last line: the service's log follows")
            say(application.output)
        else:
            for line in lines(stored, words, [ACME, GLOBEX], [ACME, GLOBEX, APP]):
                say(line)
    return verdict(problems)


@contextmanager
def running(folder: Path, ways: Ways) -> Generator[tuple[str, Process]]:
    with ExitStack() as stack:
        posthog = stack.enter_context(double(folder / "double.log")).url()
        ledger = stack.enter_context(redis(folder)) if ways.durable else ""
        outbox = str(folder / "outbox") if ways.durable else ""
        environment = {**environment_of(ways, posthog, outbox, ledger), **ways.overrides}
        yield posthog, stack.enter_context(service(environment, folder / "service.log"))


def service(environment: Mapping[str, str], log: Path) -> Process:
    """The service under uvicorn, instrumented without code and told by its environment alone."""
    command = ["opentelemetry-instrument", "uvicorn", "service:app", "--host", "127.0.0.1", "--port", "0"]
    return Process("the service", command, environment, log, cwd=HERE)


def play(story: Story, posthog: str, application: Process) -> None:
    """Chapter by chapter, each delivered before the next; but the last, which SIGTERM interrupts."""
    say("THE STORY")
    expected: Counts = Counter()
    chapters = list(story.chapters())
    for number, chapter in enumerate(chapters, 1):
        say(f"  {number:>2} {chapter.title}")
        chapter.act()
        expected += chapter.stores
        if number < len(chapters):
            wait_until_stored(expected, posthog, application)


def wait_until_stored(expected: Counts, posthog: str, application: Process) -> None:
    def nothing_missing() -> str | None:
        return None if missing(expected, look(posthog)) else "stored"

    def complaint() -> str:
        lacking = ", ".join(f"{name} of {who}" for name, who in missing(expected, look(posthog)))
        return f"not stored within {STORE_LIMIT:.0f} s: {lacking}\n{application.output}"

    wait_for(nothing_missing, STORE_LIMIT, complaint, application.alive)


def files_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def keys_in(folder: Path) -> int:
    import redis as client

    connection: Any = client.Redis(unix_socket_path=str(folder / "redis.sock"))
    with connection:
        return int(connection.dbsize())


def look(posthog: str) -> Stored:
    return Stored.read(httpx.get(f"{posthog}/_double/state", timeout=30.0).text)


def verdict(problems: list[str]) -> int:
    say("")
    if not problems:
        say("PostHog holds exactly what the story must give.")
        return 0
    say(f"PostHog does not hold what the story must give: {len(problems)} differences")
    for problem in problems:
        say(f"  - {problem}")
    return 1


def ways_in(arguments: Sequence[str]) -> Ways:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--by", choices=["environment", "yaml"], default="environment", help="how it is told")
    parser.add_argument("--durable", action="store_true", help="an outbox on disk, a ledger in Redis")
    parser.add_argument(
        "--set", action="append", default=[], metavar="NAME=VALUE", help="another setting for the service"
    )
    given = parser.parse_args(arguments)
    return Ways(given.by, given.durable, dict(pair.split("=", 1) for pair in given.set))


def say(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    start = time.monotonic()
    try:
        result = main(ways_in(sys.argv[1:]))
    except TimeoutError as error:
        say(str(error))
        result = 1
    say(f"({time.monotonic() - start:.0f} s)")
    sys.exit(result)
