"""The ledger in Redis or Valkey: one truth for all machines.

The rule runs inside the server (``ledger.lua``), a script call a shard and at most 32 groups a call, all
calls of a batch in one round trip. Groups are spread over 64 shards whose keys share a hash tag, so that the
same layout serves a cluster, where each shard is one call of its own.

A server that stalls costs an export a quarter of a second, once (``redis_client.py``): the process keeps its
observations and comes back later.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from hashlib import blake2b
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from zlib import crc32

from ..errors import LedgerError
from ..model import Group
from .redis_client import Command, ScriptServer, explained
from .redis_values import (
    Said,
    ended,
    group_of,
    id_of,
    noted,
    observed,
    packed,
    seen_of,
    state_of,
    text,
    unpacked,
)
from .state import GroupState, Haste, Settlement, Terms
from .store import SWEEP_LIMIT, Call, Reply, Seen, Sighting, StoreCounts, StoreTotals, StoreWaiting

if TYPE_CHECKING:
    from ..clock import Clock
    from ..sqlite_identity import StateOwner

SHARDS: Final = 64
"""Enough that a cluster spreads them; few enough that a sweep over all is one modest round trip."""

GROUPS_A_CALL: Final = 32
"""A script stops everybody else's commands; over 32 groups it takes some three milliseconds."""

TIMEOUT: Final = 0.25
"""Seconds an export may lose to a server that stalls, once; then it is left in peace for a while."""

PATIENCE: Final = 4
"""Timeouts after which a call that reaches the server was surely given up. All calls of a round trip have one
timeout each, so the last of them may be executed later than one timeout after they were sent."""

WRITE_BEHIND: Final = 300.0
"""Seconds. 160 workers that carry the times of 10,000 groups every 30 s would make 53,000 writes a second."""

KEYS_VERSION: Final = 1
"""Part of every key. It grows when older code could not read what newer code writes: then each has keys of
its own, so that a rolling upgrade mixes nothing, and a way back finds what it left."""

_FOREVER: Final = 1 << 52

Script: Final = files("opentelemetry.exporter.posthog.groups").joinpath("ledger.lua").read_text("utf-8")


class _Part(NamedTuple):
    """One script call: of one shard."""

    shard: int
    operation: str
    keys: list[str]
    said: list[Said]


