"""Each way to switch the exporters on, in a fresh process, judged by what the double stored."""

from __future__ import annotations

import http.server
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from opentelemetry.exporter.posthog.testing import PostHogDouble
from tests.e2e.processes import APPS, INSTRUMENTATIONS, instrumenting, run

KEY = "phc_test"

YAML = """\
file_format: "1.0"
resource:
  attributes: [{name: service.name, value: shop}]
tracer_provider:
  processors:
    - batch:
        exporter:
          posthog: {api_key: "${KEY}", host: "${HOST}", timeout_millis: 7000}
logger_provider:
  processors:
    - batch:
        exporter:
          posthog:
            api_key: ${KEY}
            host: ${HOST}
"""


@pytest.fixture
def double() -> Iterator[PostHogDouble]:
    with PostHogDouble.listening() as running:
        yield running
        assert not running.refused, running.explain()


@pytest.fixture
def collector() -> Iterator[tuple[str, list[str]]]:
    """Something that takes OTLP over HTTP: its URL, and the paths that were posted to it."""
    paths: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            paths.append(self.path)
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", paths
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def assert_the_shop_was_told(double: PostHogDouble) -> None:
    """What every way of use must give for ``apps/shop.py``."""
    names = sorted(event.name for event in double.events if event.name != "$groupidentify")
    assert names == ["POST /orders", "order.paid"], double.explain()
    assert all(event.groups == {"organization": "org_acme"} for event in double.events if event.name in names)
    assert double.group("organization", "org_acme").properties == {"name": "Acme", "plan_name": "team"}
    assert len(double.identifies) == 1, "two exporters of one project identify an organization once"


def zero_code(double: PostHogDouble, **more: str) -> dict[str, str]:
    return {
        "OTEL_TRACES_EXPORTER": "posthog",
        "OTEL_LOGS_EXPORTER": "posthog",
        "OTEL_METRICS_EXPORTER": "none",
        "OTEL_EXPORTER_POSTHOG_API_KEY": KEY,
        "OTEL_EXPORTER_POSTHOG_HOST": double.url,
        **instrumenting(),
        **more,
    }


def test_environment_variables_alone_switch_both_exporters_on(double: PostHogDouble) -> None:
    """With all that is instrumented by default, our own HTTP client too; the others go without."""
    env = {**zero_code(double), **instrumenting(*INSTRUMENTATIONS)}
    done = run(["opentelemetry-instrument", "python", APPS / "shop.py"], env)
    assert done.returncode == 0
    ours = [line for line in done.stderr.splitlines() if "posthog" in line.lower()]
    assert ours == [], "a healthy exporter says nothing on an unconfigured logger"
    assert_the_shop_was_told(double)


def test_the_variables_are_also_flags_of_opentelemetry_instrument(double: PostHogDouble) -> None:
    done = run(
        ["opentelemetry-instrument", "--traces_exporter", "posthog", "--logs_exporter", "posthog",
         "--metrics_exporter", "none", "--exporter_posthog_api_key", KEY,
         "--exporter_posthog_host", double.url, "python", APPS / "shop.py"],
        instrumenting(),
    )  # fmt: skip
    assert done.returncode == 0
    assert_the_shop_was_told(double)


def test_variables_of_existing_posthog_users_are_enough(double: PostHogDouble) -> None:
    env = zero_code(double, POSTHOG_API_KEY=KEY, POSTHOG_HOST=double.url)
    del env["OTEL_EXPORTER_POSTHOG_API_KEY"], env["OTEL_EXPORTER_POSTHOG_HOST"]
    run(["opentelemetry-instrument", "python", APPS / "shop.py"], env)
    assert_the_shop_was_told(double)


