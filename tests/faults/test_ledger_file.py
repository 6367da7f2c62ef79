"""A ledger's file that can't be used, at the start or later: captures flow, nobody raises, all ends true."""

from __future__ import annotations

import errno
import fcntl
import json
import logging
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from opentelemetry.exporter.posthog.assembly import assemble
from opentelemetry.exporter.posthog.clock import SystemClock
from opentelemetry.exporter.posthog.diagnostics import Diagnostics
from opentelemetry.exporter.posthog.errors import ForeignStateError
from opentelemetry.exporter.posthog.groups.memory import MemoryStore
from opentelemetry.exporter.posthog.groups.sqlite import SqliteStore
from opentelemetry.exporter.posthog.runtime import SharedPipeline
from tests.builders import some_settings
from tests.faults.ledger_shop import Shop
from tests.faults.shims import compiled

ROOT = Path(__file__).parents[2]


def scene(directory: Path, name: str, **environment: str) -> dict[str, Any]:
    for parent in directory.parents[:3]:
        parent.chmod(0o711)
    done = subprocess.run(
        [sys.executable, "-m", "tests.faults.ledger_scenes", str(directory), name],
        cwd=ROOT,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1", **environment},
        capture_output=True,
        timeout=60,
    )
    assert not done.returncode, done.stderr.decode()
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def store_of(shop: Shop) -> object:
    return shop.pipeline._ledger._store


def errors(shop: Shop) -> list[str]:
    return [said for said in shop.said if "the ledger" in said or "ledger.db" in said]


# -- at the start -------------------------------------------------------------------------------------------


def below_a_file(directory: Path) -> Path:
    (directory / "file").write_text("")
    return directory / "file" / "ledger.db"


def behind_a_link(directory: Path) -> Path:
    (directory / "real").mkdir()
    (directory / "link").symlink_to(directory / "real")
    return directory / "link" / "ledger.db"


def open_to_everybody(directory: Path) -> Path:
    (directory / "open").mkdir()
    (directory / "open").chmod(0o777)
    return directory / "open" / "ledger.db"


def no_file_at_all(directory: Path) -> Path:
    os.mkfifo(directory / "ledger.db")
    return directory / "ledger.db"


def too_long(directory: Path) -> Path:
    return directory / ("x" * 300 + ".db")


def nowhere(directory: Path) -> Path:
    return Path("/proc/no/such/place/ledger.db")


UNUSABLE = [below_a_file, behind_a_link, open_to_everybody, no_file_at_all, too_long, nowhere]


@pytest.mark.parametrize("place", UNUSABLE)
@pytest.mark.parametrize("with_outbox", [False, True], ids=["alone", "with_outbox"])
def test_a_place_that_needs_a_person_costs_the_promise_and_nothing_else(
    place: Callable[[Path], Path], with_outbox: bool, tmp_path: Path
) -> None:
    options = {"outbox": str(tmp_path / "outbox")} if with_outbox else {}
    shop = Shop(str(place(tmp_path)), **options)
    assert isinstance(store_of(shop), SqliteStore if with_outbox else MemoryStore)
    assert shop.says(plan="free").kept
    assert shop.says(plan="team").kept
    assert shop.profile() == {"plan": "team"}
    assert len(errors(shop)) == 1, shop.said
    assert "keeps one of its own" in errors(shop)[0]
    shop.check_balance()
    shop.pipeline.shutdown(5.0)


def test_a_directory_that_may_not_be_written_is_the_same(tmp_path: Path) -> None:
    result = scene(tmp_path, "read-only")
    assert result["kept"] == [True, True]
    assert result["profiles"] == [{"plan": "team"}, {"plan": "pro", "seats": 3}]
    assert sum("keeps one of its own" in said for said in result["said"]) == 1


def test_a_directory_is_where_the_file_lies(tmp_path: Path) -> None:
    (tmp_path / "state.d").mkdir()
    shop = Shop(str(tmp_path / "state.d"))
    assert shop.says(plan="free").kept
    assert (tmp_path / "state.d" / "ledger.db").exists()
    shop.pipeline.shutdown(5.0)


