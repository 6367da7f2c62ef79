"""Each command as a user runs it: real files, a real server, and each once as the real program.

A command is a process where its start, its end, its terminal or the whole way is the point, else a call: a
process takes a second.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import SpanKind

from opentelemetry.exporter.posthog import PostHogSpanExporter
from opentelemetry.exporter.posthog.testing import Fault, PostHogDouble
from opentelemetry.exporter.posthog.version import __version__
from tests.e2e.command_line import call
from tests.e2e.processes import APPS, BIN, Service, environment, run
from tests.recordings import log_line, organization, record, some_lines, span_line

KEY = "phc_command_line_tests"
OTEL_POSTHOG = BIN / "otel-posthog"


@pytest.fixture
def double() -> Iterator[PostHogDouble]:
    with PostHogDouble.listening() as running:
        yield running


@pytest.fixture
def env(double: PostHogDouble) -> dict[str, str]:
    return {
        "OTEL_EXPORTER_POSTHOG_HOST": double.url,
        "OTEL_EXPORTER_POSTHOG_API_KEY": KEY,
        "OTEL_TRACES_EXPORTER": "posthog",
        "OTEL_LOGS_EXPORTER": "posthog",
        "OTEL_METRICS_EXPORTER": "none",
    }


def cli(env: Mapping[str, str], *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """As a program of its own."""
    return run([OTEL_POSTHOG, *arguments], env)


def doctor(env: Mapping[str, str], *arguments: str) -> tuple[int, dict[str, Any]]:
    done = call(env, "doctor", "--json", *arguments)
    return done.returncode, json.loads(done.stdout)


def said_of(report: Mapping[str, Any], subject: str) -> list[dict[str, str]]:
    return [finding for finding in report["findings"] if finding["subject"] == subject]


# -- habits ---------------------------------------------------------------------------------------------


def test_the_version_is_told() -> None:
    assert cli({}, "--version").stdout == f"otel-posthog {__version__}\n"


@pytest.mark.parametrize(
    "command",
    [
        "doctor",
        "explain",
        "replay",
        "inspect",
        "outbox status",
        "outbox drain",
        "ledger show",
        "ledger forget",
    ],
)
def test_every_command_has_help_and_most_teach_by_example(command: str) -> None:
    done = call({}, *command.split(), "--help")
    assert done.returncode == 0
    assert "Usage: otel-posthog" in done.stdout


def test_a_command_that_is_none_is_a_usage_error() -> None:
    assert call({}, "docter").returncode == 2


def test_without_the_extra_the_command_says_what_to_install() -> None:
    """A Python that can't import typer stands for an environment without it."""
    code = (
        "import sys; sys.modules['typer'] = None\n"
        "from opentelemetry.exporter.posthog.cli import main; sys.argv = ['otel-posthog', 'doctor']; main()"
    )
    done = run([sys.executable, "-c", code], {})
    assert done.returncode == 2
    assert "pip install 'opentelemetry-exporter-posthog[cli]'" in done.stderr
    assert "Traceback" not in done.stderr


def test_output_that_goes_to_no_terminal_has_no_colour_and_no_wrapped_line(env: dict[str, str]) -> None:
    done = cli({**env, "COLUMNS": "20"}, "doctor")
    assert "\x1b" not in done.stdout + done.stderr
    assert all(line[:2] in ("✓ ", "· ", "! ", "✗ ", "  ") for line in done.stdout.splitlines())


def test_importing_the_package_loads_neither_typer_nor_rich() -> None:
    code = "import sys, opentelemetry.exporter.posthog as p; p.PostHogSpanExporter; print(*sys.modules)"
    loaded = run([sys.executable, "-c", code], {}).stdout.split()
    assert not {"typer", "rich", "click"} & set(loaded)


# -- doctor ---------------------------------------------------------------------------------------------


def test_doctor_finds_nothing_wrong_where_nothing_is_and_leaves_nothing_behind(
    env: dict[str, str], double: PostHogDouble
) -> None:
    code, report = doctor(env)
    assert (code, report["errors"]) == (0, 0)
    assert "v1" in said_of(report, "protocol")[0]["sentence"]
    assert double.rows == []


