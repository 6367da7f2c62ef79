"""An inspector that keeps a file finds everything again."""

from __future__ import annotations

from pathlib import Path

from opentelemetry.exporter.posthog.inspector import queries
from opentelemetry.exporter.posthog.inspector.archive import Archive
from opentelemetry.exporter.posthog.inspector.inspector import Inspector
from tests.unit.inspector.sending import KEY, event, group_update, send_legacy


def one_run(path: Path, *events: dict[str, object]) -> Inspector:
    inspector = Inspector()
    archive = Archive(path, inspector.feed)
    if events:
        send_legacy(inspector, *events)
    archive.close()
    return inspector


def test_events_and_profiles_of_earlier_runs_are_there_again(tmp_path: Path) -> None:
    path = tmp_path / "seen.jsonl"
    one_run(path, event("first"), group_update("org_acme", plan="free"))
    one_run(path, event("second"), group_update("org_acme", plan="team"))
    third = one_run(path)
    names = [found["event"] for found in third.feed.all("event")]
    assert sorted(names) == ["$groupidentify", "$groupidentify", "first", "second"]
    assert queries.groups(third, "organization")[0]["properties"] == {"plan": "team"}


def test_a_line_cut_off_by_a_kill_costs_that_line_only(tmp_path: Path) -> None:
    path = tmp_path / "seen.jsonl"
    one_run(path, event("first"))
    with path.open("a") as file:
        file.write('{"kind": "event", "id": "9", "ev')
    assert [found["event"] for found in one_run(path).feed.all("event")] == ["first"]


def test_the_file_holds_no_key(tmp_path: Path) -> None:
    path = tmp_path / "seen.jsonl"
    one_run(path, event("first"))
    assert "first" in path.read_text()
    assert KEY not in path.read_text()
