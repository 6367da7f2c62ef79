"""The seam to the network: one request out, one answer or none back."""

from __future__ import annotations

from typing import Protocol

from ..wire.exchange import NoAnswer, Request, Response


class Transport(Protocol):
    """Carries requests; safe for many threads. What the network does is an answer, never raised."""

    @property
    def request_life(self) -> float:
        """Seconds from the start of a request until nothing of it can arrive any more, whatever happened."""
        ...

    def send(self, request: Request, *, timeout: float) -> Response | NoAnswer:
        """Send it and read the answer, all within ``timeout`` seconds, whatever the other side does."""
        ...

    def abort(self) -> None:
        """Cut running requests off at once; they and all later ones end as :class:`NoAnswer`."""
        ...

    def close(self) -> None:
        """Let connections go. No request may be running."""
        ...

    def after_fork_in_child(self) -> None:
        """Let go of what belongs to the parent; the next request makes its own connections."""
        ...
