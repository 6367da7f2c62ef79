"""The two clocks of a file, and the rows of older versions."""

from __future__ import annotations

import sqlite3

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opentelemetry.exporter.posthog.groups.sqlite_tables import SCRIPT, Moments, Tables
from opentelemetry.exporter.posthog.groups.state import SECOND
from tests.ledger_kit import TERMS

WALL, MONOTONIC = 1_790_000_000 * SECOND, 5_000 * SECOND


@given(moment=st.integers(WALL - 10_000, WALL + 10_000_000_000))
def test_a_moment_comes_back_as_it_was(moment: int) -> None:
    now = Moments(WALL, MONOTONIC, "boot", TERMS)
    assert now.to_wall(now.to_stored(moment)) in (moment, moment - 1)


def test_never_stays_never() -> None:
    now = Moments(WALL, MONOTONIC, "boot", TERMS)
    assert now.to_stored(0) == 0
    assert now.to_wall(0) == 0


def test_a_wall_clock_that_is_corrected_moves_no_quiet_time() -> None:
    before = Moments(WALL, MONOTONIC, "boot", TERMS)
    stored = before.to_stored(WALL + 70 * SECOND)
    after = Moments(WALL - 3_600 * SECOND, MONOTONIC + 10 * SECOND, "boot", TERMS)
    assert after.to_wall(stored) - after.wall == 60 * SECOND


@pytest.mark.parametrize(("ahead", "left"), [(60, 60), (71, 0)], ids=["within a lease", "more than a lease"])
def test_without_a_boot_id_nothing_is_quiet_for_longer_than_a_lease(ahead: int, left: int) -> None:
    now = Moments(WALL, WALL, "", TERMS)
    quiet = now.to_wall(WALL + ahead * SECOND)
    assert max(0, quiet - WALL) == left * SECOND


def test_after_a_boot_a_quiet_group_is_quiet_for_one_more_request_life() -> None:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    connection.executescript(SCRIPT)
    tables = Tables(connection)
    tables.store(Moments(WALL, MONOTONIC, "first boot", TERMS))
    connection.execute(
        "INSERT INTO ledger_group(id, type, key, token, quiet, retry, bucket, due, touched)"
        " VALUES(1, 'organization', 'org_1', 1, ?, 0, 0, ?, 0)",
        (MONOTONIC + 70 * SECOND,) * 2,
    )
    second = Moments(WALL + 60 * SECOND, 10 * SECOND, "second boot", TERMS)
    tables.store(second)
    (quiet,) = connection.execute("SELECT quiet FROM ledger_group").fetchone()
    assert second.to_wall(quiet) - second.wall == TERMS.life
    connection.close()


def test_a_file_that_was_made_before_totals_were_has_none_and_learns_them() -> None:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    connection.executescript(SCRIPT)
    tables = Tables(connection)
    assert tables.totals() == (0, 0, 0)
    tables.add_totals(1, 40)
    tables.add_totals(2, 2)
    assert tables.totals()[:2] == (3, 42)
    connection.close()
