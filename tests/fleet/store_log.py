"""What a shared ledger did, in its own order, read from what it wrote by itself: Redis' append-only file, and
a table that triggers fill in a SQLite file. Nothing here asks the ledger's code."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import NamedTuple, TypeAlias

SECOND = 1_000_000


class Step(NamedTuple):
    """One call's effect on one group: its token, and the stamps of properties that were written.

    ``haves``: what PostHog is known to hold of properties, as a digest, where that was written ("?": nobody
    knows). ``shard``: the part of the ledger that the group is in. Both are read from Redis alone, since no
    SQLite ledger is lost here.
    """

    group: str
    token: int
    quiet: int
    wants: Mapping[str, str]
    haves: Mapping[str, str] = {}
    shard: str = ""


LOSS = Step("", 0, 0, {})
"""The ledger forgot everything."""


def mark(shard: str) -> Step:
    """Somebody told a shard that it had forgotten everything."""
    return Step("", 0, 0, {}, shard=shard)


class Sums(NamedTuple):
    """What the bound on group updates is made of."""

    transitions: int = 0  # calls after which a wanted value of a group was another; its first sight is one
    claims: int = 0
    takeovers: int = 0  # claims of a group whose last holder never said how it ended
    forgotten: int = 0  # groups known when the ledger forgot everything, summed over such losses


def sums(steps: Iterable[Step], *, lease: float) -> Sums:
    """``lease`` is seconds. A claim takes the clock (µs) for its token, any other call counts one on; so a
    token that jumped is a claim.
    """
    transitions = claims = takeovers = forgotten = 0
    wants: dict[str, dict[str, str]] = {}
    tokens: dict[str, tuple[int, int, bool]] = {}  # token, quiet, held
    for step in steps:
        if step is LOSS:
            forgotten += len(wants)
            wants, tokens = {}, {}
            continue
        if not step.group:
            continue
        known = wants.get(step.group)
        changed = known is None
        known = wants.setdefault(step.group, {})
        for name, stamp in step.wants.items():
            if name not in known or known[name][32:] != stamp[32:]:
                changed = True
            known[name] = stamp
        transitions += changed
        token, quiet, held = tokens.get(step.group, (0, 0, False))
        if step.token > token + 1 and step.quiet != quiet:
            claims += 1
            takeovers += held and step.token - token >= lease * SECOND
            held = True
        elif step.token == token + 1:
            held = False
        tokens[step.group] = step.token, step.quiet, held
    return Sums(transitions, claims, takeovers, forgotten)


Place: TypeAlias = "tuple[str, str]"
"""Organization and property."""

Moment: TypeAlias = "tuple[int, int]"
"""Event time and time of sight (ns)."""


class Rebirth(NamedTuple):
    """What a ledger that lost everything had known, and what it was told in its new life."""

    settled: Mapping[Place, Moment] = {}  # the newest, where PostHog was known to hold it at the loss
    told: Mapping[Place, Moment] = {}  # the newest since
    shards: Mapping[str, str] = {}  # of each organization
    early: Collection[str] = ()  # organizations of which a claim was granted before anybody told of the loss


def rebirth(steps: Iterable[Step]) -> Rebirth:
    """Empty when nothing was ever lost; of several losses the last."""
    settled: dict[Place, Moment] = {}
    wants: dict[Place, str] = {}
    haves: dict[Place, str] = {}
    shards: dict[str, str] = {}
    marked: set[str] = set()
    early: set[str] = set()
    lost = False
    for step in steps:
        if step is LOSS:
            settled = {place: _moment(want) for place, want in wants.items() if haves.get(place) == want[32:]}
            wants, haves, marked, early, lost = {}, {}, set(), set(), True
        elif not step.group:
            marked.add(step.shard)
        else:
            shards[step.group] = step.shard
            if step.token and step.shard not in marked:
                early.add(step.group)
            wants.update({(step.group, name): want for name, want in step.wants.items()})
            haves.update({(step.group, name): have for name, have in step.haves.items()})
    if not lost:
        return Rebirth()
    return Rebirth(settled, {place: _moment(want) for place, want in wants.items()}, shards, early)


def _moment(stamp: str) -> Moment:
    return int(stamp[:16], 16), int(stamp[16:32], 16)


# -- Redis ----------------------------------------------------------------------------------------------


def redis_steps(directory: Path) -> Iterator[Step]:
    """The steps in the append-only files of a server's directory, in order."""
    now: dict[bytes, dict[str, str]] = {}
    for path in sorted(directory.glob("appendonlydir/*.incr.aof")):
        for command in commands(path.read_bytes()):
            name, *arguments = command
            if name.upper() == b"FLUSHALL":
                now.clear()
                yield LOSS
            elif name.upper() == b"HSET" and arguments[0].endswith(b":store"):
                facts = dict(zip(arguments[1::2], arguments[2::2], strict=True))
                if int(facts.get(b"marked", 0)):
                    yield mark(arguments[0].decode().removesuffix(":store"))
            elif name.upper() == b"HSET" and b":g:" in arguments[0]:
                group = now.setdefault(arguments[0], {})
                fields = [one.decode() for one in arguments[1:]]
                written = dict(zip(fields[::2], fields[1::2], strict=True))
                group.update(written)
                wants = {field[2:]: stamp for field, stamp in written.items() if field.startswith("w:")}
                haves = {
                    field[2:]: have.partition(",")[0]
                    for field, have in written.items()
                    if field.startswith("h:")
                }
                shard = arguments[0].decode().partition(":g:")[0]
                organization = group["g"].partition("\0")[2]
                yield Step(organization, int(group["t"]), int(group["q"]), wants, haves, shard)


