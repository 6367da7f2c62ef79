"""What a deploy of many workers costs with each ledger: each starts anew and meets every organization.

``python -m benchmarks.deploy [--workers 160] [--organizations 500] [--processes 4] [--json]``. Two deploys a
ledger: the first one with nothing known, and the next one, when only what the ledger keeps is left. Each
worker is a pipeline of its own, a share of them in each of a few processes, and all of a process go through
the organizations side by side, as in a rolling deploy.
Everything is real but the network: the transport answers at once, and counts.
"""

from __future__ import annotations

import argparse
import json
import logging
import tempfile
import time
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from opentelemetry._logs import LogRecord
from opentelemetry.sdk._logs import ReadableLogRecord

from opentelemetry.exporter.posthog.assembly import assemble
from opentelemetry.exporter.posthog.clock import SystemClock
from opentelemetry.exporter.posthog.diagnostics import Diagnostics
from opentelemetry.exporter.posthog.sdk.intake import log_source
from opentelemetry.exporter.posthog.settings.sources import resolve
from opentelemetry.exporter.posthog.wire.exchange import NoAnswer, Request, Response

BATCH = 512
"""What the SDK's batch processors hand over at most."""

HOST = "http://127.0.0.1:9"
"""Nobody is called there."""


class CountingTransport:
    """Takes every request and remembers the uuids of the group updates in it."""

    request_life = 60.0

    def __init__(self) -> None:
        self.requests = 0
        self.updates = 0
        self.rows: set[str] = set()

    def send(self, request: Request, *, timeout: float) -> Response | NoAnswer:
        events = json.loads(request.body)["batch"]
        assert all(event["event"] == "$groupidentify" for event in events)
        self.requests += 1
        self.updates += len(events)
        self.rows.update(event["uuid"] for event in events)
        return Response(200, {}, b'{"status":"Ok"}')

    def abort(self) -> None:
        """Nothing runs for longer than a moment."""

    def close(self) -> None:
        """Nothing is open."""

    def after_fork_in_child(self) -> None:
        """Nothing is the parent's."""


@dataclass
class Cost:
    """What one deploy sent, over all workers. ``rows`` are what PostHog stores and bills that day."""

    ledger: str
    deploy: int
    updates: int
    rows: int
    requests: int
    seconds_a_worker: float  # of its processor, for all organizations


def work(ledger: str, workers: int, organizations: int) -> tuple[int, set[str], int, float]:
    """One process's share: updates, their rows, requests, seconds."""
    logging.disable(logging.CRITICAL)
    resolution = resolve(
        {
            "api_key": "phc_deploy", "host": HOST, "ledger": ledger, "capture_mode": "legacy",
            "compression": "none",
        },
        {},
    )  # fmt: skip
    settings = resolution.settings
    assert settings is not None, resolution.problems
    source = log_source(settings)
    transports = [CountingTransport() for _ in range(workers)]
    pipelines = [
        assemble(settings, Diagnostics(clock=SystemClock()), transport=one, background=False)
        for one in transports
    ]
    began = time.process_time()
    for start in range(0, organizations, BATCH):
        for pipeline in pipelines:
            pipeline.export(source, signals(range(start, min(start + BATCH, organizations))))
    for pipeline in pipelines:
        pipeline.shutdown(30.0)
    seconds = time.process_time() - began
    rows = set[str]().union(*(one.rows for one in transports))
    return sum(one.updates for one in transports), rows, sum(one.requests for one in transports), seconds


def signals(organizations: Sequence[int]) -> list[ReadableLogRecord]:
    """One of each: no event, but what a request of theirs says of them."""
    now_ns = time.time_ns()
    return [
        ReadableLogRecord(
            LogRecord(
                timestamp=now_ns,
                observed_timestamp=now_ns,
                event_name="request",
                attributes={
                    "posthog.capture": False,
                    "organization.id": f"org_{n}",
                    "organization.name": f"Organization {n}",
                    "organization.plan_name": "team",
                    "organization.seats": n % 50,
                    "organization.region": "eu",
                },
            ),
            None,  # type: ignore[arg-type]
        )
        for n in organizations
    ]


def deploy(ledger: str, number: int, setting: str, arguments: argparse.Namespace) -> Cost:
    share = arguments.workers // arguments.processes
    with ProcessPoolExecutor(arguments.processes, mp_context=get_context("spawn")) as pool:
        shares = list(
            pool.map(partial(work, setting, share), [arguments.organizations] * arguments.processes)
        )
    rows = set[str]().union(*(one[1] for one in shares))
    return Cost(
        ledger,
        number,
        sum(one[0] for one in shares),
        len(rows),
        sum(one[2] for one in shares),
        round(sum(one[3] for one in shares) / arguments.workers, 3),
    )


@contextmanager
def redis(_: Path) -> Generator[tuple[str, Callable[[], str]]]:
    from redis import Redis
    from tests.servers import running_redis

    with running_redis() as server:
        client: Any = Redis.from_url(server.url)
        before = client.info("memory")["used_memory"]

        def figures() -> str:
            calls = client.info("commandstats")["cmdstat_evalsha"]
            grown = client.info("memory")["used_memory"] - before
            return (
                f"{calls['calls']} script calls so far ({calls['usec_per_call']:.0f} µs each), "
                f"{grown // 1024} KiB of memory"
            )

        yield server.url, figures
        client.close()


@contextmanager
def sqlite(directory: Path) -> Generator[tuple[str, Callable[[], str]]]:
    path = directory / "ledger.db"
    yield str(path), lambda: f"file of {path.stat().st_size // 1024} KiB"


@contextmanager
def memory(_: Path) -> Generator[tuple[str, Callable[[], str]]]:
    yield "memory", lambda: "nothing kept"


LEDGERS = {"memory": memory, "sqlite": sqlite, "redis": redis}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--workers", type=int, default=160)
    parser.add_argument("--organizations", type=int, default=500)
    parser.add_argument("--processes", type=int, default=4)
    parser.add_argument("--ledger", choices=LEDGERS, action="append")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    if arguments.workers % arguments.processes:
        parser.error("--workers must be a multiple of --processes")
    for ledger in arguments.ledger or LEDGERS:
        with (
            tempfile.TemporaryDirectory() as directory,
            LEDGERS[ledger](Path(directory)) as (setting, figures),
        ):
            for number in (1, 2):
                cost = deploy(ledger, number, setting, arguments)
                if arguments.json:
                    print(json.dumps(asdict(cost)), flush=True)
                else:
                    print(
                        f"{ledger}, deploy {number}: {cost.updates:,} updates in {cost.requests:,} requests, "
                        f"{cost.rows:,} rows stored and billed, {cost.seconds_a_worker:.2f} CPU s a worker; "
                        f"{figures()}",
                        flush=True,
                    )


if __name__ == "__main__":
    main()
