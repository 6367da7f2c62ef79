"""PostHog's rules as a transport of the exporter, without a socket: a request is a function call.

Satisfies ``delivery.transport.Transport`` by its shape. The double shares no code with what it judges, so
whoever wires the two together passes the exporter's own words for an answer and for none.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from .double import PostHogDouble
    from .exchange import Answer
    from .faults import Fault

AnsweredT = TypeVar("AnsweredT")
UnansweredT = TypeVar("UnansweredT")

MAX_ANSWER = 1024 * 1024
"""Bytes of an answer that are handed on, as a careful client over HTTP would."""


class Sendable(Protocol):
    """What is sent: ``wire.exchange.Request`` by its shape."""

    @property
    def url(self) -> str: ...
    @property
    def headers(self) -> Sequence[tuple[str, str]]: ...
    @property
    def body(self) -> bytes: ...


class InMemoryTransport(Generic[AnsweredT, UnansweredT]):
    """Carries requests to a double in the same process. Safe from many threads.

    ``answered(status, headers, body, cut)`` and ``unanswered(reason, sent)`` make the results of
    :meth:`send`. Nothing waits: a stall or drip longer than the timeout is a timeout at once.
    """

    def __init__(
        self,
        double: PostHogDouble,
        *,
        answered: Callable[[int, Mapping[str, str], bytes, bool], AnsweredT],
        unanswered: Callable[[str, bool], UnansweredT],
        client: str = "memory",
    ) -> None:
        self._double = double
        self._answered = answered
        self._unanswered = unanswered
        self._client = client
        self._aborted = False

    @property
    def request_life(self) -> float:
        """0.0: a function call has arrived, or not, by the time it returns."""
        return 0.0

    def send(self, request: Sendable, *, timeout: float) -> AnsweredT | UnansweredT:
        """The double's answer to ``request``, or what the fault it was told to make looks like from here."""
        if self._aborted:
            return self._unanswered("no_connection", False)
        parts = urlsplit(request.url)
        target = parts.path + (f"?{parts.query}" if parts.query else "")
        answer, fault = self._double.handle(
            "POST", target, request.headers, request.body, client=self._client
        )
        if fault is not None and (fault.reset or fault.cut):
            return self._unanswered("connection_lost", True)
        if fault is not None and _seconds(answer, fault) > timeout:
            return self._unanswered("timeout", True)
        headers = {name.lower(): value for name, value in answer.headers}
        return self._answered(answer.status, headers, answer.body[:MAX_ANSWER], len(answer.body) > MAX_ANSWER)

    def abort(self) -> None:
        """No request is answered any more."""
        self._aborted = True

    def close(self) -> None:
        """Nothing to let go of."""

    def after_fork_in_child(self) -> None:
        """Nothing belongs to the parent: the child has a copy of the double."""


def _seconds(answer: Answer, fault: Fault) -> float:
    """How long the answer would take over a network."""
    return fault.stall + fault.drip * len(answer.body)
