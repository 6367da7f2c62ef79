"""A replay sends what the exporter would have sent, in order, once, whatever interrupts it."""

from __future__ import annotations

import gzip
import os
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from opentelemetry.exporter.posthog.replay import Replay, ReplayError, SendReport
from opentelemetry.exporter.posthog.replay.replaying import fingerprint, pass_by
from opentelemetry.exporter.posthog.settings.model import Settings
from opentelemetry.exporter.posthog.testing import Exchange, Fault, PostHogDouble
from opentelemetry.exporter.posthog.testing.transport import InMemoryTransport
from opentelemetry.exporter.posthog.wire.exchange import NoAnswer, Response
from tests.builders import some_settings
from tests.manual_clock import ManualClock
from tests.recordings import BEGIN_NS, SECOND_NS, log_line, organization, record, some_lines, span_line
from tests.scripted_transport import content_of

NOW_NS = BEGIN_NS + 30 * 86_400 * SECOND_NS


class Bench:
    """One double, one clock, and replays of one state against them."""

    def __init__(self, folder: Path) -> None:
        self.state = folder / "state"
        self.clock = ManualClock(time_ns=NOW_NS)
        self.double = PostHogDouble(clock=self.clock)
        self.settings: Settings = some_settings(ledger=str(folder / "ledger.db"))
        self.transport = InMemoryTransport(self.double, answered=Response, unanswered=NoAnswer)

    def replay(self, at: Callable[[str], None] = pass_by, about: str = "", **options: Any) -> Replay:
        settings = replace(self.settings, **options)
        return Replay(self.state, settings, about, clock=self.clock, transport=self.transport, at=at)

    def run(self, *files: Path, rate: float = 0.0, historical: bool = False, **options: Any) -> SendReport:
        with self.replay(**options) as work:
            work.read(files, lambda path, read: None)
            return work.send(rate=rate, historical=historical, tell=lambda done: None)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_events_arrive_in_the_order_of_their_own_time_whatever_the_order_of_the_file(
    bench: Bench, tmp_path: Path
) -> None:
    report = bench.run(record(tmp_path / "in.jsonl", some_lines(1_200)))
    events = sorted(bench.double.events, key=lambda event: event.arrival)
    assert report.delivered == len(events) == 1_200
    assert [event.time_ns for event in events] == sorted(event.time_ns for event in events)
    assert not bench.double.refused, bench.double.explain()
    assert not bench.double.findings, bench.double.explain()


def test_reading_the_same_file_from_scratch_makes_the_same_events(bench: Bench, tmp_path: Path) -> None:
    file = record(tmp_path / "in.jsonl", some_lines(60))
    bench.run(file)
    first = {event.uuid for event in bench.double.events}
    bench.state = tmp_path / "another"
    bench.run(file)
    assert {event.uuid for event in bench.double.events} == first
    assert sum(repeat.count for repeat in bench.double.repeats) == 60


def test_equal_records_are_different_events_by_their_place(bench: Bench, tmp_path: Path) -> None:
    lines = [log_line(1, organization(1), count=2)] * 2
    bench.run(record(tmp_path / "in.jsonl", lines))
    assert len({event.uuid for event in bench.double.events}) == 4


def test_the_same_span_in_two_files_is_one_event(bench: Bench, tmp_path: Path) -> None:
    line = span_line(1, organization(1))
    files = [record(tmp_path / name, [line]) for name in ("a.jsonl", "b.jsonl")]
    bench.run(*files)
    with bench.replay() as work:
        figures = work.figures()
    assert (figures.signals, figures.delivered, figures.duplicates) == (2, 1, 1)
    assert len(bench.double.events) == 1


def test_a_second_replay_sends_only_what_the_file_has_gained(bench: Bench, tmp_path: Path) -> None:
    file = record(tmp_path / "in.jsonl", some_lines(10))
    bench.run(file)
    with file.open("a") as stream:
        stream.write(span_line(99, organization(1)))
    assert bench.run(file).delivered == 1
    assert len(bench.double.events) == 11
    assert not bench.double.repeats