def commands(raw: bytes) -> Iterator[list[bytes]]:
    """The commands of an append-only file; a torn last one is left out, as the server does."""
    position = 0

    def line() -> bytes:
        nonlocal position
        end = raw.index(b"\r\n", position)
        found, position = raw[position:end], end + 2
        return found

    while position < len(raw):
        parts: list[bytes] = []
        try:
            for _ in range(int(line()[1:])):
                length = int(line()[1:])
                if position + length + 2 > len(raw):
                    return
                parts.append(raw[position : position + length])
                position += length + 2
        except ValueError:
            return
        yield parts


# -- SQLite ---------------------------------------------------------------------------------------------

TRIGGERS = """
CREATE TABLE fleet_log(
    seq INTEGER PRIMARY KEY, group_key TEXT, token INTEGER, quiet INTEGER, name TEXT, want TEXT
);
CREATE TRIGGER fleet_new AFTER INSERT ON ledger_group BEGIN
    INSERT INTO fleet_log(group_key, token, quiet) VALUES(NEW.key, NEW.token, NEW.quiet);
END;
CREATE TRIGGER fleet_old AFTER UPDATE ON ledger_group BEGIN
    INSERT INTO fleet_log(group_key, token, quiet) VALUES(NEW.key, NEW.token, NEW.quiet);
END;
CREATE TRIGGER fleet_prop AFTER INSERT ON ledger_prop BEGIN
    INSERT INTO fleet_log(group_key, name, want)
        SELECT key, NEW.name, NEW.want FROM ledger_group WHERE id = NEW.group_id;
END;
"""


def watch_sqlite(path: Path) -> None:
    """Let a ledger's file write down by itself what happens to it; before anything does."""
    with closing(sqlite3.connect(path, isolation_level=None, timeout=30)) as connection:
        connection.executescript(f"BEGIN IMMEDIATE;{TRIGGERS}COMMIT;")


def sqlite_steps(path: Path) -> Iterator[Step]:
    """The steps since :func:`watch_sqlite`, in order."""
    with closing(sqlite3.connect(path, timeout=30)) as connection:
        rows = connection.execute(
            "SELECT group_key, token, quiet, name, want FROM fleet_log ORDER BY seq"
        ).fetchall()
    return iter(steps_of(rows))


def steps_of(rows: Iterable[tuple[str, int, int, str | None, str]]) -> list[Step]:
    """A call writes the row of a group before those of its properties, but many groups at once: a property
    belongs to the last step of its own group, whatever was written between.
    """
    steps: list[Step] = []
    wants: dict[str, dict[str, str]] = {}  # of the last step of each group
    for group, token, quiet, name, want in rows:
        if name is None:
            wants[group] = {}
            steps.append(Step(group, token, quiet, wants[group]))
        else:
            wants[group][name] = want
    return steps
