"""The wheel in an empty environment: what comes along, and whether it works there."""

from __future__ import annotations

import re
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from importlib.metadata import distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from opentelemetry.exporter.posthog import __version__
from opentelemetry.exporter.posthog.testing import PostHogDouble
from tests.package.homes import Home
from tests.servers import running_redis

pytestmark = pytest.mark.xdist_group("package")

PROMISED = {"opentelemetry-api", "opentelemetry-sdk", "httpx"}
"""All that a plain installation asks for by itself."""

SERVICE = """
from opentelemetry import trace
from opentelemetry._logs import get_logger
from opentelemetry.exporter.posthog import organization, user

with organization("org_42", name="Acme Inc."), user("u_ada"):
    with trace.get_tracer("shop").start_as_current_span("order paid"):
        get_logger("shop").emit(event_name="receipt sent", attributes={"amount": 49})
"""

IN_PYTHON = """
import sys
from opentelemetry.exporter.posthog import PostHogGroupProcessor, PostHogSpanExporter, organization
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

provider = TracerProvider()
provider.add_span_processor(PostHogGroupProcessor())
provider.add_span_processor(BatchSpanProcessor(PostHogSpanExporter(api_key="phc_local", host=sys.argv[1])))
with organization("org_42", name="Acme Inc."):
    with provider.get_tracer("shop").start_as_current_span("order paid"):
        pass
provider.shutdown()
"""

BY_A_FILE = """
file_format: "1.0"
tracer_provider:
  processors: [{{batch: {{exporter: {{posthog: {settings}}}}}}}]
logger_provider:
  processors: [{{batch: {{exporter: {{posthog: {settings}}}}}}}]
"""


@pytest.fixture
def double() -> Iterator[PostHogDouble]:
    with PostHogDouble.listening() as running:
        yield running
        assert not running.refused, running.explain()


def closure(home: Home, names: set[str]) -> set[str]:
    """``names`` and all that they need in turn, by their own metadata."""
    (site,) = home.folder.glob("lib/python*/site-packages")
    needs = {
        canonicalize_name(found.metadata["Name"]): [Requirement(line) for line in found.requires or []]
        for found in distributions(path=[str(site)])
    }
    reached: set[str] = set()
    waiting = set(names)
    while waiting:
        name = waiting.pop()
        reached.add(name)
        wanted = {
            canonicalize_name(need.name)
            for need in needs[canonicalize_name(name)]
            if need.marker is None or need.marker.evaluate({"extra": ""})
        }
        waiting |= wanted - reached
    return reached


# -- a plain installation -----------------------------------------------------------------------------


def test_a_plain_installation_brings_api_sdk_httpx_and_what_these_need(plain: Home) -> None:
    assert plain.installed() == closure(plain, PROMISED) | {"opentelemetry-exporter-posthog"}


def test_python_code_sends_an_event_from_a_plain_installation(plain: Home, double: PostHogDouble) -> None:
    (plain.folder / "shop.py").write_text(IN_PYTHON)

    done = plain.run("python", "-W", "error", "shop.py", double.url)

    assert done.returncode == 0, done.stderr
    assert [(event.name, dict(event.groups)) for event in double.events] == [
        ("order paid", {"organization": "org_42"})
    ]
    assert double.organization("org_42").properties == {"name": "Acme Inc."}


def test_the_entry_points_name_classes_that_the_sdk_takes(plain: Home) -> None:
    assert plain.answer(
        "from importlib.metadata import entry_points\n"
        "from opentelemetry.sdk._logs.export import LogRecordExporter\n"
        "from opentelemetry.sdk.trace.export import SpanExporter\n"
        "for group, kind in (('traces', SpanExporter), ('logs', LogRecordExporter)):\n"
        "    [found] = entry_points(group=f'opentelemetry_{group}_exporter', name='posthog')\n"
        "    print(issubclass(found.load(), kind))\n"
        "[variables] = entry_points(group='opentelemetry_environment_variables', name='posthog')\n"
        "print(variables.load().OTEL_EXPORTER_POSTHOG_API_KEY)\n"
        "[hook] = entry_points(group='opentelemetry_pre_instrument', name='posthog')\n"
        "print(callable(hook.load()))\n"
    ).split() == ["True", "True", "OTEL_EXPORTER_POSTHOG_API_KEY", "True"]


def test_the_local_posthog_needs_no_extra(plain: Home) -> None:
    assert plain.answer(
        "from opentelemetry.exporter.posthog.testing import PostHogDouble\n"
        "with PostHogDouble.listening() as double: print(double.url)"
    ).startswith("http://127.0.0.1:")


