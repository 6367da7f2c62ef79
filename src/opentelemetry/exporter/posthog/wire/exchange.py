"""The values of one exchange with PostHog, and the seam between its two protocols."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple, Protocol

from ..model import Envelope, OutcomeKind


class Request(NamedTuple):
    """One POST, ready to leave. Not for a ``repr``: it carries the key."""

    url: str
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def __repr__(self) -> str:
        return f"Request({len(self.body)} bytes)"


class Response(NamedTuple):
    """What came back. Header names are lower case; the body is bounded, ``cut`` says that it was longer."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    cut: bool = False


class NoAnswer(NamedTuple):
    """No answer came, and why: ``"timeout"``, ``"no_connection"``, ``"connection_lost"``, ``"bad_answer"``.

    ``sent`` is False only when PostHog surely did not process the request: no connection was made, or the
    time was up before the first byte of the body left. A lost answer leaves it True.
    """

    reason: str
    sent: bool
    detail: str = ""  # the kind of the error, never its text


class Verdict(NamedTuple):
    """What an answer that names events says of one of them."""

    kind: OutcomeKind
    reason: str = ""
    detail: str = ""
    resend: bool = False  # RETRY only: may be sent again in this very delivery


ACCEPTED: Final = Verdict(OutcomeKind.DELIVERED)
"""What is said of most events: this very object, so that counting it tells at once whether all went well."""


class Judgement(NamedTuple):
    """What an answer says, as far as the protocol can tell.

    ``verdicts`` has one entry an envelope, in order, when the request was accepted and the answer understood;
    it is None for every other answer.
    """

    spoken: bool  # the answer has the shape that only this protocol gives
    verdicts: tuple[Verdict, ...] | None = None
    html: bool = False  # a page for people: whatever answered is not PostHog
    tag: str = ""  # the answer's own word for what is wrong; from a known list, so it holds no data of ours
    whole: bool = False  # what is wrong concerns the request, so no single event is to blame
    partly_applied: bool = False  # refused, yet a part of the request may have been stored
    undecoded: bool = False  # refused because the body's compression could not be read


class Wire(Protocol):
    """One protocol for one host and key."""

    @property
    def name(self) -> str:
        """``"legacy"`` or ``"v1"``."""
        ...

    @property
    def encoding(self) -> str:
        """``"gzip"`` or ``"zstd"``; empty for bodies as they are."""
        ...

    def events(self, envelopes: Iterable[Envelope]) -> list[bytes]:
        """Each as it stands in the body. ``batching`` measures them, ``request`` joins them."""
        ...

    def request(
        self,
        events: Sequence[bytes],
        *,
        attempt: int,
        request_id: str,
        created_ns: int,
        now_ns: int,
        body: bytes | None = None,
    ) -> Request:
        """One request for what ``events`` made.

        ``attempt`` counts from 1 within one ``request_id``; ``created_ns`` stays the same over attempts,
        ``now_ns`` is the time of this one. ``body`` is that of an earlier attempt with the same events.
        """
        ...

    def judge(self, response: Response, envelopes: Sequence[Envelope]) -> Judgement:
        """What ``response`` says of the envelopes of its request."""
        ...
