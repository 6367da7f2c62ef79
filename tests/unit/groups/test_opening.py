"""Which store a setting means."""

from __future__ import annotations

from pathlib import Path

import pytest

from opentelemetry.exporter.posthog.errors import ForeignStateError
from opentelemetry.exporter.posthog.groups.memory import MemoryStore
from opentelemetry.exporter.posthog.groups.opening import open_some_store, open_store
from opentelemetry.exporter.posthog.groups.redis import RedisStore
from opentelemetry.exporter.posthog.groups.sqlite import SqliteStore
from opentelemetry.exporter.posthog.groups.store import LedgerStore
from tests.manual_clock import ManualClock

HOST = "https://us.i.posthog.com"


def opened(spec: str | None, outbox: Path | None = None, api_key: str = "phc_a") -> LedgerStore:
    store = open_store(
        spec, outbox=str(outbox) if outbox else None, host=HOST, api_key=api_key, clock=ManualClock()
    )
    store.close()
    return store


@pytest.mark.parametrize(
    ("spec", "file"),
    [
        pytest.param("{}/state.db", "state.db", id="a file"),
        pytest.param("{}/state", "state/ledger.db", id="a directory"),
        pytest.param("sqlite:///{}/state.db", "state.db", id="a URL"),
    ],
)
def test_a_path_is_a_file_of_sqlite(spec: str, file: str, tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    store = opened(spec.format(tmp_path))
    assert isinstance(store, SqliteStore)
    assert store.path == tmp_path / file


@pytest.mark.parametrize("url", ["redis://host:1/0", "rediss://u:p@host", "unix:///run/redis.sock"])
def test_another_url_is_a_server_that_nobody_asks_yet(url: str) -> None:
    assert isinstance(opened(url), RedisStore)


def test_without_a_word_it_is_beside_the_outbox_and_else_in_memory(tmp_path: Path) -> None:
    assert isinstance(opened(None), MemoryStore)
    beside = opened(None, outbox=tmp_path / "box")
    assert isinstance(beside, SqliteStore)
    assert beside.path == tmp_path / "box" / "ledger.db"


def test_memory_that_was_asked_for_is_memory_beside_an_outbox_too(tmp_path: Path) -> None:
    assert isinstance(opened("memory", outbox=tmp_path / "box"), MemoryStore)


def test_the_file_of_another_project_is_refused(tmp_path: Path) -> None:
    opened(str(tmp_path / "state" / "ledger.db"))
    with pytest.raises(ForeignStateError):
        opened(str(tmp_path / "state" / "ledger.db"), api_key="phc_b")


def test_one_that_can_not_be_used_costs_its_promise_and_not_the_exporter(tmp_path: Path) -> None:
    said: list[str] = []
    (tmp_path / "file").write_text("no directory")
    store = open_some_store(
        str(tmp_path / "file" / "ledger.db"),
        outbox=None,
        host=HOST,
        api_key="phc_a",
        clock=ManualClock(),
        say=said.append,
    )
    assert isinstance(store, MemoryStore)
    assert len(said) == 1
    assert "ledger can't be used" in said[0]
