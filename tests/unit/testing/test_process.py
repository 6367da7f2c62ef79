"""The double as a process of its own: ``python -m opentelemetry.exporter.posthog.testing``."""

from __future__ import annotations

import http.client
import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.unit.testing.sending import KEY, event

pytestmark = pytest.mark.timeout(60)

COMMAND = [sys.executable, "-m", "opentelemetry.exporter.posthog.testing", "--print-url"]


@contextmanager
def running(*options: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The process and its address; whatever happens, it does not outlive the test."""
    with subprocess.Popen([*COMMAND, *options], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield process, process.stdout.readline().strip()
        finally:
            process.kill()


def call(url: str, method: str, path: str, sent: Any = None) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=10)
    try:
        connection.request(method, path, None if sent is None else json.dumps(sent))
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGINT])
def test_it_prints_its_address_serves_and_ends_on_a_signal(ending: signal.Signals) -> None:
    with running("--port", "0") as (process, url):
        assert call(url, "POST", "/batch/", {"api_key": KEY, "batch": [event()]})[0] == 200
        _, found = call(url, "GET", "/_double/events?name=checkout&wait=5")
        assert [row["event"] for row in json.loads(found)] == ["checkout"]

        process.send_signal(ending)

        assert process.wait(timeout=10) == 0


def test_it_may_know_some_keys_only_and_no_v1() -> None:
    with running("--known-key", "phc_other", "--enforce-key", "--no-v1") as (_, url):
        assert call(url, "POST", "/batch/", {"api_key": KEY, "batch": [event()]})[0] == 401
        assert call(url, "POST", "/batch/", {"api_key": "phc_other", "batch": [event()]})[0] == 200
        assert call(url, "POST", "/i/v1/analytics/events", {})[0] == 404
