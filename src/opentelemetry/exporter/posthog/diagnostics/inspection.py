"""The side channel to an inspector: what the exporter decided, told to a page on this very machine.

An inspector sees what arrives. Why something did *not* arrive, and which observation was saved or refused as
older, only the exporter knows. With ``OTEL_EXPORTER_POSTHOG_INSPECTOR`` set to an inspector's address it says
so: the counts are those of its diagnostics, descriptions are samples. Everything is bounded, and when the
inspector is slow or gone, notes are let go and counted; an export never waits.
"""

from __future__ import annotations

import json
import threading
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, field
from os import getpid
from secrets import token_hex
from typing import TYPE_CHECKING, Any, Final, Protocol

from ..model import GROUP_IDENTIFY
from ..reasons import Reason
from ..version import __version__

if TYPE_CHECKING:
    from ..clock import Clock
    from ..model import Capture, LedgerDecision, Observation, SignalDescription
    from .stats import Stats

PAUSE: Final = 0.2
"""Seconds between reports: a page that is looked at should feel live, and a busy service report in bulk."""

PAUSE_AFTER_FAILURE: Final = 5.0
"""Seconds without a try when nobody listens: an inspector that was closed must cost nothing."""

PATIENCE: Final = 2.0
"""Seconds that the loopback may take for one report."""

LAST_PATIENCE: Final = 0.5
"""Seconds of a shutdown that the last report may take."""

MAX_ORIGINS: Final = 500
"""Captures described a report. Describing one costs as much as translating it."""

MAX_SAMPLES: Final = 10
"""Signals described a reason and report."""

MAX_DECISIONS: Final = 2_000
"""Ledger decisions told a report."""

MAX_VALUE: Final = 500
"""Characters of a value that are told; it is only to be recognised."""


class Source(Protocol):
    """As the pipeline's: the word for its signals, and how to describe one."""

    @property
    def signal(self) -> str: ...
    @property
    def describe(self) -> Callable[[Any], SignalDescription] | None: ...


@dataclass(slots=True)
class _Pending:
    """What the next report will say."""

    samples: dict[str, list[Any]] = field(default_factory=dict[str, list[Any]])
    origins: deque[tuple[str, str, str, Any]] = field(default_factory=deque[tuple[str, str, str, Any]])
    decisions: deque[tuple[str, Any, LedgerDecision]] = field(
        default_factory=deque[tuple[str, Any, "LedgerDecision"]]
    )
    untold: int = 0

    def __bool__(self) -> bool:
        return bool(self.samples or self.origins or self.decisions or self.untold)


class Post(Protocol):
    """Carries one report; False when it did not arrive."""

    def __call__(self, report: bytes, patience: float) -> bool: ...


