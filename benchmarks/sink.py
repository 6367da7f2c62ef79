"""The far side: takes any POST at once, on another core, and counts requests and bytes.

Answers as PostHog's v1 protocol does, ``{"results": {}}``, which every peer takes for success too; under
``/batch`` as its legacy protocol does. ``GET`` answers with the counts since the last one.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

V1_ANSWER = b'{"results":{},"status":1}'
LEGACY_ANSWER = b'{"status":1}'


class Taken(NamedTuple):
    requests: int
    wire_bytes: int  # heads and bodies, as sent


class Counts:
    def __init__(self) -> None:
        self._lock = threading.Lock()  # guards what follows
        self._requests = self._bytes = 0

    def add(self, size: int) -> None:
        with self._lock:
            self._requests += 1
            self._bytes += size

    def take(self) -> bytes:
        with self._lock:
            taken = json.dumps([self._requests, self._bytes]).encode()
            self._requests = self._bytes = 0
        return taken


def serve(connection: socket.socket, counts: Counts) -> None:
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    stream = connection.makefile("rb")
    while True:
        request = stream.readline()
        if not request:
            return
        size, length = len(request), 0
        while (line := stream.readline()) not in (b"\r\n", b""):
            size += len(line)
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
        stream.read(length)
        if request.startswith(b"GET"):
            answer = counts.take()
        else:
            counts.add(size + 2 + length)
            answer = LEGACY_ANSWER if b" /batch" in request else V1_ANSWER
        head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(
            answer
        )
        connection.sendall(head + answer)


def main() -> None:
    listener = socket.create_server(("127.0.0.1", 0), backlog=64)
    counts = Counts()
    print(listener.getsockname()[1], flush=True)
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=serve, args=(connection, counts), daemon=True).start()


class Sink:
    """The sink as the measuring process sees it."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"

    def taken(self) -> Taken:
        """What arrived since the last call."""
        with urllib.request.urlopen(self.url) as answer:
            return Taken(*json.load(answer))


@contextmanager
def running_sink() -> Iterator[Sink]:
    """A sink on the first core; the caller moves to the last one."""
    command = [sys.executable, "-m", "benchmarks.sink"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            cores = sorted(os.sched_getaffinity(0))
            os.sched_setaffinity(process.pid, cores[:1])
            os.sched_setaffinity(0, cores[-1:])
            try:
                yield Sink(int(process.stdout.readline()))
            finally:
                os.sched_setaffinity(0, cores)
        finally:
            process.kill()


if __name__ == "__main__":
    main()
