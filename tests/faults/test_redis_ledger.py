"""A ledger in a real Redis that fails in every way it knows: captures flow, nothing is slow, all ends true.

Each trouble has the same story. Before it one organization is known; while it lasts that one changes and a
new one comes; then it is over. What was observed meanwhile waits in memory, or with an outbox on disk, where
a kill does not reach it.
"""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import pytest

from opentelemetry.exporter.posthog.groups.redis import RedisStore, shard_of
from opentelemetry.exporter.posthog.model import Group
from tests.faults.ledger_shop import Shop
from tests.servers import RedisServer, running_redis

LONGEST_ONCE = 1.0
"""Seconds. The store's own limit is 0.25, the client's defaults take 2 and more, this machine may be busy."""

LONGEST_LATER = 0.2
"""Seconds, of the quickest of several exports: what one costs beside a store that is known to be down."""


class Trouble(NamedTuple):
    id: str
    begin: Callable[[RedisServer], object]
    end: Callable[[RedisServer], object]
    forgets: bool = False  # what it knew is gone afterwards

    def __repr__(self) -> str:
        return self.id


def cut_clients_off(server: RedisServer) -> None:
    server.ask("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")


def ask_for_a_password(server: RedisServer) -> None:
    server.ask("CONFIG", "SET", "requirepass", "s3cret-word")
    server.ask("-a", "s3cret-word", "CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")


TROUBLES = [
    Trouble("killed_and_restarted_empty", lambda s: s.kill(), lambda s: s.start(), forgets=True),
    Trouble("stalled", lambda s: s.stall(), lambda s: s.resume()),
    Trouble(
        "made_a_replica",
        lambda s: s.ask("REPLICAOF", "127.0.0.1", "1"),
        lambda s: s.ask("REPLICAOF", "NO", "ONE"),
    ),
    Trouble(
        "full",
        lambda s: s.ask("CONFIG", "SET", "maxmemory", "1"),
        lambda s: s.ask("CONFIG", "SET", "maxmemory", "0"),
    ),
    Trouble(
        "asks_for_a_password",
        ask_for_a_password,
        lambda s: s.ask("-a", "s3cret-word", "CONFIG", "SET", "requirepass", ""),
    ),
    Trouble(
        "its_acl_forbids_scripts",
        lambda s: s.ask("ACL", "SETUSER", "default", "-evalsha", "-eval"),
        lambda s: s.ask("ACL", "SETUSER", "default", "+@all"),
    ),
]


@pytest.fixture
def server() -> Iterator[RedisServer]:
    with running_redis() as server:
        yield server


@pytest.fixture(params=["in_memory", "on_disk"])
def options(request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, str]:
    return {"outbox": str(tmp_path / "outbox")} if request.param == "on_disk" else {}


@pytest.mark.parametrize("trouble", TROUBLES, ids=repr)
def test_while_it_lasts_captures_flow_and_afterwards_profiles_are_true(
    trouble: Trouble, server: RedisServer, options: dict[str, str]
) -> None:
    shop = Shop(server.url, **options)
    assert shop.says(plan="free", seats=3).kept
    shop.tend(server)

    trouble.begin(server)
    first = shop.says(plan="team", seats=3)
    later = [shop.says("org_2", plan="pro", seats=i) for i in range(5)]
    assert first.seconds < LONGEST_ONCE
    assert min(export.seconds for export in later) < LONGEST_LATER
    assert first.kept == bool(options), "durable only where there is a disk"
    assert shop.profile() == {"plan": "free", "seats": 3}, "nothing is sent by own view"
    assert len(shop.double.identifies) == 1
    assert len(shop.double.events) == 7

    trouble.end(server)
    shop.after_the_pause()
    shop.tend(server)
    assert shop.profile() == {"plan": "team", "seats": 3}
    assert shop.profile("org_2") == {"plan": "pro", "seats": 4}
    assert len(shop.double.identifies) <= 3 + 2 * trouble.forgets
    assert shop.pipeline.force_flush(5.0)
    shop.check_balance()
    assert shop.stats.notes["ledger_down"] == 1
    shop.pipeline.shutdown(5.0)


@pytest.mark.parametrize("trouble", TROUBLES, ids=repr)
def test_what_waits_on_disk_survives_a_kill(trouble: Trouble, server: RedisServer, tmp_path: Path) -> None:
    shop = Shop(server.url, outbox=str(tmp_path / "outbox"))
    shop.says(plan="free")
    trouble.begin(server)
    shop.says(plan="team")
    shop.says("org_2", plan="pro")
    shop.says(plan="business")
    del shop.pipeline  # killed: no flush, no shutdown

    trouble.end(server)
    next_life = Shop(server.url, double=shop.double, outbox=str(tmp_path / "outbox"))
    next_life.tend(server)
    assert next_life.profile() == {"plan": "business"}
    assert next_life.profile("org_2") == {"plan": "pro"}
    next_life.pipeline.shutdown(5.0)


