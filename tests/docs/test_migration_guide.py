"""docs/how-to/migrate-from-posthog-capture.md: both columns run, and PostHog stores the same of both."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from tests.docs.guide_runs import exports_of, instrumented, lead_of, python_blocks
from tests.e2e.processes import run

from opentelemetry.exporter.posthog.testing import PostHogDouble, StoredEvent

PAGE = "docs/how-to/migrate-from-posthog-capture.md"
RUNS = {PAGE: ("python", "console")}

PREFIX = "OTEL_EXPORTER_POSTHOG_EVENT_PREFIX"
HOST = "OTEL_EXPORTER_POSTHOG_HOST"
EU = "https://eu.i.posthog.com"


def column(word: str) -> str:
    """All blocks of one column, as one program. What the SDK keeps belongs to the old one."""
    blocks = [block.code for block in python_blocks(PAGE) if re.search(rf"\b{word}\b", lead_of(block), re.I)]
    assert len(blocks) >= 5 or word == "keep"
    return "\n".join(blocks)


def old_program(double: PostHogDouble, *, keep: bool) -> str:
    code = column("before") + ("\n" + column("keep") if keep else "") + "\nposthog.shutdown()\n"
    assert EU in code
    return code.replace(EU, double.url)


def run_old(double: PostHogDouble, folder: Path, *, keep: bool = False) -> None:
    path = folder / "old.py"
    path.write_text(old_program(double, keep=keep))
    assert run(["python", path], {}).returncode == 0


def run_new(double: PostHogDouble, folder: Path, **more: str) -> None:
    env = {**exports_of(PAGE, without=[PREFIX]), HOST: double.url, **more}
    said = instrumented(column("after"), folder, env)
    assert "ERROR" not in said


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


def test_both_columns_store_the_same(tmp_path: Path) -> None:
    with PostHogDouble.listening() as old, PostHogDouble.listening() as new:
        run_old(old, tmp_path)
        run_new(new, tmp_path)

        both = ("report created", "cache warmed")
        assert named(new, *both) == named(old, *both)
        assert len(named(new, *both)) == 2
        assert new.group("company", "acme").properties == old.group("company", "acme").properties
        assert list(new.groups) == [("company", "acme")]
        assert new.persons["u_ada"].properties == old.persons["u_ada"].properties == {"role": "admin"}
        assert not new.refused
        assert not new.findings


def test_what_the_page_says_of_persons_is_so(tmp_path: Path) -> None:
    """The SDK's identifies come from random persons, ours from the group's own."""
    with PostHogDouble.listening() as old, PostHogDouble.listening() as new:
        run_old(old, tmp_path)
        run_new(new, tmp_path)

        assert [event.distinct_id for event in new.identifies] == ["$company_acme"] * len(new.identifies)
        (random_person,) = {event.distinct_id for event in old.identifies}
        assert re.fullmatch(r"[0-9a-f-]{36}", random_person)
        assert random_person in old.persons


def test_what_the_sdk_keeps_works_beside(tmp_path: Path) -> None:
    with PostHogDouble.listening() as double:
        run_old(double, tmp_path, keep=True)

        assert {"$create_alias", "$exception"} <= {event.name for event in double.events}


def test_a_week_side_by_side_has_each_event_twice_and_one_profile(tmp_path: Path) -> None:
    prefix = exports_of(PAGE)[PREFIX]
    with PostHogDouble.listening() as double:
        run_old(double, tmp_path)
        run_new(double, tmp_path, **{PREFIX: prefix})

        (before,), (after,) = named(double, "report created"), named(double, f"{prefix}report created")
        assert {**after, "name": before["name"]} == before
        assert list(double.groups) == [("company", "acme")]


def test_without_the_name_of_the_type_a_second_type_begins(tmp_path: Path) -> None:
    """So the first section is the first one."""
    with PostHogDouble.listening() as double:
        run_old(double, tmp_path)
        code = column("after").replace('group("company", ', "organization(").replace("import group", "import organization")
        env = exports_of(PAGE, without=[PREFIX, "OTEL_EXPORTER_POSTHOG_GROUPS"])
        instrumented(code, tmp_path, {**env, HOST: double.url})

        assert sorted(kind for kind, _ in double.groups) == ["company", "organization"]


@pytest.mark.parametrize(
    ("attributes", "who"),
    [({"posthogDistinctId": "u_ada", "user.id": "u_bob"}, "u_ada"), ({"user.id": "u_bob"}, "u_bob")],
    ids=["of PostHog's own span processor", "of the application"],
)
def test_the_user_on_a_span(posthog_capture: Any, attributes: dict[str, str], who: str) -> None:
    tracer = posthog_capture.tracer_provider.get_tracer("shop")
    with tracer.start_as_current_span("work", attributes={"organization.id": "acme", **attributes}):
        pass

    assert [event.distinct_id for event in posthog_capture.events] == [who]


def test_steps_of_a_model_call_are_left_to_posthogs_own_endpoint(posthog_capture: Any) -> None:
    tracer = posthog_capture.tracer_provider.get_tracer("shop")
    with tracer.start_as_current_span("work", attributes={"organization.id": "acme"}):
        with tracer.start_as_current_span(
            "chat", attributes={"gen_ai.system": "any", "organization.id": "acme"}
        ):
            pass

    assert [event.name for event in posthog_capture.events] == ["work"]
    assert [item.reason for item in posthog_capture.not_exported] == ["ai_span"]
