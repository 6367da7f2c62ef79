"""A ledger's file: its errors are ours, and only a file that is really the damaged one is moved aside."""

from __future__ import annotations

import errno
import shutil
import sqlite3
from pathlib import Path

import pytest

from opentelemetry.exporter.posthog.errors import BusyStateError, ForkedStateError, LedgerError
from opentelemetry.exporter.posthog.groups.ledger_file import LedgerFile, LedgerFileError, may_pass
from opentelemetry.exporter.posthog.groups.sqlite import SCHEMA
from tests.ledger_kit import OWNER
from tests.manual_clock import ManualClock


@pytest.fixture
def file(tmp_path: Path) -> LedgerFile:
    opened = LedgerFile(tmp_path / "ledger.db", schema=SCHEMA, owner=OWNER, clock=ManualClock())
    with opened.transaction():
        return opened


def malformed() -> sqlite3.DatabaseError:
    return sqlite3.DatabaseError("database disk image is malformed")


def test_a_damaged_file_is_moved_aside_with_its_log(file: LedgerFile) -> None:
    with pytest.raises(LedgerFileError, match="damaged") as raised, file.transaction():
        raise malformed()
    assert may_pass(raised.value)
    assert not file.path.exists()
    assert file.path.with_name("ledger.db.damaged").exists()
    assert file.began_anew
    assert len(file.take_warnings()) == 1
    assert file.take_warnings() == ()


def test_a_file_that_another_process_has_put_in_its_place_stays(file: LedgerFile) -> None:
    def replaced_meanwhile() -> None:
        with file.transaction():
            aside = file.path.with_name("ledger.db.damaged")
            file.path.rename(aside)
            shutil.copy(aside, file.path)
            raise malformed()

    with pytest.raises(LedgerFileError):
        replaced_meanwhile()
    assert file.path.exists()
    assert not file.began_anew


def test_a_tool_that_only_looks_moves_nothing(file: LedgerFile) -> None:
    file.close()
    tool = LedgerFile(file.path, schema=SCHEMA, owner=None, clock=ManualClock())
    with pytest.raises(LedgerFileError), tool.reading():
        raise malformed()
    assert file.path.exists()


@pytest.mark.parametrize(
    ("error", "passes"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), True),
        (OSError(errno.EMFILE, "Too many open files"), True),
        (PermissionError(errno.EACCES, "Permission denied"), False),
        (NotADirectoryError(errno.ENOTDIR, "Not a directory"), False),
        (sqlite3.OperationalError("database or disk is full"), True),
        (sqlite3.OperationalError("disk I/O error"), True),
        (sqlite3.OperationalError("database is locked"), True),
        (sqlite3.OperationalError("attempt to write a readonly database"), False),
        (sqlite3.OperationalError("unable to open database file"), False),
        (sqlite3.OperationalError("no such column: x"), False),
    ],
    ids=repr,
)
def test_errors_become_ours_and_say_whether_they_may_pass(
    file: LedgerFile, error: Exception, passes: bool
) -> None:
    with pytest.raises(LedgerError) as raised, file.transaction():
        raise error
    assert may_pass(raised.value) is passes
    assert str(raised.value).startswith(str(file.path))


def test_a_holder_may_let_go_and_a_fork_stays_a_fork() -> None:
    assert may_pass(BusyStateError("ledger.db", "another process held it", "Ask later."))
    assert not may_pass(ForkedStateError("ledger.db", "was open", "Use another file."))
