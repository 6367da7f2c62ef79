"""Which store the setting ``ledger`` means, and what is kept instead where that one can't be used at all."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import ForeignStateError, NewerStateError, PostHogExporterError
from .memory import MAX_GROUPS, MemoryStore

if TYPE_CHECKING:
    from ..clock import Clock
    from ..sqlite_identity import StateOwner
    from .sqlite import SqliteStore
    from .store import LedgerStore

Say = Callable[[str], None]
"""Told what a person must hear: that something is not as it was set up, and what mends it."""

MEMORY = "memory"

EXPORT_TIME = 10.0
"""Seconds that an export may take, where nobody says otherwise."""


def open_store(
    spec: str | None,
    *,
    outbox: str | None,
    host: str,
    api_key: str,
    clock: Clock,
    max_groups: int = MAX_GROUPS,
    export_time: float = EXPORT_TIME,
    say: Say = lambda message: None,
) -> LedgerStore:
    """``memory``, a path or ``sqlite:///path``, or the URL of Redis or Valkey. None: ``ledger.db`` beside the
    outbox, else memory. The state in it belongs to ``host`` and ``api_key``. ``export_time``: seconds that an
    export may take, of which waiting for a file that others hold must be a small part.

    Raises :class:`~..errors.ForeignStateError` for a file of somebody else, another
    :class:`~..errors.PostHogExporterError` for one that can't be used unless somebody changes something, and
    :class:`~..errors.MissingExtraError` when the client of Redis is not installed. A store that is merely
    down, or a disk that is full, raises nothing here: it may be back when it is needed. A file of a newer
    version is left alone, and one that is named for our version is used beside it.
    """
    if spec is None:
        spec = MEMORY if outbox is None else str(Path(outbox))
    scheme, separator, rest = spec.partition("://")
    if spec == MEMORY:
        return MemoryStore(clock, max_groups=max_groups)
    from ..sqlite_identity import StateOwner

    owner = StateOwner(host, api_key)
    if separator and scheme.lower() != "sqlite":
        from .redis import RedisStore

        return RedisStore(spec, owner=owner, clock=clock)
    return _sqlite(Path("/" + rest.lstrip("/") if separator else spec), owner, clock, export_time, say)


def open_some_store(
    spec: str | None,
    *,
    outbox: str | None,
    host: str,
    api_key: str,
    clock: Clock,
    max_groups: int = MAX_GROUPS,
    export_time: float = EXPORT_TIME,
    say: Say,
) -> LedgerStore:
    """As :func:`open_store`, but a store that can't be used costs no more than its promise: the next best one
    is kept, and ``say`` hears of it once. Raises :class:`~..errors.ForeignStateError` and nothing else.
    """

    def opened(one: str | None) -> LedgerStore | None:
        try:
            return open_store(
                one,
                outbox=outbox,
                host=host,
                api_key=api_key,
                clock=clock,
                max_groups=max_groups,
                export_time=export_time,
                say=say,
            )
        except ForeignStateError:
            raise
        except PostHogExporterError as error:
            say(f"the ledger can't be used: {error} Until then this process keeps one of its own instead.")
            return None

    store = opened(spec)
    if store is None and spec is not None and outbox is not None:
        store = opened(None)
    return MemoryStore(clock, max_groups=max_groups) if store is None else store


def _sqlite(path: Path, owner: StateOwner, clock: Clock, export_time: float, say: Say) -> SqliteStore:
    from .ledger_file import lock_timeout_within
    from .sqlite import FILE_NAME, SCHEMA, SqliteStore

    # A path without a suffix, or one that is there as a directory, names the directory.
    in_directory = os.path.isdir(path) or not path.suffix
    path = path / FILE_NAME if in_directory else path
    wait = lock_timeout_within(export_time)
    try:
        return _verified(SqliteStore(path, owner=owner, clock=clock, lock_timeout=wait))
    except NewerStateError as error:
        ours = path.with_name(f"{path.stem}.v{SCHEMA.version}{path.suffix}")
        say(f"{error} Until then {ours.name} is used.")
        return _verified(SqliteStore(ours, owner=owner, clock=clock, lock_timeout=wait))


def _verified(store: SqliteStore) -> SqliteStore:
    """The store, unless its file needs somebody's help."""
    from .ledger_file import may_pass

    try:
        store.verify()
    except PostHogExporterError as error:
        if not may_pass(error):
            raise
    return store
