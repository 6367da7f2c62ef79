"""Play the story against the real service, look at what PostHog would hold, and judge it.

``make demo`` runs this. Exit status 0: the store is exactly what the story must give. To see what a setting
is for, take it away: ``demo.py --set OTEL_EXPORTER_POSTHOG_SIGTERM_FLUSH=false``.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path

import httpx
from judge import differences, missing
from processes import Process, double, service, wait_for
from report import LastWords, lines
from stored import Stored
from story import ACME, GLOBEX, SPAN_RULES, Counts, Story

WEBHOOK_SECRET = "whsec_demo"

STORE_LIMIT = 15.0
"""Seconds until an event must be stored; the batch processors below wait half a second."""


def settings(posthog: str) -> dict[str, str]:
    """All that the operator of the service says about telemetry. No line of this is code."""
    return {
        "OTEL_TRACES_EXPORTER": "posthog",
        "OTEL_LOGS_EXPORTER": "posthog",
        "OTEL_METRICS_EXPORTER": "none",
        "OTEL_SERVICE_NAME": "b2b-saas",
        "OTEL_BSP_SCHEDULE_DELAY": "500",  # the story should not wait 5 s at each chapter
        "OTEL_BLRP_SCHEDULE_DELAY": "500",
        "OTEL_EXPORTER_POSTHOG_API_KEY": "phc_demo_key_of_the_local_double",
        "OTEL_EXPORTER_POSTHOG_HOST": posthog,
        "OTEL_EXPORTER_POSTHOG_SPANS": SPAN_RULES,
        "OTEL_EXPORTER_POSTHOG_GROUP_PROCESSOR": "true",
        "OTEL_EXPORTER_POSTHOG_SIGTERM_FLUSH": "true",
        "BILLING_WEBHOOK_SECRET": WEBHOOK_SECRET,
    }


def main(overrides: Mapping[str, str]) -> int:
    with tempfile.TemporaryDirectory() as folder, running(Path(folder), overrides) as (posthog, application):
        with httpx.Client(base_url=application.url(), timeout=30.0) as client:
            story = Story(client, datetime.now(timezone.utc), WEBHOOK_SECRET)
            play(story, posthog, application)
            status = application.terminate()
            say(f"     the service ended with status {status}")
        stored = look(posthog)
        words = LastWords.found_in(application.output)
        problems = differences(story.expected(), stored)
        if words is None:
            problems.append("the exporter did not say its last line: the service's log follows")
            say(application.output)
        else:
            for line in lines(stored, words, [ACME, GLOBEX]):
                say(line)
    return verdict(problems)


@contextmanager
def running(folder: Path, overrides: Mapping[str, str]) -> Generator[tuple[str, Process]]:
    with double(folder / "double.log") as posthog:
        url = posthog.url()
        with service({**settings(url), **overrides}, folder / "service.log") as application:
            yield url, application


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


def overrides_in(arguments: Sequence[str]) -> dict[str, str]:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--set", action="append", default=[], metavar="NAME=VALUE", help="another setting for the service"
    )
    return dict(pair.split("=", 1) for pair in parser.parse_args(arguments).set)


def say(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    start = time.monotonic()
    try:
        result = main(overrides_in(sys.argv[1:]))
    except TimeoutError as error:
        say(str(error))
        result = 1
    say(f"({time.monotonic() - start:.0f} s)")
    sys.exit(result)