@pytest.mark.newest
def test_a_declarative_configuration_file_switches_both_exporters_on(
    double: PostHogDouble, tmp_path: Path
) -> None:
    path = tmp_path / "otel.yaml"
    path.write_text(YAML)
    done = run(
        ["opentelemetry-instrument", "python", APPS / "shop.py"],
        {"OTEL_CONFIG_FILE": str(path), "KEY": KEY, "HOST": double.url, **instrumenting()},
    )
    assert done.returncode == 0
    assert_the_shop_was_told(double)


@pytest.mark.newest
def test_an_unknown_key_in_the_file_is_named_and_costs_nothing_else(
    double: PostHogDouble, tmp_path: Path
) -> None:
    path = tmp_path / "otel.yaml"
    path.write_text(YAML.replace("timeout_millis", "tiemout_millis"))
    done = run(
        ["opentelemetry-instrument", "python", APPS / "shop.py"],
        {"OTEL_CONFIG_FILE": str(path), "KEY": KEY, "HOST": double.url, **instrumenting()},
    )
    assert "tiemout_millis" in done.stderr
    assert_the_shop_was_told(double)


def test_plain_python_set_up_switches_both_exporters_on(double: PostHogDouble) -> None:
    done = run([sys.executable, APPS / "plain.py"], {"TEST_HOST": double.url})
    assert done.returncode == 0
    assert_the_shop_was_told(double)


@pytest.mark.parametrize("order", ["otlp_proto_http,posthog", "posthog,otlp_proto_http"])
def test_an_otlp_exporter_beside_ours_gets_its_spans_and_logs(
    double: PostHogDouble, collector: tuple[str, list[str]], order: str
) -> None:
    url, paths = collector
    env = zero_code(
        double, OTEL_TRACES_EXPORTER=order, OTEL_LOGS_EXPORTER=order, OTEL_EXPORTER_OTLP_ENDPOINT=url
    )
    run(["opentelemetry-instrument", "python", APPS / "shop.py"], env)
    assert_the_shop_was_told(double)
    assert {"/v1/traces", "/v1/logs"} <= set(paths)


@pytest.mark.parametrize("order", ["otlp_proto_http,posthog", "posthog,otlp_proto_http"])
def test_an_otlp_exporter_beside_ours_lives_when_our_settings_are_broken(
    double: PostHogDouble, collector: tuple[str, list[str]], order: str
) -> None:
    url, paths = collector
    env = zero_code(
        double,
        OTEL_TRACES_EXPORTER=order,
        OTEL_LOGS_EXPORTER=order,
        OTEL_EXPORTER_OTLP_ENDPOINT=url,
        OTEL_EXPORTER_POSTHOG_API_KEY="phx_personal_key_secret",
        OTEL_EXPORTER_POSTHOG_TIMEOUT="soon",
    )
    done = run(["opentelemetry-instrument", "python", APPS / "shop.py"], env)
    assert done.returncode == 0
    assert {"/v1/traces", "/v1/logs"} <= set(paths)
    assert double.requests == []
    assert done.stderr.count("PostHog exporter settings need a change") == 1, "one error lists all, once"
    assert "OTEL_EXPORTER_POSTHOG_API_KEY" in done.stderr
    assert "OTEL_EXPORTER_POSTHOG_TIMEOUT" in done.stderr
    assert "phx_personal_key_secret" not in done.stderr, "the shape of a value, never the value"


def test_a_missing_key_is_one_error_and_no_request(double: PostHogDouble) -> None:
    env = zero_code(double)
    del env["OTEL_EXPORTER_POSTHOG_API_KEY"]
    done = run(["opentelemetry-instrument", "python", APPS / "shop.py"], env)
    assert "the service ran to its end" in done.stdout
    assert done.stderr.count("OTEL_EXPORTER_POSTHOG_API_KEY") == 1
    assert double.requests == []


def test_a_disabled_sdk_leaves_us_silent(double: PostHogDouble) -> None:
    done = run(
        ["opentelemetry-instrument", "python", APPS / "shop.py"], zero_code(double, OTEL_SDK_DISABLED="true")
    )
    assert "PostHog" not in done.stderr
    assert double.requests == []