def test_a_record_that_is_still_being_written_is_read_when_it_is_whole(bench: Bench, tmp_path: Path) -> None:
    whole = span_line(1, organization(1))
    file = record(tmp_path / "in.jsonl", [span_line(0, organization(1)), whole[:50]])
    assert bench.run(file).delivered == 1
    file.write_text(file.read_text() + whole[50:])
    assert bench.run(file).delivered == 1
    with bench.replay() as work:
        assert work.figures().cut_off == work.figures().unreadable == 0


def test_a_file_that_is_another_one_by_now_is_not_continued(bench: Bench, tmp_path: Path) -> None:
    file = record(tmp_path / "in.jsonl", some_lines(5))
    bench.run(file)
    record(file, some_lines(5, organizations=2))
    with pytest.raises(ReplayError, match="another file"):
        bench.run(file)


def test_other_settings_do_not_continue_a_replay(bench: Bench, tmp_path: Path) -> None:
    file = record(tmp_path / "in.jsonl", some_lines(5))
    bench.run(file, about="one")
    with pytest.raises(ReplayError, match="other settings"):
        bench.run(file, about="two")
    assert bench.run(file, about="one").delivered == 0


def test_two_replays_of_one_state_do_not_run_at_once(bench: Bench) -> None:
    with bench.replay(), pytest.raises(ReplayError, match="another replay"):
        bench.replay().__enter__()


def test_a_packed_file_is_unpacked_and_continued(bench: Bench, tmp_path: Path) -> None:
    file = tmp_path / "in.jsonl.gz"
    file.write_bytes(gzip.compress("".join(some_lines(30)).encode()))
    assert bench.run(file).delivered == 30
    assert bench.run(file).delivered == 0


def test_the_balance_names_every_signal(bench: Bench, tmp_path: Path) -> None:
    lines = [
        span_line(1, organization(1)),
        span_line(2, organization(1), kind=3),
        span_line(3, {}),
        "not telemetry\n",
        '{"resourceSpans": 5}\n',
        span_line(1, organization(1)),
    ]
    bench.run(record(tmp_path / "in.jsonl", lines))
    with bench.replay() as work:
        figures = work.figures()
    assert figures.not_selected == {"not_an_entry": 1, "no_group": 1}
    assert (figures.signals, figures.delivered, figures.duplicates, figures.unreadable) == (4, 1, 1, 2)
    left_out = sum(figures.not_selected.values()) + sum(figures.dropped.values()) + figures.duplicates
    assert figures.signals == left_out + figures.pending + figures.delivered + figures.refused


# -- what PostHog says ----------------------------------------------------------------------------------


def test_an_outage_is_waited_out_and_nothing_is_stored_twice(bench: Bench, tmp_path: Path) -> None:
    bench.double.fail(Fault(status=503, times=8), Fault(reset="after", times=2))
    report = bench.run(record(tmp_path / "in.jsonl", some_lines(40)))
    assert report == SendReport(delivered=40)
    assert len(bench.double.events) == 40


def test_a_key_that_is_refused_ends_the_replay_at_once_and_keeps_everything(
    bench: Bench, tmp_path: Path
) -> None:
    file = record(tmp_path / "in.jsonl", some_lines(40))
    bench.double.fail(Fault(status=401))
    report = bench.run(file)
    assert (report.delivered, report.stopped) == (0, "credentials")
    assert bench.run(file).delivered == 40


def test_a_host_that_stays_down_ends_the_replay_and_the_next_one_goes_on(
    bench: Bench, tmp_path: Path
) -> None:
    file = record(tmp_path / "in.jsonl", some_lines(40))
    bench.double.fail(Fault(status=503, times=None))
    report = bench.run(file)
    assert (report.delivered, report.stopped) == (0, "http_503")
    bench.double.heal()
    assert bench.run(file).delivered == 40