@pytest.mark.parametrize("known", [[KEY], ["phc_another"]])
def test_doctor_judges_the_key_on_the_legacy_protocol_without_an_event(
    env: dict[str, str], known: list[str]
) -> None:
    with PostHogDouble.listening(v1=False, known_keys=known, enforce_key=True) as legacy:
        code, report = doctor({**env, "OTEL_EXPORTER_POSTHOG_HOST": legacy.url})
    assert "auto chooses legacy" in said_of(report, "protocol")[0]["sentence"]
    assert (code == 0) == (known == [KEY])
    assert ("401" in said_of(report, "api_key")[-1]["sentence"]) == (known != [KEY])
    assert legacy.rows == []


def test_doctor_names_every_wrong_setting_with_its_mend(env: dict[str, str]) -> None:
    code, report = doctor(
        {**env, "OTEL_EXPORTER_POSTHOG_API_KEY": "phx_personal", "OTEL_EXPORTER_POSTHOG_TIMEOT": "5"}
    )
    assert code == 1
    assert [f["level"] for f in said_of(report, "OTEL_EXPORTER_POSTHOG_API_KEY")] == ["error"]
    (typo,) = said_of(report, "OTEL_EXPORTER_POSTHOG_TIMEOT")
    assert "OTEL_EXPORTER_POSTHOG_TIMEOUT" in typo["fix"]
    assert "phx_personal" not in json.dumps(report)


def test_doctor_says_where_a_setting_came_from_and_never_the_key(env: dict[str, str]) -> None:
    fallback = {**env, "OTEL_EXPORTER_POSTHOG_API_KEY": "", "POSTHOG_API_KEY": KEY}
    _, report = doctor(fallback)
    assert "from POSTHOG_API_KEY" in said_of(report, "api_key")[0]["sentence"]
    assert KEY not in json.dumps(report)


def test_doctor_finds_the_metrics_exporter_that_ends_the_whole_set_up(env: dict[str, str]) -> None:
    code, report = doctor({**env, "OTEL_METRICS_EXPORTER": ""})
    (finding,) = said_of(report, "OTEL_METRICS_EXPORTER")
    assert (code, finding["level"]) == (1, "error")
    assert "OTEL_METRICS_EXPORTER=none" in finding["fix"]


def test_doctor_tells_a_closed_port_from_a_name_that_is_not_known(env: dict[str, str]) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    code, report = doctor({**env, "OTEL_EXPORTER_POSTHOG_HOST": f"http://127.0.0.1:{port}"})
    assert code == 1
    assert "Connection refused" in said_of(report, "reachability")[0]["sentence"]
    _, report = doctor({**env, "OTEL_EXPORTER_POSTHOG_HOST": "https://posthog.invalid"})
    assert "DNS" in said_of(report, "reachability")[0]["sentence"]


def test_doctor_knows_a_web_page_from_posthog(env: dict[str, str], double: PostHogDouble) -> None:
    double.fail(Fault(html=True, times=None))
    code, report = doctor(env)
    assert code == 1
    assert "not PostHog" in said_of(report, "host")[-1]["sentence"]


class HoursAhead:
    """A server's clock that is two hours ahead of this machine's."""

    def time_ns(self) -> int:
        import time

        return time.time_ns() + 7_200 * 1_000_000_000

    def monotonic(self) -> float:
        import time

        return time.monotonic()


def test_doctor_measures_the_clock_against_the_servers(env: dict[str, str]) -> None:
    with PostHogDouble.listening(clock=HoursAhead()) as ahead:
        code, report = doctor({**env, "OTEL_EXPORTER_POSTHOG_HOST": ahead.url})
        strict, _ = doctor({**env, "OTEL_EXPORTER_POSTHOG_HOST": ahead.url}, "--strict")
    (clock,) = said_of(report, "clock")
    assert clock["level"] == "warning"
    assert "behind" in clock["sentence"]
    assert (code, strict) == (0, 1)


