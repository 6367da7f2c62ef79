"""``python -m opentelemetry.exporter.posthog.testing``: the double as a process of its own.

Prints its address on standard output and serves until SIGTERM or SIGINT. What it stored is read over
``/_double/state``.
"""

from __future__ import annotations

import argparse
import signal
import sys
import threading
from collections.abc import Sequence

from .double import PostHogDouble


def parser() -> argparse.ArgumentParser:
    """The flags; the reference page is made of them."""
    flags = argparse.ArgumentParser(
        prog="python -m opentelemetry.exporter.posthog.testing", description=__doc__
    )
    flags.add_argument("--port", type=int, default=0, help="0 (default) takes a free one")
    flags.add_argument("--host", default="127.0.0.1", help="address to listen on (default 127.0.0.1)")
    flags.add_argument("--print-url", action="store_true", help="print nothing but the address")
    flags.add_argument("--no-v1", action="store_true", help="serve the legacy protocol only")
    flags.add_argument(
        "--known-key", action="append", metavar="KEY", help="a project key that exists; repeatable"
    )
    flags.add_argument("--enforce-key", action="store_true", help="answer 401 to keys that do not exist")
    flags.add_argument("--seed", type=int, default=0, help="decides the order of streams in ingestion")
    return flags


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until a signal comes; the exit status."""
    asked = parser().parse_args(arguments)

    ended = threading.Event()

    def end(number: int, frame: object) -> None:
        ended.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end)
    double = PostHogDouble(
        v1=not asked.no_v1, known_keys=asked.known_key, enforce_key=asked.enforce_key, seed=asked.seed
    )
    with double.serving(asked.port, host=asked.host) as url:
        line = url if asked.print_url else f"PostHog double on {url} (state: {url}/_double/state)"
        sys.stdout.write(line + "\n")
        sys.stdout.flush()
        ended.wait()
    return 0


if __name__ == "__main__":
    sys.exit(main())
