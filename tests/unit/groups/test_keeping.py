"""What the store has not taken: bounded in memory, and on disk no row is overlooked."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Sequence

from opentelemetry.exporter.posthog.groups.backlog import Backlog
from opentelemetry.exporter.posthog.groups.keeping import Keeping
from opentelemetry.exporter.posthog.groups.pocket import Pocket
from opentelemetry.exporter.posthog.groups.pocket_file import Page, PocketFile
from opentelemetry.exporter.posthog.groups.stamp import Digester
from opentelemetry.exporter.posthog.groups.state import Answer, Standing
from opentelemetry.exporter.posthog.groups.store import Sighting
from opentelemetry.exporter.posthog.model import Group, Observation
from tests.manual_clock import EPOCH_NS

GROUPS = [Group("organization", f"org_{i}") for i in range(3)]


class Shelf:
    """A pocket's file in memory, which may be interrupted while it is read."""

    def __init__(self) -> None:
        self.rows: list[Sighting] = []
        self.meanwhile: Callable[[], object] = lambda: None

    def put(self, sightings: Sequence[Sighting]) -> bool:
        self.rows += sightings
        return True

    def page(self, after: int, most: int) -> Page | None:
        found = Page(self.rows[after:], None)
        self.meanwhile()
        return found


class Desk:
    def __init__(self, shelf: Shelf | None = None, *, most: int = 2) -> None:
        self.pocket = Pocket(Digester("project"))
        self.backlog = Backlog(100.0, in_store=False, on_disk=False)
        self.counts: Counter[str] = Counter()
        file: PocketFile | None = shelf  # type: ignore[assignment]
        self.keeping = Keeping(
            self.pocket, self.backlog, file, lock=threading.RLock(), most=most,
            count=lambda name, n: self.counts.update({name: n}),
        )  # fmt: skip

    def see(self, group: Group) -> list[Sighting]:
        self.pocket.add(None, Observation(group, EPOCH_NS, EPOCH_NS, {"plan": "team"}, "api"))
        return self.pocket.sightings([group])

    def taken_by_the_store(self, sighting: Sighting) -> None:
        stamps = {name: entry.stamp for name, entry in sighting.entries.items()}
        pending = {name: Answer(Standing.PENDING, stamp) for name, stamp in stamps.items()}
        self.pocket.answered(sighting.group, stamps, pending)


def test_without_a_disk_what_has_no_room_is_counted_when_it_is_lost_by_that() -> None:
    desk = Desk()
    desk.keeping.keep([sighting for group in GROUPS for sighting in desk.see(group)])
    assert desk.pocket.groups() == GROUPS[:2]
    assert desk.counts == {"pocket_full": 1}


def test_without_a_disk_nobody_looks_there_for_what_the_store_has_taken() -> None:
    desk = Desk()
    for group in GROUPS:
        desk.taken_by_the_store(*desk.see(group))
    desk.keeping.bound()
    assert len(desk.pocket) == 2
    assert not desk.counts
    assert not desk.backlog.has_pages


def test_what_had_no_room_comes_back_from_the_disk() -> None:
    desk = Desk(Shelf())
    desk.keeping.keep([sighting for group in GROUPS for sighting in desk.see(group)])
    assert not desk.counts
    desk.pocket.let_go(GROUPS[0])
    assert desk.keeping.next_page() == GROUPS
    assert not desk.backlog.has_pages


def test_what_is_put_on_disk_while_it_is_read_is_looked_for_again() -> None:
    shelf = Shelf()
    desk = Desk(shelf)
    desk.backlog.look_again(100.0, on_disk=True)
    shelf.meanwhile = lambda: desk.keeping.keep([s for group in GROUPS for s in desk.see(group)])
    assert desk.keeping.next_page() == []
    assert desk.backlog.has_pages
