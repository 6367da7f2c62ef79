"""The README's picture and each way of use in it are real: run as they stand, and judged by the double.

The section ``## Quickstart`` is typed by ``tests/package/test_strangers_path.py``.
"""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from opentelemetry.trace import SpanKind
from tests.docs.blocks import ROOT
from tests.e2e.processes import APPS, Service, environment, instrumenting, run

from opentelemetry.exporter.posthog.settings.options import BY_NAME
from opentelemetry.exporter.posthog.testing import PostHogDouble, StoredEvent, capturing

RUNS = {"README.md": ("console", "python", "yaml")}

README = (ROOT / "README.md").read_text()
KEY, HOST = "phc_your_project_key", "eu"


def section(heading: str) -> str:
    return README.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", section("Each way of use"), re.DOTALL)


@pytest.fixture
def double() -> Iterator[PostHogDouble]:
    with PostHogDouble.listening() as running:
        yield running
        assert not running.refused, running.explain()


# -- the picture --------------------------------------------------------------------------------------


def picture() -> tuple[dict[str, str], list[list[str]]]:
    """The span on the left as name and attributes, and the rows on the right."""
    (text,) = re.findall(r"```text\n(.*?)```", README, re.DOTALL)
    span: dict[str, str] = {}
    event: list[list[str]] = []
    for line in text.replace("──▶", "   ").splitlines():
        left, right = line[:46].split(maxsplit=1), line[46:].strip()
        if left:
            span[left[0]] = left[1].strip()
        if right:
            event.append(re.split(r"\s{2,}", right, maxsplit=1))
    return span, event


def test_the_picture_shows_what_really_happens() -> None:
    span, rows = picture()
    name, kind = span.pop("span"), SpanKind[span.pop("kind")]
    with capturing() as captured:
        tracer = captured.tracer_provider.get_tracer("shop")
        for _ in range(2):
            with tracer.start_as_current_span(name, kind=kind, attributes=span) as started:
                trace_id = f"{started.get_span_context().trace_id:032x}"
        seen = captured.events[-1]
        identifies = captured.identifies
    assert rows[0] == ["event", seen.name]
    shown = {row[0]: row[1] for row in rows[1:] if len(row) == 2}
    assert shown.pop("$trace_id") == "the same"
    assert seen.properties["$trace_id"] == trace_id
    assert shown.pop("and no") not in seen.properties
    (profile,) = [(key, value) for key, value in shown.items() if key.startswith("org_")]
    assert shown.pop(profile[0]) == "name: Acme Inc."
    assert shown == {
        "distinct_id": seen.distinct_id,
        "$groups": ", ".join(f"{kind}: {key}" for kind, key in seen.groups.items()),
        **{key: seen.properties[key] for key in ("http.route", "invite.role")},
    }
    assert rows[-2] == ["$groupidentify, once, because the name was new"]
    assert [update.properties["$group_set"] for update in identifies] == [{"name": "Acme Inc."}]


# -- each way of use ----------------------------------------------------------------------------------


def pointed_at(double: PostHogDouble, text: str) -> str:
    """The block, with the address of the double where the reader's region stands."""
    assert HOST in text
    return re.sub(rf"(HOST=|host: |host=\"){HOST}", rf"\g<1>{double.url}", text)


def serve(script: str, folder: Path, app: str) -> Service:
    shutil.copy(APPS / app, folder / "app.py")
    *exports, command = script.strip().splitlines()
    return Service(["bash", "-ec", "\n".join([*exports, f"exec {command}"])], {}, cwd=folder)


def visit(address: str) -> None:
    with urllib.request.urlopen(f"{address}/orgs/org_1", timeout=30) as answer:
        assert answer.status == 200


def address_in(line: str) -> str:
    found = re.search(r"http://127\.0\.0\.1:\d+", line)
    assert found is not None, line
    return found[0]


def test_the_way_by_environment(double: PostHogDouble, tmp_path: Path) -> None:
    by_environment, _ = blocks("console")
    script = pointed_at(double, by_environment).replace("app:app", "app:app --port 0")
    with serve(script, tmp_path, "web.py") as server:
        visit(address_in(server.wait_for("Uvicorn running on")))
        server.stop(signal.SIGTERM)
    assert {"org.read", "GET /orgs/{org_id}"} <= {event.name for event in double.events}
    assert {event.groups["organization"] for event in double.events} == {"org_1"}


