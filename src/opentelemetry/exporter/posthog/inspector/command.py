"""``otel-posthog inspect``: start an inspector, say how to point a service at it, serve until interrupted."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from contextlib import ExitStack
from pathlib import Path

from .archive import Archive
from .inspector import Inspector
from .serving import Address, serving

DEFAULT_PORT = 8009

OK, FOUND_PROBLEMS = 0, 1


def inspect(
    port: int = DEFAULT_PORT,
    file: Path | None = None,
    *,
    mask: bool = False,
    token: str = "",
    legacy: bool = False,
    json_output: bool = False,
) -> int:
    """Serve an inspector until SIGINT or SIGTERM; the exit status.

    ``port`` 0 takes a free one. ``file`` keeps what is seen as JSON lines, and is read first if it is there.
    ``mask`` hides property values and ids from the start. ``token``: the page's own, instead of a random one.
    ``legacy``: play a PostHog that does not serve the v1 protocol. ``json_output``: one line of JSON instead
    of shell lines. Standard output is what a program reads, standard error what a person reads.
    """
    ended = threading.Event()

    def end(number: int, frame: object) -> None:
        ended.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end)
    inspector = Inspector(mask=mask, v1=not legacy)
    with ExitStack() as stack:
        try:
            archive = Archive(file, inspector.feed) if file is not None else None
            address = stack.enter_context(serving(inspector, port=port, token=token))
        except OSError as error:
            _talk(_trouble(error, port, file))
            return FOUND_PROBLEMS
        if archive is not None:
            stack.callback(archive.close)
            _talk(f"{archive.restored} records of an earlier run read from {file}")
        print(as_json(address) if json_output else shell_lines(address), flush=True)  # noqa: T201
        _talk(f"Open {address.page}")
        _talk("Serving until Ctrl-C.")
        ended.wait()
    double = inspector.double
    _talk(f"{len(double.events)} events and {len(double.identifies)} group updates seen.")
    return OK


def shell_lines(address: Address) -> str:
    """Lines that a shell takes as they are."""
    return "\n".join(f"export {name}='{value}'" for name, value in address.environment.items())


def as_json(address: Address) -> str:
    return json.dumps({"page": address.page, "token": address.token, "environment": address.environment})


def _trouble(error: OSError, port: int, file: Path | None) -> str:
    if file is not None and error.filename is not None:
        return f"{file} can't be kept: {os.strerror(error.errno or 0)}. Name a file that can be written."
    return (
        f"Port {port} can't be opened: {os.strerror(error.errno or 0)}. "
        "Choose another with --port, or --port 0 for any free one."
    )


def _talk(text: str) -> None:
    sys.stderr.write(text + "\n")
    sys.stderr.flush()
