"""The ledger in Redis or Valkey: one truth for all machines.

The rule runs inside the server (``ledger.lua``), a script call a shard and at most 32 groups a call, all
calls of a batch in one round trip. Groups are spread over 64 shards whose keys share a hash tag, so that the
same layout serves a cluster, where each shard is one call of its own.

The client's defaults would hold an export for seconds when the server stalls, so it waits a quarter of a
second and never retries: the process keeps its observations and comes back later.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Sequence
from hashlib import blake2b, sha1
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias, cast
from zlib import crc32

from ..errors import LedgerError, MissingExtraError
from ..model import Group
from .ledger import (
    QUIET_HISTORY,
    Answer,
    Grant,
    GroupState,
    Haste,
    History,
    Property,
    Sent,
    Settlement,
    Standing,
    Terms,
)
from .store import SWEEP_LIMIT, Call, Reply, Seen, Sighting, StoreCounts, StoreWaiting, healing_of

try:
    from redis import Redis
    from redis.backoff import NoBackoff
    from redis.cluster import RedisCluster
    from redis.exceptions import (
        AuthenticationError,
        NoPermissionError,
        NoScriptError,
        RedisError,
    )
    from redis.retry import Retry
except ImportError as error:
    raise MissingExtraError("A ledger in Redis", "redis") from error

if TYPE_CHECKING:
    from ..clock import Clock
    from ..sqlite import StateOwner

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
"""Part of every key. It grows when older code could not read what newer code writes: then each has keys of its
own, so that a rolling upgrade mixes nothing, and a way back finds what it left."""

_SEPARATOR: Final = "\x1f"
_FOREVER: Final = 1 << 52

Script: Final = files("opentelemetry.exporter.posthog.groups").joinpath("ledger.lua").read_text("utf-8")
_SHA: Final = sha1(Script.encode(), usedforsecurity=False).hexdigest()


_Client: TypeAlias = Any
"""``Redis`` or ``RedisCluster``: their annotations mix the answers of the blocking and the asyncio client."""


class _Part(NamedTuple):
    """One script call: of one shard."""

    shard: int
    operation: str
    keys: list[str]
    arguments: list[str | int]


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
        self._url = url
        self._timeout = timeout
        self._clock = clock
        self._project = owner.digest(b"ledger".ljust(16, b"\0")).hex()
        self._start_afresh()

    def _start_afresh(self) -> None:
        self._lock = threading.Lock()  # guards what follows
        self._client: _Client | None = None
        self._births: dict[int, int] = {}  # of each shard, as this process knows it
        self._ahead = 0  # the server's clock minus our monotonic one, µs
        self._warnings: list[str] = []

    # -- the rule's operations ----------------------------------------------------------------------

    def observe(
        self, sightings: Sequence[Sighting], call: Call, *, claim: bool = True, haste: Haste = Haste.NONE
    ) -> Reply:
        head: list[str | int] = [_flag(claim), _flag(haste is not Haste.NONE)]
        by_group = [(one.group, _observed(one)) for one in sightings]
        return self._ask(self._parts("observe", head, by_group), call)

    def settle(self, ends: Sequence[tuple[Group, Settlement]], call: Call) -> Reply:
        return self._ask(
            self._parts("settle", [], [(group, _ended(group, end)) for group, end in ends]), call
        )

    def sweep(self, call: Call, *, limit: int = SWEEP_LIMIT) -> Reply:
        each = max(1, limit // SHARDS)
        return self._ask([_Part(shard, "sweep", [], [each]) for shard in range(SHARDS)], call)

    def last_act(self, call: Call) -> Reply:
        """Nothing: other processes come after this one, and what they need is in the store."""
        return Reply((), self._now())

    def _parts(
        self, operation: str, head: list[str | int], groups: Iterable[tuple[Group, list[str | int]]]
    ) -> list[_Part]:
        parts: dict[int, list[_Part]] = {}
        for group, arguments in groups:
            shard = _shard(group)
            mine = parts.setdefault(shard, [])
            if not mine or len(mine[-1].keys) == GROUPS_A_CALL:
                mine.append(_Part(shard, operation, [], list(head)))
            mine[-1].keys.append(self._key(shard, group))
            mine[-1].arguments.extend(arguments)
        return [part for mine in parts.values() for part in mine]

    # -- talking to the server ----------------------------------------------------------------------

    def _ask(self, parts: Sequence[_Part], call: Call) -> Reply:
        """Send all parts; what came back of those that were answered."""
        client = self._connected()
        commands = [self._command(part, call) for part in parts]
        answers = self._run(client, commands)
        seen: list[Seen] = []
        now, lost, failure = 0, False, None
        for part, answer in zip(parts, answers, strict=True):
            if isinstance(answer, Exception):
                failure = self._explained(answer)
                continue
            store_now, birth, groups = cast("tuple[bytes, bytes, list[Any]]", answer)
            now = max(now, int(store_now))
            lost = self._know(part.shard, int(birth)) or lost
            seen.extend(_seen(group) for group in groups)
        if not now:
            raise failure or LedgerError("the ledger's server was asked nothing")
        with self._lock:
            self._ahead = now - int(self._clock.monotonic() * 1e6)
        return Reply(seen, now, lost, failure)

    def _command(self, part: _Part, call: Call) -> list[str | int]:
        tag = self._tag(part.shard)
        keys = [f"{tag}:store", f"{tag}:dirty", f"{tag}:fading", *part.keys]
        contradicted = any(_shard(group) == part.shard for group in call.contradicted)
        with self._lock:
            birth = self._births.get(part.shard, 0)
            latest = self._now() + int(PATIENCE * self._timeout * 1e6) if self._ahead else _FOREVER
        return [
            len(keys), *keys, part.operation, latest, birth, _flag(contradicted),
            call.terms.window, call.terms.life, call.terms.interval, f"{tag}:g:", *part.arguments,
        ]  # fmt: skip

    def _run(self, client: _Client, commands: Sequence[list[str | int]]) -> list[Any]:
        """Answers, or the exceptions that came in their place. A server that does not know the script any
        more (restarted, flushed, another primary) is sent the text of it."""
        answers = self._send(client, "EVALSHA", _SHA, commands)
        unknown = [i for i, answer in enumerate(answers) if isinstance(answer, NoScriptError)]
        if unknown:
            again = self._send(client, "EVAL", Script, [commands[i] for i in unknown])
            for i, answer in zip(unknown, again, strict=True):
                answers[i] = answer
        return answers

    def _send(
        self, client: _Client, name: str, script: str, commands: Sequence[list[str | int]]
    ) -> list[Any]:
        if isinstance(client, Redis):
            pipe: Any = cast("Any", client).pipeline(transaction=False)
            for command in commands:
                pipe.execute_command(name, script, *command)
            try:
                return list(pipe.execute(raise_on_error=False))
            except (RedisError, OSError) as error:
                return [error] * len(commands)
        answers: list[Any] = []
        for command in commands:
            if answers and isinstance(answers[-1], (ConnectionError, TimeoutError)):
                answers.append(answers[-1])  # one stalled node must not cost its timeout again and again
                continue
            try:
                answers.append(client.execute_command(name, script, *command))
            except (RedisError, OSError) as error:
                answers.append(error)
        return answers

    def _connected(self) -> _Client:
        with self._lock:
            if self._client is None:
                self._client = self._connect()
            return self._client

    def _connect(self) -> _Client:
        options: dict[str, Any] = {
            "socket_timeout": self._timeout,
            "socket_connect_timeout": self._timeout,
            "retry": Retry(NoBackoff(), 0),
            "protocol": 2,
        }
        try:
            client = cast("_Client", Redis).from_url(self._url, **options)
        except ValueError:
            raise LedgerError("the ledger's URL has a part that the client of Redis can't read") from None
        try:
            pipe = client.pipeline(transaction=False)
            pipe.execute_command("INFO", "cluster")
            pipe.execute_command("INFO", "memory")
            pipe.execute_command("TIME")
            cluster, memory, time = pipe.execute(raise_on_error=False)
        except (RedisError, OSError) as error:
            client.close()
            raise self._explained(error) from None
        if isinstance(time, Exception):
            client.close()
            raise self._explained(time) from None
        self._ahead = int(time[0]) * 1_000_000 + int(time[1]) - int(self._clock.monotonic() * 1e6)
        policy = str(_field(memory, "maxmemory_policy"))
        if policy.startswith("allkeys"):
            self._warnings.append(
                f"the ledger's server evicts any key when it is full (maxmemory-policy {policy}), so groups "
                "are forgotten unnoticed. Use noeviction or volatile-ttl."
            )
        if str(_field(cluster, "cluster_enabled")) != "1":
            return client
        client.close()
        del options["retry"]
        try:
            return RedisCluster.from_url(self._url, cluster_error_retry_attempts=0, **options)
        except (RedisError, OSError) as error:
            raise self._explained(error) from None

    def _explained(self, error: BaseException) -> LedgerError:
        """Never the client's own words on credentials: they may hold them."""
        if isinstance(error, (AuthenticationError, NoPermissionError)):
            return LedgerError(
                "the ledger's server refuses this user: check the name and password in "
                "OTEL_EXPORTER_POSTHOG_LEDGER and what its ACL allows"
            )
        return LedgerError(f"the ledger's server did not answer as it should ({type(error).__name__})")

    def _know(self, shard: int, birth: int) -> bool:
        """True when this shard was born anew since this process last heard of it."""
        with self._lock:
            former = self._births.get(shard, birth)
            self._births[shard] = birth
        return former != birth

    def _now(self) -> int:
        return self._ahead + int(self._clock.monotonic() * 1e6)

    def _tag(self, shard: int) -> str:
        return f"{{ph:{KEYS_VERSION}:{self._project}:{shard}}}"

    def _key(self, shard: int, group: Group) -> str:
        return f"{self._tag(shard)}:g:{blake2b(_id(group), digest_size=12).hexdigest()}"

    # -- for the process and for people -------------------------------------------------------------

    def waiting(self, terms: Terms) -> StoreWaiting:
        pipe = self._connected().pipeline(transaction=False)
        for shard in range(SHARDS):
            tag = self._tag(shard)
            pipe.zcard(f"{tag}:dirty")
            pipe.zrange(f"{tag}:dirty", 0, 0, withscores=True)
            pipe.hmget(f"{tag}:store", "birth", "marked")
        try:
            answers = pipe.execute()
        except (RedisError, OSError) as error:
            raise self._explained(error) from None
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

    def show(self, group: Group) -> GroupState | None:
        key = self._key(_shard(group), group)
        try:
            raw: dict[bytes, bytes] = self._connected().hgetall(key)
        except (RedisError, OSError) as error:
            raise self._explained(error) from None
        return _state({_text(name): _text(value) for name, value in raw.items()}) if raw else None

    def groups(self) -> Iterator[Group]:
        client = self._connected()
        try:
            for key in client.scan_iter(match=f"{{ph:{KEYS_VERSION}:{self._project}:*}}:g:*", count=1000):
                found = client.hget(key, "g")
                if found is not None:
                    yield _group(found)
        except (RedisError, OSError) as error:
            raise self._explained(error) from None

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
        self._start_afresh()

    def close(self) -> None:
        with self._lock:
            client, self._client = self._client, None
        if client is not None:
            try:
                client.close()
            except (RedisError, OSError):
                return


