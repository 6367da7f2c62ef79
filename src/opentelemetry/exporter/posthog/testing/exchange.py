"""What goes over the wire, as plain values: one request, and the answer to it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qs, urlsplit


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request as it arrived. Header names are lower case; the body is what was on the wire."""

    number: int  # from 1, in order of arrival
    method: str
    path: str  # without the query
    query: Mapping[str, str]
    headers: Mapping[str, str] = field(repr=False)  # may hold a key
    body: bytes = field(repr=False)
    received_ns: int  # Unix epoch, the double's clock
    monotonic: float  # seconds, the double's clock
    client: str = ""  # who sent it, as far as a connection tells: never compared across restarts
    peer_ip: str = "127.0.0.1"

    @property
    def legacy(self) -> bool:
        return self.path.rstrip("/") == LEGACY_PATH

    @property
    def v1(self) -> bool:
        return self.path.rstrip("/") == V1_PATH


LEGACY_PATH = "/batch"
V1_PATH = "/i/v1/analytics/events"


@dataclass(frozen=True, slots=True)
class Answer:
    """Status, headers and body. In memory and over HTTP the same bytes."""

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""

    def header(self, name: str) -> str | None:
        """The first header of that name, in any case."""
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)


def split_target(target: str) -> tuple[str, dict[str, str]]:
    """Path and query of a request line's target; of a repeated query key the first counts."""
    parts = urlsplit(target)
    query = parse_qs(parts.query, keep_blank_values=True)
    return parts.path, {name: values[0] for name, values in query.items()}


def lower_case_names(headers: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Headers by lower-case name; of a repeated one the first counts."""
    found: dict[str, str] = {}
    for name, value in headers:
        found.setdefault(name.lower(), value)
    return found
