"""A ledger of many groups at rest without half an hour of exports: rows written by the store's own codec.

What a settled group looks like follows from one observation: each property wanted and held, with its stamp,
no value kept. The process is told of each what the store would have answered.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, TypeAlias

from opentelemetry.exporter.posthog.groups.group_ledger import GroupLedger
from opentelemetry.exporter.posthog.groups.known import Settled, moment_of_observation
from opentelemetry.exporter.posthog.groups.memory import MemoryStore
from opentelemetry.exporter.posthog.groups.redis import RedisStore, shard_of
from opentelemetry.exporter.posthog.groups.redis_values import id_of
from opentelemetry.exporter.posthog.groups.sqlite import SqliteStore
from opentelemetry.exporter.posthog.groups.stamp import (
    PRESENCE,
    PRESENCE_STAMP,
    canonical_json,
    digest_of,
    times_text,
)
from opentelemetry.exporter.posthog.groups.state import GroupState, Property
from opentelemetry.exporter.posthog.groups.store import Call
from opentelemetry.exporter.posthog.model import Group, Observation

Rows: TypeAlias = "Sequence[tuple[Group, GroupState]]"

PAGE = 4_096


def seed(ledger: GroupLedger, observations: Iterable[Observation], *, settled_ns: int) -> None:
    """Make all of this settled, in the store and in the process."""
    write = _writer(ledger)
    rest = iter(observations)
    while page := list(islice(rest, PAGE)):
        write([(seen.group, _at_rest(ledger, seen, settled_ns // 1_000)) for seen in page])
        for seen in page:
            print_ = ledger._known._print_of(seen.properties)
            assert print_ is not None
            settled = Settled(print_, moment_of_observation(seen), tuple(seen.properties))
            assert not ledger._known.put(seen.group, settled)


def _at_rest(ledger: GroupLedger, seen: Observation, settled_at: int) -> GroupState:
    times = times_text(seen.time_ns, seen.seen_ns)
    stamps = {PRESENCE: PRESENCE_STAMP}
    for name, value in seen.properties.items():
        stamps[name] = times + ledger._digester.digest(canonical_json(value))
    return GroupState(
        {
            name: Property(stamp, None, digest_of(stamp), settled_at=settled_at)
            for name, stamp in stamps.items()
        }
    )


def _writer(ledger: GroupLedger) -> Callable[[Rows], None]:
    store: Any = ledger._store
    if isinstance(store, MemoryStore):
        return lambda rows: _into_memory(store, rows)
    if isinstance(store, SqliteStore):
        return lambda rows: _into_sqlite(store, Call(ledger._terms), rows)
    assert isinstance(store, RedisStore)
    return lambda rows: _into_redis(store, rows)


def _into_memory(store: MemoryStore, rows: Rows) -> None:
    for group, state in rows:
        packed = store._packer.pack(state)
        assert packed is not None
        store._packed.put(group, packed)


def _into_sqlite(store: SqliteStore, call: Call, rows: Rows) -> None:
    with store._call(call) as work:
        for group, state in rows:
            work.tables.write(group, None, state, work.moments, call.terms)


def _into_redis(store: RedisStore, rows: Rows) -> None:
    from redis import Redis

    client: Any = Redis
    with client.from_url(store._server._url) as connected, connected.pipeline(transaction=False) as pipe:
        for group, state in rows:
            pipe.hset(store._key(shard_of(group), group), mapping=dict(_fields(group, state)))
        pipe.execute()


def _fields(group: Group, state: GroupState) -> Iterator[tuple[str, Any]]:
    """As ``write_group`` of ``ledger.lua`` writes them."""
    yield "g", id_of(group)
    yield from dict.fromkeys("tqrb", 0).items()
    for name, known in state.properties.items():
        yield f"w:{name}", known.want
        yield f"h:{name}", f"{known.have},{known.settled_at},0"
