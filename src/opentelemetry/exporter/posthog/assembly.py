"""The parts of a pipeline put together, from settings to something that delivers.

Called at the first batch, on the exporting thread, so everything expensive (httpx, SQLite, Redis) is
imported here and not before. The parts know each other only through the small interfaces they are given.
"""

from __future__ import annotations

import hashlib
import random
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from .clock import Clock, SystemClock
from .pipeline import Pipeline

if TYPE_CHECKING:
    from .delivery.outbox import Outbox
    from .delivery.transport import Transport
    from .diagnostics import Diagnostics
    from .groups.group_ledger import GroupLedger
    from .groups.pocket_file import PocketFile
    from .settings.model import Settings


def assemble(
    settings: Settings,
    diagnostics: Diagnostics,
    *,
    transport: Transport | None = None,
    clock: Clock | None = None,
    background: bool = True,
) -> Pipeline:
    """Build the pipeline of ``settings``. Another ``transport`` or ``clock`` is what tests pass.

    ``background=False`` never starts a thread: what waits is sent by the next export or flush only. Raises
    :class:`~.errors.ForeignStateError` when a state file belongs to somebody else.
    """
    from .delivery.caretaker import Caretaker
    from .delivery.courier import Courier
    from .delivery.drain import Drainer
    from .delivery.suppression import suppressed
    from .wire.encoding import Encoder

    clock = clock or SystemClock()
    outbox = _outbox(settings, diagnostics, clock)
    courier = Courier(
        transport=transport or _transport(settings),
        settings=settings,
        clock=clock,
        random=random.SystemRandom(),
        observer=diagnostics.delivery,
        may_probe=outbox.may_probe if outbox is not None else None,
    )
    pipeline = Pipeline(
        settings=settings,
        ledger=_ledger(settings, diagnostics, clock, courier.request_life),
        encode=Encoder(geoip=settings.geoip),
        courier=courier,
        outbox=outbox,
        drainer=Drainer(outbox, courier, clock=clock, report=diagnostics) if outbox is not None else None,
        diagnostics=diagnostics,
        clock=clock,
    )
    if settings.inspector is not None and background:
        from .diagnostics.inspection import Inspection
        from .diagnostics.loopback_post import LoopbackPost

        post = LoopbackPost(settings.inspector)
        pipeline.show_to(Inspection(post, diagnostics.snapshot, clock=clock, around=suppressed))
    if background:

        def failed(error: BaseException) -> None:
            diagnostics.error("caretaker", f"looking after what waits ended in {type(error).__name__}")

        pipeline.employ(Caretaker(pipeline.tend, clock=clock, failed=failed, around=suppressed))
    return pipeline


def _transport(settings: Settings) -> Transport:
    from .delivery.httpx_transport import HttpxTransport

    return HttpxTransport(
        proxy=settings.proxy, ca_bundle=settings.ca_bundle, trust_env=settings.proxy_from_environment
    )


def _outbox(settings: Settings, diagnostics: Diagnostics, clock: Clock) -> Outbox | None:
    if settings.outbox is None:
        return None
    from .delivery.sqlite_outbox import SqliteOutbox
    from .sqlite_identity import StateOwner

    outbox = SqliteOutbox(
        settings.outbox,
        owner=StateOwner(settings.host, settings.api_key),
        clock=clock,
        report=diagnostics,
        max_bytes=settings.outbox_max_bytes,
        max_age=settings.outbox_max_age,
    )
    outbox.verify()
    return outbox


def _ledger(settings: Settings, diagnostics: Diagnostics, clock: Clock, request_life: float) -> GroupLedger:
    from .groups.group_ledger import GroupLedger
    from .groups.opening import open_some_store

    store = open_some_store(
        settings.ledger,
        outbox=settings.outbox,
        host=settings.host,
        api_key=settings.api_key,
        clock=clock,
        max_groups=settings.ledger_max_groups,
        export_time=settings.timeout,
        say=partial(diagnostics.error, "ledger"),
    )
    return GroupLedger(
        store,
        clock=clock,
        window=settings.timeout,
        request_life=request_life,
        group_interval=settings.group_interval,
        project=project_of(settings),
        random=random.SystemRandom().getrandbits,
        report=diagnostics.note,
        max_groups=settings.ledger_max_groups,
        pocket_file=_pocket_file(settings, diagnostics, clock) if store.remote else None,
    )


def _pocket_file(settings: Settings, diagnostics: Diagnostics, clock: Clock) -> PocketFile | None:
    """Where observations wait that a ledger on the network has not taken: beside the captures that wait."""
    if settings.outbox is None:
        return None
    from .groups.ledger_file import lock_timeout_within
    from .groups.pocket_file import PocketFile
    from .sqlite_identity import StateOwner

    return PocketFile(
        Path(settings.outbox),
        owner=StateOwner(settings.host, settings.api_key),
        clock=clock,
        failed=partial(diagnostics.error, "pocket"),
        lock_timeout=lock_timeout_within(settings.timeout),
    )


def project_of(settings: Settings) -> str:
    """Whose groups these are, for keyed digests that agree between processes. Not the key itself."""
    return hashlib.sha256(f"{settings.host}\0{settings.api_key}".encode()).hexdigest()
