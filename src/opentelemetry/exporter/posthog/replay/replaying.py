"""A replay from beginning to end, for whoever shows its progress."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ..assembly import project_of
from ..delivery.courier import Courier
from ..settings.option import Topic
from ..settings.options import OPTIONS
from ..sqlite_identity import StateOwner
from ..translate.translator import Translator
from ..wire.encoding import Encoder
from .errors import ReplayError
from .profiles import ProfileReport, is_durable, tell_profiles
from .reading import Read, Reader
from .sending import Sender, SendReport
from .spool import SUFFIX, Figures, NameCount, RefusedRow, Spool

if TYPE_CHECKING:
    from ..clock import Clock
    from ..delivery.transport import Transport
    from ..settings.model import Settings

HISTORICAL_AGE: Final = 48 * 3_600.0
"""Seconds: PostHog takes as historical, and does not bill, only what is older."""

TRANSLATING: Final = (Topic.GROUPS, Topic.SELECTION, Topic.PRIVACY)


def pass_by(point: str) -> None:
    """What happens at the named points of a replay: nothing. Tests put a crash here."""


def beside(files: Sequence[Path]) -> Path:
    """Where the state of a replay of ``files`` lies unless told otherwise: beside the first of them."""
    first = files[0].resolve()
    return first.with_name(first.name + SUFFIX)


def fingerprint(origins: Mapping[str, str], env: Mapping[str, str]) -> str:
    """Of everything written in the environment that decides what a signal becomes; holds no value."""
    written = {
        option.name: env.get(origins.get(option.name, ""), "")
        for option in OPTIONS
        if option.topic in TRANSLATING and option.name != "dry_run"
    }
    return hashlib.sha256(repr(sorted(written.items())).encode("utf-8", "surrogatepass")).hexdigest()


class Replay:
    """One replay: open, read, send, tell profiles, close. Every step may be repeated after a crash.

    ``about`` is the :func:`fingerprint` of the settings. ``transport`` None: the real one.
    """

    def __init__(
        self,
        state: Path,
        settings: Settings,
        about: str,
        *,
        clock: Clock,
        transport: Transport | None = None,
        at: Callable[[str], None] = pass_by,
    ) -> None:
        # Its own spool is its outbox, so what the courier is told of the service's does not hold here.
        self._settings = replace(settings, ledger=settings.ledger or settings.outbox, outbox=None)
        self._about = about
        self._clock = clock
        self._transport = transport
        self._at = at
        self.spool = Spool(state, owner=StateOwner(settings.host, settings.api_key), clock=clock)

    def __enter__(self) -> Replay:
        self.spool.open(self._about)
        return self

    def __exit__(self, *_: object) -> None:
        self.spool.close()

    def read(self, files: Sequence[Path], tell: Callable[[Path, Read], None]) -> None:
        """Read all files, each from where it was left. Raises :class:`ReplayError`, ``OSError``."""
        reader = Reader(
            self.spool,
            Translator(self._settings),
            Encoder(geoip=self._settings.geoip),
            project=project_of(self._settings),
            clock=self._clock,
            at=self._at,
        )
        for path in files:

            def told(read: Read, path: Path = path) -> None:
                tell(path, read)

            reader.read(path, told)

    def send(self, *, rate: float, historical: bool, tell: Callable[[int], None]) -> SendReport:
        """Send what waits. Raises :class:`ReplayError` where ``historical`` does not fit."""
        if historical:
            self._refuse_the_young()
        courier = Courier(
            transport=self._transport or _transport(self._settings),
            settings=self._settings,
            clock=self._clock,
            random=random.SystemRandom(),
            historical_migration=historical,
        )
        sender = Sender(
            self.spool, courier, rate=rate, timeout=self._settings.timeout, clock=self._clock, at=self._at
        )
        try:
            return sender.send(tell)
        finally:
            courier.close()

    def _refuse_the_young(self) -> None:
        newest = self.spool.newest_waiting_ns()
        age = HISTORICAL_AGE if newest is None else (self._clock.time_ns() - newest) / 1e9
        if age < HISTORICAL_AGE:
            raise ReplayError(
                f"the newest event that waits is {max(0.0, age) / 3600:.1f} h old, and PostHog takes as "
                f"historical only what is older than {HISTORICAL_AGE / 3600:.0f} h",
                "Wait, leave the newest file out, or replay without --historical.",
            )

    def refuse_forgetful_ledger(self) -> None:
        """Raise :class:`ReplayError` where no ledger remembers what is newer than the recording."""
        if not is_durable(self._settings):
            raise ReplayError(
                "profiles need a ledger that remembers what is newer than the recording",
                "Set OTEL_EXPORTER_POSTHOG_LEDGER to the ledger of the service: a file, or Redis.",
            )

    def profiles(self, tell: Callable[[int], None]) -> ProfileReport:
        """Tell the ledger what was said of groups. Raises :class:`ReplayError` without a durable one."""
        self.refuse_forgetful_ledger()
        return tell_profiles(
            self.spool, self._settings, clock=self._clock, transport=self._transport, tell=tell
        )

    def figures(self) -> Figures:
        return self.spool.figures()

    def names(self) -> list[NameCount]:
        return self.spool.names()

    def refused(self, most: int) -> list[RefusedRow]:
        return self.spool.refused(most)


def _transport(settings: Settings) -> Transport:
    from ..delivery.httpx_transport import HttpxTransport

    return HttpxTransport(
        proxy=settings.proxy, ca_bundle=settings.ca_bundle, trust_env=settings.proxy_from_environment
    )
