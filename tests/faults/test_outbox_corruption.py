"""Damage anywhere in the files costs what was damaged, is counted to the event, and never stops the exporter.

One parcel holds four events here, so a damaged page costs few. The files are made once and damaged in copies.
"""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from opentelemetry.exporter.posthog.delivery.drain import Drainer
from tests.manual_clock import ManualClock
from tests.outbox_kit import (
    RETRY,
    ObedientCourier,
    Remembered,
    assert_balanced,
    envelopes,
    sqlite_outbox,
    uuids,
)

PARCELS = 150
EACH = 4
STORED = PARCELS * EACH
PAGE = 4096


class Box(NamedTuple):
    """Files of an outbox with a live log, as a killed process leaves them."""

    directory: Path
    ids: frozenset[str]


@pytest.fixture(scope="module")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Box:
    place = tmp_path_factory.mktemp("pristine")
    place.chmod(0o700)
    outbox = sqlite_outbox(place / "box", ManualClock())
    ids: set[str] = set()
    for number in range(PARCELS):
        batch = envelopes(EACH, size=1500)
        receipt = outbox.put(batch)
        assert receipt is not None
        outbox.settle(receipt, [RETRY] * EACH)
        ids.update(uuids(batch))
        if number == PARCELS * 2 // 3:
            outbox.close()  # two thirds are in the file itself, the rest in the log
    copy = tmp_path_factory.mktemp("killed") / "box"
    shutil.copytree(place / "box", copy)
    outbox.close()
    return Box(copy, frozenset(ids))


class Found(NamedTuple):
    """What a restart made of damaged files."""

    arrived: set[str]
    damaged: int
    missing: int
    lines: list[str]


def restart(pristine: Box, place: Path, damage: Callable[[Path], None]) -> Found:
    """Damage a copy, start, drain everything, and go on."""
    box = place / "box"
    shutil.copytree(pristine.directory, box)
    box.chmod(0o700)
    (box / "outbox.db-shm").unlink(missing_ok=True)  # after a crash of the machine there is none
    damage(box)
    clock, report = ManualClock(), Remembered()
    outbox = sqlite_outbox(box, clock, report, jitter=lambda: 0.0)
    courier = ObedientCourier()
    drainer = Drainer(outbox, courier, clock=clock, report=report)
    for _ in range(4):
        clock.advance(61)
        drainer.drain_once(clock.monotonic() + 10)
    fresh = envelopes(2)
    receipt = outbox.put(fresh)
    assert receipt is not None, report.lines
    outbox.settle(receipt, [RETRY] * 2)
    assert drainer.drain_once(clock.monotonic() + 10).delivered == 2
    status = outbox.status()
    assert_balanced(status)
    assert status.events == 0
    arrived = set(courier.arrived) - set(uuids(fresh))
    assert arrived <= pristine.ids, "nothing is invented"
    counters = status.counters
    gone = counters["damaged"] + counters["missing"]
    assert len(arrived) + gone == STORED, (len(arrived), counters, report.lines)
    outbox.close()
    return Found(arrived, counters["damaged"], counters["missing"], report.kinds)


