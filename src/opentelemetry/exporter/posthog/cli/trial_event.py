"""One real event on request: proof that a request is taken, and an id to look for in PostHog."""

from __future__ import annotations

import random
import secrets

from ..clock import Clock
from ..delivery.courier import Courier
from ..delivery.transport import Transport
from ..identifiers import group_distinct_id
from ..model import Capture, Group, OutcomeKind
from ..settings.model import Settings
from ..uuid7 import RANDOM_BITS, uuid7
from ..version import __version__
from ..wire.encoding import Encoder
from .checks import Finding
from .checks.finding import error, hint

NAME = "otel_posthog_test"


def send_test_event(
    settings: Settings, transport: Transport, clock: Clock, organization: str | None
) -> list[Finding]:
    """Send it as the exporter sends its own, with the first group type's ``organization`` if one is named."""
    group = None if organization is None else Group(settings.groups[0].type, organization)
    now_ns = clock.time_ns()
    capture = Capture(
        NAME,
        "otel:otel-posthog-doctor" if group is None else group_distinct_id(group),
        now_ns,
        uuid7(now_ns, secrets.randbits(RANDOM_BITS)),
        {} if group is None else {group.type: group.key},
        {"posthog.actor": "none" if group is None else "group", "otel_posthog.version": __version__},
        personless=group is None,
    )
    envelope = Encoder(geoip=settings.geoip).capture(capture)
    assert envelope is not None
    courier = Courier(transport=transport, settings=settings, clock=clock, random=random.SystemRandom())
    (outcome,) = courier.deliver([envelope], deadline=clock.monotonic() + settings.timeout)
    if outcome.kind is not OutcomeKind.DELIVERED:
        why = f"{outcome.reason} {outcome.detail}".strip()
        return [error("test event", f"it was not taken: {why}", "See the other lines for the cause.")]
    return [
        hint(
            "test event",
            f"PostHog took {NAME} with uuid {capture.uuid}. That is no proof: it also takes events of keys "
            "that no project has, and over quota",
            f"Look for {NAME} under Activity in PostHog; it may take some minutes.",
        )
    ]
