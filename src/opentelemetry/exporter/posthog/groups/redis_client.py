"""The client of Redis as we use it: it waits a quarter of a second, never tries again, and finds a cluster.

The client's own defaults hold a caller for two to seven seconds when the server is down or stalls.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from hashlib import sha1
from itertools import islice
from typing import Any, Final, TypeAlias, cast

from ..errors import LedgerError, MissingExtraError
from ..name_lookup import Lookup

try:
    from redis import Connection, Redis, SSLConnection, UnixDomainSocketConnection, __version__
    from redis import exceptions as said
    from redis.backoff import NoBackoff
    from redis.cluster import RedisCluster
    from redis.exceptions import RedisError
    from redis.retry import Retry
except ImportError as error:
    raise MissingExtraError("A ledger in Redis", "redis") from error

Client: TypeAlias = Any
"""``Redis`` or ``RedisCluster``: their annotations mix the answers of the blocking and the asyncio client."""

Command: TypeAlias = "Sequence[str | int | bytes]"
"""What follows the script in EVALSHA."""

AT_ONCE: Final = 1000
"""Keys looked at in one round trip, for people."""

FAILURES: Final = (RedisError, said.RedisClusterException, OSError)
"""All that the client raises: what it says of a whole cluster is not a ``RedisError``."""

CUT_OFF: Final = (
    said.ConnectionError,
    said.TimeoutError,
    said.ClusterDownError,
    said.RedisClusterException,
    OSError,
)

WORDS: Final[Sequence[tuple[type[Exception], str]]] = (
    (said.AuthenticationError, "refuses this user: check the name and password in its URL"),
    (said.AuthorizationError, "refuses this user: check the name and password in its URL"),
    (said.NoPermissionError, "does not allow this user what the ledger needs: check its ACL"),
    (said.ReadOnlyError, "is a replica and takes no writes. Name the primary"),
    (said.OutOfMemoryError, "is full (maxmemory) and takes no writes. Give it more memory"),
    (said.BusyLoadingError, "is still loading its data"),
    (said.ClusterDownError, "belongs to a cluster that is down"),
    (said.RedisClusterException, "belongs to a cluster of which too few nodes answer"),
    (said.TimeoutError, "did not answer in time"),
    (said.ConnectionError, "can't be reached"),
)
"""Said of the ledger's server; the first that fits, so the special ones come first."""


def explained(error: BaseException) -> LedgerError:
    """Never the client's own words: they may hold credentials."""
    for kind, words in WORDS:
        if isinstance(error, kind):
            return LedgerError(f"the ledger's server {words}.")
    return LedgerError(f"the ledger's server did not answer as it should ({type(error).__name__}).")


