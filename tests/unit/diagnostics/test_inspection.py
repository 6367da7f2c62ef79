"""The side channel: what an inspector is told, and that an export never pays for it."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from opentelemetry.exporter.posthog.diagnostics.inspection import (
    MAX_DECISIONS,
    MAX_ORIGINS,
    MAX_SAMPLES,
    Inspection,
)
from opentelemetry.exporter.posthog.diagnostics.loopback_post import LoopbackPost
from opentelemetry.exporter.posthog.inspector.inspector import Inspector
from opentelemetry.exporter.posthog.inspector.serving import serving
from opentelemetry.exporter.posthog.sdk.describing import log_describer
from opentelemetry.exporter.posthog.settings.parsing import UnusableError
from opentelemetry.exporter.posthog.source import Source
from opentelemetry.exporter.posthog.translate.translator import Translator
from tests.builders import a_log
from tests.pipelines import Lab


class Mailbox:
    """Takes reports, or loses them."""

    def __init__(self) -> None:
        self.reports: list[dict[str, Any]] = []
        self.open = True
        self.suppressed = 0

    def __call__(self, report: bytes, patience: float) -> bool:
        assert self.suppressed, "our own traffic must make no telemetry"
        if self.open:
            self.reports.append(json.loads(report))
        return self.open

    @contextmanager
    def around(self) -> Iterator[None]:
        self.suppressed += 1
        yield
        self.suppressed -= 1

    def verdicts(self) -> list[tuple[str, Any, str]]:
        return [
            (one["name"], one["value"], one["verdict"])
            for report in self.reports
            for one in report["decisions"]
        ]


class WatchedLab(Lab):
    """A real pipeline with a witness, which reports when it is told to."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.mailbox = Mailbox()
        self.inspection = Inspection(
            self.mailbox,
            self.diagnostics.snapshot,
            clock=self.clock,
            around=self.mailbox.around,
            background=False,
        )
        self.pipeline.show_to(self.inspection)
        describe = log_describer(Translator(self.settings))
        self.source = Source("log", self.source.translate, describe)

    def report(self) -> dict[str, Any]:
        self.inspection.send(1.0)
        return self.mailbox.reports[-1]


def test_a_signal_that_was_let_go_is_told_with_its_reason_and_the_steps_to_it() -> None:
    lab = WatchedLab()
    lab.export(a_log("", {"organization.id": "org_1"}))
    report = lab.report()
    assert report["stats"]["not_selected"] == {"plain_log": 1}
    ((sample),) = report["samples"]["plain_log"]
    assert sample["steps"][-1] == ["capture", "not selected", "plain_log"]


def test_an_event_is_told_with_the_signal_that_it_came_from() -> None:
    lab = WatchedLab()
    lab.export(lab.says(1, name="Acme"))
    (origin,) = lab.report()["origins"]
    (event,) = lab.double.events
    assert (origin["uuid"], origin["event"], origin["name"]) == (event.uuid, "seen", "seen")
    assert ["attribute organization.name", "becomes property organization.name", ""] in origin["steps"]


def test_no_value_of_an_attribute_is_told_with_a_signal() -> None:
    lab = WatchedLab()
    lab.export(
        a_log("seen", {"organization.id": "org_1", "secret.token": "tok-very-secret", "plain": "plain-value"})
    )
    lab.export(a_log("", {"organization.id": "org_1", "note": "plain-value"}))
    said = lab.report()
    told = json.dumps([said["origins"], said["samples"]])
    assert "tok-very-secret" not in told
    assert "plain-value" not in told
    assert "secret.token" in told, "the key is what the user looks for"


def test_what_privacy_keeps_out_of_a_profile_is_not_told_either() -> None:
    lab = WatchedLab()
    lab.export(lab.says(1, billing_email="ada@example.com", name="Acme"))
    assert "ada@example.com" not in json.dumps(lab.report())


def test_the_first_value_is_sent_and_the_same_again_is_saved() -> None:
    lab = WatchedLab()
    lab.export(lab.says(1, plan="team"))
    lab.export(lab.says(2, plan="team"))
    lab.report()
    assert lab.mailbox.verdicts() == [("plan", "team", "sent"), ("plan", "team", "unchanged")]


def test_a_decision_that_was_sent_names_the_update_that_posthog_stored() -> None:
    lab = WatchedLab()
    lab.export(lab.says(1, plan="team"))
    (decision,) = lab.report()["decisions"]
    assert decision["update"] == lab.double.identifies[0].uuid
    assert decision["speaker"] == "seen"


def test_older_news_is_refused_as_older() -> None:
    lab = WatchedLab()
    lab.export(lab.says(20, plan="team"))
    lab.export(lab.says(10, plan="free"))
    lab.report()
    assert lab.mailbox.verdicts()[-1] == ("plan", "free", "older")
    assert lab.profile()["plan"] == "team"