def test_a_refused_event_is_named_by_file_and_line_and_not_sent_again(bench: Bench, tmp_path: Path) -> None:
    lines = [span_line(1, organization(1)), span_line(2, organization(1), name="poison")]
    file = record(tmp_path / "in.jsonl", lines)
    bench.double.fail(Fault(results={"poison": ("drop", "event_restriction_drop")}, times=None))
    report = bench.run(file)
    assert (report.delivered, dict(report.refused)) == (1, {"event_restriction_drop": 1})
    with bench.replay() as work:
        (row,) = work.refused(10)
    assert (row.name, row.path, row.line) == ("poison", str(file), 2)
    assert bench.run(file).delivered == 0


def test_the_pace_is_kept(bench: Bench, tmp_path: Path) -> None:
    began = bench.clock.monotonic()
    bench.run(record(tmp_path / "in.jsonl", some_lines(100)), rate=20)
    assert bench.clock.monotonic() - began == pytest.approx(4.0, abs=0.5)  # the first second's are free
    assert max(len(exchange.uuids) for exchange in bench.double.requests) <= 20


def is_historical(exchange: Exchange) -> bool:
    request = exchange.request
    content = content_of(request.body, request.headers.get("content-encoding"))
    return content.get("historical_migration") is True


def test_old_telemetry_is_marked_as_historical(bench: Bench, tmp_path: Path) -> None:
    bench.run(record(tmp_path / "in.jsonl", some_lines(5)), historical=True)
    assert all(is_historical(exchange) for exchange in bench.double.requests)


@pytest.mark.parametrize(
    ("age", "fits"),
    [
        pytest.param(47.9, False, id="an event of 47.9 hours is too young"),
        pytest.param(48.1, True, id="one of 48.1 hours is old enough"),
    ],
)
def test_only_what_is_older_than_48_hours_is_historical(
    bench: Bench, tmp_path: Path, age: float, fits: bool
) -> None:
    young = span_line(1, organization(1), time_ns=NOW_NS - round(age * 3600 * SECOND_NS))
    file = record(tmp_path / "in.jsonl", [span_line(2, organization(1)), young])
    if fits:
        assert bench.run(file, historical=True).delivered == 2
    else:
        with pytest.raises(ReplayError, match=r"47\.9 h old"):
            bench.run(file, historical=True)
        assert not bench.double.rows


# -- profiles -------------------------------------------------------------------------------------------


def test_profiles_get_the_newest_value_with_one_update_a_group(bench: Bench, tmp_path: Path) -> None:
    bench.run(record(tmp_path / "in.jsonl", some_lines(70)))
    assert not bench.double.identifies
    with bench.replay() as work:
        report = work.profiles(lambda done: None)
    assert (report.groups, report.sent, report.waits, report.safe) == (7, 7, 0, True)
    for number in range(7):
        newest = max(n for n in range(70) if n % 7 == number)
        assert bench.double.organization(f"org_{number}").properties == {"plan": f"plan_{newest}"}
    assert len(bench.double.identifies) == 7


def test_the_newest_value_wins_in_whatever_order_the_files_are_given(bench: Bench, tmp_path: Path) -> None:
    newer = record(tmp_path / "a.jsonl", [span_line(50, organization(1, plan="enterprise"))])
    older = record(tmp_path / "b.jsonl", [span_line(1, organization(1, plan="free", seats=3))])
    bench.run(newer, older)
    with bench.replay() as work:
        work.profiles(lambda done: None)
    assert [dict(event.properties)["$group_set"] for event in bench.double.identifies] == [
        {"plan": "enterprise", "seats": 3}
    ]


def test_a_replay_never_sets_back_what_the_service_has_learned_since(bench: Bench, tmp_path: Path) -> None:
    newer = record(tmp_path / "new.jsonl", [span_line(50, organization(1, plan="enterprise"))])
    older = record(tmp_path / "old.jsonl", [span_line(1, organization(1, plan="free", seats=3))])
    for file in (newer, older):
        bench.state = tmp_path / file.stem
        bench.run(file)
        with bench.replay() as work:
            work.profiles(lambda done: None)
    assert bench.double.organization("org_1").properties == {"plan": "enterprise", "seats": 3}


