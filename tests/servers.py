"""Servers that tests start themselves: real ones, private, on a socket in a temporary directory."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

STARTUP_SECONDS = 10.0


class RedisServer:
    """A real ``redis-server`` (or Valkey) that writes nothing to disk; it can stall, die and come back."""

    def __init__(self, binary: str, directory: Path) -> None:
        self._binary = binary
        self._directory = directory
        self._process: subprocess.Popen[bytes] | None = None
        self.socket = directory / "redis.sock"
        self.url = f"unix://{self.socket}"

    def start(self, *options: str) -> None:
        self.socket.unlink(missing_ok=True)
        self._process = subprocess.Popen(
            [
                self._binary, "--port", "0", "--unixsocket", str(self.socket), "--save", "",
                "--appendonly", "no", "--dir", str(self._directory), "--daemonize", "no", *options,
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )  # fmt: skip
        assert self._process.stdout is not None
        for line in self._process.stdout:  # it says when it listens, so nobody has to poll
            if b"Ready to accept connections" in line or b"ready to accept connections" in line:
                return
        raise RuntimeError(f"{self._binary} ended with {self._process.wait()} before it listened")

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            if self._process.stdout is not None:
                self._process.stdout.close()
            self._process = None

    def stall(self) -> None:
        """Stop answering without closing anything."""
        assert self._process is not None
        self._process.send_signal(19)  # SIGSTOP

    def resume(self) -> None:
        assert self._process is not None
        self._process.send_signal(18)  # SIGCONT


def redis_binary() -> str:
    """The server from the distribution's package; skips where there is none (and CI fails on a skip)."""
    binary = shutil.which("redis-server") or shutil.which("valkey-server")
    if binary is None:
        pytest.skip("no redis-server or valkey-server on PATH (Debian: apt-get install redis-server)")
    return binary


@contextmanager
def running_redis(*options: str) -> Iterator[RedisServer]:
    with tempfile.TemporaryDirectory(prefix="redis-") as directory:  # short: a socket's path has 107 bytes
        server = RedisServer(redis_binary(), Path(directory))
        server.start(*options)
        try:
            yield server
        finally:
            server.kill()
