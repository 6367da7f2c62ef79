"""What doctor concludes from facts, without looking at any machine."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from email.utils import formatdate
from typing import Any

import pytest

from opentelemetry.exporter.posthog.cli.checks import Finding, Level
from opentelemetry.exporter.posthog.cli.checks.connection import Answered, Probes, connection_findings
from opentelemetry.exporter.posthog.cli.checks.process import hot_ids, process_findings
from opentelemetry.exporter.posthog.cli.checks.sdk import sdk_findings
from opentelemetry.exporter.posthog.cli.checks.settings import settings_findings
from opentelemetry.exporter.posthog.cli.checks.state import (
    LedgerFacts,
    ledger_findings,
    outbox_findings,
)
from opentelemetry.exporter.posthog.cli.checks.zero_code import (
    LOGS,
    METRICS,
    OURS,
    TRACES,
    Installed,
    installation_findings,
    loading_findings,
)
from opentelemetry.exporter.posthog.delivery.outbox import OutboxStatus
from opentelemetry.exporter.posthog.settings.model import CaptureMode, Preset, Selection
from opentelemetry.exporter.posthog.settings.sources import resolve
from opentelemetry.exporter.posthog.wire.exchange import Judgement, NoAnswer, Response
from tests.builders import some_settings
from tests.manual_clock import EPOCH_NS

HOST = "https://eu.i.posthog.com"

ALL_OF_OURS = {group: frozenset({"posthog"}) for group in (*OURS, TRACES, LOGS)}


def levels(findings: Iterable[Finding], subject: str) -> list[Level]:
    return [finding.level for finding in findings if finding.subject == subject]


# -- zero-code ------------------------------------------------------------------------------------------


def installed(distro: bool = True, **groups: frozenset[str]) -> Installed:
    named = {"traces": TRACES, "logs": LOGS, "metrics": METRICS}
    points = {**ALL_OF_OURS, **{named[name]: found for name, found in groups.items()}}
    return Installed(points, {"opentelemetry-distro": "0.60b0"} if distro else {})


@pytest.mark.parametrize(
    ("env", "there", "variable", "level"),
    [
        pytest.param(
            {"OTEL_TRACES_EXPORTER": "posthog"}, installed(), "OTEL_METRICS_EXPORTER", Level.ERROR,
            id="the distro's metrics exporter is missing beside ours",
        ),
        pytest.param(
            {"OTEL_TRACES_EXPORTER": "posthog", "OTEL_METRICS_EXPORTER": "none"}, installed(),
            "OTEL_METRICS_EXPORTER", Level.OK, id="it was switched off",
        ),
        pytest.param(
            {"OTEL_TRACES_EXPORTER": "posthog"}, installed(metrics=frozenset({"otlp_proto_grpc"})),
            "OTEL_METRICS_EXPORTER", Level.OK, id="it is installed",
        ),
        pytest.param(
            {"OTEL_TRACES_EXPORTER": "posthog", "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf"},
            installed(metrics=frozenset({"otlp_proto_grpc"})), "OTEL_METRICS_EXPORTER", Level.ERROR,
            id="the other protocol's is installed",
        ),
        pytest.param(
            {"OTEL_TRACES_EXPORTER": "otlp,posthog"}, installed(), "OTEL_TRACES_EXPORTER", Level.ERROR,
            id="one of two exporters is missing",
        ),
        pytest.param(
            {"OTEL_TRACES_EXPORTER": "posthog", "OTEL_METRICS_EXPORTER": "posthog"}, installed(),
            "OTEL_METRICS_EXPORTER", Level.ERROR, id="we export no metrics",
        ),
        pytest.param(
            {}, installed(), "OTEL_METRICS_EXPORTER", Level.HINT, id="zero-code set-up may not be in use",
        ),
        pytest.param(
            {"OTEL_TRACES_EXPORTER": "posthog"}, installed(distro=False), "zero-code", Level.WARNING,
            id="nothing is configured without a distro",
        ),
    ],
)  # fmt: skip
def test_what_the_sdk_would_load(
    env: Mapping[str, str], there: Installed, variable: str, level: Level
) -> None:
    assert level in levels(loading_findings(env, there), variable)


def test_an_entry_point_that_is_missing_is_an_error() -> None:
    points = {group: names for group, names in ALL_OF_OURS.items() if group != LOGS}
    assert levels(installation_findings(Installed(points, {})), "entry points") == [Level.ERROR]


# -- the SDK --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("env", "subject", "level"),
    [
        pytest.param({}, "sampler", Level.OK, id="the default sampler keeps all"),
        pytest.param(
            {"OTEL_TRACES_SAMPLER": "parentbased_traceidratio", "OTEL_TRACES_SAMPLER_ARG": "0.1"}, "sampler",
            Level.WARNING, id="a tenth of the spans",
        ),
        pytest.param(
            {"OTEL_TRACES_SAMPLER": "traceidratio", "OTEL_TRACES_SAMPLER_ARG": "1"}, "sampler", Level.OK,
            id="a ratio of one",
        ),
        pytest.param({"OTEL_TRACES_SAMPLER": "always_off"}, "sampler", Level.WARNING, id="no span at all"),
        pytest.param({"OTEL_TRACES_SAMPLER": "jaeger_remote"}, "sampler", Level.HINT, id="another sampler"),
        pytest.param({"OTEL_SDK_DISABLED": "true"}, "OTEL_SDK_DISABLED", Level.WARNING, id="the SDK is off"),
        pytest.param(
            {"OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT": "16"}, "OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT", Level.WARNING,
            id="values are cut below the length of an id",
        ),
    ],
)  # fmt: skip
def test_what_the_sdk_keeps_from_an_exporter(env: Mapping[str, str], subject: str, level: Level) -> None:
    assert levels(sdk_findings(env, some_settings()), subject) == [level]


# -- settings -------------------------------------------------------------------------------------------

SECRETS = {
    "OTEL_EXPORTER_POSTHOG_API_KEY": "phc_SECRETSECRETSECRET1234",
    "OTEL_EXPORTER_POSTHOG_PRIVACY_HASH_KEY": "SECRETSECRETSECRETSECRET",
    "OTEL_EXPORTER_POSTHOG_PRIVACY": "patterns.email=hash",
    "OTEL_EXPORTER_POSTHOG_LEDGER": "rediss://user:SECRET@cache.example:6379/0",
    "OTEL_EXPORTER_POSTHOG_PROXY": "http://user:SECRET@proxy.example:3128",
    "OTEL_EXPORTER_POSTHOG_INSPECTOR": "http://127.0.0.1:8009/?token=SECRET",
    "OTEL_EXPORTER_POSTHOG_OPT_OUT": "SECRET_customer",
}


def test_no_secret_is_ever_shown() -> None:
    said = list(settings_findings(resolve({}, SECRETS), SECRETS, {}))
    assert {"api_key", "ledger", "proxy", "privacy_hash_key"} <= {finding.subject for finding in said}
    assert "SECRET" not in str(said)


def test_every_set_option_names_its_origin() -> None:
    env = {"POSTHOG_API_KEY": "phc_x1234567890", "OTEL_EXPORTER_POSTHOG_TIMEOUT": "500"}
    said = {f.subject: f.sentence for f in settings_findings(resolve({}, env), env, {})}
    assert said["timeout_millis"] == "500 (from OTEL_EXPORTER_POSTHOG_TIMEOUT)"
    assert said["api_key"].endswith("(from POSTHOG_API_KEY)")
    assert said["host"].endswith("(default)")


# -- connection -----------------------------------------------------------------------------------------


def answered(status: int, body: bytes = b"", judged: Judgement | None = None, skew: float = 0.0) -> Answered:
    headers = {"date": formatdate(EPOCH_NS / 1e9 - skew, usegmt=True)}
    return Answered(Response(status, headers, body), judged or Judgement(spoken=False), EPOCH_NS)


EMPTY_BATCH = answered(400, judged=Judgement(spoken=True, tag="empty_batch"))
NOT_V1 = answered(404)
NAMELESS = answered(400, b"event submitted with an empty event name")


@pytest.mark.parametrize(
    ("probes", "subject", "level"),
    [
        pytest.param(Probes(EMPTY_BATCH, None), "api_key", Level.OK, id="v1 refuses the empty batch"),
        pytest.param(
            Probes(answered(401, judged=Judgement(spoken=True, tag="invalid_api_token")), None), "api_key",
            Level.ERROR, id="v1 refuses the key",
        ),
        pytest.param(Probes(NOT_V1, NAMELESS), "api_key", Level.OK, id="legacy refuses the nameless event"),
        pytest.param(Probes(NOT_V1, answered(401)), "api_key", Level.ERROR, id="legacy refuses the key"),
        pytest.param(Probes(NOT_V1, answered(200)), "api_key", Level.HINT, id="legacy tells nothing"),
        pytest.param(
            Probes(answered(402, judged=Judgement(spoken=True, tag="billing_limit_exceeded")), None), "quota",
            Level.ERROR, id="the quota is used up",
        ),
        pytest.param(
            Probes(answered(200, judged=Judgement(spoken=False, html=True)), answered(200)), "host",
            Level.ERROR, id="a web page answers",
        ),
        pytest.param(
            Probes(Answered(NoAnswer("timeout", sent=False), None, EPOCH_NS), None), "reachability",
            Level.ERROR, id="nobody answers",
        ),
        pytest.param(Probes(EMPTY_BATCH, None), "clock", Level.OK, id="the clock is right"),
        pytest.param(
            Probes(answered(400, judged=Judgement(spoken=True, tag="empty_batch"), skew=90), None), "clock",
            Level.WARNING, id="the clock is 90 seconds ahead",
        ),
    ],
)  # fmt: skip
def test_what_answers_say(probes: Probes, subject: str, level: Level) -> None:
    assert levels(connection_findings(HOST, CaptureMode.AUTO, probes), subject) == [level]


def test_v1_that_was_set_and_is_not_spoken_is_an_error() -> None:
    found = list(connection_findings(HOST, CaptureMode.V1, Probes(NOT_V1, None)))
    assert levels(found, "protocol") == [Level.ERROR]


# -- state ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "level"),
    [
        pytest.param({"events": 3}, Level.OK, id="a few events wait"),
        pytest.param({"oldest_ns": EPOCH_NS - 2 * 3_600_000_000_000}, Level.WARNING, id="for two hours"),
        pytest.param({"max_bytes": 100, "file_bytes": 81}, Level.WARNING, id="it is nearly full"),
        pytest.param({"refused": 1}, Level.WARNING, id="an event was refused"),
        pytest.param({"counters": {"expired": 1}}, Level.WARNING, id="an event was lost"),
        pytest.param({"trouble": "the disk is full"}, Level.ERROR, id="the disk is full"),
    ],
)
def test_how_well_an_outbox_is(status: dict[str, Any], level: Level) -> None:
    found = list(outbox_findings("/state", OutboxStatus("/state", **status), "", EPOCH_NS, 604_800.0))
    assert found[-1].level is level


def test_how_well_a_ledger_is() -> None:
    assert [f.level for f in ledger_findings(LedgerFacts("file x", waiting=3))] == [Level.OK]
    assert [f.level for f in ledger_findings(LedgerFacts("redis server", "refused"))] == [Level.ERROR]


# -- processes and ids ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["uvicorn", "celery", "gunicorn"])
def test_a_server_that_is_installed_brings_its_hint(name: str) -> None:
    subject = {"uvicorn": "SIGTERM", "celery": "Celery", "gunicorn": "ledger"}[name]
    assert levels(process_findings({}, some_settings(), {}, {name: "1"}), subject) == [Level.HINT]
    assert levels(process_findings({}, some_settings(), {}, {}), subject) == []


def test_a_selection_that_puts_a_whole_service_under_one_id_is_warned_of() -> None:
    everything = some_settings(logs=Selection(preset=Preset.ALL))
    (found,) = [
        f
        for f in process_findings({"OTEL_SERVICE_NAME": "shop"}, everything, {}, {})
        if f.subject == "distinct ids"
    ]
    assert (found.level, "otel:shop" in found.sentence) == (Level.WARNING, True)


@pytest.mark.parametrize(
    ("ids", "expected"),
    [
        pytest.param(["a"] * 150 + ["b"] * 100, [Level.WARNING], id="one id has most of 250 events"),
        pytest.param(["a"] * 120 + ["b"] * 130, [Level.WARNING], id="one id has more than half"),
        pytest.param(["a"] * 125 + ["b"] * 125, [Level.OK], id="none has more than half"),
        pytest.param(["a"] * 150, [], id="too few events to tell"),
    ],
)
def test_ids_that_run_hot(ids: list[str], expected: list[Level]) -> None:
    assert [finding.level for finding in hot_ids(ids)] == expected
