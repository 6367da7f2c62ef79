"""The opening rites of a state file."""

from __future__ import annotations

import os
import sqlite3
import stat
import threading
from contextlib import closing
from pathlib import Path

import pytest

from opentelemetry.exporter.posthog.errors import ForeignStateError, NewerStateError, StateFileError
from opentelemetry.exporter.posthog.sqlite import StateFile, refuse_unsafe_place
from opentelemetry.exporter.posthog.sqlite_faults import SqliteFault, fault_of
from opentelemetry.exporter.posthog.sqlite_identity import Schema, StateOwner
from tests.manual_clock import ManualClock

SCHEMA = Schema(application_id=0x54455354, version=2, script="CREATE TABLE note(text TEXT NOT NULL)")
OURS = StateOwner("https://us.i.posthog.com", "phc_ours")


def state_file(path: Path, **options: object) -> StateFile:
    options = {"schema": SCHEMA, "owner": OURS, "clock": ManualClock(), **options}
    return StateFile(path, **options)  # type: ignore[arg-type]


def write(file: StateFile, text: str) -> None:
    with file.transaction() as connection:
        connection.execute("INSERT INTO note VALUES(?)", (text,))


def read(file: StateFile) -> list[str]:
    with file.reading() as connection:
        return [text for (text,) in connection.execute("SELECT text FROM note ORDER BY rowid")]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "notes.db"


def test_what_was_committed_is_there_after_closing(path: Path) -> None:
    first = state_file(path)
    write(first, "kept")
    first.close()
    assert read(state_file(path)) == ["kept"]


def test_a_transaction_that_raises_leaves_nothing(path: Path) -> None:
    file = state_file(path)
    write(file, "kept")

    class Interrupted(BaseException):
        pass

    def interrupted() -> None:
        with file.transaction() as connection:
            connection.execute("INSERT INTO note VALUES('lost')")
            raise Interrupted

    with pytest.raises(Interrupted):
        interrupted()
    assert read(file) == ["kept"]


def test_nobody_else_can_read_the_file_or_enter_its_directory(path: Path) -> None:
    file = state_file(path)
    write(file, "private")
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    modes = {name.name: stat.S_IMODE(name.stat().st_mode) for name in path.parent.iterdir()}
    assert set(modes.values()) == {0o600}, modes
    assert {"notes.db", "notes.db-wal", "notes.db.lock"} <= set(modes)


def test_every_connection_is_opened_by_the_same_recipe(path: Path) -> None:
    file = state_file(path, max_bytes=1024 * 1024)
    for _ in range(2):  # the second opening finds the file there, and most settings belong to the connection
        with file.reading() as connection:
            ask = connection.execute
            found = {
                name: ask(f"PRAGMA {name}").fetchone()[0]
                for name in (
                    "journal_mode", "synchronous", "secure_delete", "auto_vacuum", "trusted_schema",
                    "mmap_size", "max_page_count", "journal_size_limit", "application_id", "user_version",
                    "busy_timeout",
                )
            }  # fmt: skip
        assert found == {
            "journal_mode": "wal", "synchronous": 2, "secure_delete": 2, "auto_vacuum": 2,
            "trusted_schema": 0, "mmap_size": 0, "max_page_count": 256, "journal_size_limit": 8 * 1024 * 1024,
            "application_id": SCHEMA.application_id, "user_version": 2, "busy_timeout": 2000,
        }  # fmt: skip
        file.close()


@pytest.mark.parametrize(
    "stranger",
    [
        pytest.param(StateOwner("https://us.i.posthog.com", "phc_theirs"), id="another project"),
        pytest.param(StateOwner("https://eu.i.posthog.com", "phc_ours"), id="another host"),
    ],
)
def test_the_file_of_somebody_else_is_left_untouched(path: Path, stranger: StateOwner) -> None:
    ours = state_file(path)
    write(ours, "ours")
    ours.close()
    before = path.read_bytes()
    with pytest.raises(ForeignStateError, match="another PostHog host or project"):
        write(state_file(path, owner=stranger), "theirs")
    assert path.read_bytes() == before
    assert read(state_file(path)) == ["ours"]