def test_telling_profiles_again_sends_nothing(bench: Bench, tmp_path: Path) -> None:
    bench.run(record(tmp_path / "in.jsonl", some_lines(70)))
    for sent in (7, 0):
        with bench.replay() as work:
            assert work.profiles(lambda done: None).sent == sent


def test_group_updates_are_never_historical(bench: Bench, tmp_path: Path) -> None:
    bench.run(record(tmp_path / "in.jsonl", some_lines(5)), historical=True)
    before = len(bench.double.requests)
    with bench.replay() as work:
        work.profiles(lambda done: None)
    assert [is_historical(exchange) for exchange in bench.double.requests[before:]] == [False]


@pytest.mark.parametrize("ledger", [None, "memory"])
def test_profiles_need_a_ledger_that_remembers(bench: Bench, ledger: str | None) -> None:
    with bench.replay(ledger=ledger) as work, pytest.raises(ReplayError, match="remembers"):
        work.profiles(lambda done: None)


# -- interruptions --------------------------------------------------------------------------------------


class Interruption(BaseException):
    """Ends a replay where it stands, as far as one process can play that."""


@pytest.mark.parametrize(
    "point", ["read.before_commit", "read.after_commit", "send.before_settle", "send.after_settle"]
)
def test_a_replay_that_is_interrupted_again_and_again_sends_everything_once(
    bench: Bench, tmp_path: Path, point: str
) -> None:
    """[P-REPLAY-1]"""
    file = record(tmp_path / "in.jsonl", some_lines(900))
    passed = 0

    def at(name: str) -> None:
        nonlocal passed
        passed += name == point
        if name == point and passed % 2 == 0 and passed < 8:
            raise Interruption

    for _ in range(10):
        try:
            bench.run(file, at=at, rate=200)
        except Interruption:
            continue
        break
    with bench.replay() as work:
        figures = work.figures()
    assert (figures.signals, figures.delivered, figures.pending) == (900, 900, 0)
    assert len(bench.double.events) == 900
    assert not figures.duplicates


def test_the_state_is_for_its_owner_alone_and_forgets_properties_once_sent(
    bench: Bench, tmp_path: Path
) -> None:
    bench.run(record(tmp_path / "in.jsonl", some_lines(5)))
    assert os.stat(bench.state).st_mode & 0o077 == 0
    with bench.replay() as work, work.spool._file.reading() as connection:
        kept = connection.execute("SELECT count(*) FROM event WHERE properties IS NOT NULL").fetchone()[0]
    assert kept == 0


def test_the_fingerprint_follows_what_decides_translation_and_nothing_else() -> None:
    origins = {"spans": "OTEL_EXPORTER_POSTHOG_SPANS", "timeout_millis": "OTEL_EXPORTER_POSTHOG_TIMEOUT"}
    plain = fingerprint(origins, {"OTEL_EXPORTER_POSTHOG_SPANS": "all"})
    assert fingerprint(origins, {"OTEL_EXPORTER_POSTHOG_SPANS": "named"}) != plain
    slow = {"OTEL_EXPORTER_POSTHOG_SPANS": "all", "OTEL_EXPORTER_POSTHOG_TIMEOUT": "9"}
    assert fingerprint(origins, slow) == plain


# -- size -----------------------------------------------------------------------------------------------


def peak_of_reading(bench: Bench, file: Path) -> int:
    with bench.replay() as work:
        tracemalloc.start()
        try:
            work.read([file], lambda path, read: None)
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()


def test_memory_does_not_grow_with_the_file(bench: Bench, tmp_path: Path) -> None:
    """[P-REPLAY-2]"""
    peaks = []
    for count in (4_500, 7_000):  # a page holds 2,000; what translation remembers is full with 4,096
        bench.state = tmp_path / f"state_{count}"
        peaks.append(peak_of_reading(bench, record(tmp_path / f"{count}.jsonl", some_lines(count))))
    assert peaks[1] < 1.3 * peaks[0]