@pytest.mark.parametrize(
    ("command", "extra"),
    [
        pytest.param(["otel-posthog", "--version"], "cli", id="the command asks for cli"),
        pytest.param(["otel-posthog", "inspect"], "cli", id="and so does the inspector"),
    ],
)
def test_what_needs_an_extra_says_so_in_one_line(plain: Home, command: list[str], extra: str) -> None:
    done = plain.run(*command)

    assert done.returncode == 2
    assert f"pip install 'opentelemetry-exporter-posthog[{extra}]'" in done.stderr
    assert "Traceback" not in done.stderr


# -- with the extras, beside another exporter ---------------------------------------------------------


def test_the_command_says_its_version(full: Home) -> None:
    assert __version__ in full.run("otel-posthog", "--version").stdout


def test_zero_code_set_up_finds_the_exporters_by_name(full: Home, double: PostHogDouble) -> None:
    (full.folder / "shop.py").write_text(SERVICE)

    done = full.run(
        "opentelemetry-instrument",
        "python",
        "shop.py",
        env={
            "OTEL_TRACES_EXPORTER": "posthog",
            "OTEL_LOGS_EXPORTER": "posthog",
            "OTEL_METRICS_EXPORTER": "none",
            "OTEL_EXPORTER_POSTHOG_API_KEY": "phc_local",
            "OTEL_EXPORTER_POSTHOG_HOST": double.url,
            "OTEL_EXPORTER_POSTHOG_GROUP_PROCESSOR": "true",
        },
    )

    assert done.returncode == 0
    assert sorted(event.name for event in double.events) == ["order paid", "receipt sent"]
    assert {event.distinct_id for event in double.events} == {"u_ada"}


def test_every_extra_at_once_by_a_declarative_file(full: Home, double: PostHogDouble, tmp_path: Path) -> None:
    """YAML, zstandard, orjson, an outbox, and the wheel's Lua script run by a real Redis."""
    (full.folder / "shop.py").write_text(SERVICE)
    outbox = tmp_path / "outbox"
    with running_redis() as redis:
        settings = (
            f"{{api_key: phc_local, host: '{double.url}', ledger: '{redis.url}', outbox: '{outbox}',"
            " capture_mode: v1, compression: zstd}"
        )
        (full.folder / "otel.yaml").write_text(BY_A_FILE.format(settings=settings))

        done = full.run(
            "opentelemetry-instrument",
            "python",
            "shop.py",
            env={
                "OTEL_CONFIG_FILE": str(full.folder / "otel.yaml"),
                "OTEL_EXPORTER_POSTHOG_GROUP_PROCESSOR": "true",
            },
        )

    assert done.returncode == 0
    assert "ERROR" not in done.stderr
    assert sorted(event.name for event in double.events) == ["order paid", "receipt sent"]
    assert double.organization("org_42").properties == {"name": "Acme Inc."}
    assert (outbox / "outbox.db").exists()


def test_the_inspector_serves_its_page_from_the_wheel(full: Home) -> None:
    server = subprocess.Popen(
        [str(full.bin / "otel-posthog"), "inspect", "--port", "0"],
        cwd=full.folder,
        env=full.environment({"PYTHONUNBUFFERED": "1"}),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        assert server.stdout is not None
        said = next(found for line in server.stdout if (found := re.search(r"Open (http://127\S+)", line)))
        page = urllib.request.urlopen(said[1], timeout=30).read().decode()
        base = said[1].partition("?")[0].rstrip("/")
        scripts = re.findall(r'src="([^"]+\.js)"', page)
        assert scripts, page
        for script in scripts:
            with urllib.request.urlopen(f"{base}/{script.lstrip('/')}", timeout=30) as answer:
                assert answer.status == 200
    finally:
        server.kill()
        server.communicate()


def test_our_package_and_another_exporter_live_side_by_side(full: Home) -> None:  # [P-NAMESPACE]
    assert (
        full.answer(
            "import opentelemetry, opentelemetry.exporter\n"
            "from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter\n"
            "from opentelemetry.exporter.posthog import PostHogSpanExporter\n"
            "print(opentelemetry.__file__, opentelemetry.exporter.__file__)"
        )
        == "None None"
    )


# -- as a type checker sees it ------------------------------------------------------------------------


def checked(by: list[str], home: Home, consumer: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", *by, "consumer.py"],
        cwd=consumer,
        env=home.environment({}),
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


def test_mypy_of_a_stranger_sees_our_types(plain: Home, consumer: Path) -> None:
    done = checked(["mypy", "--strict", "--python-executable", str(plain.python)], plain, consumer)

    assert done.returncode == 0, done.stdout


def test_pyright_of_a_stranger_sees_our_types(plain: Home, consumer: Path) -> None:
    (consumer / "pyrightconfig.json").write_text('{"typeCheckingMode": "strict"}')

    done = checked(["pyright", "--pythonpath", str(plain.python)], plain, consumer)

    assert done.returncode == 0, done.stdout