def test_neither_the_key_nor_a_plain_hash_of_it_is_in_the_file(path: Path) -> None:
    import hashlib

    file = state_file(path)
    write(file, "x")
    file.close()
    content = path.read_bytes()
    assert b"phc_ours" not in content
    assert hashlib.sha256(b"phc_ours").digest() not in content
    assert "phc_ours" not in repr(OURS)


def test_two_files_of_one_owner_have_different_hashes(tmp_path: Path) -> None:
    digests = set()
    for name in ("a", "b"):
        file = state_file(tmp_path / "state" / f"{name}.db")
        with file.reading() as connection:
            digests.add(connection.execute("SELECT digest FROM owner").fetchone()[0])
    assert len(digests) == 2


def test_a_file_of_a_newer_version_is_left_untouched(path: Path) -> None:
    newer = Schema(SCHEMA.application_id, 3, SCHEMA.script)
    file = state_file(path, schema=newer)
    write(file, "from the future")
    file.close()
    before = path.read_bytes()
    with pytest.raises(NewerStateError, match="newer version"):
        read(state_file(path))
    assert path.read_bytes() == before


def test_a_file_of_an_older_version_is_upgraded_in_one_transaction(path: Path) -> None:
    write(state_file(path), "old")

    def upgrade(connection: sqlite3.Connection, version: int) -> None:
        assert version == 2
        connection.execute("ALTER TABLE note ADD COLUMN mark INTEGER NOT NULL DEFAULT 7")

    newer = Schema(SCHEMA.application_id, 3, "unused", upgrade=upgrade)
    with state_file(path, schema=newer).reading() as connection:
        assert connection.execute("SELECT text, mark FROM note").fetchall() == [("old", 7)]
        assert connection.execute("PRAGMA user_version").fetchone()[0] == 3


def test_an_upgrade_that_fails_changes_nothing(path: Path) -> None:
    write(state_file(path), "old")

    def upgrade(connection: sqlite3.Connection, version: int) -> None:
        connection.execute("DELETE FROM note")
        raise sqlite3.OperationalError("planted")

    with pytest.raises(sqlite3.OperationalError):
        read(state_file(path, schema=Schema(SCHEMA.application_id, 3, "unused", upgrade=upgrade)))
    assert read(state_file(path)) == ["old"]


@pytest.mark.parametrize("application_id", [0, 0x1234])
def test_a_database_of_another_program_is_left_untouched(path: Path, application_id: int) -> None:
    path.parent.mkdir(mode=0o700)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE theirs(x)")
        connection.execute(f"PRAGMA application_id={application_id}")
        connection.commit()
    before = path.read_bytes()
    with pytest.raises(ForeignStateError):
        read(state_file(path))
    assert path.read_bytes() == before


def test_a_file_that_is_no_database_is_reported_as_corrupt(path: Path) -> None:
    path.parent.mkdir(mode=0o700)
    path.write_bytes(b"this is no database, whatever its name says" * 100)
    with pytest.raises(sqlite3.DatabaseError) as caught:
        read(state_file(path))
    assert fault_of(caught.value) is SqliteFault.CORRUPT


def test_a_directory_that_others_may_write_to_is_refused(path: Path) -> None:
    path.parent.mkdir()
    path.parent.chmod(0o770)
    with pytest.raises(StateFileError, match="chmod 700"):
        write(state_file(path), "x")
    assert list(path.parent.iterdir()) == []