def overwrite(path: Path, at: int, content: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(at)
        file.write(content)


def one_byte(box: Path, dice: random.Random) -> None:
    path = box / "outbox.db"
    at = dice.randrange(path.stat().st_size)
    was = path.read_bytes()[at]
    overwrite(path, at, bytes([was ^ dice.randint(1, 255)]))


def one_sector(box: Path, dice: random.Random) -> None:
    path = box / "outbox.db"
    overwrite(path, dice.randrange(path.stat().st_size // 512) * 512, dice.randbytes(512))


def one_page(box: Path, dice: random.Random) -> None:
    path = box / "outbox.db"
    overwrite(path, dice.randrange(1, path.stat().st_size // PAGE) * PAGE, bytes(PAGE))


def half_the_file(box: Path, dice: random.Random) -> None:
    path = box / "outbox.db"
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size // 2)


def the_header(box: Path, dice: random.Random) -> None:
    overwrite(box / "outbox.db", 0, dice.randbytes(100))


def a_bit_of_the_log(box: Path, dice: random.Random) -> None:
    path = box / "outbox.db-wal"
    at = dice.randrange(32, path.stat().st_size)
    overwrite(path, at, bytes([path.read_bytes()[at] ^ 1 << dice.randrange(8)]))


def the_end_of_the_log(box: Path, dice: random.Random) -> None:
    path = box / "outbox.db-wal"
    with path.open("r+b") as file:
        file.truncate(dice.randrange(path.stat().st_size))


def the_log(box: Path, dice: random.Random) -> None:
    (box / "outbox.db-wal").unlink()


def everything(box: Path, dice: random.Random) -> None:
    for suffix in ("", "-wal"):
        path = box / f"outbox.db{suffix}"
        path.write_bytes(dice.randbytes(path.stat().st_size))


def the_file(box: Path, dice: random.Random) -> None:
    (box / "outbox.db").unlink()


def all_but_the_name(box: Path, dice: random.Random) -> None:
    (box / "outbox.db").write_bytes(b"")


# What a trial may lose at most, in events: a page of the file holds the ends of three parcels.
DAMAGES = [
    pytest.param(one_byte, EACH, id="one byte"),
    pytest.param(one_sector, 3 * EACH, id="one sector"),
    pytest.param(one_page, 3 * EACH, id="one page"),
    pytest.param(half_the_file, STORED, id="half the file"),
    pytest.param(the_header, STORED, id="the header"),
    pytest.param(a_bit_of_the_log, STORED // 2, id="a bit of the log"),
    pytest.param(the_end_of_the_log, STORED // 2, id="the end of the log"),
    pytest.param(the_log, STORED // 2, id="the whole log"),
    pytest.param(everything, STORED, id="everything"),
    pytest.param(the_file, STORED, id="the file, not its log"),
    pytest.param(all_but_the_name, STORED, id="all but the name"),
]


def trials(
    pristine: Box, place: Path, damage: Callable[[Path, random.Random], None], number: int
) -> list[Found]:
    found = []
    for seed in range(number):
        scene = place / f"{seed}"
        scene.mkdir(mode=0o700)
        dice = random.Random(f"{damage.__name__} {seed}")
        found.append(restart(pristine, scene, lambda box, dice=dice: damage(box, dice)))
        shutil.rmtree(scene)
    return found


@pytest.mark.parametrize(("damage", "worst"), DAMAGES)
def test_damage_costs_what_was_damaged_and_is_counted(
    pristine: Box, tmp_path: Path, damage: Callable[[Path, random.Random], None], worst: int
) -> None:
    """[P-OUTBOX-DAMAGE]"""
    found = trials(pristine, tmp_path, damage, 4)
    assert all(STORED - len(one.arrived) <= worst for one in found)


@pytest.mark.long
@pytest.mark.timeout(600)
@pytest.mark.parametrize(("damage", "worst"), DAMAGES)
def test_sixty_times_the_same_damage(
    pristine: Box, tmp_path: Path, damage: Callable[[Path, random.Random], None], worst: int
) -> None:
    found = trials(pristine, tmp_path, damage, 60)
    assert all(STORED - len(one.arrived) <= worst for one in found)


def test_without_damage_nothing_is_missing(pristine: Box, tmp_path: Path) -> None:
    found = restart(pristine, tmp_path, lambda box: None)
    assert found == Found(set(pristine.ids), 0, 0, [])


def test_a_corrupted_file_is_kept_for_people_and_at_most_two_are(pristine: Box, tmp_path: Path) -> None:
    box = tmp_path / "box"
    shutil.copytree(pristine.directory, box)
    box.chmod(0o700)
    clock, report = ManualClock(), Remembered()
    for _ in range(4):
        clock.advance(61)
        for file in (box / "outbox.db-wal", box / "outbox.db-shm"):
            file.unlink(missing_ok=True)
        overwrite(box / "outbox.db", 0, b"garbage!" * 20)
        outbox = sqlite_outbox(box, clock, report)
        assert outbox.put(envelopes(1)) is not None
        Drainer(outbox, ObedientCourier(), clock=clock, report=report).drain_once(clock.monotonic() + 10)
        outbox.close()
    kept = [path for path in box.glob("*.corrupt-*") if not path.name.endswith(("-wal", "-shm"))]
    assert len(kept) == 2
    assert report.kinds.count("outbox_corrupted") == 4
