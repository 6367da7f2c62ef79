"""Which store the setting ``ledger`` means."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ..sqlite import StateOwner
from .memory import MAX_GROUPS, MemoryStore

if TYPE_CHECKING:
    from ..clock import Clock
    from .sqlite import SqliteStore
    from .store import LedgerStore


def open_store(
    spec: str | None,
    *,
    outbox: str | None,
    host: str,
    api_key: str,
    clock: Clock,
    max_groups: int = MAX_GROUPS,
) -> LedgerStore:
    """``memory``, a path or ``sqlite:///path``, or the URL of Redis or Valkey. None: ``ledger.db`` beside the
    outbox, else memory. The state in it belongs to ``host`` and ``api_key``.

    Raises :class:`~..errors.ForeignStateError` for a file of somebody else or of a newer version, and
    :class:`~..errors.MissingExtraError` when the client of Redis is not installed. A store that is merely
    down, or a disk that is full, raises nothing here: it may be back when it is needed.
    """
    if spec is None:
        spec = "memory" if outbox is None else str(Path(outbox))
    scheme, separator, rest = spec.partition("://")
    if spec == "memory":
        return MemoryStore(clock, max_groups=max_groups)
    owner = StateOwner(host, api_key)
    if separator and scheme.lower() != "sqlite":
        from .redis import RedisStore

        return RedisStore(spec, owner=owner, clock=clock)
    store = _sqlite(Path("/" + rest.lstrip("/") if separator else spec), owner, clock)
    store.verify()
    return store


def _sqlite(path: Path, owner: StateOwner, clock: Clock) -> SqliteStore:
    from .sqlite import FILE_NAME, SqliteStore

    # A path without a suffix, or one that is there as a directory, names the directory.
    in_directory = path.is_dir() or not path.suffix
    return SqliteStore(path / FILE_NAME if in_directory else path, owner=owner, clock=clock)