def test_a_directory_that_is_a_link_is_refused(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir(mode=0o700)
    (tmp_path / "link").symlink_to(tmp_path / "real")
    with pytest.raises(StateFileError, match="symbolic link"):
        write(state_file(tmp_path / "link" / "notes.db"), "x")


@pytest.mark.parametrize("where", ["notes.db", "notes.db.lock"])
def test_a_link_in_place_of_a_file_is_refused(path: Path, where: str) -> None:
    path.parent.mkdir(mode=0o700)
    target = path.parent.parent / "somebody-elses"
    target.write_bytes(b"")
    (path.parent / where).symlink_to(target)
    with pytest.raises((StateFileError, OSError)):
        write(state_file(path), "x")
    assert target.read_bytes() == b""


def test_a_place_that_can_not_be_a_directory_is_an_os_error(tmp_path: Path) -> None:
    (tmp_path / "state").write_bytes(b"")
    with pytest.raises(OSError, match="exists"):
        write(state_file(tmp_path / "state" / "notes.db"), "x")


def test_a_tool_without_the_key_reads_but_creates_nothing(path: Path) -> None:
    with pytest.raises(OSError, match="No such file"):
        read(state_file(path, owner=None))
    assert not path.parent.exists()
    write(state_file(path), "ours")
    assert read(state_file(path, owner=None)) == ["ours"]


def test_writes_after_the_file_was_removed_go_to_a_new_file(path: Path) -> None:
    """Not into an unlinked one, where they would succeed and be gone."""
    file = state_file(path)
    write(file, "before")
    for name in path.parent.iterdir():
        name.unlink()
    write(file, "after")
    assert read(state_file(path)) == ["after"]


def test_writes_after_the_whole_directory_was_removed_go_to_a_new_one(path: Path) -> None:
    file = state_file(path)
    write(file, "before")
    for name in path.parent.iterdir():
        name.unlink()
    path.parent.rmdir()
    write(file, "after")
    assert read(state_file(path)) == ["after"]


def test_closing_a_connection_to_a_moved_file_does_not_touch_the_new_files_log(path: Path) -> None:
    """SQLite removes a log by name; the name may belong to somebody else's file by then."""
    moved = state_file(path)
    write(moved, "old")
    for suffix in ("", "-wal", "-shm"):
        os.rename(f"{path}{suffix}", f"{path}.aside{suffix}")
    new = state_file(path)
    write(new, "new")
    moved._drop_connection()
    assert read(state_file(path)) == ["new"]
    assert Path(f"{path}-wal").exists()


def test_who_is_frozen_with_the_lock_costs_one_wait_and_then_hardly_any(path: Path) -> None:
    clock = ManualClock()
    holder, waiting = state_file(path), state_file(path, clock=clock)
    write(holder, "x")
    with holder.transaction():
        start = clock.monotonic()
        with pytest.raises(StateFileError, match="another process held it"):
            write(waiting, "y")
        assert 2.0 <= clock.monotonic() - start < 2.1
        start = clock.monotonic()
        with pytest.raises(StateFileError):
            write(waiting, "y")
        assert clock.monotonic() - start < 0.1
    write(waiting, "z")
    assert read(waiting) == ["x", "z"]


def test_a_signal_handler_that_comes_back_in_mid_transaction_is_turned_away(path: Path) -> None:
    file = state_file(path)
    with file.transaction() as connection:
        with pytest.raises(StateFileError, match="signal handler"):
            write(file, "inner")
        connection.execute("INSERT INTO note VALUES('outer')")
    assert read(file) == ["outer"]


def test_threads_take_turns(path: Path) -> None:
    file = state_file(path)

    def write_fifty(name: int) -> None:
        for number in range(50):
            write(file, f"{name} {number}")

    threads = [threading.Thread(target=write_fifty, args=(name,)) for name in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(read(file))) == 200


def test_a_note_beside_the_file_is_left_by_the_commit_and_by_nothing_else(path: Path) -> None:
    file = state_file(path)

    def fails() -> None:
        with file.transaction():
            file.leave_note(b"never committed")
            raise OSError("planted")

    with file.transaction():
        file.leave_note(b"first")
    with pytest.raises(OSError, match="planted"):
        fails()
    with file.transaction():
        pass
    other = state_file(path)
    with other.transaction():
        assert other.note() == b"first"


def test_empty_pages_are_handed_back(path: Path) -> None:
    file = state_file(path)
    write(file, "x" * 2_000_000)
    with file.transaction() as connection:
        connection.execute("DELETE FROM note")
    while file.shrink(100):
        pass
    file.close()
    assert path.stat().st_size < 100_000


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("database is locked", SqliteFault.BUSY),
        ("attempt to write a readonly database", SqliteFault.READ_ONLY),
        ("disk I/O error", SqliteFault.IO),
        ("database disk image is malformed", SqliteFault.CORRUPT),
        ("database or disk is full", SqliteFault.FULL),
        ("unable to open database file", SqliteFault.CANT_OPEN),
        ("file is not a database", SqliteFault.CORRUPT),
        ("no such table: note", SqliteFault.OTHER),
    ],
)
def test_python_3_10_knows_a_fault_by_its_text(text: str, fault: SqliteFault) -> None:
    assert fault_of(sqlite3.OperationalError(text)) is fault


def test_an_ordinary_directory_is_a_safe_place(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    refuse_unsafe_place(tmp_path)
