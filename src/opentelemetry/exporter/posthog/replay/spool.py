"""What a replay has read, made and sent, in a directory of its own beside the input.

Every method is one transaction. Sizes are bytes, times nanoseconds since the epoch.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from ..errors import StateFileError
from ..file_lock import FileLock
from ..model import Envelope, Group, Outcome, OutcomeKind
from ..sqlite import StateFile
from ..sqlite_identity import StateOwner
from .errors import ReplayError
from .spool_tables import DELIVERED, PENDING, REFUSED, SCHEMA

if TYPE_CHECKING:
    from ..clock import Clock

SUFFIX: Final = ".posthog-replay"
FILE_NAME: Final = "spool.db"

MAX_NAMES: Final = 10_000
"""Rows of an overview; whoever has more event names or organizations wants figures, not a list."""


class Input(NamedTuple):
    """How far one file was read."""

    id: int
    path: str
    head: bytes  # digest of the first bytes, to know the file again
    head_bytes: int
    offset: int = 0
    line: int = 1
    signals: int = 0
    done: bool = False


class Made(NamedTuple):
    """One event to be, and where it came from."""

    envelope: Envelope
    time_ns: int
    owner: str  # "organization:org_42" of its first group; empty without one
    line: int


class Observed(NamedTuple):
    """The newest that was said of one property of a group."""

    group: Group
    name: str  # "" for the group itself
    stamp: str  # sorts as the ledger's stamps do
    value: str  # canonical JSON
    service: str


class Waiting(NamedTuple):
    """One event that is still to be sent."""

    id: int
    envelope: Envelope


class NameCount(NamedTuple):
    """How many events of one name belong to one organization, and their bytes before compression."""

    name: str
    owner: str
    events: int
    size: int


class RefusedRow(NamedTuple):
    """One event that PostHog refused, and the record it came from."""

    uuid: str
    name: str
    reason: str
    detail: str
    path: str
    line: int


class Figures(NamedTuple):
    """The balance: signals = not selected + dropped + duplicates + pending + delivered + refused."""

    signals: int = 0
    pending: int = 0
    delivered: int = 0
    refused: int = 0
    duplicates: int = 0  # the same record twice, in one file or in two
    unreadable: int = 0  # documents and records that are no telemetry; not among the signals
    not_selected: Mapping[str, int] = {}  # by reason
    dropped: Mapping[str, int] = {}  # by reason
    size: int = 0  # of all events made, before compression
    oldest_ns: int | None = None
    newest_ns: int | None = None
    groups: int = 0
    cut_off: int = 0  # files that end within a record, or were not read to the end


class Spool:
    """One replay's state. One process at a time works on it."""

    def __init__(self, directory: Path, *, owner: StateOwner, clock: Clock) -> None:
        self.directory = directory
        self._file = StateFile(directory / FILE_NAME, schema=SCHEMA, owner=owner, clock=clock)
        self._running = FileLock(directory / "running.lock", clock)
        self._held: AbstractContextManager[None] | None = None

    def open(self, about: str) -> None:
        """Take it for this process alone. ``about``: what decides how signals are translated.

        Raises :class:`ReplayError` while another replay works on it and when it was begun under other
        settings, and what opening a state file raises.
        """
        with self._file.transaction() as connection:
            connection.execute("INSERT INTO about VALUES('settings', ?) ON CONFLICT DO NOTHING", (about,))
            known = connection.execute("SELECT value FROM about WHERE name='settings'").fetchone()[0]
        held = self._running.held(0.0)
        try:
            held.__enter__()
        except StateFileError as error:
            raise ReplayError(
                f"another replay works on {self.directory}", "Let it end, or give this one another --state."
            ) from error
        self._held = held
        if known != about:
            self.close()
            raise ReplayError(
                f"{self.directory} was begun under other settings, and half of a replay each way is neither",
                "Finish it under the former settings, or delete that directory to begin anew: what was "
                "delivered keeps its uuids.",
            )

    def close(self) -> None:
        """Let go of it; it may be opened again."""
        self._file.close()
        held, self._held = self._held, None
        if held is not None:
            held.__exit__(None, None, None)
        self._running.let_go()

    # -- reading ------------------------------------------------------------------------------------

    def input(self, path: str) -> Input | None:
        with self._file.reading() as connection:
            row = connection.execute(
                "SELECT id, path, head, head_bytes, offset, line, signals, done FROM input WHERE path=?",
                (path,),
            ).fetchone()
        return None if row is None else Input(*row)

    def add_input(self, path: str, head: bytes, head_bytes: int) -> Input:
        with self._file.transaction() as connection:
            row = connection.execute(
                "INSERT INTO input(path, head, head_bytes) VALUES(?, ?, ?) RETURNING id",
                (path, head, head_bytes),
            ).fetchone()
        return Input(row[0], path, head, head_bytes)

    def keep(
        self,
        progress: Input,
        made: Iterable[Made],
        observed: Iterable[Observed],
        tally: Mapping[tuple[str, str], int],
    ) -> None:
        """Add what was made of a stretch of a file, and how far it was read, both or neither."""
        with self._file.transaction() as connection:
            doubles = self._add(connection, progress.id, made)
            connection.executemany(
                "INSERT INTO observed VALUES(?, ?, ?, ?, ?, ?) ON CONFLICT(type, key, name) DO UPDATE"
                " SET stamp=excluded.stamp, value=excluded.value, service=excluded.service"
                " WHERE excluded.stamp > stamp",
                ((*one.group, one.name, one.stamp, one.value, one.service) for one in observed),
            )
            counts = Counter(dict(tally))
            counts["duplicate", ""] += doubles
            connection.executemany(
                "INSERT INTO tally VALUES(?, ?, ?) ON CONFLICT(kind, word)"
                " DO UPDATE SET count=count+excluded.count",
                ((kind, word, count) for (kind, word), count in counts.items() if count),
            )
            connection.execute(
                "UPDATE input SET offset=?, line=?, signals=?, done=? WHERE id=?",
                (progress.offset, progress.line, progress.signals, progress.done, progress.id),
            )

    def _add(self, connection: sqlite3.Connection, source: int, made: Iterable[Made]) -> int:
        doubles = 0
        for (event, uuid, distinct_id, timestamp, properties, personless, session), time, owner, line in made:
            doubles += not connection.execute(
                "INSERT INTO event(time_ns, uuid, name, distinct_id, timestamp, personless, session_id,"
                " owner, input, line, size, properties) VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
                " ON CONFLICT(uuid) DO NOTHING",
                (
                    time, uuid, event, distinct_id, timestamp, personless, session,
                    owner, source, line, len(properties), properties,
                ),
            ).rowcount  # fmt: skip
        return doubles

    # -- sending ------------------------------------------------------------------------------------

    def waiting(self, most: int, most_bytes: int) -> list[Waiting]:
        """The next events in order of event time: at least one while any is left."""
        page: list[Waiting] = []
        with self._file.reading() as connection:
            for row in connection.execute(
                "SELECT id, size, name, uuid, distinct_id, timestamp, properties, personless, session_id"
                " FROM event WHERE state=0 ORDER BY time_ns, id LIMIT ?",
                (most,),
            ):
                row_id, size, name, uuid, distinct_id, timestamp, properties, personless, session = row
                if page and size > most_bytes:
                    break
                most_bytes -= size
                envelope = Envelope(name, uuid, distinct_id, timestamp, properties, bool(personless), session)
                page.append(Waiting(row_id, envelope))
        return page

    def settle(self, page: Sequence[Waiting], outcomes: Sequence[Outcome]) -> int:
        """Write down what became of a page. The number of events that need not be sent again."""
        states = {OutcomeKind.DELIVERED: DELIVERED, OutcomeKind.REFUSED: REFUSED}
        settled = [
            (states[outcome.kind], outcome.reason, outcome.detail, one.id)
            for one, outcome in zip(page, outcomes, strict=True)
            if outcome.kind in states
        ]
        if settled:
            with self._file.transaction() as connection:
                connection.executemany(
                    "UPDATE event SET state=?, reason=?, detail=?, properties=NULL WHERE id=?", settled
                )
        return len(settled)

    # -- profiles -----------------------------------------------------------------------------------

    def observed(self, after: Group | None, most_groups: int) -> list[Observed]:
        """Everything that was said of the next groups after ``after``, in the order of their names."""
        beyond = after if after is not None else Group("", "")
        with self._file.reading() as connection:
            rows = connection.execute(
                "SELECT type, key, name, stamp, value, service FROM observed"
                " JOIN (SELECT DISTINCT type AS t, key AS k FROM observed WHERE (type, key) > (?, ?)"
                " ORDER BY type, key LIMIT ?) ON type=t AND key=k ORDER BY type, key, name",
                (*beyond, most_groups),
            ).fetchall()
        return [Observed(Group(row[0], row[1]), *row[2:]) for row in rows]

    # -- looking ------------------------------------------------------------------------------------

    def figures(self) -> Figures:
        with self._file.reading() as connection:
            states = {
                state: (count, size)
                for state, count, size in connection.execute(
                    "SELECT state, count(*), sum(size) FROM event GROUP BY state"
                )
            }
            tally = list(connection.execute("SELECT kind, word, count FROM tally"))
            signals = connection.execute("SELECT coalesce(sum(signals), 0) FROM input").fetchone()[0]
            oldest, newest = connection.execute("SELECT min(time_ns), max(time_ns) FROM event").fetchone()
            groups = connection.execute("SELECT count(*) FROM (SELECT DISTINCT type, key FROM observed)")
            group_count = groups.fetchone()[0]
            cut_off = connection.execute("SELECT count(*) FROM input WHERE NOT done").fetchone()[0]
        words = {kind: {w: n for k, w, n in tally if k == kind} for kind, _, _ in tally}
        return Figures(
            signals=signals,
            pending=states.get(PENDING, (0, 0))[0],
            delivered=states.get(DELIVERED, (0, 0))[0],
            refused=states.get(REFUSED, (0, 0))[0],
            duplicates=sum(words.get("duplicate", {}).values()),
            unreadable=sum(words.get("unreadable", {}).values()),
            not_selected=words.get("not_selected", {}),
            dropped=words.get("dropped", {}),
            size=sum(size for _, size in states.values()),
            oldest_ns=oldest,
            newest_ns=newest,
            groups=group_count,
            cut_off=cut_off,
        )

    def newest_waiting_ns(self) -> int | None:
        with self._file.reading() as connection:
            found = connection.execute("SELECT max(time_ns) FROM event WHERE state=0").fetchone()[0]
        return None if found is None else int(found)

    def names(self, most: int = MAX_NAMES) -> list[NameCount]:
        """Events by name and organization, the most frequent first."""
        with self._file.reading() as connection:
            rows = connection.execute(
                "SELECT name, owner, count(*), sum(size) FROM event GROUP BY name, owner"
                " ORDER BY count(*) DESC, name, owner LIMIT ?",
                (most,),
            ).fetchall()
        return [NameCount(*row) for row in rows]

    def unreadable(self) -> dict[str, int]:
        """What could not be read, by why."""
        with self._file.reading() as connection:
            return dict(
                connection.execute(
                    "SELECT word, count FROM tally WHERE kind='unreadable' ORDER BY count DESC"
                )
            )

    def refused(self, most: int) -> list[RefusedRow]:
        """Events that PostHog refused, in the order of the input."""
        with self._file.reading() as connection:
            rows = connection.execute(
                "SELECT uuid, name, reason, detail, path, event.line FROM event"
                " JOIN input ON input.id=event.input WHERE state=2 ORDER BY event.id LIMIT ?",
                (most,),
            ).fetchall()
        return [RefusedRow(*row) for row in rows]
