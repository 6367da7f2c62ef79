"""What a ledger on the network has not taken waits in a file: newest wins, nothing newer is ever deleted."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

import pytest

from opentelemetry.exporter.posthog.groups.pocket_file import FILE_NAME, PocketFile
from opentelemetry.exporter.posthog.groups.stamp import PRESENCE
from opentelemetry.exporter.posthog.groups.store import Sighting
from opentelemetry.exporter.posthog.model import Group
from opentelemetry.exporter.posthog.sqlite_identity import StateOwner
from tests.ledger_kit import ORG, OWNER, entry, presence, saw, stamp
from tests.manual_clock import ManualClock

OTHER = Group("organization", "org_\udce9_2")  # with a lone surrogate, as Python may hand it on


class Opened:
    def __init__(self, directory: Path, owner: StateOwner = OWNER) -> None:
        self.said: list[str] = []
        self.file = PocketFile(directory, owner=owner, clock=ManualClock(), failed=self.said.append)

    def all(self) -> list[tuple[str, str, str | None]]:
        page = self.file.page(0, 100)
        assert page is not None
        assert page.last is None
        return [(one.group.key, n, e.value) for one in page.sightings for n, e in one.entries.items() if n]


@pytest.fixture
def opened(tmp_path: Path) -> Opened:
    return Opened(tmp_path)


def test_another_process_reads_what_one_wrote_in_the_order_of_arrival(opened: Opened, tmp_path: Path) -> None:
    assert opened.file.put([saw(2, OTHER, plan="a"), saw(1, ORG, plan="b", seats=3)])
    assert Opened(tmp_path).all() == [
        (OTHER.key, "plan", '"a"'),
        (ORG.key, "plan", '"b"'),
        (ORG.key, "seats", "3"),
    ]
    assert not opened.said


def test_of_each_property_the_newest_stays_and_keeps_its_place(opened: Opened) -> None:
    opened.file.put([saw(2, ORG, plan="b")])
    opened.file.put([saw(9, OTHER, plan="x")])
    opened.file.put([saw(1, ORG, plan="a")])
    opened.file.put([saw(3, ORG, plan="c")])
    assert opened.all() == [(ORG.key, "plan", '"c"'), (OTHER.key, "plan", '"x"')]


@pytest.mark.parametrize(("answered_for", "left"), [(1, 1), (2, 0), (3, 0)])
def test_a_row_goes_when_the_store_has_answered_for_its_stamp_or_a_newer_one(
    opened: Opened, answered_for: int, left: int
) -> None:
    opened.file.put([saw(2, ORG, plan="b")])
    opened.file.let_go([(ORG, {"plan": stamp(answered_for, "b")})])
    assert len(opened.all()) == left


def test_pages_follow_each_other(opened: Opened) -> None:
    groups = [Group("organization", f"org_{i}") for i in range(7)]
    opened.file.put([Sighting(group, {PRESENCE: presence()}) for group in groups])
    seen: list[Group] = []
    after: int | None = 0
    while after is not None:
        page = opened.file.page(after, 3)
        assert page is not None
        seen += [one.group for one in page.sightings]
        after = page.last
    assert seen == groups


def test_a_service_whose_name_no_utf8_can_say_is_kept(opened: Opened) -> None:
    named = "api\udce9"  # as an environment variable in another encoding gives it
    assert opened.file.put([Sighting(ORG, {"plan": entry(1, "team", service=named)})])
    page = opened.file.page(0, 10)
    assert page is not None
    assert [one.entries["plan"].service for one in page.sightings] == [named]


def test_looking_makes_no_file(opened: Opened, tmp_path: Path) -> None:
    assert opened.all() == []
    assert not list(tmp_path.iterdir())


def test_the_file_is_for_its_user_alone(opened: Opened, tmp_path: Path) -> None:
    opened.file.put([saw(1, ORG, plan="a")])
    assert (tmp_path / FILE_NAME).stat().st_mode & 0o777 == 0o600


def broken_by(tmp_path: Path, how: str) -> None:
    path = tmp_path / FILE_NAME
    if how == "a directory":
        path.mkdir()
    elif how == "another project's":
        Opened(tmp_path, StateOwner("https://eu.i.posthog.com", "phc_other")).file.put(
            [saw(1, ORG, plan="x")]
        )
    elif how == "another program's":
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("CREATE TABLE theirs(x)")
    else:
        tmp_path.chmod(0o777)


BROKEN: Iterable[str] = ("a directory", "another project's", "another program's", "open to everybody")


@pytest.mark.parametrize("how", BROKEN)
def test_a_file_that_can_not_be_used_is_said_and_raises_nothing(
    opened: Opened, tmp_path: Path, how: str
) -> None:
    broken_by(tmp_path, how)
    assert not opened.file.put([saw(1, ORG, plan="a")])
    opened.file.let_go([(ORG, {"plan": stamp(1, "a")})])
    assert opened.said
    assert all(str(tmp_path) in said for said in opened.said)
    opened.file.close()


def damage(path: Path) -> None:
    path.write_bytes(b"SQLite format 3\0" + os.urandom(4096))


def test_a_damaged_file_is_moved_aside_said_in_one_line_and_a_new_one_serves_at_once(
    opened: Opened, tmp_path: Path
) -> None:
    opened.file.put([saw(1, ORG, plan="a")])
    opened.file.close()
    path = tmp_path / FILE_NAME
    damage(path)
    assert opened.file.put([saw(2, ORG, plan="b")])
    assert opened.all() == [(ORG.key, "plan", '"b"')]
    (said,) = opened.said
    assert said == (
        f"{path} was damaged; it is now {FILE_NAME}.damaged, and a new one has begun. What only it held of "
        "group properties, observed while the ledger was away, is lost until the next signals of those "
        "groups."
    )
    assert path.with_name(FILE_NAME + ".damaged").exists()


def test_a_damaged_file_that_is_read_holds_nothing_any_more(opened: Opened, tmp_path: Path) -> None:
    damage(tmp_path / FILE_NAME)
    (tmp_path / FILE_NAME).chmod(0o600)
    assert opened.all() == []
    assert len(opened.said) == 1
    assert "damaged" in opened.said[0]