def test_what_a_killed_process_had_observed_is_told_by_the_next_one(
    server: RedisServer, tmp_path: Path
) -> None:
    dead = subprocess.run(
        [sys.executable, "-m", "tests.faults.ledger_scenes", str(tmp_path), "killed"],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        timeout=60,
    )
    assert dead.returncode == -signal.SIGKILL, dead.stderr.decode()
    assert waiting_on_disk(tmp_path / "outbox") == 4
    shop = Shop(server.url, outbox=str(tmp_path / "outbox"))
    shop.tend(server)
    assert shop.profile() == {"plan": "business"}
    assert shop.profile("org_2") == {"plan": "pro"}
    assert len(shop.double.identifies) == 2
    assert waiting_on_disk(tmp_path / "outbox") == 0
    shop.pipeline.shutdown(5.0)


def test_down_at_start_is_down_and_no_more(server: RedisServer, options: dict[str, str]) -> None:
    server.kill()
    shop = Shop(server.url, **options)
    assert shop.says(plan="free").seconds < LONGEST_ONCE
    assert len(shop.double.events) == 1
    server.start()
    shop.after_the_pause()
    shop.tend(server)
    assert shop.profile() == {"plan": "free"}
    shop.check_balance()
    shop.pipeline.shutdown(5.0)


def test_what_came_back_is_older_news_than_what_others_said_meanwhile(
    server: RedisServer, tmp_path: Path
) -> None:
    """Counterexample C9: what waits on disk is an observation, not an update that is ready to send."""
    late = Shop(server.url, outbox=str(tmp_path / "late"))
    server.kill()
    late.says(plan="old", ago=60)
    late.pipeline.shutdown(5.0)
    server.start()
    other = Shop(server.url, double=late.double)
    other.says(plan="new")
    back = Shop(server.url, double=late.double, outbox=str(tmp_path / "late"))
    back.tend(server)
    assert back.profile() == {"plan": "new"}
    assert len(back.double.identifies) == 1
    for shop in (other, back):
        shop.pipeline.shutdown(5.0)


def test_a_flushed_server_is_told_everything_again(server: RedisServer, options: dict[str, str]) -> None:
    shop = Shop(server.url, **options)
    shop.says(plan="free", seats=1)
    server.ask("FLUSHALL")
    shop.says(plan="team", seats=1)
    shop.tend(server)
    assert shop.profile() == {"plan": "team", "seats": 1}
    assert shop.stats.notes["ledger_lost"] == 1
    assert len(shop.double.identifies) <= 3
    shop.check_balance()
    shop.pipeline.shutdown(5.0)


def test_after_a_loss_what_says_nothing_new_is_sent_once_more(server: RedisServer) -> None:
    """Nobody knows what PostHog was sent by others since; so no process believes what it remembers."""
    shop = Shop(server.url)
    shop.says_all({"org_1": {"plan": "free"}, "org_2": {"plan": "pro"}})
    server.ask("FLUSHALL")
    shop.says("org_1", plan="team")
    shop.says("org_2", plan="pro")
    shop.tend(server)
    assert shop.stats.updates.delivered == 4
    assert len(shop.double.identifies) == 3, "the same first sight on one day is one row at PostHog"
    shop.pipeline.shutdown(5.0)


def test_a_server_that_forgot_the_script_is_sent_it_within_the_same_export(server: RedisServer) -> None:
    shop = Shop(server.url)
    shop.says(plan="free")
    server.ask("SCRIPT", "FLUSH")
    assert shop.says(plan="team").kept
    assert shop.profile() == {"plan": "team"}
    assert "ledger_down" not in shop.stats.notes
    shop.pipeline.shutdown(5.0)


def test_a_connection_that_the_server_closed_is_opened_anew(server: RedisServer) -> None:
    shop = Shop(server.url)
    shop.says(plan="free")
    cut_clients_off(server)
    assert shop.says(plan="team").kept
    assert shop.profile() == {"plan": "team"}
    assert "ledger_down" not in shop.stats.notes
    shop.pipeline.shutdown(5.0)


def test_a_server_that_loads_its_data_is_down_until_it_has(server: RedisServer) -> None:
    shop = Shop(server.url)
    shop.says_all({f"org_{i}": {"plan": "free"} for i in range(40)})
    server.ask("SAVE")
    server.kill()
    slowly = ("--key-load-delay", "20000", "--loading-process-events-interval-bytes", "1024")
    server.start(*slowly, ready=b"server initialized")
    loading = shop.says("org_1", plan="team")
    assert loading.seconds < LONGEST_ONCE
    assert not loading.kept
    assert any("loading" in notice for notice in shop.said), shop.said
    while server.ask("PING") != "PONG":
        pass
    shop.after_the_pause()
    shop.tend(server)
    assert shop.profile() == {"plan": "team"}
    assert len(shop.double.identifies) == 41
    shop.pipeline.shutdown(5.0)


