"""``otel-posthog ledger`` beside a service that shares the ledger, a file or a real Redis.

A command is a process where its start, its ending or its errors are the point, else a call: a process takes
a second and more.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from opentelemetry.exporter.posthog import PostHogLogExporter
from opentelemetry.exporter.posthog.testing import Fault, PostHogDouble
from tests.builders import a_log
from tests.e2e.command_line import call
from tests.e2e.processes import BIN, run
from tests.ledger_kit import age
from tests.manual_clock import EPOCH_NS
from tests.servers import RedisServer, running_redis

OTEL_POSTHOG = BIN / "otel-posthog"


class Done(NamedTuple):
    returncode: int
    stdout: str
    stderr: str


@dataclass
class Desk:
    """One service's settings, its PostHog, and a person at the command line."""

    env: dict[str, str]
    double: PostHogDouble

    def run(self, *arguments: str) -> Done:
        """In this process."""
        done = call(self.env, "ledger", *arguments)
        return Done(done.returncode, done.stdout, done.stderr)

    def process(self, *arguments: str) -> Done:
        """As a program of its own."""
        done = run([OTEL_POSTHOG, "ledger", *arguments], self.env)
        return Done(done.returncode, done.stdout, done.stderr)

    def json(self, *arguments: str) -> Any:
        done = self.run(*arguments, "--json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def properties(self, key: str = "org_1") -> dict[str, dict[str, Any]]:
        return {known["name"]: known for known in self.json("show", key)["properties"]}

    @contextmanager
    def service(self, number: int = 1) -> Iterator[Callable[..., None]]:
        """The service starts, exports events of so many ms after the tests' epoch, one by one, and ends."""
        exporter = PostHogLogExporter(
            host=self.double.url,
            api_key=self.env["OTEL_EXPORTER_POSTHOG_API_KEY"],
            ledger=self.env["OTEL_EXPORTER_POSTHOG_LEDGER"],
            timeout_millis=2_000,
            max_retries=0,
        )

        def export(at_millis: int, **properties: Any) -> None:
            about = {f"organization.{name}": value for name, value in properties.items()}
            at = EPOCH_NS + at_millis * 1_000_000
            named = {"organization.id": f"org_{number}", **about}
            exporter.export([a_log("seen", named, timestamp=at, observed_ns=at)])

        yield export
        exporter.shutdown()

    def service_sees(self, at: int, number: int = 1, **properties: Any) -> None:
        """The service starts, exports one event of ``at`` seconds after the tests' epoch, and ends."""
        with self.service(number) as export:
            export(at * 1_000, **properties)

    @property
    def identifies(self) -> int:
        return len(self.double.identifies) + sum(repeat.count for repeat in self.double.repeats)


@pytest.fixture(scope="module")
def redis_server() -> Iterator[RedisServer]:
    with running_redis() as server:
        yield server


def ledger_of(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if kind == "sqlite":
        return str(tmp_path / "state" / "ledger.db")
    server: RedisServer = request.getfixturevalue("redis_server")
    return server.url


@pytest.fixture
def desk_with(tmp_path: Path) -> Iterator[Callable[[str], Desk]]:
    with PostHogDouble.listening() as double:

        def made(ledger: str) -> Desk:
            env = {
                "OTEL_EXPORTER_POSTHOG_HOST": double.url,
                "OTEL_EXPORTER_POSTHOG_API_KEY": f"phc_{tmp_path.name}",  # a ledger of its own in one server
                "OTEL_EXPORTER_POSTHOG_LEDGER": ledger,
            }
            return Desk(env, double)

        yield made


@pytest.fixture(params=["sqlite", "redis"])
def desk(request: pytest.FixtureRequest, tmp_path: Path, desk_with: Callable[[str], Desk]) -> Desk:
    return desk_with(ledger_of(request.param, request, tmp_path))


def test_show_tells_value_time_standing_and_what_was_too_old(desk: Desk) -> None:
    desk.service_sees(9, plan="team", seats=12)
    desk.service_sees(8, plan="free")
    done = desk.process("show", "org_1")
    assert done.returncode == 0
    rows = {line.split()[0]: line for line in done.stdout.splitlines()[1:]}
    assert '"team"' in rows["plan"]
    assert "confirmed" in rows["plan"]
    assert "ignored: older by 1 s" in rows["plan"]
    assert "12" in rows["seats"]
    assert "ignored" not in rows["seats"]
    known = desk.properties()["plan"]
    assert (known["value"], known["confirmed"], known["state"]) == ("team", True, "confirmed")
    assert known["last_older"] < known["time"]


def test_show_tells_of_a_late_observation_that_the_process_itself_knew_to_be_older(desk: Desk) -> None:
    with desk.service() as export:
        export(9_000, plan="team")
        export(8_200, plan="free")
        assert desk.properties()["plan"]["last_older"] is None  # an export that changes nothing asks nobody
    assert "ignored: older by 0.8 s" in desk.run("show", "org_1").stdout
    assert desk.properties()["plan"]["value"] == "team"
    assert desk.identifies == 1


def test_what_posthog_has_not_acknowledged_is_shown_as_that(desk: Desk) -> None:
    desk.double.fail(*[Fault(status=503)] * 20)
    desk.service_sees(1, plan="team")
    assert desk.properties()["plan"]["state"] == "being sent, or unknown"
    assert not desk.properties()["plan"]["confirmed"]
    assert "1 value waiting to be sent or acknowledged" in desk.run("show", "org_1").stderr
    assert desk.json("list", "--waiting") == [
        {"type": "organization", "key": "org_1", "properties": 1, "waiting": 1}
    ]


def test_list_names_groups_in_order_up_to_a_limit_and_by_type(desk: Desk) -> None:
    for number in (4, 2, 3, 1):
        desk.service_sees(number, number, plan="team")
    assert [known["key"] for known in desk.json("list")] == ["org_1", "org_2", "org_3", "org_4"]
    assert desk.json("list", "--type", "workspace") == []
    assert desk.json("list", "--waiting") == []
    limited = desk.run("list", "--limit", "2")
    assert [line.split()[1] for line in limited.stdout.splitlines()[1:]] == ["org_1", "org_2"]
    assert "raise --limit" in limited.stderr


def test_a_group_that_was_forgotten_is_sent_again_when_it_is_seen_next(desk: Desk) -> None:
    desk.service_sees(1, plan="team")
    desk.service_sees(2, plan="team")
    assert desk.identifies == 1
    assert desk.run("forget", "org_1").stdout == "1 group forgotten\n"
    assert desk.properties()["plan"]["state"] == "to be sent"
    desk.service_sees(3, plan="team")
    assert desk.identifies == 2
    assert desk.properties()["plan"]["confirmed"]


def desk_whose_value_is_not_kept(redis_server: RedisServer, desk_with: Callable[[str], Desk]) -> Desk:
    from redis import Redis

    desk = desk_with(redis_server.url)
    desk.service_sees(1, plan="team")
    with Redis.from_url(redis_server.url, protocol=2) as client:
        age(client, 200 * 1_000_000)  # two leases are 140 s
    return desk


def test_of_a_forgotten_group_whose_value_is_not_kept_nothing_is_said_to_be_sent(
    redis_server: RedisServer, desk_with: Callable[[str], Desk]
) -> None:
    desk = desk_whose_value_is_not_kept(redis_server, desk_with)
    desk.run("forget", "org_1")
    known = desk.properties()["plan"]
    assert (known["has_value"], known["state"]) == (False, "forgotten, sent when seen next")
    assert desk.run("show", "org_1").stderr == "The group itself is waiting to be sent or acknowledged.\n"
    desk.service_sees(2, plan="team")
    assert desk.properties()["plan"]["confirmed"]


def test_all_groups_are_forgotten_only_by_who_says_so_twice(desk: Desk) -> None:
    for number in (1, 2):
        desk.service_sees(number, number, plan="team")
    assert desk.run("forget").returncode == 2
    assert desk.run("forget", "--all").returncode == 2  # nobody is there to be asked
    assert desk.properties()["plan"]["confirmed"]
    assert desk.run("forget", "--all", "--yes").stdout == "2 groups forgotten\n"
    for number in (1, 2):
        desk.service_sees(9, number, plan="team")
    assert desk.identifies == 4


def test_status_tells_what_the_ledger_was_good_for(desk: Desk) -> None:
    for at in range(1, 6):
        desk.service_sees(at, plan="team")
    told = desk.json("status")
    assert (told["sent"], told["groups_waiting"]) == (1, 0)
    assert told["saved"] == 4
    lines = desk.run("status").stdout.splitlines()
    assert lines[0].startswith("1 group update sent, 4 saved since 20")
    assert lines[1] == "0 groups waiting"


def test_a_group_that_nobody_saw_is_a_problem_and_not_an_empty_table(desk: Desk) -> None:
    for command in (("show", "nobody"), ("forget", "nobody")):
        assert desk.run(*command).returncode == 1
    assert "does not know organization nobody" in desk.run("show", "nobody").stderr


def test_once_a_value_is_not_kept_its_digest_is_shown(
    redis_server: RedisServer, desk_with: Callable[[str], Desk]
) -> None:
    desk = desk_whose_value_is_not_kept(redis_server, desk_with)
    desk.service_sees(2, plan="team")
    known = desk.properties()["plan"]
    assert (known["value"], known["has_value"], known["confirmed"]) == (None, False, True)
    shown = desk.run("show", "org_1").stdout
    assert f"(digest {known['digest']})" in shown
    assert "team" not in shown


@pytest.mark.parametrize("command", [("show", "org_1"), ("list",)])
def test_a_server_that_is_down_is_named_as_that_at_once(
    command: tuple[str, ...], tmp_path: Path, desk_with: Callable[[str], Desk]
) -> None:
    desk = desk_with(f"unix://{tmp_path}/nobody-listens.sock")
    began = time.monotonic()
    done = desk.run(*command)
    assert done.returncode == 1
    assert "the ledger's server can't be reached" in done.stderr
    assert done.stdout == ""
    assert time.monotonic() - began < 5.0


def test_a_server_that_is_down_is_no_traceback_of_the_program(
    tmp_path: Path, desk_with: Callable[[str], Desk]
) -> None:
    done = desk_with(f"unix://{tmp_path}/nobody-listens.sock").process("show", "org_1")
    assert done.returncode == 1
    assert "the ledger's server can't be reached" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_server_that_stalls_is_given_up(tmp_path: Path, desk_with: Callable[[str], Desk]) -> None:
    with running_redis() as server:
        desk = desk_with(server.url)
        server.stall()
        try:
            done = desk.process("show", "org_1")
        finally:
            server.resume()
    assert done.returncode == 1
    assert "the ledger's server" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_ledger_in_memory_can_not_be_looked_at(desk_with: Callable[[str], Desk]) -> None:
    for command in (("list",), ("status",), ("show", "org_1")):
        done = desk_with("memory").run(*command)
        assert done.returncode == 2
        assert "lives in the memory of each process" in done.stderr
