"""docs/how-to/migrate-from-posthog-capture.md: both columns run, and PostHog stores the same of both."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from opentelemetry.sdk.trace import TracerProvider
from posthog import Posthog, identify_context, new_context, set_context_session
from posthog.integrations.otel import PostHogContextSpanProcessor
from tests.docs.guide_runs import HOST, emit, exports_of, instrumented, lead_of, python_blocks
from tests.e2e.processes import run

from opentelemetry.exporter.posthog.testing import PostHogCapture, PostHogDouble, StoredEvent

PAGE = "docs/how-to/migrate-from-posthog-capture.md"
RUNS = {"docs/how-to/migrate-from-posthog-capture.md": ("python", "console")}

PREFIX = "OTEL_EXPORTER_POSTHOG_EVENT_PREFIX"
EU = "https://eu.i.posthog.com"


def column(word: str) -> str:
    """All blocks of one column, as one program. What the SDK keeps belongs to the old one."""
    blocks = [block.code for block in python_blocks(PAGE) if re.search(rf"\b{word}\b", lead_of(block), re.I)]
    assert len(blocks) >= 5 or word == "keep"
    return "\n".join(blocks)


def run_old(double: PostHogDouble, folder: Path) -> None:
    code = f"{column('before')}\n{column('keep')}\nposthog.shutdown()\n"
    assert EU in code
    path = folder / "old.py"
    path.write_text(code.replace(EU, double.url))
    assert run(["python", path], {}).returncode == 0


def run_new(double: PostHogDouble, folder: Path, code: str, env: Mapping[str, str]) -> None:
    said = instrumented(code, folder, {**env, HOST: double.url})
    assert "ERROR" not in said


class Columns(NamedTuple):
    old: PostHogDouble
    new: PostHogDouble


@pytest.fixture(scope="module")
def columns(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Columns]:
    """What both columns stored, each in a PostHog of its own. Nobody changes it."""
    folder = tmp_path_factory.mktemp("columns")
    with PostHogDouble.listening() as old, PostHogDouble.listening() as new:
        run_old(old, folder)
        run_new(new, folder, column("after"), exports_of(PAGE, without=[PREFIX]))
        yield Columns(old, new)


def meaning(event: StoredEvent) -> dict[str, Any]:
    """What an insight can ask of an event."""
    own = {name: value for name, value in event.properties.items() if name[0] != "$" and "." not in name}
    who = None if event.personless else event.distinct_id
    return {"name": event.name, "who": who, "groups": dict(event.groups), "properties": own}


def named(double: PostHogDouble, *names: str) -> list[dict[str, Any]]:
    return [meaning(event) for event in double.events if event.name in names]


def test_every_block_belongs_to_a_column() -> None:
    leads = [lead_of(block) for block in python_blocks(PAGE)]

    assert [lead for lead in leads if not re.search(r"\b(before|after|keep)\b", lead, re.I)] == []


def test_both_columns_store_the_same(columns: Columns) -> None:
    old, new = columns
    both = ("report created", "cache warmed")

    assert named(new, *both) == named(old, *both)
    assert len(named(new, *both)) == 2
    assert new.group("company", "acme").properties == old.group("company", "acme").properties
    assert list(new.groups) == [("company", "acme")]
    assert new.persons["u_ada"].properties == old.persons["u_ada"].properties == {"role": "admin"}
    assert not new.refused
    assert not new.findings


def test_the_sdks_identifies_make_random_persons_and_ours_do_not(columns: Columns) -> None:
    old, new = columns
    assert {event.distinct_id for event in new.identifies} == {"$company_acme"}
    (random_person,) = {event.distinct_id for event in old.identifies}
    assert re.fullmatch(r"[0-9a-f-]{36}", random_person)
    assert random_person in old.persons


def test_what_the_sdk_keeps_works(columns: Columns) -> None:
    assert {"$create_alias", "$exception"} <= {event.name for event in columns.old.events}


def test_a_week_side_by_side_has_each_event_twice_and_one_profile(tmp_path: Path) -> None:
    """And a start without the name of the type, which comes afterwards here, begins a second type."""
    prefix = exports_of(PAGE)[PREFIX]
    with PostHogDouble.listening() as double:
        run_old(double, tmp_path)
        run_new(double, tmp_path, column("after"), exports_of(PAGE))

        (before,), (after,) = named(double, "report created"), named(double, f"{prefix}report created")
        assert {**after, "name": before["name"]} == before
        assert list(double.groups) == [("company", "acme")]

        careless = re.sub(r'group\("company", ', "organization(", column("after"))
        careless = careless.replace("import group", "import organization")
        run_new(double, tmp_path, careless, exports_of(PAGE, without=["OTEL_EXPORTER_POSTHOG_GROUPS"]))

        assert sorted(kind for kind, _ in double.groups) == ["company", "organization"]


def test_what_posthogs_own_span_processor_writes_is_read(posthog_capture: PostHogCapture) -> None:
    session = "019ab000-0000-7000-8000-000000000000"
    tracers = TracerProvider(shutdown_on_exit=False)
    tracers.add_span_processor(PostHogContextSpanProcessor())
    posthog_capture.attach(tracers)
    client = Posthog("phc_nothing_is_sent", host="http://127.0.0.1:9", sync_mode=True)
    with new_context(fresh=True, capture_exceptions=False, client=client):
        identify_context("u_ada")
        set_context_session(session)
        emit(tracers, "work", **{"organization.id": "acme"})

    (event,) = posthog_capture.events
    assert event.distinct_id == "u_ada"
    assert event.properties["$session_id"] == session


def test_steps_of_a_model_call_are_left_to_posthogs_own_endpoint(posthog_capture: PostHogCapture) -> None:
    tracer = posthog_capture.tracer_provider.get_tracer("shop")
    step = {"gen_ai.system": "any", "organization.id": "acme"}
    with (
        tracer.start_as_current_span("work", attributes={"organization.id": "acme"}),
        tracer.start_as_current_span("chat", attributes=step),
    ):
        pass

    assert [event.name for event in posthog_capture.events] == ["work"]
    assert [item.reason for item in posthog_capture.not_exported] == ["ai_span"]
