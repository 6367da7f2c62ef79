"""Servers that tests start themselves: real ones, private, on a socket in a temporary directory."""

from __future__ import annotations

import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
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

    def start(self, *options: str, ready: bytes = b"ready to accept connections") -> None:
        """Start it and wait until it says ``ready`` (any case)."""
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
            if ready in line.lower():
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

    def ask(self, *command: str) -> str:
        """Its answer, by another client than the one under test."""
        asked = subprocess.run(
            [self._client, "-s", str(self.socket), *command], capture_output=True, text=True, check=True
        )
        return asked.stdout.strip()

    @property
    def _client(self) -> str:
        return self._binary.replace("-server", "-cli")


def free_ports(count: int) -> list[int]:
    """Ports that nobody uses right now, all different."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    try:
        return [one.getsockname()[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()


@contextmanager
def running_cluster(nodes: int = 3) -> Iterator[list[RedisServer]]:
    """A real cluster without replicas, its slots spread evenly; ``url`` of each node is a TCP one."""
    ports = free_ports(2 * nodes)
    with ExitStack() as stack:
        servers: list[RedisServer] = []
        for port, bus in zip(ports[:nodes], ports[nodes:], strict=True):
            server = stack.enter_context(
                running_redis(
                    "--port", f"{port}", "--cluster-enabled", "yes", "--cluster-port", f"{bus}",
                    "--cluster-node-timeout", "2000", "--cluster-require-full-coverage", "no",
                )
            )  # fmt: skip
            server.url = f"redis://127.0.0.1:{port}"
            servers.append(server)
        bounds = [16384 * i // nodes for i in range(nodes + 1)]
        for i, server in enumerate(servers):
            server.ask("CLUSTER", "ADDSLOTSRANGE", f"{bounds[i]}", f"{bounds[i + 1] - 1}")
            server.ask("CLUSTER", "SET-CONFIG-EPOCH", f"{i + 1}")
        for server, bus in zip(servers[1:], ports[nodes + 1 :], strict=True):
            port = server.url.rpartition(":")[2]
            servers[0].ask("CLUSTER", "MEET", "127.0.0.1", port, f"{bus}")
        give_up_at = time.monotonic() + STARTUP_SECONDS
        while any(
            "cluster_state:ok" not in (said := server.ask("CLUSTER", "INFO"))
            or f"cluster_known_nodes:{nodes}" not in said
            or "cluster_slots_ok:16384" not in said
            for server in servers
        ):
            assert time.monotonic() < give_up_at, "the nodes did not find each other"
        yield servers


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
