"""What the page on ledgers says of a Redis is enough for one, and no more than that."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.ledger_kit import CALL, ORG, OWNER, TERMS, age, ended, saw
from tests.servers import RedisServer, running_redis

from opentelemetry.exporter.posthog.clock import SystemClock
from opentelemetry.exporter.posthog.errors import LedgerError
from opentelemetry.exporter.posthog.groups.redis import RedisStore
from opentelemetry.exporter.posthog.groups.state import Ending

PAGE = (Path(__file__).parents[2] / "docs/how-to/choose-a-ledger.md").read_text()
ACL = re.search(r"^user (\S+) on >(\S+) (.+)$", PAGE, re.MULTILINE)


@pytest.fixture
def server() -> Iterator[RedisServer]:
    with running_redis() as running:
        yield running


def store_of(server: RedisServer, *rules: str) -> RedisStore:
    """A ledger that talks to the server as a user with these rules."""
    from redis import Redis

    assert ACL is not None
    name, password = ACL[1], ACL[2]
    with Redis.from_url(server.url, protocol=2) as client:
        client.execute_command("ACL", "SETUSER", name, "reset", "on", f">{password}", *rules)
    url = server.url.replace("unix://", f"unix://{name}:{password}@")
    return RedisStore(url, owner=OWNER, clock=SystemClock(), timeout=5.0)


def use(store: RedisStore, server: RedisServer) -> None:
    """Everything that the exporter and the commands do with a ledger."""
    from redis import Redis

    (seen,) = store.observe([saw(1, plan="team")], CALL).seen
    assert seen.grant is not None
    store.settle([(ORG, ended(seen.grant, Ending.DELIVERED))], CALL._replace(sent=1))
    with Redis.from_url(server.url, protocol=2) as client:
        age(client, 2 * TERMS.retention)
    store.after_fork_in_child()  # a process that knows nothing of the time before
    swept = store.sweep(CALL)  # lets values go
    assert swept.error is None
    store.waiting(TERMS)
    store.totals()
    assert store.show(ORG) is not None
    assert list(store.groups()) == [ORG]
    assert store.forget(None, TERMS) == 1


def test_a_user_with_the_rules_of_the_page_can_do_all_that_a_ledger_needs(server: RedisServer) -> None:
    assert ACL is not None
    store = store_of(server, *ACL[3].split())
    try:
        use(store, server)
    finally:
        store.close()


def unneeded(server: RedisServer, rules: list[str]) -> list[str]:
    """The commands that a ledger could do without."""
    from redis import Redis

    found = []
    for rule in [rule for rule in rules if rule.startswith("+")]:
        store = store_of(server, *[other for other in rules if other != rule])
        with Redis.from_url(server.url, protocol=2) as client:
            client.flushall()
            client.script_flush()
        try:
            use(store, server)
        except (LedgerError, AssertionError):
            continue
        else:
            found.append(rule)
        finally:
            store.close()
    return found


def test_none_of_the_rules_is_too_much(server: RedisServer) -> None:
    """Without INFO it works too, but can warn of no eviction and know no cluster."""
    assert ACL is not None
    assert unneeded(server, ACL[3].split()) == ["+info"]


def test_other_keys_of_the_server_are_out_of_its_reach(server: RedisServer) -> None:
    from redis import Redis
    from redis.exceptions import NoPermissionError

    assert ACL is not None
    store_of(server, *ACL[3].split()).close()
    with (
        Redis.from_url(server.url, username=ACL[1], password=ACL[2], protocol=2) as client,
        pytest.raises(NoPermissionError),
    ):
        client.hgetall("session:42")


def test_the_page_quotes_what_the_exporter_says() -> None:
    from opentelemetry.exporter.posthog.groups import redis_client

    words = " ".join(words for _, words in redis_client.WORDS)
    for quoted in (
        "can't be reached",
        "does not allow this user what the ledger needs",
        "is full (maxmemory)",
    ):
        assert quoted in PAGE
        assert quoted in words
