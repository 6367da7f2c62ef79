"""``make bench``: every topic in a process of its own, one table, and the same as JSON for the page.

``python -m benchmarks [--quick | --million] [--only TOPIC]... [--json FILE] [--page]``
"""

from __future__ import annotations

import argparse
import importlib
import json
import logging
import os
import platform
import subprocess
import sys
import time
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from . import page
from .sink import running_sink
from .table import Bench, Row, as_text, from_json, to_json

ROUNDS = 9
QUICK_ROUNDS = 4

RESULT = Path("build/bench.json")

VERSIONS = (
    "opentelemetry-sdk", "opentelemetry-exporter-otlp-proto-http", "posthog", "segment-analytics-python",
    "httpx", "orjson", "zstandard", "redis",
)  # fmt: skip

METHOD = """\
Cases of a topic alternate, in an order that rotates each round; the first round is thrown away. "cost" is the
CPU time of the whole measuring process a record, median; it runs on one core, the far side on another one.
A ratio is the median of the ratios of each round, with its quartiles. F, the floor, is ready dicts through
orjson, gzip 1 and one kept-alive httpx POST, measured among the cases."""


@dataclass(frozen=True, slots=True)
class Topic:
    """Some rows of the table: ``rows`` of the module ``benchmarks.<name>``."""

    name: str
    title: str
    quick: bool = True  # part of a quick run


TOPICS = (
    Topic("exporting", "A record in, an acknowledged event out"),
    Topic("stages", "Where the time of an export goes"),
    Topic("signals", "A signal before anything leaves"),
    Topic("ledger_check", "The ledger in memory"),
    Topic("durability", "Writing ahead, and requests"),
    Topic("held", "Memory and disk of a record that waits"),
    Topic("imports", "Import"),
    Topic("stores", "Ledgers in SQLite and Redis"),
    Topic("flow", "A whole process"),
)


def rows_of(topic: str, bench: Bench) -> list[Row]:
    found: list[Row] = importlib.import_module(f"benchmarks.{topic}").rows(bench)
    return found


def in_a_process(topic: Topic, *flags: str) -> tuple[list[Row], float]:
    started = time.monotonic()
    command = [sys.executable, "-m", "benchmarks", "--topic", topic.name, *flags]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True)
    rows = [from_json(value) for value in json.loads(done.stdout.splitlines()[-1])]
    return rows, time.monotonic() - started


def machine() -> dict[str, Any]:
    return {
        "cpu": _cpu(),
        "cores": os.cpu_count(),
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "system": f"{platform.system()} {platform.machine()}",
        "versions": {name: found for name in VERSIONS if (found := _version(name))},
    }


def _cpu() -> str:
    with open("/proc/cpuinfo", encoding="utf-8") as lines:
        return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "?")


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--quick", action="store_true", help="fewer rounds, without the larger sizes")
    size.add_argument(
        "--million", action="store_true", help="ledgers of a million groups too, for 20 minutes more"
    )
    parser.add_argument("--only", action="append", metavar="TOPIC", choices=[topic.name for topic in TOPICS])
    parser.add_argument("--json", type=Path, metavar="FILE", default=RESULT, help="where the result goes")
    parser.add_argument(
        "--page", action="store_true", help="renew the tables of docs/explanation/performance.md"
    )
    parser.add_argument("--topic", help=argparse.SUPPRESS)  # one topic, here and now
    arguments = parser.parse_args()
    if arguments.topic:
        logging.disable(logging.CRITICAL)  # what the exporters have to say is not measured
        with running_sink() as sink:
            rounds = QUICK_ROUNDS if arguments.quick else ROUNDS
            bench = Bench(sink=sink, rounds=rounds, quick=arguments.quick, million=arguments.million)
            rows = rows_of(arguments.topic, bench)
        print(json.dumps([to_json(row) for row in rows]))
        return
    _all(arguments)


def _all(arguments: argparse.Namespace) -> None:
    started = time.monotonic()
    parts: list[tuple[Topic, list[Row]]] = []
    flags = [f"--{name}" for name in ("quick", "million") if getattr(arguments, name)]
    for topic in TOPICS:
        if topic.name in arguments.only if arguments.only else (topic.quick or not arguments.quick):
            rows, seconds = in_a_process(topic, *flags)
            print(f"{topic.title}: {seconds:.0f} s", file=sys.stderr, flush=True)
            parts.append((topic, rows))
    here = machine()
    print(as_text([(topic.title, rows) for topic, rows in parts]))
    print(f"\n{METHOD}\n")
    print(f"{here['cpu']}, {here['cores']} cores, {here['system']}, {here['python']}")
    print(", ".join(f"{name} {number}" for name, number in here["versions"].items()))
    print(f"{time.monotonic() - started:.0f} s, load average {os.getloadavg()[0]:.1f}")
    result = {
        "machine": here,
        "when": time.strftime("%Y-%m-%d", time.gmtime()),
        "load": os.getloadavg()[0],
        "parts": [[topic.title, [to_json(row) for row in rows]] for topic, rows in parts],
    }
    arguments.json.parent.mkdir(parents=True, exist_ok=True)
    arguments.json.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    if arguments.page:
        page.write([result])


if __name__ == "__main__":
    main()
