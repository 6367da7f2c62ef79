"""What doctor looks at on this machine: installed packages, outbox, ledger."""

from __future__ import annotations

from importlib.metadata import distributions, entry_points
from pathlib import Path

from ..clock import Clock
from ..delivery import outbox_tables as tables
from ..delivery.outbox import OutboxStatus
from ..delivery.outbox_file import NAME
from ..delivery.outbox_parcel import unpack
from ..errors import PostHogExporterError
from ..groups.opening import open_store
from ..groups.state import SECOND, Terms
from ..settings.model import Settings
from ..sqlite import StateFile
from ..sqlite_identity import StateOwner
from .checks.state import LedgerFacts
from .checks.zero_code import LOGS, METRICS, OURS, TRACES, Installed
from .outbox import opened

RELEVANT = (
    "opentelemetry-exporter-posthog", "opentelemetry-sdk", "opentelemetry-api", "opentelemetry-distro",
    "uvicorn", "gunicorn", "celery", "redis",
)  # fmt: skip


def installed() -> Installed:
    points = {group: frozenset(point.name for point in entry_points(group=group))
              for group in {*OURS, TRACES, LOGS, METRICS}}  # fmt: skip
    found = {}
    for distribution in distributions():
        name = (distribution.metadata["Name"] or "").lower().replace("_", "-")
        if name in RELEVANT and name not in found:
            found[name] = distribution.version
    return Installed(points, found)


def outbox_of(settings: Settings) -> tuple[OutboxStatus | None, str, list[str]]:
    """Its status, what is wrong with it, and the distinct ids of its oldest events."""
    directory = Path(settings.outbox or "")
    if not (directory / NAME).is_file():
        return None, _place_trouble(directory), []
    owner = StateOwner(settings.host, settings.api_key)
    outbox = opened(directory, owner, max_bytes=settings.outbox_max_bytes)
    try:
        outbox.verify()
        return outbox.status(), "", _distinct_ids(outbox.path, owner)
    except (PostHogExporterError, OSError) as error:
        return None, str(error), []
    finally:
        outbox.close()


def _place_trouble(directory: Path) -> str:
    """Why no outbox could be made there; empty when it could."""
    import os

    existing = next((place for place in (directory, *directory.parents) if place.exists()), Path())
    if not existing.is_dir():
        return f"{existing} is no directory"
    return "" if os.access(existing, os.W_OK | os.X_OK) else f"{existing} can't be written"


def _distinct_ids(path: Path, owner: StateOwner) -> list[str]:
    from ..clock import SystemClock

    file = StateFile(path, schema=tables.SCHEMA, owner=owner, clock=SystemClock())
    try:
        with file.reading() as connection:
            rows = tables.oldest_rows(connection)
    finally:
        file.close()
    return [envelope.distinct_id for row in rows for envelope in unpack(row.body, row.n).envelopes]


def ledger_of(settings: Settings, clock: Clock) -> LedgerFacts:
    spec = settings.ledger
    if spec == "memory" or not (spec or settings.outbox):
        return LedgerFacts("in memory: each process has its own, and forgets at restart")
    kind = (
        f"{spec.partition('://')[0]} server" if spec and "://" in spec else f"file {spec or settings.outbox}"
    )
    if "://" not in (spec or "") and not Path(spec or settings.outbox or "").exists():
        return LedgerFacts(
            f"{kind}, not there yet", _place_trouble(Path(spec or settings.outbox or "").parent)
        )
    terms = Terms(round(settings.timeout * SECOND), 60 * SECOND, round(settings.group_interval * SECOND))
    try:
        store = open_store(
            spec, outbox=settings.outbox, host=settings.host, api_key=settings.api_key, clock=clock
        )
        try:
            return LedgerFacts(kind, waiting=store.waiting(terms).dirty)
        finally:
            store.close()
    except (PostHogExporterError, OSError) as error:
        return LedgerFacts(kind, str(error))