class RedisStore:
    """Implements :class:`~.store.LedgerStore` on a server or a cluster. Safe for threads and processes."""

    durable = True
    remote = True

    def __init__(
        self,
        url: str,
        *,
        owner: StateOwner,
        clock: Clock,
        timeout: float = TIMEOUT,
        write_behind: float = WRITE_BEHIND,
    ) -> None:
        """``url``: ``redis://``, ``rediss://``, ``unix://``. ``timeout``: seconds for each answer."""
        self.write_behind = write_behind
        self._timeout = timeout
        self._clock = clock
        self._server = ScriptServer(url, Script, timeout=timeout, greeted=self._meet)
        self._project = owner.digest(b"ledger".ljust(16, b"\0")).hex()
        self._start_afresh()

    def _start_afresh(self) -> None:
        self._lock = threading.RLock()  # guards what follows; re-entrant: signal handlers may export
        self._births: dict[int, int] = {}  # of each shard, as this process knows it
        self._contradicted: set[int] = set()  # shards that are to hear that they are restored copies
        self._told_lost: set[int] = set()  # shards not met since a loss was told, which is theirs too
        self._ahead = 0  # the server's clock minus our monotonic one, µs
        self._warnings: list[str] = []

    # -- the rule's operations ----------------------------------------------------------------------

    def observe(
        self, sightings: Sequence[Sighting], call: Call, *, claim: bool = True, haste: Haste = Haste.NONE
    ) -> Reply:
        head: list[Said] = [claim, haste is not Haste.NONE]
        by_group = [(one.group, observed(one)) for one in sightings]
        return self._ask(self._parts("observe", head, by_group), call)

    def settle(self, ends: Sequence[tuple[Group, Settlement]], call: Call) -> Reply:
        return self._ask(self._parts("settle", [], [(group, ended(group, end)) for group, end in ends]), call)

    def sweep(self, call: Call, *, limit: int = SWEEP_LIMIT) -> Reply:
        each = max(1, limit // SHARDS)
        return self._ask([_Part(shard, "sweep", [], [each]) for shard in range(SHARDS)], call)

    def last_act(self, call: Call) -> Reply:
        """Nothing: other processes come after this one, and what they need is in the store."""
        return Reply((), self._now())

    def _parts(
        self, operation: str, head: list[Said], groups: Iterable[tuple[Group, list[Said]]]
    ) -> list[_Part]:
        parts: dict[int, list[_Part]] = {}
        for group, said in groups:
            shard = shard_of(group)
            mine = parts.setdefault(shard, [])
            if not mine or len(mine[-1].keys) == GROUPS_A_CALL:
                mine.append(_Part(shard, operation, [], list(head)))
            mine[-1].keys.append(self._key(shard, group))
            mine[-1].said.extend(said)
        return [part for mine in parts.values() for part in mine]

    # -- talking to the server ----------------------------------------------------------------------

    def _ask(self, parts: Sequence[_Part], call: Call) -> Reply:
        """Send all parts, late news behind them; what came back of those that were answered."""
        parts = [*parts, *self._parts("note", [], [(late.group, noted(late)) for late in call.late])]
        told = call._replace(sent=0, saved=0)  # once a round trip
        with self._lock:
            self._contradicted.update(map(shard_of, call.contradicted))
        answers = self._server.run(
            [self._command(part, told if place else call) for place, part in enumerate(parts)]
        )
        seen: list[Seen] = []
        births: dict[int, int] = {}
        now, failure = 0, None
        for part, answer in zip(parts, answers, strict=True):
            if isinstance(answer, Exception):
                if part.operation != "note":  # nobody need wait because of what only people want to know
                    failure = explained(answer)
                continue
            store_now, birth, groups = unpacked(answer)
            now = max(now, int(store_now))
            births[part.shard] = int(birth)
            seen.extend(seen_of(group) for group in groups)
        if not now:
            raise failure or LedgerError("the ledger's server was asked nothing")
        with self._lock:
            self._ahead = now - int(self._clock.monotonic() * 1e6)
        tallied = not isinstance(answers[0], Exception)
        return Reply(seen, now, self._know(births), failure, tallied)

    def _command(self, part: _Part, call: Call) -> Command:
        tag = self._tag(part.shard)
        keys = [f"{tag}:store", f"{tag}:dirty", f"{tag}:fading", *part.keys]
        with self._lock:
            contradicted = part.shard in self._contradicted
            birth = self._births.get(part.shard, 0)
            latest = self._now() + int(PATIENCE * self._timeout * 1e6) if self._ahead else _FOREVER
        said: list[Said] = [
            part.operation, latest, birth, contradicted,
            call.terms.window, call.terms.life, call.terms.interval, f"{tag}:g:",
            call.sent, call.saved, *part.said,
        ]  # fmt: skip
        return [len(keys), *keys, packed(said)]

    def _meet(self, server_now: int, warnings: Sequence[str]) -> None:
        with self._lock:
            self._ahead = server_now - int(self._clock.monotonic() * 1e6)
            self._warnings.extend(warnings)

    def _know(self, births: Mapping[int, int]) -> bool:
        """True when one of these shards was born anew since this process last heard of it. The process then
        forgets all that it took for settled, so what other shards have lost by now is no further news."""
        with self._lock:
            anew = {shard for shard, birth in births.items() if self._births.get(shard, birth) != birth}
            lost = bool(anew - self._told_lost)
            self._told_lost -= births.keys()
            self._contradicted -= births.keys()
            self._births.update(births)
            if lost:
                self._told_lost |= self._births.keys() - births.keys()
        return lost

    def _now(self) -> int:
        return self._ahead + int(self._clock.monotonic() * 1e6)

    def _tag(self, shard: int) -> str:
        return f"{{ph:{KEYS_VERSION}:{self._project}:{shard}}}"

    def _key(self, shard: int, group: Group) -> str:
        return f"{self._tag(shard)}:g:{blake2b(id_of(group), digest_size=12).hexdigest()}"

    # -- for the process and for people -------------------------------------------------------------

    def waiting(self, terms: Terms) -> StoreWaiting:
        def ask(pipe: Any) -> None:
            for shard in range(SHARDS):
                tag = self._tag(shard)
                pipe.zcard(f"{tag}:dirty")
                pipe.zrange(f"{tag}:dirty", 0, 0, withscores=True)
                pipe.hmget(f"{tag}:store", "birth", "marked")

        answers = self._server.ask(ask)
        dirty = 0
        moments: list[float] = []
        for count, first, (birth, marked) in zip(answers[::3], answers[1::3], answers[2::3], strict=True):
            dirty += count
            held_until = int(birth) + terms.lease if marked and int(marked) else 0
            moments += [max(score, held_until) for _, score in first]
        if not moments:
            return StoreWaiting(dirty, None)
        return StoreWaiting(dirty, max(0.0, (min(moments) - self._now()) / 1e6))

    def counts(self) -> StoreCounts:
        with self._lock:
            warnings, self._warnings = tuple(self._warnings), []
        return StoreCounts(warnings=warnings)

    def totals(self) -> StoreTotals:
        def ask(pipe: Any) -> None:
            for shard in range(SHARDS):
                pipe.hmget(f"{self._tag(shard)}:store", "sent", "saved", "birth")

        answers = self._server.ask(ask)
        births = [int(birth) for _, _, birth in answers if birth is not None]
        return StoreTotals(
            sum(int(sent or 0) for sent, _, _ in answers),
            sum(int(saved or 0) for _, saved, _ in answers),
            min(births, default=0),
        )

    def show(self, group: Group) -> GroupState | None:
        raw = self._server.hash_at(self._key(shard_of(group), group))
        return state_of({text(name): text(value) for name, value in raw.items()}) if raw else None

    def groups(self) -> Iterator[Group]:
        pattern = f"{{ph:{KEYS_VERSION}:{self._project}:*}}:g:*"
        return map(group_of, map(text, dict.fromkeys(self._server.field_of_all(pattern, "g"))))

    def forget(self, group: Group | None, terms: Terms) -> int:
        chosen = [group] if group is not None else list(self.groups())
        parts = self._parts("forget", [], [(one, []) for one in chosen])
        return len(self._ask(parts, Call(terms)).seen) if parts else 0

    # -- life ---------------------------------------------------------------------------------------

    def before_fork(self) -> None:
        """Sockets may stay open: the child leaves them alone."""

    def after_fork_in_parent(self) -> None:
        """Nothing was closed."""

    def after_fork_in_child(self) -> None:
        self._server.start_afresh()
        self._start_afresh()

    def close(self) -> None:
        self._server.close()


def shard_of(group: Group) -> int:
    return crc32(id_of(group)) % SHARDS
