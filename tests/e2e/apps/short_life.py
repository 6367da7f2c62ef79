"""Processes that end without the interpreter's exit hooks, each in the way its page recommends."""

from __future__ import annotations

import multiprocessing
import os
import sys
from multiprocessing.util import Finalize

from opentelemetry._logs import get_logger, set_logger_provider
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor

from opentelemetry.exporter.posthog import PostHogLogExporter

exporter = PostHogLogExporter(
    api_key="phc_test", host=os.environ["TEST_HOST"], outbox=os.environ.get("TEST_OUTBOX")
)
provider = LoggerProvider()
provider.add_log_record_processor(BatchLogRecordProcessor(exporter, schedule_delay_millis=60_000))
set_logger_provider(provider)


def say(name: str) -> None:
    get_logger("app").emit(
        event_name=name, attributes={"organization.id": "org_1", "organization.plan": "team"}
    )


def handler(event: dict[str, str], context: object) -> bool:
    """AWS Lambda: the process is frozen when this returns."""
    say(event["name"])
    return provider.force_flush() and exporter.force_flush(2_000)


def job(name: str) -> None:
    """A job of RQ, whose work horse ends with ``os._exit``."""
    say(name)
    provider.force_flush()


def child(name: str) -> None:
    """A process of ``multiprocessing``: closes its provider when it ends."""
    Finalize(None, provider.shutdown, exitpriority=100)
    say(name)


if __name__ == "__main__":
    match sys.argv[1]:
        case "lambda":
            answers = [handler({"name": f"invocation {number}"}, None) for number in range(3)]
            print("flushed", *answers)
            sys.stdout.flush()
            os._exit(0)  # frozen, and never thawed
        case "rq":
            for number in range(2):
                if not (pid := os.fork()):
                    job(f"job {number}")
                    os._exit(0)
                os.waitpid(pid, 0)
        case "multiprocessing":
            processes = [
                multiprocessing.get_context("fork").Process(target=child, args=(f"child {number}",))
                for number in range(2)
            ]
            for process in processes:
                process.start()
            for process in processes:
                process.join()
