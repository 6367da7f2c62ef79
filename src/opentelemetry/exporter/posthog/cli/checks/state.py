"""The health of outbox and ledger."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from ...delivery.outbox import OutboxStatus
from .finding import Finding, error, ok, warning

NEARLY_FULL = 0.8
OLD = 3_600.0
"""Seconds: what waits longer than an hour is not waiting for a hiccup."""


class LedgerFacts(NamedTuple):
    """What was found of the ledger; ``trouble`` says why it can't be used."""

    kind: str
    trouble: str = ""
    waiting: int = 0  # groups with something to send


def outbox_findings(
    directory: str, status: OutboxStatus | None, trouble: str, now_ns: int, max_age: float
) -> Iterator[Finding]:
    """``status`` None and no ``trouble``: there is none yet."""
    if trouble or (status is not None and status.trouble):
        why = trouble or f"{directory}: {status.trouble if status else ''}"
        yield error("outbox", f"it can't be used: {why}", "Events are not kept until that is mended.")
        return
    if status is None:
        yield ok("outbox", f"{directory} is empty so far")
        return
    yield ok("outbox", f"{status.events:,} events waiting in {directory}")
    if status.oldest_ns is not None and (now_ns - status.oldest_ns) / 1e9 > OLD:
        hours = (now_ns - status.oldest_ns) / 3.6e12
        yield warning(
            "outbox",
            f"the oldest event waits for {hours:,.1f} h; after {max_age / 3600:,.0f} h it is given up",
            "Run `otel-posthog outbox drain` and read what it says.",
        )
    if status.max_bytes and status.file_bytes > NEARLY_FULL * status.max_bytes:
        yield warning(
            "outbox",
            f"{status.file_bytes / status.max_bytes:.0%} full; then new events are not kept",
            "Raise outbox_max_bytes, and see why PostHog takes nothing.",
        )
    if status.refused:
        yield warning(
            "outbox",
            f"PostHog refused {status.refused:,} events for good",
            "See `otel-posthog outbox list --refused`.",
        )
    lost = {name: status.counters.get(name, 0) for name in ("expired", "damaged", "missing")}
    if any(lost.values()):
        said = ", ".join(f"{count:,} {name}" for name, count in lost.items() if count)
        yield warning(
            "outbox",
            f"events were lost from it: {said}",
            "Check the disk, and how long PostHog could not be reached.",
        )


def ledger_findings(facts: LedgerFacts) -> Iterator[Finding]:
    if facts.trouble:
        yield error(
            "ledger", f"{facts.kind}: {facts.trouble}", "Events go out meanwhile, and group updates wait."
        )
    else:
        waits = f", {facts.waiting:,} groups with something to send" if facts.waiting else ""
        yield ok("ledger", f"{facts.kind}{waits}")
