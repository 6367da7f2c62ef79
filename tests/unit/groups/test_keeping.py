"""What the store has not taken: bounded in memory, and on disk no row is overlooked."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from opentelemetry.exporter.posthog.groups.backlog import Backlog
from opentelemetry.exporter.posthog.groups.keeping import Done, Keeping
from opentelemetry.exporter.posthog.groups.observed import Observed
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
        self.full = False
        self.openings = 1
        self.meanwhile: Callable[[], object] = lambda: None

    def put(self, sightings: Sequence[Sighting]) -> bool:
        if self.full:
            return False
        self.rows += sightings
        return True

    def let_go(self, done: Done) -> None:
        upto = {(group, name): stamp for group, stamps in done for name, stamp in stamps.items()}
        rows = [
            Sighting(
                one.group,
                {n: e for n, e in one.entries.items() if e.stamp > upto.get((one.group, n), "")},
            )
            for one in self.rows
        ]
        self.rows = [one for one in rows if one.entries]

    def replaced(self) -> None:
        """Somebody has removed the file, or it was damaged: a new one begins."""
        self.rows.clear()
        self.openings += 1

    def page(self, after: int, most: int) -> Page | None:
        found = Page(self.rows[after:], None)
        self.meanwhile()
        return found


class Desk:
    def __init__(self, shelf: Shelf | None = None, *, most: int = 2, durable: bool = True) -> None:
        self.observed = Observed(Digester("project"), max_groups=100)
        self.pocket = self.observed.pocket
        self.backlog = Backlog(100.0, in_store=False, on_disk=False)
        self.counts: Counter[str] = Counter()
        file: PocketFile | None = shelf  # type: ignore[assignment]
        self.keeping = Keeping(
            self.pocket, self.backlog, file, lock=threading.RLock(), most=most, durable=durable,
            count=lambda name, n: self.counts.update({name: n}),
        )  # fmt: skip

    def see(self, group: Group, at: int = 0, **properties: Any) -> list[Sighting]:
        time_ns = EPOCH_NS + at * 1_000_000_000
        properties = properties or {"plan": "team"}
        self.pocket.add(None, Observation(group, time_ns, time_ns, properties, "api"))
        return self.pocket.sightings([group])

    def keep_while_the_store_is_down(self, *groups: Group) -> None:
        self.keeping.keep([sighting for group in groups for sighting in self.see(group)])
        self.keeping.bound(store_is_down=True)

    def taken_by_the_store(self, sighting: Sighting) -> None:
        self.answered(sighting, Standing.PENDING)

    def answered(self, sighting: Sighting, standing: Standing) -> None:
        stamps = {name: entry.stamp for name, entry in sighting.entries.items()}
        answers = {name: Answer(standing, stamp) for name, stamp in stamps.items()}
        over = self.observed.answered(sighting.group, stamps, answers)
        self.keeping.clear([(sighting.group, over)] if over else [])


def test_without_a_disk_what_has_no_room_is_counted_when_it_is_lost_by_that() -> None:
    desk = Desk()
    desk.keep_while_the_store_is_down(*GROUPS)
    assert desk.pocket.groups() == GROUPS[:2]
    assert desk.counts == {"pocket_full": 1}


def test_what_the_store_has_taken_leaves_memory_before_anything_is_lost() -> None:
    desk = Desk()
    for group in GROUPS[:2]:
        desk.taken_by_the_store(*desk.see(group))
    desk.keep_while_the_store_is_down(GROUPS[2])
    assert desk.pocket.groups() == GROUPS[1:], "the oldest goes: the store's sweep sends it"
    assert desk.counts == {"left_to_store": 1}
    assert not desk.backlog.has_pages


def test_while_the_store_answers_only_what_it_has_taken_leaves_memory() -> None:
    desk = Desk()
    for group in GROUPS:
        desk.see(group)
    desk.keeping.bound(store_is_down=False)
    assert len(desk.pocket) == 3
    desk.taken_by_the_store(*desk.pocket.sightings(GROUPS[1:2]))
    desk.keeping.bound(store_is_down=False)
    assert desk.pocket.groups() == [GROUPS[0], GROUPS[2]]
    assert desk.counts == {"left_to_store": 1}


def test_a_store_in_this_process_is_no_place_to_leave_something_to() -> None:
    desk = Desk(durable=False)
    for group in GROUPS:
        desk.taken_by_the_store(*desk.see(group))
    desk.keeping.bound(store_is_down=False)
    assert len(desk.pocket) == 2
    assert not desk.counts, "its memory is this memory, so nothing is less safe than before"


def test_where_there_is_a_disk_what_leaves_memory_lies_there() -> None:
    shelf = Shelf()
    desk = Desk(shelf)
    for group in GROUPS:
        desk.taken_by_the_store(*desk.see(group))
    desk.keeping.bound(store_is_down=False)
    assert len(desk.pocket) == 2
    assert [one.group for one in shelf.rows] == GROUPS[:1]
    assert not desk.counts
    assert not desk.backlog.has_pages, "the store has it: the next round is early enough"


def test_a_disk_that_takes_nothing_leaves_it_to_the_store() -> None:
    shelf = Shelf()
    shelf.full = True
    desk = Desk(shelf)
    for group in GROUPS:
        desk.taken_by_the_store(*desk.see(group))
    desk.keeping.bound(store_is_down=False)
    assert len(desk.pocket) == 2
    assert desk.counts == {"left_to_store": 1}


def test_what_is_seen_anew_while_the_disk_writes_stays() -> None:
    class Meanwhile(Shelf):
        def put(self, sightings: Sequence[Sighting]) -> bool:
            for one in sightings:
                desk.see(one.group, at=9, plan="pro")
            return super().put(sightings)

    desk = Desk(Meanwhile())
    for group in GROUPS:
        desk.taken_by_the_store(*desk.see(group))
    desk.keeping.bound(store_is_down=False)
    assert len(desk.pocket) == 3, "neither the store nor the disk has what came in meanwhile"


def test_what_the_store_has_taken_makes_room_for_what_waits_on_disk() -> None:
    desk = Desk(Shelf())
    desk.keep_while_the_store_is_down(*GROUPS)
    (left,) = set(GROUPS) - set(desk.pocket.groups())
    for sighting in desk.pocket.sightings(desk.pocket.groups()):
        desk.taken_by_the_store(sighting)
    assert desk.backlog.take(10) == []
    assert left in desk.keeping.next_page()


def test_a_row_that_the_store_has_answered_for_is_not_counted_on_any_more() -> None:
    shelf = Shelf()
    desk = Desk(shelf)
    desk.keeping.keep(desk.see(GROUPS[0], at=5, plan="pro"))
    (first,) = desk.pocket.sightings(GROUPS)
    desk.see(GROUPS[0], at=6, seats=3)  # so that something of the group is held after the answer
    desk.answered(first, Standing.SETTLED)
    assert not shelf.rows
    desk.pocket.all_unsaved()  # the store has lost its memory
    shelf.full = True
    desk.keeping.keep(desk.see(GROUPS[0], at=4, plan="free"))
    assert not desk.pocket.is_safe
    desk.keeping.keep_the_rest()
    assert desk.counts == {"pocket_lost": 1}


def test_a_row_of_a_newer_stamp_than_the_answered_one_is_still_counted_on() -> None:
    desk = Desk(Shelf())
    first = desk.see(GROUPS[0], at=5, plan="pro")
    desk.keeping.keep(desk.see(GROUPS[0], at=6, plan="team"))
    desk.answered(*first, Standing.SUPERSEDED)
    assert desk.pocket.is_safe


def test_when_the_file_is_another_one_than_before_everything_is_written_again() -> None:
    shelf = Shelf()
    desk = Desk(shelf)
    desk.keeping.keep(desk.see(GROUPS[0]))
    shelf.replaced()
    desk.keeping.keep(desk.see(GROUPS[1]))
    assert {one.group for one in shelf.rows} == set(GROUPS[:2])
    assert desk.pocket.is_safe


def test_when_the_file_is_another_one_and_full_nothing_is_taken_for_safe() -> None:
    shelf = Shelf()
    desk = Desk(shelf)
    desk.keeping.keep(desk.see(GROUPS[0]))
    shelf.replaced()
    shelf.full = True
    desk.keeping.keep(desk.see(GROUPS[1]))
    assert desk.pocket.unsafe_groups() == GROUPS[:2]


def test_what_had_no_room_comes_back_from_the_disk() -> None:
    desk = Desk(Shelf())
    desk.keep_while_the_store_is_down(*GROUPS)
    assert not desk.counts
    desk.pocket.let_go(GROUPS[0])
    assert desk.keeping.next_page() == GROUPS
    assert not desk.backlog.has_pages


def test_what_is_put_on_disk_while_it_is_read_is_looked_for_again() -> None:
    shelf = Shelf()
    desk = Desk(shelf)
    desk.backlog.look_again(100.0, on_disk=True)
    shelf.meanwhile = lambda: desk.keep_while_the_store_is_down(*GROUPS)
    assert desk.keeping.next_page() == []
    assert desk.backlog.has_pages


def test_rows_of_what_has_left_memory_go_when_the_store_has_answered_for_them() -> None:
    shelf = Shelf()
    desk = Desk(shelf)
    desk.keep_while_the_store_is_down(*GROUPS)
    for group in GROUPS:
        desk.answered(Sighting(group, shelf.rows[0].entries), Standing.SETTLED)
    assert not shelf.rows
    desk.backlog.look_again(100.0, on_disk=True)
    assert desk.keeping.next_page() == []
    assert not desk.pocket.is_on_disk(GROUPS[0]), "in the calm case no disk is asked"
