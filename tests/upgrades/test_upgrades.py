"""State files outlive the code that wrote them: older ones are taken over, newer ones are left alone."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import SimpleLogRecordProcessor

from opentelemetry.exporter.posthog import PostHogLogExporter
from opentelemetry.exporter.posthog.delivery.outbox_tables import SCHEMA as OUTBOX
from opentelemetry.exporter.posthog.groups.pocket_file import SCHEMA as OBSERVATIONS
from opentelemetry.exporter.posthog.groups.redis import KEYS_VERSION
from opentelemetry.exporter.posthog.groups.sqlite import SCHEMA as LEDGER
from opentelemetry.exporter.posthog.settings.model import Settings
from opentelemetry.exporter.posthog.testing import PostHogDouble
from tests.builders import a_log
from tests.pipelines import Lab
from tests.servers import running_redis
from tests.upgrades.make_state import KEY, PORT

DATA = Path(__file__).with_name("data")
RELEASES = sorted(path.name for path in DATA.iterdir())
SECOND_NS = 1_000_000_000


def version_of(path: Path) -> int:
    with sqlite3.connect(path) as connection:
        found: int = connection.execute("PRAGMA user_version").fetchone()[0]
    connection.close()
    return found


def left_by(release: str, folder: Path) -> tuple[Path, dict[str, Any]]:
    """A copy of what an exporter of ``release`` left in the middle of an outage, and what it was."""
    state = folder / "state"
    shutil.copytree(DATA / release, state)
    state.chmod(0o700)
    made = json.loads((state / "made.json").read_text())
    (state / "made.json").unlink()
    return state, made


def taken_over(state: Path, made: dict[str, Any]) -> Lab:
    """Today's exporter on these files, an hour later; PostHog is back."""
    settings = Settings(api_key=KEY, host=f"http://127.0.0.1:{PORT}", outbox=str(state))
    lab = Lab(settings=settings)
    lab.clock.advance((made["made_ns"] - lab.clock.time_ns()) / SECOND_NS + 3_600)
    return lab


# -- older ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("release", RELEASES)
def test_what_an_older_version_left_is_delivered_and_known(release: str, tmp_path: Path) -> None:
    """[P-UPGRADE]"""
    state, made = left_by(release, tmp_path)
    lab = taken_over(state, made)

    assert lab.export(said(made, 250, "acme", name="Acme Inc.", plan="free"))  # late: older than "business"
    for _ in range(5):
        lab.clock.advance(60)
        lab.pipeline.tend()
    lab.pipeline.shutdown(5.0)

    stored = [event.properties["number"] for event in lab.double.events if "number" in event.properties]
    assert sorted(stored) == made["waiting"]["numbers"]
    updates = {
        event.properties["$group_key"]: event.properties["$group_set"] for event in lab.double.identifies
    }
    assert updates == {key: made["waiting"][key] for key in ("acme", "globex")}, (
        "and not what it knew already"
    )
    assert len(lab.double.identifies) == 2
    assert lab.stats.delivered == lab.stats.made + len(made["waiting"]["numbers"])
    assert [version_of(state / name) for name in ("outbox.db", "ledger.db")] == [
        OUTBOX.version,
        LEDGER.version,
    ]


@pytest.mark.parametrize("release", RELEASES)
def test_what_an_older_version_kept_for_redis_reaches_it(release: str, tmp_path: Path) -> None:
    state, made = left_by(release, tmp_path)
    (state / "outbox.db").unlink()
    with running_redis() as server:
        host = f"http://127.0.0.1:{PORT}"
        lab = Lab(settings=Settings(api_key=KEY, host=host, outbox=str(state), ledger=server.url))
        for _ in range(3):
            lab.clock.advance(60)
            lab.pipeline.tend()
        lab.pipeline.shutdown(5.0)

    assert {key: dict(lab.double.organization(key).properties) for key in made["for_redis"]} == made[
        "for_redis"
    ]
    with sqlite3.connect(state / "observations.db") as connection:
        assert connection.execute("SELECT count(*) FROM observed").fetchone() == (0,)
    connection.close()
    assert version_of(state / "observations.db") == OBSERVATIONS.version


def said(made: dict[str, Any], seconds_before: int, organization: str, **properties: str) -> Any:
    time_ns = made["made_ns"] - seconds_before * SECOND_NS
    attributes = {"organization.id": organization}
    attributes |= {f"organization.{name}": value for name, value in properties.items()}
    return a_log("order placed", attributes, timestamp=time_ns, observed_ns=made["made_ns"] + SECOND_NS)


