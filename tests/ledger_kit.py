"""Builders for tests of the ledger: stamps, sightings, stores on a clock that the test moves."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from opentelemetry.exporter.posthog.clock import SystemClock
from opentelemetry.exporter.posthog.groups.memory import MemoryStore
from opentelemetry.exporter.posthog.groups.redis import RedisStore
from opentelemetry.exporter.posthog.groups.sqlite import SqliteStore
from opentelemetry.exporter.posthog.groups.stamp import (
    PRESENCE,
    PRESENCE_STAMP,
    Digester,
    canonical_json,
    times_text,
)
from opentelemetry.exporter.posthog.groups.state import (
    SECOND,
    Ending,
    Entry,
    Grant,
    GroupState,
    Settlement,
    Terms,
)
from opentelemetry.exporter.posthog.groups.store import Call, LedgerStore, Reply, Sighting
from opentelemetry.exporter.posthog.model import Group
from opentelemetry.exporter.posthog.sqlite_identity import StateOwner
from tests.manual_clock import EPOCH_NS, ManualClock
from tests.servers import RedisServer

TERMS = Terms(window=10 * SECOND, life=60 * SECOND, interval=30 * SECOND)
CALL = Call(TERMS)
ORG = Group("organization", "org_42")
OWNER = StateOwner("https://us.i.posthog.com", "phc_test")

_digester = Digester("project")


def stamp(at: int, value: Any, seen: int | None = None) -> str:
    """The stamp of ``value`` at so many seconds after the tests' epoch."""
    seen_ns = EPOCH_NS + (at if seen is None else seen) * 1_000_000_000
    return times_text(EPOCH_NS + at * 1_000_000_000, seen_ns) + _digester.digest(canonical_json(value))


def entry(at: int, value: Any, seen: int | None = None, service: str = "svc") -> Entry:
    return Entry(stamp(at, value, seen), canonical_json(value), service)


def presence(at: int = 0) -> Entry:
    return Entry(PRESENCE_STAMP, f"{EPOCH_NS + at * 1_000_000_000:020d}", "svc")


def saw(at: int, group: Group = ORG, /, **properties: Any) -> Sighting:
    entries = {name: entry(at, value) for name, value in properties.items()}
    return Sighting(group, {PRESENCE: presence(at), **entries})


def ended(
    granted: Grant, ending: Ending, *, ghost: float = 0, pause: float = 0, backoff: float = 0
) -> Settlement:
    """The settlement of a grant; durations are seconds."""
    return Settlement(
        granted.token,
        {name: sent.stamp for name, sent in granted.content.items()},
        {name: sent.had for name, sent in granted.content.items()},
        granted.took,
        ending,
        round(ghost * SECOND),
        round(pause * SECOND),
        round(backoff * SECOND),
    )


def content(granted: Grant | None) -> Mapping[str, Any] | None:
    """What a grant would send; None for no grant."""
    return None if granted is None else {n: s.value for n, s in granted.content.items() if n != PRESENCE}


class Ageing(Protocol):
    def __call__(self, seconds: float) -> None: ...


@dataclass
class StoreLab:
    """A kind of store, how to open another view of the same state, and how to let time pass for it."""

    name: str
    open: Callable[[], LedgerStore]
    advance: Ageing
    lose: (
        Callable[[], None] | None
    )  # everything the store remembers; None: it lives and dies with the process

    def __post_init__(self) -> None:
        self.store = self.open()

    def begin_anew(self) -> None:
        """A store without memory, and a process that knows no former one."""
        if self.lose is not None:
            self.lose()
        self.store = self.open()

    def see(self, *sightings: Sighting, **options: Any) -> Reply:
        return self.store.observe(sightings, CALL, **options)

    def grant_of(self, *sightings: Sighting, **options: Any) -> Grant | None:
        return self.see(*sightings, **options).seen[0].grant

    def settle(self, granted: Grant, ending: Ending, group: Group = ORG, **durations: float) -> Grant | None:
        seen = self.store.settle([(group, ended(granted, ending, **durations))], CALL).seen
        return seen[0].grant

    def sweep(self) -> list[tuple[Group, Grant]]:
        return [(s.group, s.grant) for s in self.store.sweep(CALL, limit=64).seen if s.grant is not None]

    def state(self, group: Group = ORG) -> GroupState:
        state = self.store.show(group)
        assert state is not None
        return state


def memory_lab() -> StoreLab:
    clock = ManualClock(monotonic=1000.0)
    return StoreLab("memory", lambda: MemoryStore(clock), clock.advance, None)


def sqlite_lab(directory: Path) -> StoreLab:
    clock = ManualClock(monotonic=1000.0)
    path = directory / "ledger.db"
    opened: list[SqliteStore] = []

    def open_() -> LedgerStore:
        opened.append(SqliteStore(path, owner=OWNER, clock=clock, boot=lambda: "boot"))
        return opened[-1]

    def lose() -> None:
        for store in opened:
            store.close()
        for part in directory.glob("ledger.db*"):
            part.unlink()
        clock.advance(1)  # no two files are born at one moment

    return StoreLab("sqlite", open_, clock.advance, lose)


@contextmanager
def redis_lab(server: RedisServer) -> Iterator[StoreLab]:
    """Redis has a clock of its own, so time passes by moving everything it has written into the past."""
    from redis import Redis

    client = Redis.from_url(server.url, protocol=2)
    opened: list[RedisStore] = []

    def open_() -> LedgerStore:
        opened.append(RedisStore(server.url, owner=OWNER, clock=SystemClock(), timeout=5.0))
        return opened[-1]

    def advance(seconds: float) -> None:
        age(client, round(seconds * SECOND))
        for store in opened:  # what a process remembers of the server's past moves along
            store._births = {shard: birth - round(seconds * SECOND) for shard, birth in store._births.items()}

    def lose() -> None:
        client.flushall()

    client.flushall()
    try:
        yield StoreLab("redis", open_, advance, lose)
    finally:
        for store in opened:
            store.close()
        client.close()


AGE = """
local by = tonumber(ARGV[1])
local function earlier(text)
  local moment = tonumber(text)
  return moment ~= 0 and string.format("%.0f", moment - by) or "0"
end
for _, key in ipairs(redis.call("KEYS", "{ph:*")) do
  if string.find(key, ":dirty$") or string.find(key, ":fading$") then
    local members = redis.call("ZRANGE", key, 0, -1, "WITHSCORES")
    for i = 1, #members, 2 do
      redis.call("ZADD", key, string.format("%.0f", tonumber(members[i + 1]) - by), members[i])
    end
  else
    local fields = redis.call("HGETALL", key)
    for i = 1, #fields, 2 do
      local field, value = fields[i], fields[i + 1]
      if field == "birth" or field == "marked" or field == "q" or field == "r" or field == "b" then
        redis.call("HSET", key, field, earlier(value))
      elseif string.sub(field, 1, 2) == "h:" then
        local have, settled, refused = string.match(value, "^([^,]*),(%d+),(%d)$")
        redis.call("HSET", key, field, have .. "," .. earlier(settled) .. "," .. refused)
      end
    end
  end
end
"""


def age(client: Any, by: int) -> None:
    """Move every moment of a Redis ledger ``by`` microseconds into the past; tokens are names and stay."""
    client.eval(AGE, 0, by)