def test_news_older_than_a_later_repetition_is_refused_as_older_though_the_store_was_not_told() -> None:
    lab = WatchedLab()
    lab.export(lab.says(10, plan="team"))
    lab.export(lab.says(30, plan="team"))  # stays in the process: nothing changed
    lab.export(lab.says(20, plan="free"))
    lab.report()
    assert lab.mailbox.verdicts()[-1] == ("plan", "free", "older")


def test_within_one_export_the_newest_is_sent_and_the_older_refused() -> None:
    lab = WatchedLab()
    lab.export(lab.says(2, plan="team"), lab.says(1, plan="free"))
    lab.report()
    assert lab.mailbox.verdicts() == [("plan", "team", "sent"), ("plan", "free", "older")]


def test_a_change_beyond_the_burst_waits() -> None:
    lab = WatchedLab()
    for n in range(6):
        lab.export(lab.says(n, plan=f"plan {n}"))
    lab.report()
    assert [verdict for _, _, verdict in lab.mailbox.verdicts()] == ["sent"] * 5 + ["waits"]


def test_a_group_of_which_only_the_key_is_known_is_told_once_as_sent() -> None:
    lab = WatchedLab()
    lab.export(lab.says(1))
    lab.export(lab.says(2))
    lab.report()
    assert lab.mailbox.verdicts() == [("", None, "sent"), ("", None, "unchanged")]


def test_the_last_words_come_with_the_end_of_the_pipeline() -> None:
    lab = WatchedLab()
    lab.export(lab.says(1, plan="team"))
    lab.pipeline.shutdown(5.0)
    assert lab.mailbox.reports[-1]["stats"]["delivered"] == 1


def test_nothing_new_is_no_report() -> None:
    lab = WatchedLab()
    lab.export(lab.says(1))
    assert lab.inspection.send(1.0)
    assert lab.inspection.send(1.0)
    assert len(lab.mailbox.reports) == 1


def test_an_inspector_that_is_gone_costs_notes_and_no_memory() -> None:
    lab = WatchedLab()
    lab.mailbox.open = False
    lab.export(lab.says(1, plan="team"))
    assert not lab.inspection.send(1.0)
    lab.mailbox.open = True
    report = lab.report()
    assert (report["origins"], report["decisions"]) == ([], [])
    assert report["untold"] == 2
    assert report["stats"]["delivered"] == 1, "the figures are told whole, whatever was lost"


def test_a_flood_is_bounded_and_what_was_left_out_is_counted() -> None:
    lab = WatchedLab()
    count = MAX_DECISIONS + 5
    lab.export(*(lab.says(1, f"org_{n}", plan="team") for n in range(count)))
    lab.export(*(a_log("", {}) for _ in range(50)))
    report = lab.report()
    assert len(report["origins"]) == MAX_ORIGINS
    assert len(report["decisions"]) == MAX_DECISIONS
    assert len(report["samples"]["plain_log"]) == MAX_SAMPLES
    assert report["untold"] == (count - MAX_ORIGINS) + (count - MAX_DECISIONS)
    assert report["stats"]["not_selected"] == {"plain_log": 50}


def test_a_signal_that_can_not_be_described_is_exported_all_the_same() -> None:
    lab = WatchedLab()

    def broken(signal: object) -> Any:
        raise RuntimeError("no words")

    lab.source = Source("log", lab.source.translate, broken)
    assert lab.export(lab.says(1, plan="team"))
    assert len(lab.report()["origins"]) == 1


# -- where reports may go ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "address",
    ["http://example.com:8009", "http://10.0.0.1:8009", "https://127.0.0.1:8009", "http://127.0.0.1.evil.example:8009",
     "http://169.254.169.254/", "http://127.0.0.1@evil.example/", "127.0.0.1:8009"],
)  # fmt: skip
def test_no_report_can_be_pointed_at_another_machine(address: str) -> None:
    with pytest.raises(UnusableError):
        LoopbackPost(address)


def test_a_report_arrives_with_the_token_of_the_address() -> None:
    inspector = Inspector()
    lab = Lab()
    with serving(inspector) as address:
        post = LoopbackPost(address.page)
        inspection = Inspection(
            post, lab.diagnostics.snapshot, clock=lab.clock, around=Mailbox().around, background=False
        )
        lab.pipeline.show_to(inspection)
        lab.export(lab.says(1, plan="team"))
        assert inspection.send(5.0)
    (exporter,) = inspector.feed.all("exporter")
    assert exporter["stats"]["made"] == 1


def test_a_wrong_token_is_a_report_that_did_not_arrive() -> None:
    with serving(Inspector()) as address:
        assert not LoopbackPost(f"{address.host}/?token=wrong")(b"{}", 5.0)


def test_nobody_listening_is_no_error() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        assert not LoopbackPost(f"http://127.0.0.1:{port}")(b"{}", 1.0)
