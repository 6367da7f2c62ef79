"""A transport that answers from a script and takes as long as it is told, on a manual clock."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeAlias

from opentelemetry.exporter.posthog.testing import PostHogDouble
from opentelemetry.exporter.posthog.testing.bodies import unzstd
from opentelemetry.exporter.posthog.wire.exchange import NoAnswer, Request, Response
from tests.manual_clock import ManualClock

Answer: TypeAlias = "Response | NoAnswer"
Step: TypeAlias = "Answer | Callable[[Request, float], Answer]"

LOST = NoAnswer("connection_lost", sent=True)
UNREACHABLE = NoAnswer("no_connection", sent=False)


def answer(status: int, body: object = b"", **headers: str) -> Response:
    """``answer(503, retry_after="3")``"""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Response(status, {name.replace("_", "-"): value for name, value in headers.items()}, content)


OK = answer(200, {"status": "Ok"})


def content_of(body: bytes, encoding: str | None) -> dict[str, Any]:
    """The JSON of a request, taken out of its compression."""
    if encoding == "zstd":
        body = unzstd(body, 1 << 24)
    elif encoding == "gzip":
        body = gzip.decompress(body)
    content: dict[str, Any] = json.loads(body)
    return content


def events_of(request: Request) -> list[dict[str, Any]]:
    content = content_of(request.body, dict(request.headers).get("Content-Encoding"))
    events: list[dict[str, Any]] = content["batch"]
    return events


def uuids_of(request: Request) -> list[str]:
    return [event["uuid"] for event in events_of(request)]


def v1_results(request: Request, results: Mapping[str, Mapping[str, str]] | None = None) -> Response:
    """What v1 says when all is well, except for the named uuids."""
    named = results or {}
    return answer(200, {"results": {uuid: named.get(uuid, {"result": "ok"}) for uuid in uuids_of(request)}})


def hangs(request: Request, timeout: float) -> Answer:
    """The whole time goes by; ``ScriptedTransport`` moves the clock."""
    return NoAnswer("timeout", sent=True)


class ScriptedTransport:
    """Gives the steps one after the other, then ``then`` for ever."""

    def __init__(
        self,
        clock: ManualClock,
        steps: Iterable[Step] = (),
        *,
        then: Step = OK,
        takes: float = 0.01,
        request_life: float = 60.0,
    ) -> None:
        self._clock = clock
        self._steps = list(steps)
        self._then = then
        self._takes = takes
        self.request_life = request_life
        self.sent: list[Request] = []
        self.started: list[float] = []
        self.timeouts: list[float] = []
        self.aborted = False
        self.closed = False

    def send(self, request: Request, *, timeout: float) -> Answer:
        assert timeout > 0.0
        self.sent.append(request)
        self.started.append(self._clock.monotonic())
        self.timeouts.append(timeout)
        step = self._steps.pop(0) if self._steps else self._then
        self._clock.advance(timeout if step is hangs else self._takes)
        return step(request, timeout) if callable(step) else step

    def abort(self) -> None:
        self.aborted = True

    def close(self) -> None:
        self.closed = True

    def after_fork_in_child(self) -> None:
        self.sent.clear()


class DoubleTransport:
    """The strict double without a socket: nothing can arrive after the call, so a request lives 0 seconds."""

    request_life = 0.0

    def __init__(self, double: PostHogDouble) -> None:
        self._double = double

    def send(self, request: Request, *, timeout: float) -> Answer:
        path = "/" + request.url.split("/", 3)[3]
        try:
            status, headers, body = self._double.answer("POST", path, dict(request.headers), request.body)
        except ConnectionResetError:
            return LOST
        return Response(status, {name.lower(): value for name, value in headers.items()}, body)

    def abort(self) -> None: ...
    def close(self) -> None: ...
    def after_fork_in_child(self) -> None: ...