def _field(info: Any, name: str) -> Any:
    """A field of an INFO reply, empty where a rule of the server forbade it."""
    return "" if isinstance(info, Exception) else info.get(name, "")


# -- arguments and answers ------------------------------------------------------------------------------


def _id(group: Group) -> bytes:
    return f"{group.type}\0{group.key}".encode("utf-8", "surrogatepass")


def _group(id_: bytes) -> Group:
    type_, _, key = _text(id_).partition("\0")
    return Group(type_, key)


def _shard(group: Group) -> int:
    return crc32(_id(group)) % SHARDS


def _flag(value: object) -> str:
    return "1" if value else "0"


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "surrogatepass")


def _raw(text: str) -> Any:
    return text.encode("utf-8", "surrogatepass")


def _observed(one: Sighting) -> list[str | int]:
    arguments: list[Any] = [_id(one.group), healing_of(one.group), len(one.entries)]
    for name, entry in one.entries.items():
        service = entry.service.replace(_SEPARATOR, " ")
        arguments += [_raw(name), entry.stamp, entry.value, _raw(service)]
    return arguments


def _ended(group: Group, end: Settlement) -> list[str | int]:
    arguments: list[Any] = [
        _id(group), end.token, end.ending.value, _flag(end.took), end.ghost, end.pause, end.backoff,
        len(end.stamps),
    ]  # fmt: skip
    for name, stamp in end.stamps.items():
        arguments += [_raw(name), stamp, end.had.get(name, "?")]
    return arguments


