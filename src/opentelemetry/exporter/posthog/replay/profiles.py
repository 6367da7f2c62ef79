"""What recorded signals said of groups, told to the ledger that the service itself uses.

The spool holds the newest value of each property, by the ledger's own order; the ledger decides what of it is
news. So a replay never sets a profile back: what the service has learned since is newer, and wins.

Group updates go by the ordinary lane even when events are marked as historical: that lane has an order of
its own, and an update in it could arrive after a newer one of the service.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import groupby
from typing import TYPE_CHECKING, Final, NamedTuple

from ..diagnostics import Diagnostics
from ..groups.stamp import PRESENCE, from_canonical, time_ns_of
from ..model import Capture, Group, JsonValue, Observation
from ..reasons import Reason
from ..source import Source

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..clock import Clock
    from ..delivery.transport import Transport
    from ..settings.model import Settings
    from .spool import Observed, Spool

PAGE_GROUPS: Final = 256
"""Groups told at once: one call to the ledger's store, one request to PostHog."""


class ProfileReport(NamedTuple):
    """Group updates of one run. What ``waits`` is in the ledger: the service or the next replay sends it."""

    groups: int = 0
    sent: int = 0
    refused: int = 0
    waits: int = 0
    safe: bool = True  # False: the ledger's store did not take everything, so replay again


class _Told(NamedTuple):
    """As translation answers: no event, only observations."""

    observations: Sequence[Observation]
    capture: Capture | None = None
    reason: Reason | None = Reason.CAPTURE_FALSE
    notes: Sequence[str] = ()


def tell_profiles(
    spool: Spool,
    settings: Settings,
    *,
    clock: Clock,
    transport: Transport | None,
    tell: Callable[[int], None],
) -> ProfileReport:
    """Tell every group to the ledger of ``settings``, and send what is news. ``tell`` gets groups so far."""
    from ..assembly import assemble

    diagnostics = Diagnostics(clock=clock)
    pipeline = assemble(
        for_ledger_alone(settings), diagnostics, transport=transport, clock=clock, background=False
    )
    source: Source[list[Observation]] = Source("span", _Told)
    groups, after, kept = 0, None, True
    try:
        while page := spool.observed(after, PAGE_GROUPS):
            batch = [list(observations_of(rows)) for _, rows in groupby(page, lambda one: one.group)]
            kept = pipeline.export(source, batch) and kept
            after = page[-1].group
            groups += len(batch)
            tell(groups)
        safe = pipeline.force_flush(settings.timeout)
    finally:
        pipeline.shutdown(settings.timeout)
    updates = diagnostics.snapshot().updates
    return ProfileReport(
        groups, updates.delivered, updates.refused, updates.released + updates.unknown, safe=safe
    )


def for_ledger_alone(settings: Settings) -> Settings:
    """The same ledger without the outbox beside it: its captures are the service's to deliver."""
    return replace(
        settings, ledger=settings.ledger or settings.outbox, outbox=None, dry_run=False, inspector=None
    )


def is_durable(settings: Settings) -> bool:
    """Whether the ledger of these settings outlives a process."""
    return settings.ledger != "memory" and bool(settings.ledger or settings.outbox)


def observations_of(rows: Iterable[Observed]) -> Iterator[Observation]:
    """The observations of one group: one for each time and service that said something of it."""
    said: dict[tuple[int, int, str], dict[str, JsonValue]] = {}
    group: Group | None = None
    for one in rows:
        group = one.group
        moment = (time_ns_of(one.stamp), int(one.stamp[16:32], 16), one.service)
        properties = said.setdefault(moment, {})
        if one.name != PRESENCE:
            properties[one.name] = from_canonical(one.value)
    for (time_ns, seen_ns, service), properties in said.items():
        assert group is not None
        yield Observation(group, time_ns, seen_ns, properties, service)