class Inspection:
    """Watches a pipeline for an inspector. Safe for many threads; never raises, never waits in an export."""

    def __init__(
        self,
        post: Post,
        stats: Callable[[], Stats],
        *,
        clock: Clock,
        around: Callable[[], AbstractContextManager[None]],
        background: bool = True,
    ) -> None:
        """``around`` is what must hold while we send: no telemetry of our own. Without ``background`` no
        thread is started, and reports are sent by :meth:`send` and :meth:`close` only.
        """
        self._post = post
        self._stats = stats
        self._clock = clock
        self._around = around
        self._background = background
        self._start_afresh()

    def _start_afresh(self) -> None:
        self._lock = threading.Lock()  # guards what follows
        self._pending = _Pending()
        self._last_stats: Stats | None = None
        self._exporter = token_hex(4)  # tells this life of this process from every other
        self._thread: threading.Thread | None = None
        self._closed = False
        self._wake = threading.Event()

    def after_fork_in_child(self) -> None:
        self._start_afresh()

    def export(self, source: Source) -> _Export:
        """Watch one export."""
        return _Export(self, source.signal, source.describe)

    # -- on the exporting thread --------------------------------------------------------------------

    def skip(self, reason: str, signal: str, describe: Callable[[], SignalDescription | None]) -> None:
        with self._lock:
            wanted = len(self._pending.samples.get(reason, ())) < MAX_SAMPLES
        if wanted:
            description = describe()
            with self._lock:
                self._pending.samples.setdefault(reason, []).append((signal, description))
        self._start()

    def tell_origin(self, signal: str, capture: Capture, description: SignalDescription | None) -> None:
        with self._lock:
            self._pending.origins.append((capture.uuid, capture.name, signal, description))
        self._start()

    def wants_origin(self) -> bool:
        with self._lock:
            wanted = len(self._pending.origins) < MAX_ORIGINS
            self._pending.untold += not wanted
            return wanted

    def tell_decision(self, signal: str, speaker: Any, decision: LedgerDecision) -> None:
        with self._lock:
            if len(self._pending.decisions) >= MAX_DECISIONS:
                self._pending.untold += 1
                return
            self._pending.decisions.append((signal, speaker, decision))

    # -- on a thread of our own ---------------------------------------------------------------------

    def _start(self) -> None:
        with self._lock:
            if self._background and self._thread is None and not self._closed:
                self._thread = threading.Thread(target=self._run, name="posthog-inspector", daemon=True)
                self._thread.start()

    def _run(self) -> None:
        pause = PAUSE
        while not self._clock.wait(pause, self._wake):
            pause = PAUSE if self.send(PATIENCE) else PAUSE_AFTER_FAILURE

    def send(self, patience: float) -> bool:
        """Send what there is to say. False when it did not arrive; it is then let go."""
        stats = self._stats()
        with self._lock:
            pending, self._pending = self._pending, _Pending()
            if not pending and stats == self._last_stats:
                return True
        try:
            report = _report(self._exporter, pending, stats, self._clock.time_ns())
            with self._around():
                arrived = self._post(report, patience)
        except Exception:  # noqa: BLE001 - an inspector must never be what hurts
            arrived = False
        with self._lock:
            if arrived:
                self._last_stats = stats
            else:
                self._pending.untold += pending.untold + len(pending.origins) + len(pending.decisions)
        return arrived

    def close(self) -> None:
        """Say what is left, once, and end."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
        self._wake.set()
        if self._thread is not None:
            self._thread.join(LAST_PATIENCE)
        self.send(LAST_PATIENCE)


class _Export:
    """One export as it goes on; belongs to its thread."""

    def __init__(
        self, inspection: Inspection, signal: str, describe: Callable[[Any], SignalDescription] | None
    ) -> None:
        self._inspection = inspection
        self._signal = signal
        self._describe = describe
        self._speakers: list[Any] = []

    def let_go(self, signal: Any, reason: Reason, observations: Sequence[Observation]) -> None:
        self._inspection.skip(reason.value, self._signal, lambda: self._described(signal))
        self._speakers.extend([signal] * len(observations))

    def made(self, signal: Any, capture: Capture, observations: Sequence[Observation]) -> None:
        if self._inspection.wants_origin():
            self._inspection.tell_origin(self._signal, capture, self._described(signal))
        self._speakers.extend([signal] * len(observations))

    def decided(self, decisions: Sequence[Sequence[LedgerDecision]]) -> None:
        for speaker, said in zip(self._speakers, decisions, strict=False):
            who = _name_of(speaker)
            for decision in said:
                self._inspection.tell_decision(self._signal, who, decision)
        self._speakers = []

    def _described(self, signal: Any) -> SignalDescription | None:
        if self._describe is None:
            return None
        try:
            return self._describe(signal)
        except Exception:  # noqa: BLE001 - a signal that can't be described was exported all the same
            return None


def _name_of(signal: Any) -> str:
    """A span's name or a log record's event name: which signal it was, for people."""
    record = getattr(signal, "log_record", signal)
    for attribute in ("name", "event_name"):
        name = getattr(record, attribute, None)
        if isinstance(name, str) and name:
            return name[:MAX_VALUE]
    return ""


# -- the report ---------------------------------------------------------------------------------------


def _report(exporter: str, pending: _Pending, stats: Stats, now_ns: int) -> bytes:
    return json.dumps(
        {
            "exporter": exporter,
            "pid": getpid(),
            "version": __version__,
            "time_ns": now_ns,
            "stats": {**asdict(stats), "identifies": stats.events.get(GROUP_IDENTIFY, 0), "events": {}},
            "samples": {
                reason: [_signal_json(signal, description) for signal, description in samples]
                for reason, samples in pending.samples.items()
            },
            "origins": [
                {"uuid": uuid, "event": event, **_signal_json(signal, description)}
                for uuid, event, signal, description in pending.origins
            ],
            "decisions": [_decision_json(*said) for said in pending.decisions],
            "untold": pending.untold,
        },
        default=str,
    ).encode("utf-8", "replace")


def _signal_json(signal: str, description: SignalDescription | None) -> dict[str, Any]:
    return {"signal": signal, **(description._asdict() if description is not None else {})}


def _decision_json(signal: str, speaker: str, decision: LedgerDecision) -> dict[str, Any]:
    value: Any = decision.value
    text = json.dumps(value, ensure_ascii=False, default=str)
    if len(text) > MAX_VALUE:
        value = text[:MAX_VALUE] + "…"
    return {
        "type": decision.group.type,
        "key": decision.group.key,
        "name": decision.name,
        "value": value,
        "time_ns": decision.time_ns,
        "seen_ns": decision.seen_ns,
        "verdict": decision.verdict,
        "update": decision.update,
        "signal": signal,
        "speaker": speaker,
    }