def test_no_words_about_a_server_hold_its_password(server: RedisServer) -> None:
    ask_for_a_password(server)
    shop = Shop(server.url.replace("unix://", "unix://someone:wr0ng-word@"))
    shop.says(plan="free")
    assert any("user" in said for said in shop.said)
    assert not any("wr0ng" in said or "s3cret" in said for said in shop.said)
    assert "wr0ng" not in repr(shop.settings)
    shop.pipeline.shutdown(5.0)


def test_a_pocket_without_a_disk_is_bounded_and_what_it_lets_go_is_counted(server: RedisServer) -> None:
    shop = Shop(server.url)
    server.kill()
    shop.pipeline._ledger._keeping._most = 10
    shop.says_all({f"org_{i}": {"plan": "free"} for i in range(25)})
    assert shop.stats.notes["pocket_full"] == 15
    server.start()
    shop.after_the_pause()
    shop.tend(server)
    assert len(shop.double.identifies) == 10
    shop.check_balance()
    shop.pipeline.shutdown(5.0)


def test_a_disk_holds_what_memory_has_no_room_for(server: RedisServer, tmp_path: Path) -> None:
    shop = Shop(server.url, outbox=str(tmp_path))
    server.kill()
    shop.pipeline._ledger._keeping._most = 10
    shop.says_all({f"org_{i}": {"plan": f"p{i}"} for i in range(25)})
    assert "pocket_full" not in shop.stats.notes
    assert waiting_on_disk(tmp_path) == 25 * 2, "the plan, and that there is the organization"
    server.start()
    shop.after_the_pause()
    shop.tend(server)
    assert {shop.profile(f"org_{i}")["plan"] for i in range(25)} == {f"p{i}" for i in range(25)}
    assert len(shop.double.identifies) == 25
    assert waiting_on_disk(tmp_path) == 0
    shop.pipeline.shutdown(5.0)


def test_a_damaged_file_of_observations_is_said_in_one_line_and_written_again(
    server: RedisServer, tmp_path: Path
) -> None:
    shop = Shop(server.url, outbox=str(tmp_path))
    server.kill()
    shop.says("org_1", plan="free")
    shop.pipeline.before_fork()  # closes the file
    for file in tmp_path.glob("observations.db*"):
        if not file.name.endswith(".lock"):
            file.write_bytes(b"SQLite format 3\0" + b"\1" * 4096)
    shop.pipeline.after_fork_in_parent()
    shop.says("org_2", plan="team")
    assert len([line for line in shop.said if "observations.db" in line]) == 1, shop.said
    assert waiting_on_disk(tmp_path) == 2 * 2, "what was seen before the damage too"
    server.start()
    shop.after_the_pause()
    shop.tend(server)
    assert (shop.profile("org_1"), shop.profile("org_2")) == ({"plan": "free"}, {"plan": "team"})
    shop.pipeline.shutdown(5.0)


def test_totals_are_exact_though_the_shard_that_they_ride_on_fails(server: RedisServer) -> None:
    shop = Shop(server.url)
    for _ in range(2):  # what the second one saves is told with the next call
        shop.says_all({f"org_{i}": {"plan": "free"} for i in range(20)})
    store = shop.pipeline._ledger._store
    assert isinstance(store, RedisStore)
    first, second = (Group("organization", f"org_{i}") for i in range(2))
    of_the_first = f"{store._tag(shard_of(first))}:store"
    assert shard_of(first) != shard_of(second)
    server.ask("RENAME", of_the_first, "aside")
    server.ask("SET", of_the_first, "no hash")  # the script fails on this shard alone
    shop.says_all({"org_0": {"plan": "pro"}, "org_1": {"plan": "pro"}})
    server.ask("DEL", of_the_first)
    server.ask("RENAME", "aside", of_the_first)
    shop.after_the_pause()
    shop.tend(server)
    shop.pipeline.force_flush(5.0)
    totals = store.totals()
    assert totals.sent == len(shop.double.identifies) == 22
    assert totals.saved == shop.stats.notes["identifies_saved"] >= 20
    shop.pipeline.shutdown(5.0)


def waiting_on_disk(directory: Path) -> int:
    with closing(sqlite3.connect(directory / "observations.db")) as connection:
        count: int = connection.execute("SELECT count(*) FROM observed").fetchone()[0]
        return count


