"""PostHog behind a network with moods: a request says in a header what shall become of it."""

from __future__ import annotations

import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager

from opentelemetry.exporter.posthog.testing import Fault, PostHogDouble
from opentelemetry.exporter.posthog.testing.exchange import Request
from opentelemetry.exporter.posthog.testing.server import DoubleHandler, Server
from tests.fleet.voice import HOLD, LIFE, MOOD, SENT

LANDS_WITHIN = LIFE - 0.75
"""Seconds after which a request does not land any more, however busy this machine is: that is what its life
means. Looked at when it is about to be applied: it may have queued for the double until then."""


def _is_too_old(request: Request) -> bool:
    return time.monotonic() - float(request.headers.get(SENT, "inf")) > LANDS_WITHIN


class Network:
    """The way to a double that listens at ``url``. ``calm``: from now on, every request goes through."""

    def __init__(self, double: PostHogDouble) -> None:
        network = self

        class Handler(DoubleHandler):
            """Keeps requests that ask for it on the way until their sender has hung up; then they land."""

            def body(self) -> bytes | None:
                body = super().body()
                if not network.calm and self.headers.get(MOOD) == "hold":
                    self.server.closing.wait(HOLD)
                return body

        self.double = double
        self.calm = False
        self._server = Server(double, "127.0.0.1", 0, Handler)
        double.fail(
            Fault(times=None, reset="before", when=_is_too_old),
            Fault(times=None, status=503, when=lambda request: self._is(request.headers, "turn away")),
            Fault(times=None, reset="after", when=lambda request: self._is(request.headers, "lose")),
        )

    def _is(self, headers: Mapping[str, str], mood: str) -> bool:
        return not self.calm and headers.get(MOOD) == mood

    @property
    def url(self) -> str:
        return self._server.url

    @contextmanager
    def open(self) -> Generator[Network]:
        self._server.start()
        try:
            yield self
        finally:
            self._server.stop()
