"""An inspector behind its port."""

from __future__ import annotations

import secrets
from collections.abc import Generator
from contextlib import contextmanager
from functools import partial
from typing import NamedTuple
from urllib.parse import urlsplit

from ..testing.server import Server
from .guard import Guard
from .http import InspectorHandler
from .inspector import Inspector

HOST = "127.0.0.1"
"""Always the loopback: what is shown here is for whoever sits at this machine."""


class Address(NamedTuple):
    """Where an inspector listens. ``host`` is what a service is pointed at, ``page`` what a browser opens."""

    host: str
    token: str

    @property
    def page(self) -> str:
        return f"{self.host}/?token={self.token}"

    @property
    def environment(self) -> dict[str, str]:
        """The variables that point an exporter here; any key will do."""
        return {
            "OTEL_EXPORTER_POSTHOG_HOST": self.host,
            "OTEL_EXPORTER_POSTHOG_API_KEY": "phc_local",
            "OTEL_EXPORTER_POSTHOG_INSPECTOR": self.page,
        }


@contextmanager
def serving(inspector: Inspector, *, port: int = 0, token: str = "") -> Generator[Address]:
    """Serve for as long as the block lasts. Port 0 takes a free one; without a token a random one is made.

    Raises ``OSError`` when the port is taken.
    """
    token = token or secrets.token_urlsafe(16)
    guard = Guard(token, port)

    def current_guard() -> Guard:
        return guard

    server = Server(
        inspector.double, HOST, port, partial(InspectorHandler, inspector=inspector, guard=current_guard)
    )
    guard = guard._replace(port=urlsplit(server.url).port or port)
    server.start()
    try:
        yield Address(server.url, token)
    finally:
        server.closing.set()
        inspector.feed.wake()
        server.stop()
