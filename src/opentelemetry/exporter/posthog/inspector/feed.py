"""What the inspector knows, as one growing sequence of records that any number of readers follow.

A record is JSON under a kind and an id; putting the same id again replaces it, and readers that had it get
the newer one. Each kind keeps its newest so many, so an inspector may run for weeks.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, NamedTuple

KEEP: Final[Mapping[str, int]] = {
    "event": 20_000,
    "change": 20_000,
    "decision": 20_000,
    "origin": 20_000,
    "group": 20_000,
    "request": 5_000,
    "finding": 5_000,
    "refusal": 5_000,
    "warning": 5_000,
    "sample": 1_000,
    "pulse": 900,
    "exporter": 100,
}
"""Records kept a kind: the page promises 10,000 events, and twice that is some 50 MB."""


class Record(NamedTuple):
    """``seq`` grows with every put. ``data`` is never changed after it was put."""

    seq: int
    kind: str
    id: str
    data: Mapping[str, Any]

    def to_json(self) -> dict[str, Any]:
        return {"kind": self.kind, "id": self.id, **self.data}


class Feed:
    """Safe from many threads."""

    def __init__(self, *, keep: Mapping[str, int] = KEEP) -> None:
        self.epoch = secrets.token_hex(4)  # readers of an earlier life begin anew
        self._keep = keep
        self._listeners: list[Callable[[Record], None]] = []
        self._grown = threading.Condition()  # guards what follows
        self._seq = 0
        self._records: dict[int, Record] = {}  # by seq, in order
        self._places: dict[str, dict[str, int]] = {kind: {} for kind in keep}  # kind -> id -> seq

    def listen(self, listener: Callable[[Record], None]) -> None:
        """Call ``listener`` with every record from now on, in order; it must be quick."""
        self._listeners.append(listener)

    def put(self, kind: str, id_: str, data: Mapping[str, Any]) -> None:
        """Add a record, or replace the one of that kind and id."""
        with self._grown:
            self._seq += 1
            record = Record(self._seq, kind, id_, data)
            places = self._places[kind]
            former = places.get(id_)
            if former is not None:
                del self._records[former]
            elif len(places) >= self._keep[kind]:
                del self._records[places.pop(next(iter(places)))]
            places[id_] = self._seq
            self._records[self._seq] = record
            for listener in self._listeners:
                listener(record)
            self._grown.notify_all()

    def get(self, kind: str, id_: str) -> Mapping[str, Any] | None:
        with self._grown:
            seq = self._places[kind].get(id_)
            return None if seq is None else self._records[seq].data

    def all(self, kind: str) -> list[Mapping[str, Any]]:
        """Every record of a kind, in the order in which their ids first came."""
        with self._grown:
            return [self._records[seq].data for seq in self._places[kind].values()]

    def clear(self) -> None:
        """Forget everything; readers begin anew."""
        with self._grown:
            self._records.clear()
            for places in self._places.values():
                places.clear()
            self.epoch = secrets.token_hex(4)
            self._grown.notify_all()

    def after(self, seq: int, *, limit: int) -> list[Record]:
        """At most ``limit`` records that follow ``seq``, in order."""
        with self._grown:
            return list(self._after(seq, limit))

    def _after(self, seq: int, limit: int) -> Iterator[Record]:
        if self._seq - seq <= 2 * limit:
            found = (self._records[n] for n in range(seq + 1, self._seq + 1) if n in self._records)
        else:
            found = (record for n, record in self._records.items() if n > seq)
        for _, record in zip(range(limit), found, strict=False):
            yield record

    def wait(self, seq: int, epoch: str, timeout: float) -> bool:
        """True once there is something after ``seq``; False when ``timeout`` seconds went by."""
        with self._grown:
            return self._grown.wait_for(lambda: self._seq > seq or self.epoch != epoch, timeout)

    def wait_until(self, ready: Callable[[], bool], timeout: float) -> bool:
        """Wait until ``ready``, which is asked again whenever the feed has grown."""
        with self._grown:
            return self._grown.wait_for(ready, timeout)

    def wake(self) -> None:
        """Let all readers look up: the inspector ends."""
        with self._grown:
            self._grown.notify_all()
