"""The inspector: a double that is watched, exporters that report, and the feed of both.

Two sources are joined here. The double says what arrived and what PostHog makes of it. An exporter that was
given the inspector's address says what it decided: why a signal made no event, which attribute a property
came from, which observation was saved or refused as older.
"""

from __future__ import annotations

import secrets
import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from ..clock import Clock, SystemClock
from ..model import GROUP_IDENTIFY
from ..testing.double import PostHogDouble
from . import records
from .feed import Feed
from .masking import Mask, NoMask, canonical
from .raw import Raw

if TYPE_CHECKING:
    from ..testing import Change, Exchange, Finding, GroupProfile, IngestionWarning, Refusal, StoredEvent

KEEP_EVENTS: Final = 20_000

KEEP_RAW_BYTES: Final = 64 * 1024 * 1024
"""Bytes of raw requests kept, as they came over the wire; the oldest go first."""

KEEP_SAMPLES: Final = 20
"""Signals kept a reason for which they were not exported."""


class Inspector:
    """Everything behind the page. Safe from many threads."""

    def __init__(
        self, *, mask: bool = False, clock: Clock | None = None, v1: bool = True, salt: bytes | None = None
    ) -> None:
        self.masked = mask
        self.mask: Mask = Mask(salt or secrets.token_bytes(16)) if mask else NoMask()
        self.clock: Clock = clock or SystemClock()
        self.feed = Feed()
        self._lock = threading.RLock()  # guards what follows
        self._raw: OrderedDict[int, Raw] = OrderedDict()
        self._raw_bytes = 0
        self._received: dict[str, tuple[int, int]] = {}  # exporter -> signals received, updates saved
        self._sampled: dict[str, int] = {}  # reason -> samples so far
        self.double = PostHogDouble(
            v1=v1, clock=self.clock, keep_requests=200, keep_events=KEEP_EVENTS, watcher=self
        )

    def now_ms(self) -> float:
        return self.clock.time_ns() / 1e6

    def clear(self) -> None:
        """A fresh project and an empty page; faults that wait stay."""
        self.double.clear()
        with self._lock:
            self._raw.clear()
            self._raw_bytes = 0
            self._sampled.clear()
            self._received.clear()
            self.feed.clear()

    def raw(self, number: int) -> dict[str, Any] | None:
        """A request as it came, if it is still kept."""
        with self._lock:
            kept = self._raw.get(number)
        return None if kept is None else kept.to_json(self.mask)

    # -- what the double says (called under its lock) -------------------------------------------------

    def stored(self, row: StoredEvent) -> None:
        self.feed.put("event", f"{row.arrival}", records.event(row, self.mask))
        if row.name == GROUP_IDENTIFY:
            self._group_seen(row)
        if not row.repeats:
            self._pulse(**{"updates" if row.name == GROUP_IDENTIFY else "events": 1})

    def _group_seen(self, row: StoredEvent) -> None:
        kind, key = str(row.properties.get("$group_type")), str(row.properties.get("$group_key"))
        data = {"type": kind, "key": self.mask.id(key), "t": row.received_ns / 1e6, "request": row.request}
        id_ = f"{kind} {data['key']}"
        if self.feed.get("group", id_) is None:
            self.feed.put("group", id_, data)

    def changed(self, profile: GroupProfile, change: Change, request: int) -> None:
        t = self.now_ms()
        data = records.change(profile.type, profile.key, change, request, t, self.mask)
        self.feed.put("change", f"{change.arrival}:{change.name}", data)

    def warned(self, warning: IngestionWarning, request: int) -> None:
        self.feed.put(
            "warning", f"{request}:{warning.uuid}:{warning.name}", records.warning(warning, request)
        )

    def exchanged(self, exchange: Exchange, findings: Sequence[Finding], refused: Sequence[Refusal]) -> None:
        with self._lock:
            raw = Raw.of(exchange.request)
            self._raw[exchange.number] = raw
            self._raw_bytes += len(raw.body)
            while self._raw_bytes > KEEP_RAW_BYTES and len(self._raw) > 1:
                self._raw_bytes -= len(self._raw.popitem(last=False)[1].body)
        number = exchange.number
        for place, one in enumerate(findings):
            self.feed.put("finding", f"{number}:{place}", records.finding(one))
        for place, refusal in enumerate(refused):
            self.feed.put("refusal", f"{number}:{place}", records.refusal(refusal))
        self.feed.put("request", f"{number}", records.request(exchange, len(findings), len(refused)))

    # -- what exporters say ---------------------------------------------------------------------------

    def report(self, report: Mapping[str, Any]) -> None:
        """Take an exporter's report. ``ValueError``, ``KeyError`` or ``TypeError`` for another shape."""
        with self._lock:
            t = self.now_ms()
            exporter = str(report["exporter"])
            known = self.feed.get("exporter", exporter)
            data = records.exporter(report, t)
            if known is not None:
                data["untold"] += known["untold"]
            services = {str(one.get("service", "")) for one in _all_signals(report)} - {""}
            data["service"] = next(iter(sorted(services)), known["service"] if known is not None else "")
            self.feed.put("exporter", exporter, data)
            self._count(exporter, data["stats"])
            for reason, samples in report["samples"].items():
                for said in samples:
                    self._sample(str(reason), said, t)
            for said in report["origins"]:
                data = {"uuid": str(said["uuid"]), "event": str(said["event"]), **records.described(said)}
                data["sources"] = records.sources(data["steps"])
                self.feed.put("origin", data["uuid"], data)
            for said in report["decisions"]:
                self._decision(records.decision(said, t, self.mask))

    def _count(self, exporter: str, stats: Mapping[str, Any]) -> None:
        received = int(stats.get("received", 0))
        saved = int(stats.get("notes", {}).get("identifies_saved", 0))
        before = self._received.get(exporter, (0, 0))
        self._received[exporter] = received, saved
        if received > before[0] or saved > before[1]:
            self._pulse(signals=received - before[0], saved=saved - before[1])

    def _sample(self, reason: str, said: Mapping[str, Any], t: float) -> None:
        """The newest few of each reason, in turn."""
        place = self._sampled.get(reason, 0)
        self._sampled[reason] = place + 1
        data = {"reason": reason, "t": t, **records.described(said)}
        self.feed.put("sample", f"{reason}:{place % KEEP_SAMPLES}", data)

    def _decision(self, data: dict[str, Any]) -> None:
        """What was sent or refused stands for itself; what was merely said again is counted in one record."""
        about = f"{data['type']}\n{data['key']}\n{data['name']}\n{canonical(data['value'])}"
        if data["verdict"] in ("unchanged", "waits"):
            id_ = f"{about}\n{data['verdict']}"
            known = self.feed.get("decision", id_)
            if known is not None:
                data["count"] = known["count"] + 1
        else:
            id_ = f"{about}\n{data['time']}\n{data['verdict']}\n{data['uuid']}"
        self.feed.put("decision", id_, data)

    # -- the chart ------------------------------------------------------------------------------------

    def _pulse(self, **counts: int) -> None:
        """Count into the current second."""
        second = self.clock.time_ns() // 1_000_000_000
        with self._lock:
            data = dict(self.feed.get("pulse", f"{second}") or {"second": second})
            for name, count in counts.items():
                data[name] = data.get(name, 0) + count
            self.feed.put("pulse", f"{second}", data)


def _all_signals(report: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [*report["origins"], *(said for samples in report["samples"].values() for said in samples)]