@pytest.mark.parametrize(
    ("file", "schema"), [("outbox.db", OUTBOX), ("ledger.db", LEDGER), ("observations.db", OBSERVATIONS)]
)
def test_every_schema_that_was_ever_released_has_a_file_here(file: str, schema: Any) -> None:
    found = {version_of(DATA / release / file) for release in RELEASES}

    assert found == set(range(1, schema.version + 1)), "make one: tests/upgrades/make_state.py says how"


# -- newer ------------------------------------------------------------------------------------------


@pytest.fixture
def double() -> Iterator[PostHogDouble]:
    with PostHogDouble.listening() as running:
        yield running
        assert not running.refused, running.explain()


def of_the_future(state: Path, file: str) -> bytes:
    """Turn a file of ours into one whose schema this version has never heard of."""
    path = state / file
    connection = sqlite3.connect(path)
    connection.execute(f"PRAGMA user_version={version_of(path) + 1}")
    connection.execute("CREATE TABLE surprise(secret TEXT)")
    connection.commit()
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    for suffix in ("-wal", "-shm"):
        path.with_name(file + suffix).unlink(missing_ok=True)
    return path.read_bytes()


@pytest.mark.parametrize(
    "files",
    [["outbox.db"], ["ledger.db"], ["outbox.db", "ledger.db"]],
    ids=["an outbox of the future", "a ledger of the future", "both"],
)
def test_what_a_newer_version_left_is_not_touched_and_delivery_goes_on_beside_it(
    files: list[str], tmp_path: Path, double: PostHogDouble, caplog: pytest.LogCaptureFixture
) -> None:
    """[P-DOWNGRADE]"""
    state, _ = left_by(RELEASES[-1], tmp_path)
    for other in {"outbox.db", "ledger.db"} - set(files):
        (state / other).unlink()  # it belongs to another host, and is not what this test is about
    before = {file: of_the_future(state, file) for file in files}

    for plan in ("team", "business"):  # twice, as after a restart
        run_once(state, double.url, plan)

    assert {file: (state / file).read_bytes() for file in files} == before
    assert [event.name for event in double.events] == ["order placed"] * 2
    assert double.organization("acme").properties == {"plan": "business"}
    for file in files:
        beside = f"{file.removesuffix('.db')}.v1.db"
        assert (state / beside).exists()
        [line, *_] = [
            record.getMessage() for record in caplog.records if f"{file} was" in record.getMessage()
        ]
        assert "newer version" in line
        assert "left untouched; upgrade again to use it" in line
        assert f"Until then {beside} is used" in line
    assert {record.levelname for record in caplog.records if "newer version" in record.getMessage()} == {
        "ERROR"
    }


def run_once(state: Path, host: str, plan: str) -> None:
    """An application's whole life: one event, and a change of plan."""
    provider = LoggerProvider(shutdown_on_exit=False)
    exporter = PostHogLogExporter(api_key=KEY, host=host, outbox=str(state))
    provider.add_log_record_processor(SimpleLogRecordProcessor(exporter))
    provider.get_logger("shop").emit(
        event_name="order placed", attributes={"organization.id": "acme", "organization.plan": plan}
    )
    provider.shutdown()


def test_a_ledger_in_redis_of_a_newer_version_is_not_touched(tmp_path: Path, double: PostHogDouble) -> None:
    import redis

    with running_redis() as server:
        client: Any = redis.Redis(unix_socket_path=str(server.socket))
        provider = LoggerProvider(shutdown_on_exit=False)
        exporter = PostHogLogExporter(api_key=KEY, host=double.url, ledger=server.url)
        provider.add_log_record_processor(SimpleLogRecordProcessor(exporter))
        logger = provider.get_logger("shop")

        def change(plan: str) -> None:
            logger.emit(
                event_name="order placed", attributes={"organization.id": "acme", "organization.plan": plan}
            )

        change("team")
        ours = {key: client.dump(key) for key in client.keys("*")}
        assert ours
        prefix = f"{{ph:{KEYS_VERSION}:".encode()
        assert [key for key in ours if not key.startswith(prefix)] == []
        newer = {
            key.replace(prefix, f"{{ph:{KEYS_VERSION + 1}:".encode()): dump for key, dump in ours.items()
        }
        for key, dump in newer.items():
            client.restore(key, 0, dump)

        change("business")
        provider.shutdown()

        assert {key: client.dump(key) for key in newer} == newer
        assert {key: client.dump(key) for key in ours} != ours
        client.close()
