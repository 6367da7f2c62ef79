"""Whose turn it is to drain, for all processes that share an outbox, and what the clock did meanwhile.

One row: who drains, until when nobody does after failures, until when the server asked us to stay away, and
when PostHog last took something. Times are milliseconds.
"""

from __future__ import annotations

import sqlite3

from .outbox_tables import LONGEST_DELAY_MS, Moment


def take(connection: sqlite3.Connection, at: Moment, *, owner: str, force: bool) -> int:
    """0 when the turn is the owner's now, else the milliseconds until it may ask again."""
    holder, held, backoff, asked = connection.execute(
        "SELECT owner, lease_ms, backoff_ms, asked_ms FROM turn"
    ).fetchone()
    waits = [asked] if asked <= at.now + LONGEST_DELAY_MS else []
    if holder is not None and holder != owner and held <= at.lease:
        waits.append(held)
    if not force and backoff <= at.now + LONGEST_DELAY_MS:
        waits.append(backoff)
    wait = max(waits, default=0) - at.now
    if wait > 0:
        return wait
    connection.execute("UPDATE turn SET owner=?, lease_ms=?", (owner, at.lease))
    return 0


def end(
    connection: sqlite3.Connection, at: Moment, *, owner: str, failed: bool, retry_after: int, jitter: float
) -> int:
    """Back-off after a failure, none after a success. The milliseconds for which nobody shall drain."""
    before = failures(connection)
    delay = backoff_ms(before, jitter) if failed else 0
    asked = min(retry_after, LONGEST_DELAY_MS)
    connection.execute(
        "UPDATE turn SET owner=NULL, lease_ms=0, failures=?, backoff_ms=?, asked_ms=? WHERE owner=?",
        (before + 1 if failed else 0, at.now + delay, at.now + asked, owner),
    )
    return max(delay, asked)


def renew(connection: sqlite3.Connection, at: Moment, owner: str) -> None:
    """Keep a turn that is still the owner's."""
    connection.execute("UPDATE turn SET lease_ms=? WHERE owner=?", (at.lease, owner))


def backoff_ms(failures: int, jitter: float) -> int:
    """A second, doubled with each failure up to five minutes; ``jitter`` in [0, 1] takes up to half of it."""
    full = min(LONGEST_DELAY_MS, 1000 << min(failures, 20))
    return round(full * (1 - jitter / 2))


def failures(connection: sqlite3.Connection) -> int:
    """Drains in a row that got nowhere."""
    return int(connection.execute("SELECT failures FROM turn").fetchone()[0])


def may_probe(connection: sqlite3.Connection, now: int, interval: int) -> bool:
    """Whether a process whose breaker is open may try: one an interval, or any once somebody got through."""
    delivered, probed = connection.execute("SELECT delivered_ms, probed_ms FROM turn").fetchone()
    if delivered < probed <= now < probed + interval:
        return False
    connection.execute("UPDATE turn SET probed_ms=?", (now,))
    return True


def note_delivery(connection: sqlite3.Connection, now: int) -> None:
    """PostHog takes events: nobody backs off any more, and a failure now speaks against the parcel."""
    connection.execute("UPDATE turn SET delivered_ms=?, failures=0, backoff_ms=0", (now,))


def notice_clock_step(
    connection: sqlite3.Connection, *, boot: str | None, up: int, now: int, slack: int
) -> None:
    """When the wall clock stepped since the last look, move the parcels' times: age is time that passed.

    Without this, a clock that starts in 1970 and is then set right would expire everything in that moment.
    """
    before = connection.execute("SELECT boot, up_ms, wall_ms FROM clock").fetchone()
    connection.execute("DELETE FROM clock")
    connection.execute("INSERT INTO clock VALUES(?, ?, ?)", (boot, up, now))
    if before is None or boot is None or before[0] != boot:
        return
    expected = before[2] + up - before[1]
    step = now - expected
    if step > slack:  # forward: what was made after the step already has the new time
        connection.execute(
            "UPDATE parcel SET created_ms=created_ms+? WHERE created_ms<=?", (step, expected + slack)
        )
    elif step < -slack:
        connection.execute(
            "UPDATE parcel SET created_ms=created_ms+? WHERE created_ms>?", (step, now + slack)
        )