def test_the_way_under_gunicorn(double: PostHogDouble, tmp_path: Path) -> None:
    by_environment, under_gunicorn = blocks("console")
    exports = pointed_at(double, by_environment).strip().splitlines()[:3]
    script = "\n".join([*exports, under_gunicorn]).replace("app:app", "app:app --bind 127.0.0.1:0")
    with serve(script, tmp_path, "wsgi.py") as server:
        address = address_in(server.wait_for("Listening at"))
        server.wait_for("Booting worker", count=4)
        for _ in range(8):
            visit(address)
        assert server.stop(signal.SIGTERM) == 0
    names = [event.name for event in double.events]
    assert names.count("org.read") == 8
    assert names.count("$groupidentify") == 0
    assert double.organization("org_1").updates == 1, "four workers, one ledger"
    assert (tmp_path / "ledger.db").exists()


@pytest.mark.newest
def test_the_way_by_a_declarative_file(double: PostHogDouble, tmp_path: Path) -> None:
    (text,) = blocks("yaml")
    path = tmp_path / "otel.yaml"
    path.write_text(pointed_at(double, text))
    done = run(
        ["opentelemetry-instrument", "python", APPS / "shop.py"],
        {"OTEL_CONFIG_FILE": str(path), **instrumenting()},
    )
    assert done.returncode == 0
    assert {event.groups.get("organization") for event in double.events} - {None}


USED = """
from opentelemetry.exporter.posthog import organization

with organization("org_42", name="Acme Inc."):
    trace.get_tracer("shop").start_span("order paid").end()
    _logs.get_logger("shop").emit(event_name="invoice sent")
"""


def test_the_way_in_plain_python(double: PostHogDouble, tmp_path: Path) -> None:
    in_python, _ = blocks("python")
    (tmp_path / "app.py").write_text(pointed_at(double, in_python) + USED)
    done = run(["python", tmp_path / "app.py"], {})
    assert done.returncode == 0, done.stderr
    assert {(event.name, event.groups["organization"]) for event in own(double)} == {
        ("order paid", "org_42"), ("invoice sent", "org_42"),
    }  # fmt: skip
    assert double.organization("org_42").properties == {"name": "Acme Inc."}
    assert double.organization("org_42").updates == 1, "both exporters share one ledger"


def own(double: PostHogDouble) -> list[StoredEvent]:
    return [event for event in double.events if event.name != "$groupidentify"]


SHOP = """\
from opentelemetry import trace

from opentelemetry.exporter.posthog import organization


def upgrade(org, plan):
    with organization(org, plan=plan), trace.get_tracer("shop").start_as_current_span("plan upgraded"):
        pass
"""

CONFTEST = """\
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider

from opentelemetry.exporter.posthog import PostHogGroupProcessor

provider = TracerProvider()
provider.add_span_processor(PostHogGroupProcessor())
trace.set_tracer_provider(provider)
"""


def test_the_way_in_tests(tmp_path: Path) -> None:
    _, in_tests = blocks("python")
    (tmp_path / "shop.py").write_text(SHOP)
    (tmp_path / "conftest.py").write_text(CONFTEST)
    (tmp_path / "test_shop.py").write_text(in_tests)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path)],
        cwd=tmp_path, env=environment({}), capture_output=True, text=True, timeout=100, check=False,
    )  # fmt: skip
    assert "1 passed" in done.stdout, done.stdout + done.stderr


# -- the tables ---------------------------------------------------------------------------------------


def test_every_option_in_the_table_exists_and_has_that_default() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (.*?) \|", section("Configuration, the essentials"), re.MULTILINE)

    assert len(rows) >= 8
    for name, said in rows:
        default = BY_NAME[name].default
        assert said == f"`{default}`" if default else "`" not in said, name


def test_the_file_of_the_declarative_way_is_what_the_other_pages_show() -> None:
    (text,) = blocks("yaml")

    assert set(yaml.safe_load(text)) == {"file_format", "tracer_provider", "logger_provider"}


def test_a_stranger_reaches_the_quickstart_within_the_second_screen() -> None:
    lines = README.splitlines()

    assert lines.index("## Quickstart") <= 35
    assert lines.index("## Each way of use") <= 80