def theirs(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE theirs(x)")


def another_projects(path: Path) -> None:
    shop = Shop(str(path), api_key="phc_other")
    shop.says(plan="free")
    shop.pipeline.shutdown(5.0)


@pytest.mark.parametrize("make", [theirs, another_projects])
def test_a_file_of_somebody_else_makes_inert_and_is_left_untouched(
    make: Callable[[Path], None], tmp_path: Path
) -> None:
    path = tmp_path / "ledger.db"
    make(path)
    before = path.read_bytes()
    with pytest.raises(ForeignStateError):
        Shop(str(path))
    said: list[str] = []
    logger = logging.Logger("tests")
    logger.addHandler(handler := logging.Handler())
    handler.emit = lambda record: said.append(record.getMessage())  # type: ignore[method-assign]
    diagnostics = Diagnostics(clock=SystemClock(), logger=logger)
    shared = SharedPipeline(some_settings(ledger=str(path)), diagnostics, assemble)
    assert shared._open() is None
    assert shared._open() is None
    assert len(said) == 1
    assert path.read_bytes() == before


def test_a_file_of_a_newer_version_is_left_alone_and_ours_is_used_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    first = Shop(str(path))
    first.says(plan="free")
    first.pipeline.shutdown(5.0)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version=99")
    before = path.read_bytes()
    shop = Shop(str(path))
    assert shop.says(plan="team").kept
    assert (tmp_path / "ledger.v1.db").exists()
    assert path.read_bytes() == before
    assert any("ledger.v1.db is used" in said for said in shop.said)
    shop.pipeline.shutdown(5.0)
    again = Shop(str(path), double=shop.double)
    again.says(plan="team")
    assert len(shop.double.identifies) == 1, "our file is found again"
    again.pipeline.shutdown(5.0)


def damage(path: Path) -> None:
    path.write_bytes(b"SQLite format 3\0" + os.urandom(8192))


def test_a_damaged_file_is_moved_aside_said_once_and_what_it_granted_is_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    damage(path)
    shop = Shop(str(path))
    assert shop.says(plan="free").kept
    assert (tmp_path / "ledger.db.damaged").exists()
    assert sum("damaged" in said for said in shop.said) == 1, shop.said
    assert not shop.double.identifies, "a holder of the former file's claim may still be sending"
    shop.tend()
    assert shop.profile() == {"plan": "free"}
    shop.check_balance()
    shop.pipeline.shutdown(5.0)


# -- in the middle of life ----------------------------------------------------------------------------------


def becomes_a_directory(path: Path) -> Callable[[], None]:
    aside = path.with_name("aside")
    for suffix in ("", "-wal", "-shm"):
        if (there := Path(f"{path}{suffix}")).exists():
            there.rename(f"{aside}{suffix}")
    path.mkdir()

    def mend() -> None:
        path.rmdir()
        for suffix in ("", "-wal", "-shm"):
            if (there := Path(f"{aside}{suffix}")).exists():
                there.rename(f"{path}{suffix}")

    return mend


def loses_its_directory(path: Path) -> Callable[[], None]:
    path.parent.rename(path.parent.with_name("away"))
    path.parent.write_text("")

    def mend() -> None:
        path.parent.unlink()
        path.parent.with_name("away").rename(path.parent)

    return mend


def is_held_by_another(path: Path) -> Callable[[], None]:
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")

    def mend() -> None:
        other.execute("ROLLBACK")
        other.close()

    return mend


@pytest.mark.parametrize("trouble", [becomes_a_directory, loses_its_directory, is_held_by_another])
def test_a_file_that_can_not_be_used_for_a_while_delays_updates_and_loses_none(
    trouble: Callable[[Path], Callable[[], None]], tmp_path: Path
) -> None:
    path = tmp_path / "state" / "ledger.db"
    shop = Shop(str(path))
    shop.says(plan="free")
    mend = trouble(path)
    first = shop.says(plan="team")
    later = [shop.says("org_2", plan="pro", seats=i) for i in range(3)]
    assert first.seconds < 3.5, "another process is waited for two seconds, once"
    assert min(export.seconds for export in later) < 0.2
    assert not first.kept
    assert len(shop.double.events) == 5
    assert shop.profile() == {"plan": "free"}
    mend()
    shop.after_the_pause()
    shop.tend()
    assert shop.profile() == {"plan": "team"}
    assert shop.profile("org_2") == {"plan": "pro", "seats": 2}
    assert len(shop.double.identifies) <= 5
    assert shop.pipeline.force_flush(5.0)
    shop.check_balance()
    shop.pipeline.shutdown(5.0)


@pytest.mark.parametrize(
    ("call", "error"),
    [("pwrite", errno.ENOSPC), ("pwrite", errno.EIO), ("fsync", errno.EIO)],
    ids=["disk full", "writes fail", "syncs fail"],
)
def test_a_disk_that_fails_for_a_while_is_the_same(call: str, error: int, tmp_path: Path) -> None:
    result = scene(
        tmp_path,
        "failing calls",
        LD_PRELOAD=compiled("inject"),
        INJECT_OP=call,
        INJECT_ERRNO=str(error),
        INJECT_SUFFIX="-wal",
        INJECT_AFTER="1",
        INJECT_TIMES="0",
        INJECT_SWITCH=str(tmp_path / "on"),
    )
    assert result["kept"] == [False] * 5
    assert result["slowest"] < 1.0
    assert result["meanwhile"] == 6
    assert result["profiles"] == [{"plan": "team"}, {"plan": "pro", "seats": 3}]
    assert result["identifies"] <= 4
    assert result["notes"]["ledger_down"] >= 1


@pytest.mark.parametrize("how", ["deleted", "damaged"])
def test_a_file_that_is_gone_is_begun_anew_and_the_newest_wins(how: str, tmp_path: Path) -> None:
    path = tmp_path / "state" / "ledger.db"
    shop = Shop(str(path))
    shop.says(plan="free")
    shop.says("org_2", plan="pro")
    if how == "deleted":
        shutil.rmtree(path.parent)
    else:
        shop.pipeline._ledger._store.before_fork()  # closes it, so that nothing is cached
        shop.pipeline._ledger._store.after_fork_in_parent()
        damage(path)
    shop.says(plan="team")
    shop.after_the_pause()
    shop.tend()
    assert shop.profile() == {"plan": "team"}
    shop.says("org_2", plan="business")
    shop.says("org_2", plan="pro", ago=30)
    shop.tend()
    assert shop.profile("org_2") == {"plan": "business"}
    assert shop.stats.notes["ledger_lost"] >= 1
    assert sum("a new one has begun" in said for said in shop.said) == (how == "damaged")
    shop.check_balance()
    shop.pipeline.shutdown(5.0)


def test_a_damaged_file_that_another_process_has_replaced_stays(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    one, other = Shop(str(path)), Shop(str(path))
    other.double = one.double
    one.says(plan="free")
    other.says("org_2", plan="pro")
    for shop in (one, other):
        shop.pipeline._ledger._store.before_fork()
        shop.pipeline._ledger._store.after_fork_in_parent()
    damage(path)
    one.says(plan="team")
    other.says("org_2", plan="business")
    one.after_the_pause()
    one.says(plan="team")
    inode = path.stat().st_ino
    other.after_the_pause()
    other.says("org_2", plan="business")
    assert path.stat().st_ino == inode
    for shop in (one, other):
        shop.tend()
    assert one.profile() == {"plan": "team"}
    for shop in (one, other):
        shop.pipeline.shutdown(5.0)


# -- somebody holds it --------------------------------------------------------------------------------------


@contextmanager
def held_by_another_process(path: Path) -> Iterator[None]:
    """Its lock; a lock belongs to the description that was opened, so that ours serves as well."""
    with path.with_name(path.name + ".lock").open("r+b") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextmanager
def held_by_another_program(path: Path) -> Iterator[None]:
    """One that knows nothing of our lock, such as a shell of SQLite."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        yield


@pytest.mark.parametrize("held", [held_by_another_process, held_by_another_program])
@pytest.mark.parametrize("timeout", [1.0, 10.0])
def test_a_file_that_somebody_holds_leaves_an_export_the_time_to_deliver(
    held: Callable[[Path], AbstractContextManager[None]], timeout: float, tmp_path: Path
) -> None:
    path = tmp_path / "state" / "ledger.db"
    shop = Shop(str(path), timeout=timeout)
    shop.says(plan="free")
    with held(path):
        before = shop.clock.monotonic()
        shop.says(plan="team")
        took = shop.clock.monotonic() - before
    assert took < 0.4 * timeout
    assert len(shop.double.events) == 2
    shop.after_the_pause()
    shop.tend()
    assert shop.profile() == {"plan": "team"}
    shop.pipeline.shutdown(5.0)