class ScriptServer:
    """Runs one script on a server, or on every node of a cluster. Safe for threads.

    Every method raises :class:`LedgerError` and no other. ``greeted`` is told once a connection what the
    server's clock says (µs) and what its operator should hear.
    """

    def __init__(
        self, url: str, script: str, *, timeout: float, greeted: Callable[[int, Sequence[str]], None]
    ) -> None:
        self._url = url
        self._script = script
        self._sha = sha1(script.encode(), usedforsecurity=False).hexdigest()
        self._timeout = timeout
        self._greeted = greeted
        self.start_afresh()

    def start_afresh(self) -> None:
        """Sockets of before are left alone: after a fork they are the parent's."""
        self._lock = threading.RLock()  # guards the next line; re-entrant, since a signal handler may export
        self._client: Client | None = None

    # -- the script ---------------------------------------------------------------------------------

    def run(self, commands: Sequence[Command]) -> list[Any]:
        """Answers, or the exceptions that came in their place. A server that does not know the script any
        more (restarted, flushed, another primary) is sent the text of it."""
        client = self._connected()
        answers = self._send(client, "EVALSHA", self._sha, commands)
        unknown = [i for i, answer in enumerate(answers) if isinstance(answer, said.NoScriptError)]
        if unknown:
            again = self._send(client, "EVAL", self._script, [commands[i] for i in unknown])
            for i, answer in zip(unknown, again, strict=True):
                answers[i] = answer
        return answers

    def _send(self, client: Client, name: str, script: str, commands: Sequence[Command]) -> list[Any]:
        if isinstance(client, Redis):
            pipe: Any = cast("Any", client).pipeline(transaction=False)
            for command in commands:
                pipe.execute_command(name, script, *command)
            try:
                return list(pipe.execute(raise_on_error=False))
            except FAILURES as error:
                return [error] * len(commands)
        answers: list[Any] = []
        for command in commands:
            if answers and isinstance(answers[-1], CUT_OFF):
                answers.append(answers[-1])  # one stalled node must not cost its timeout again and again
                continue
            try:
                answers.append(client.execute_command(name, script, *command))
            except FAILURES as error:
                answers.append(error)
        return answers

    # -- plain commands -----------------------------------------------------------------------------

    def ask(self, questions: Callable[[Any], object]) -> list[Any]:
        """``questions`` puts commands into the pipeline that it is given; their answers."""
        pipe = self._connected().pipeline(transaction=False)
        questions(pipe)
        try:
            return list(pipe.execute())
        except FAILURES as error:
            raise explained(error) from None

    def hash_at(self, key: str) -> dict[bytes, bytes]:
        try:
            found: dict[bytes, bytes] = self._connected().hgetall(key)
        except FAILURES as error:
            raise explained(error) from None
        return found

    def field_of_all(self, pattern: str, field: str) -> Iterator[bytes]:
        """One field of every hash whose key is of this pattern; of one that moves meanwhile perhaps twice."""
        client = self._connected()
        try:
            keys: Iterator[bytes] = client.scan_iter(match=pattern, count=AT_ONCE)
            while some := list(islice(keys, AT_ONCE)):
                pipe = client.pipeline(transaction=False)
                for key in some:
                    pipe.hget(key, field)
                yield from (found for found in pipe.execute() if found is not None)
        except FAILURES as error:
            raise explained(error) from None

    # -- connections --------------------------------------------------------------------------------

    def _connected(self) -> Client:
        with self._lock:
            if self._client is None:
                self._client = self._connect()
            return self._client

    def _connect(self) -> Client:
        options: dict[str, Any] = {
            "socket_timeout": self._timeout,
            "socket_connect_timeout": self._timeout,
            "retry": Retry(NoBackoff(), 0),
            "protocol": 2,
        }
        connection = _CONNECTIONS.get(self._url.partition("://")[0].lower())
        named = {} if connection is None else {"connection_class": connection}
        try:
            client = cast("Client", Redis).from_url(self._url, **options, **named)
        except ValueError:
            raise LedgerError("the ledger's URL has a part that the client of Redis can't read.") from None
        try:
            is_cluster = self._greet(client)
        except BaseException:
            client.close()
            raise
        if not is_cluster:
            return client
        client.close()
        try:
            return RedisCluster.from_url(self._url, **_ONCE_IN_A_CLUSTER, **options)
        except FAILURES as error:
            raise explained(error) from None

    def _greet(self, client: Client) -> bool:
        """True when it is a node of a cluster."""
        pipe = client.pipeline(transaction=False)
        pipe.execute_command("INFO", "cluster")
        pipe.execute_command("INFO", "memory")
        pipe.execute_command("TIME")
        try:
            cluster, memory, time = pipe.execute(raise_on_error=False)
        except FAILURES as error:
            raise explained(error) from None
        if isinstance(time, Exception):
            raise explained(time) from None
        policy = str(_field(memory, "maxmemory_policy"))
        warnings: list[str] = []
        if policy.startswith("allkeys"):
            warnings.append(
                f"the ledger's server evicts any key when it is full (maxmemory-policy {policy}), so groups "
                "are forgotten unnoticed. Use noeviction or volatile-ttl."
            )
        self._greeted(int(time[0]) * 1_000_000 + int(time[1]), warnings)
        return str(_field(cluster, "cluster_enabled")) == "1"

    def close(self) -> None:
        with self._lock:
            client, self._client = self._client, None
        if client is not None:
            try:
                client.close()
            except FAILURES:
                return


def _field(info: Any, name: str) -> Any:
    """A field of an INFO reply, empty where a rule of the server forbade it."""
    return "" if isinstance(info, Exception) else info.get(name, "")


class _AsksInTime(Connection):
    """The resolver has as long as the server, and no longer: ``getaddrinfo`` itself knows no time limit. The
    client asks it again, right after it has answered."""

    def _connect(self) -> Any:
        _look_up(self)
        return cast("Any", super())._connect()


class _AsksInTimeOverTls(SSLConnection):
    def _connect(self) -> Any:
        _look_up(self)
        return cast("Any", super())._connect()


class _OnASocketInTime(UnixDomainSocketConnection):
    """The oldest client that we support (5.0.0) forgets the limit that it is given for a Unix socket, and so
    waits for a stalled server for ever."""

    def __init__(self, **options: Any) -> None:
        cast("Any", super()).__init__(**options)
        self.socket_timeout = options.get("socket_timeout")


def _look_up(connection: Any) -> None:
    try:
        Lookup(connection.host, int(connection.port)).addresses(connection.socket_connect_timeout)
    except OSError as error:  # the builtin TimeoutError is one
        raise said.ConnectionError(f"name look-up: {type(error).__name__}") from None


_ONCE_IN_A_CLUSTER: Final[dict[str, Any]] = (
    {} if int(__version__.partition(".")[0]) >= 6 else {"cluster_error_retry_attempts": 0}
)
"""From version 6 on ``retry`` speaks of the cluster too, and this is deprecated."""

_CONNECTIONS: Final[dict[str, type[Any]]] = {
    "redis": _AsksInTime,
    "rediss": _AsksInTimeOverTls,
    "unix": _OnASocketInTime,
}