def test_a_test_event_is_sent_on_request_and_is_called_no_proof(
    env: dict[str, str], double: PostHogDouble
) -> None:
    code, report = doctor(env, "--send-test-event", "--organization", "acme-test")
    (finding,) = said_of(report, "test event")
    (event,) = double.events
    assert code == 0
    assert event.uuid in finding["sentence"]
    assert "no proof" in finding["sentence"]
    assert event.groups == {"organization": "acme-test"}


def test_doctor_reads_the_configuration_file_as_the_sdk_does(env: dict[str, str], tmp_path: Path) -> None:
    file = tmp_path / "otel.yaml"
    file.write_text(
        'file_format: "1.1"\n'
        "tracer_provider:\n"
        "  processors:\n"
        "    - batch:\n"
        "        exporter:\n"
        "          posthog:\n"
        '            api_key: "${SHOP_KEY}"\n'
        "            host: ${SHOP_HOST:-eu}\n"
        "            tiemout_millis: 5\n"
    )
    only = {"OTEL_CONFIG_FILE": str(file), "SHOP_KEY": KEY, "SHOP_HOST": env["OTEL_EXPORTER_POSTHOG_HOST"]}
    code, report = doctor(only)
    assert code == 0
    assert "tracer_provider.processors[0].batch.api_key" in said_of(report, "api_key")[0]["sentence"]
    assert "timeout_millis" in said_of(report, "tiemout_millis")[0]["fix"]


# -- explain --------------------------------------------------------------------------------------------


def test_explain_shows_what_becomes_of_each_signal_and_why_not(tmp_path: Path) -> None:
    lines = [
        span_line(1, organization(1, plan="team")),
        span_line(2, {}),
        span_line(3, organization(1), kind=3),
        log_line(4, {}, name="order paid"),
    ]
    file = record(tmp_path / "in.jsonl", lines)
    done = call({}, "explain", file, "--json")
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 0
    assert [row["reason"] for row in rows] == [None, "no_group", "not_an_entry", None]
    assert rows[0]["event"]["groups"] == {"organization": "org_1"}
    assert rows[0]["profiles"][0]["properties"] == {"plan": "team"}
    assert rows[1]["remedy"]
    assert "4 signals: 2 events" in done.stderr


def test_explain_says_what_the_exporter_then_does(
    env: dict[str, str], double: PostHogDouble, tmp_path: Path
) -> None:
    """The event that explain shows is the one that arrives."""
    file = record(tmp_path / "in.jsonl", some_lines(6))
    shown = [json.loads(line)["event"] for line in call(env, "explain", file, "--json").stdout.splitlines()]
    assert call(env, "replay", file).returncode == 0
    arrived = {event.time: event for event in double.events}
    assert len(shown) == len(arrived) == 6
    for event in shown:
        found = arrived[event["time"]]
        assert (found.name, found.distinct_id, found.groups) == (
            event["name"],
            event["distinct_id"],
            event["groups"],
        )
        assert event["properties"].items() <= found.properties.items()