def _seen(raw: Sequence[Any]) -> Seen:
    id_, flat, granted = raw
    answers = {
        _text(flat[i]): Answer(Standing(flat[i + 1].decode()), flat[i + 2].decode())
        for i in range(0, len(flat), 3)
    }
    return Seen(_group(id_), answers, _grant(granted) if granted else None)


def _grant(raw: Sequence[Any]) -> Grant:
    token, first, took, content = raw
    return Grant(
        int(token),
        {
            _text(name): Sent(
                stamp.decode(), value[0].decode() if value else None, had.decode(), _parts(parts)
            )
            for name, stamp, value, had, parts in content
        },
        first == b"1",
        took == b"1",
    )


def _parts(parts: Sequence[bytes]) -> History:
    service, other, turns, since, ignored = map(_text, parts)
    return History(service, other, int(turns), int(since), ignored)


def _state(fields: dict[str, str]) -> GroupState:
    properties: dict[str, Property] = {}
    for field, stamp in fields.items():
        if field.startswith("w:"):
            name = field[2:]
            have, settled, refused = fields[f"h:{name}"].split(",")
            history = fields.get(f"x:{name}")
            properties[name] = Property(
                stamp,
                fields.get(f"v:{name}"),
                have,
                refused == "1",
                int(settled),
                QUIET_HISTORY if history is None else _parts([_raw(p) for p in history.split(_SEPARATOR)]),
            )
    return GroupState(properties, *(int(fields[name]) for name in "tqrb"))