def test_what_ends_with_a_dead_server_and_no_disk_is_counted(server: RedisServer) -> None:
    shop = Shop(server.url)
    server.kill()
    shop.says(plan="free")
    assert not shop.pipeline.force_flush(5.0)
    shop.pipeline.shutdown(5.0)
    assert shop.stats.notes["pocket_lost"] == 1
    shop.check_balance()


def test_after_an_outage_what_piled_up_goes_at_a_measured_pace_and_news_at_once(server: RedisServer) -> None:
    shop = Shop(server.url)
    server.kill()
    for start in range(0, 600, 100):
        shop.says_all({f"org_{i}": {"plan": "free"} for i in range(start, start + 100)})
    server.start()
    shop.after_the_pause()
    started = shop.clock.monotonic()
    sent: list[tuple[float, int]] = []
    while (pause := shop.pipeline.tend()) is not None:
        sent.append((shop.clock.monotonic() - started, len(shop.double.identifies)))
        if len(sent) == 1:
            shop.says("news", plan="pro")
            assert shop.profile("news") == {"plan": "pro"}
        shop.pass_time(pause, server)
    assert len(shop.double.identifies) == 601
    for seconds, identifies in sent:
        assert identifies <= 100 + 64 + 1 + 50 * (seconds + 1), (seconds, identifies)
    assert sent[-1][0] < 20
    shop.check_balance()
    shop.pipeline.shutdown(5.0)


# -- what it costs when all is well -----------------------------------------------------------------------


class Traffic(NamedTuple):
    commands: int  # those of scripts too
    scripts: int
    reads: int  # the client sends at once what fits into 6 kB, and that is read at once


def traffic(server: RedisServer, act: Callable[[], object]) -> Traffic:
    """What ``act`` sent to the server, without our own questions."""

    def counted() -> Traffic:
        said = server.ask("INFO", "everything")
        fields = dict(line.split(":", 1) for line in said.splitlines() if ":" in line)
        scripts = fields.get("cmdstat_evalsha", "calls=0,").split(",")[0].removeprefix("calls=")
        return Traffic(
            int(fields["total_commands_processed"]), int(scripts), int(fields["total_reads_processed"])
        )

    idle = [counted(), counted()]
    act()
    after = counted()
    ours = [b - a for a, b in zip(*idle, strict=True)]
    return Traffic(*(c - b - own for b, c, own in zip(idle[1], after, ours, strict=True)))


def test_exports_that_change_nothing_ask_the_server_nothing(
    server: RedisServer, options: dict[str, str]
) -> None:
    shop = Shop(server.url, **options)
    everybody = {f"org_{i}": {"plan": "team", "seats": i} for i in range(50)}
    shop.says_all(everybody)
    shop.tend(server)

    def nothing_new() -> None:
        for _ in range(20):
            assert shop.says_all(everybody).kept
            shop.pipeline._something_waits()
            shop.pipeline.tend()  # what a caretaker that was woken does

    assert traffic(server, nothing_new) == (0, 0, 0)
    assert shop.stats.notes["identifies_saved"] == 1000
    shop.pipeline.shutdown(5.0)


def test_late_news_costs_no_command_of_its_own_and_rides_on_the_next_round_trip(server: RedisServer) -> None:
    shop = Shop(server.url)
    shop.says_all({f"org_{i}": {"plan": "team"} for i in range(6)})
    shop.tend(server)

    def late_webhooks() -> None:
        for _ in range(20):
            assert shop.says_all({f"org_{i}": {"plan": "free"} for i in range(6)}, ago=60.0).kept
            shop.pipeline._something_waits()
            shop.pipeline.tend()

    assert traffic(server, late_webhooks) == (0, 0, 0)
    assert traffic(server, lambda: shop.says_all({"org_0": {"plan": "pro"}})).reads == 2
    store = shop.pipeline._ledger._store
    states = [store.show(Group("organization", f"org_{i}")) for i in range(6)]
    assert all(state is not None and state.properties["plan"].history.ignored for state in states)
    assert len(shop.double.identifies) == 7
    shop.pipeline.shutdown(5.0)


def test_a_batch_with_changes_is_one_round_trip_to_observe_and_one_to_settle(server: RedisServer) -> None:
    shop = Shop(server.url)
    shop.says_all({f"org_{i}": {"plan": "free"} for i in range(6)})
    shop.tend(server)

    def changes() -> None:
        shop.says_all({f"org_{i}": {"plan": "free" if i % 2 else "team"} for i in range(6)})
        shop.pipeline._something_waits()

    seen = traffic(server, changes)
    assert seen.reads == 2
    assert seen.scripts <= 2 * 3
    assert len(shop.double.identifies) == 9
    shop.pipeline.shutdown(5.0)


def test_the_traffic_is_really_counted(server: RedisServer) -> None:
    seen = traffic(server, lambda: server.ask("PING"))
    assert seen.commands >= 1
    assert seen.reads >= 1