def test_explain_reads_what_the_console_exporter_prints_from_standard_input() -> None:
    service = (
        "from opentelemetry.sdk.trace import TracerProvider\n"
        "from opentelemetry.sdk.trace.export import ConsoleSpanExporter, SimpleSpanProcessor\n"
        "from opentelemetry.trace import SpanKind\n"
        "provider = TracerProvider()\n"
        "provider.add_span_processor(SimpleSpanProcessor(ConsoleSpanExporter()))\n"
        "print('starting')\n"
        "tracer = provider.get_tracer('shop')\n"
        "tracer.start_span('GET /x', kind=SpanKind.SERVER, attributes={'organization.id': 'acme'}).end()\n"
    )
    printed = run([sys.executable, "-c", service], {}).stdout
    done = subprocess.run(
        [OTEL_POSTHOG, "explain"],
        input=printed,
        env=environment({}),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0
    assert "= event 'GET /x'" in done.stdout


@pytest.mark.parametrize(
    ("text", "code"),
    [
        pytest.param("hello\n", 1, id="a file without telemetry"),
        pytest.param('{"resourceSpans": 5}\n', 1, id="a record that can't be read"),
    ],
)
def test_explain_ends_with_1_for_what_it_can_not_read(tmp_path: Path, text: str, code: int) -> None:
    assert call({}, "explain", record(tmp_path / "in.jsonl", [text])).returncode == code


def test_explain_of_a_file_that_is_not_there_is_a_usage_error(tmp_path: Path) -> None:
    done = call({}, "explain", tmp_path / "no.jsonl")
    assert done.returncode == 2
    assert "No such file" in done.stderr


# -- replay ---------------------------------------------------------------------------------------------


def test_a_dry_run_shows_what_would_be_sent_and_leaves_nothing(
    env: dict[str, str], double: PostHogDouble, tmp_path: Path
) -> None:
    file = record(tmp_path / "in.jsonl", some_lines(30, organizations=3))
    done = call(env, "replay", file, "--dry-run", "--json")
    report = json.loads(done.stdout)
    assert done.returncode == 0
    assert sum(row["events"] for row in report["by_name_and_group"]) == report["pending"] == 30
    assert {row["group"] for row in report["by_name_and_group"]} == {
        f"organization:org_{n}" for n in range(3)
    }
    assert [path.name for path in tmp_path.iterdir()] == ["in.jsonl"]
    assert double.requests == []


def test_replay_sends_events_and_profiles_and_the_second_time_nothing(
    env: dict[str, str], double: PostHogDouble, tmp_path: Path
) -> None:
    file = record(tmp_path / "in.jsonl", some_lines(30, organizations=3))
    durable = {**env, "OTEL_EXPORTER_POSTHOG_LEDGER": str(tmp_path / "state" / "ledger.db")}
    for sent in (30, 0):
        done = call(durable, "replay", file, "--profiles", "--historical", "--json")
        report = json.loads(done.stdout)
        assert (done.returncode, report["delivered"], report["delivered_now"]) == (0, 30, sent)
    assert len(double.events) == 30
    assert len(double.identifies) == 3
    assert double.organization("org_0").properties == {"plan": "plan_27"}
    assert not double.refused, double.explain()


def test_profiles_without_a_durable_ledger_are_refused_before_anything_is_sent(
    env: dict[str, str], double: PostHogDouble, tmp_path: Path
) -> None:
    done = call(env, "replay", record(tmp_path / "in.jsonl", some_lines(3)), "--profiles")
    assert done.returncode == 2
    assert "OTEL_EXPORTER_POSTHOG_LEDGER" in done.stderr
    assert double.requests == []


@pytest.mark.parametrize(
    ("point", "times"),
    [
        pytest.param("read.before_commit", 1, id="with nothing read"),
        pytest.param("read.before_commit", 2, id="in the middle of reading"),
        pytest.param("read.after_commit", 1, id="after a page was read"),
        pytest.param("send.before_settle", 2, id="with a request that nobody remembers"),
        pytest.param("send.after_settle", 2, id="in the middle of sending"),
    ],
)
def test_a_killed_replay_is_finished_by_the_command(
    env: dict[str, str], double: PostHogDouble, tmp_path: Path, point: str, times: int
) -> None:
    """[P-REPLAY-1] with SIGKILL."""
    file = record(tmp_path / "in.jsonl", some_lines(2_500))
    killed = run([sys.executable, APPS / "replay_until.py", point, str(times), file], env)
    assert killed.returncode == -signal.SIGKILL
    done = call(env, "replay", file, "--rate", "0", "--json")
    report = json.loads(done.stdout)
    assert (done.returncode, report["delivered"], report["pending"]) == (0, 2_500, 0)
    assert len(double.events) == 2_500
    assert report["duplicates"] == 0


def test_ctrl_c_says_how_to_go_on(env: dict[str, str], double: PostHogDouble, tmp_path: Path) -> None:
    file = record(tmp_path / "in.jsonl", some_lines(50))
    running = subprocess.Popen(
        [OTEL_POSTHOG, "replay", file, "--rate", "5"], env=environment(env), stderr=subprocess.PIPE, text=True
    )
    assert double.wait_for("POST /orders", timeout=60)
    running.send_signal(signal.SIGINT)
    _, talk = running.communicate(timeout=60)
    assert running.returncode == 130
    assert "Run the same command again" in talk
    assert call(env, "replay", file, "--rate", "0").returncode == 0
    assert len(double.events) == 50


def test_a_refused_event_is_reported_with_its_line(
    env: dict[str, str], double: PostHogDouble, tmp_path: Path
) -> None:
    double.fail(Fault(results={"poison": ("drop", "event_restriction_drop")}, times=None))
    lines = [span_line(1, organization(1)), span_line(2, organization(1), name="poison")]
    done = cli(env, "replay", record(tmp_path / "in.jsonl", lines))
    assert done.returncode == 1
    assert f"{tmp_path / 'in.jsonl'} line 2: event_restriction_drop" in done.stdout


# -- outbox ---------------------------------------------------------------------------------------------


@pytest.fixture
def outage(env: dict[str, str], double: PostHogDouble, tmp_path: Path) -> dict[str, str]:
    """A service has stored twenty events while PostHog was down."""
    durable = {**env, "OTEL_EXPORTER_POSTHOG_OUTBOX": str(tmp_path / "outbox")}
    double.fail(Fault(status=503, times=None))
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(
        BatchSpanProcessor(
            PostHogSpanExporter(
                host=double.url, api_key=KEY, outbox=str(tmp_path / "outbox"), timeout_millis=300
            )
        )
    )
    tracer = provider.get_tracer("shop")
    for number in range(20):
        attributes = {"organization.id": "acme", "organization.plan": "team"}
        tracer.start_span(f"GET /{number}", kind=SpanKind.SERVER, attributes=attributes).end()
    provider.shutdown()
    double.heal()
    return durable


def test_what_waits_is_counted_listed_and_drained(outage: dict[str, str], double: PostHogDouble) -> None:
    status = json.loads(cli(outage, "outbox", "status", "--json").stdout)
    assert status["events"] == 20
    listed = json.loads(call(outage, "outbox", "list", "--json").stdout)
    assert sum(parcel["events"] for parcel in listed) == 20
    done = cli(outage, "outbox", "drain", "--json")
    assert (done.returncode, json.loads(done.stdout)["delivered"]) == (0, 20)
    assert len(double.events) == 20
    assert json.loads(call(outage, "outbox", "status", "--json").stdout)["counters"]["delivered"] == 20


def test_a_refused_event_is_listed_with_posthogs_answer(
    outage: dict[str, str], double: PostHogDouble
) -> None:
    double.fail(Fault(results={"GET /3": ("drop", "event_restriction_drop")}, times=None))
    assert call(outage, "outbox", "drain").returncode == 1
    done = call(outage, "outbox", "list", "--refused")
    assert "GET /3" in done.stdout
    assert "event_restriction_drop" in done.stdout
    assert call(outage, "outbox", "status").returncode == 1
    assert "1 refused event dropped" in call(outage, "outbox", "drop", "--refused", "--yes").stdout
    assert call(outage, "outbox", "status").returncode == 0


def test_nothing_is_dropped_without_a_yes(outage: dict[str, str]) -> None:
    assert call(outage, "outbox", "drop").returncode == 2
    assert json.loads(call(outage, "outbox", "status", "--json").stdout)["events"] == 20
    assert "20 waiting events dropped" in call(outage, "outbox", "drop", "--yes").stdout
    assert json.loads(call(outage, "outbox", "status", "--json").stdout)["events"] == 0


def test_an_outbox_is_never_drained_into_another_project(
    outage: dict[str, str], double: PostHogDouble
) -> None:
    done = call({**outage, "OTEL_EXPORTER_POSTHOG_API_KEY": "phc_of_another_project"}, "outbox", "drain")
    assert done.returncode == 2
    assert "another PostHog host or project" in done.stderr
    assert double.rows == []


def test_looking_at_an_outbox_that_is_not_there_makes_none(env: dict[str, str], tmp_path: Path) -> None:
    done = call(env, "outbox", "status", "--directory", tmp_path / "none")
    assert done.returncode == 2
    assert os.listdir(tmp_path) == []
    assert call({}, "outbox", "status").returncode == 2


# -- ledger ---------------------------------------------------------------------------------------------


def test_the_ledger_tells_what_it_sent_and_what_was_too_old(
    env: dict[str, str], double: PostHogDouble, tmp_path: Path
) -> None:
    durable = {**env, "OTEL_EXPORTER_POSTHOG_LEDGER": str(tmp_path / "state" / "ledger.db")}
    for number, plan in ((9, "team"), (8, "free")):
        line = span_line(number, organization(1, plan=plan))
        call(durable, "replay", record(tmp_path / f"{plan}.jsonl", [line]), "--profiles")
    done = cli(durable, "ledger", "show", "org_1")
    assert done.returncode == 0
    assert '"team"' in done.stdout
    assert "confirmed" in done.stdout
    assert "ignored: older by 1 s" in done.stdout
    (known,) = json.loads(call(durable, "ledger", "list", "--json").stdout)
    assert known == {"type": "organization", "key": "org_1", "properties": 1, "waiting": 0}


def test_what_the_ledger_forgot_is_sent_again(
    env: dict[str, str], double: PostHogDouble, tmp_path: Path
) -> None:
    durable = {**env, "OTEL_EXPORTER_POSTHOG_LEDGER": str(tmp_path / "state" / "ledger.db")}
    file = record(tmp_path / "in.jsonl", [span_line(1, organization(1, plan="team"))])
    call(durable, "replay", file, "--profiles")
    call(durable, "replay", file, "--profiles")
    sent = len(double.identifies) + sum(repeat.count for repeat in double.repeats)
    assert call(durable, "ledger", "forget").returncode == 2
    assert "1 group forgotten" in call(durable, "ledger", "forget", "org_1").stdout
    call(durable, "replay", file, "--profiles")
    assert len(double.identifies) + sum(repeat.count for repeat in double.repeats) == sent + 1


def test_a_group_that_is_not_known_and_a_ledger_that_nobody_can_see_end_differently(
    env: dict[str, str], tmp_path: Path
) -> None:
    durable = {**env, "OTEL_EXPORTER_POSTHOG_LEDGER": str(tmp_path / "state" / "ledger.db")}
    assert call(durable, "ledger", "show", "nobody").returncode == 1
    assert call(env, "ledger", "show", "nobody").returncode == 2


# -- at a terminal --------------------------------------------------------------------------------------


@pytest.mark.parametrize("colour", [True, False])
def test_a_person_at_a_terminal_sees_colour_and_progress_and_the_result_stays_clean(
    env: dict[str, str], tmp_path: Path, colour: bool
) -> None:
    file = record(tmp_path / "in.jsonl", some_lines(2_500))
    master, slave = os.openpty()
    extra = {"TERM": "xterm-256color", **({} if colour else {"NO_COLOR": "1"})}
    running = subprocess.Popen(
        [OTEL_POSTHOG, "replay", file, "--rate", "0"],
        env=environment({**env, **extra}),
        stdout=subprocess.PIPE,
        stderr=slave,
        text=True,
    )
    os.close(slave)
    shown = b""
    try:
        while chunk := os.read(master, 65_536):
            shown += chunk
    except OSError:  # the other end is closed: Linux's way to say that the program ended
        pass
    os.close(master)
    result, _ = running.communicate(timeout=60)
    assert running.returncode == 0
    assert b"sending" in shown
    assert (b"\x1b[38;5" in shown or b"\x1b[3" in shown) == colour
    assert result.startswith("2,500 events delivered")
    assert "\x1b" not in result


# -- inspect --------------------------------------------------------------------------------------------


def test_inspect_prints_an_environment_in_which_doctor_finds_nothing_wrong() -> None:
    with Service([OTEL_POSTHOG, "inspect", "--port", "0", "--json"], {}) as inspector:
        told = json.loads(inspector.wait_for('"environment"'))["environment"]
        exporters = {"TRACES": "posthog", "LOGS": "posthog", "METRICS": "none"}
        code, report = doctor({**told, **{f"OTEL_{k}_EXPORTER": name for k, name in exporters.items()}})
        assert inspector.stop(signal.SIGINT) == 0
    assert (code, report["errors"]) == (0, 0)
    assert "v1" in said_of(report, "protocol")[0]["sentence"]
