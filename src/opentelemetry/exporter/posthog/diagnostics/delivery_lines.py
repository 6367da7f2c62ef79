"""What a delivery that did not go well says in the log: counts, statuses and PostHog's own words. Pure."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import NamedTuple, Protocol


class Delivery(Protocol):
    """What one delivery did (``delivery.DeliveryRecord``), as far as it is read here."""

    @property
    def envelopes(self) -> int: ...
    @property
    def protocol(self) -> str: ...
    @property
    def encoding(self) -> str: ...
    @property
    def unread(self) -> str: ...
    @property
    def requests(self) -> int: ...
    @property
    def attempts(self) -> int: ...
    @property
    def statuses(self) -> Mapping[int, int]: ...
    @property
    def sent_bytes(self) -> int: ...
    @property
    def delivered(self) -> int: ...
    @property
    def reasons(self) -> Mapping[str, int]: ...
    @property
    def details(self) -> Mapping[str, str]: ...
    @property
    def seconds(self) -> float: ...
    @property
    def breaker_open(self) -> bool: ...


class Line(NamedTuple):
    level: int
    kind: str  # at most one line a kind and minute
    message: str


NEEDS_A_PERSON: Mapping[str, str] = {
    "credentials": "PostHog does not accept the project key. Copy the project key (phc_…) of the project and "
    "region that the host belongs to into OTEL_EXPORTER_POSTHOG_API_KEY.",
    "quota": "the project's quota at PostHog is used up, and it takes no more events. Raise the billing "
    "limit, or select fewer signals.",
    "not_posthog": "this host is not PostHog: it answered with a web page. OTEL_EXPORTER_POSTHOG_HOST has to "
    "be the ingestion host, like https://us.i.posthog.com or https://eu.i.posthog.com.",
    "redirect": "the host answered with a redirect, which is not followed, since the key goes to the "
    "configured host only. Set OTEL_EXPORTER_POSTHOG_HOST to the address it redirects to.",
}
"""Reasons that no waiting mends, and what does."""


def lines(record: Delivery) -> list[Line]:
    """One line a reason. Empty when everything arrived as it was meant to."""
    found: list[Line] = []
    for reason, count in record.reasons.items():
        detail = record.details.get(reason, "")
        said = f" ({detail})" if detail and detail != reason else ""
        if reason in NEEDS_A_PERSON:
            found.append(Line(logging.ERROR, f"delivery_{reason}", f"{NEEDS_A_PERSON[reason]}{said}"))
            continue
        share = f"{count:,} of {record.envelopes:,} events and group updates"
        found.append(
            Line(logging.WARNING, f"delivery_{reason}", f"{share} were not delivered: {reason}{said}")
        )
    if record.unread:
        found.append(
            Line(
                logging.INFO,
                "encoding",
                f"this host, or a proxy in front of it, does not read {record.unread}: bodies are gzip from "
                "now on. OTEL_EXPORTER_POSTHOG_COMPRESSION=gzip spares it the question",
            )
        )
    if record.breaker_open:
        found.append(
            Line(
                logging.WARNING,
                "breaker",
                "PostHog does not answer in time: until it does, an export tries once for at most a second",
            )
        )
    return found


def summary(record: Delivery) -> str:
    """One line for those who log at DEBUG."""
    statuses = ", ".join(f"{status} ×{count}" for status, count in sorted(record.statuses.items()))
    return (
        f"delivered {record.delivered} of {record.envelopes} by {record.protocol or 'no request'} "
        f"({record.encoding or 'not compressed'}) in "
        f"{record.seconds:.3f} s: {record.requests} requests, {record.attempts} attempts, "
        f"{record.sent_bytes} bytes, answers {statuses or 'none'}"
    )
