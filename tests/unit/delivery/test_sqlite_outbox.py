"""What only the SQLite outbox has: limits, restarts, other processes' files, clocks, tools."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from opentelemetry.exporter.posthog.delivery import outbox_tables as tables
from opentelemetry.exporter.posthog.delivery.sqlite_outbox import SqliteOutbox
from opentelemetry.exporter.posthog.errors import ForeignStateError
from opentelemetry.exporter.posthog.model import DELIVERED, Outcome, OutcomeKind
from opentelemetry.exporter.posthog.sqlite import StateFile
from opentelemetry.exporter.posthog.sqlite_identity import Schema, StateOwner
from tests.manual_clock import ManualClock
from tests.outbox_kit import (
    OWNER,
    PAGE,
    REFUSED,
    RETRY,
    Remembered,
    assert_balanced,
    envelope,
    envelopes,
    sqlite_outbox,
    uuids,
)

MIB = 1024 * 1024


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def box(tmp_path: Path) -> Path:
    return tmp_path / "box"


def test_counters_and_rows_survive_a_restart(box: Path, clock: ManualClock) -> None:
    first = sqlite_outbox(box, clock)
    receipt = first.put(envelopes(4))
    assert receipt is not None
    first.settle(receipt, [DELIVERED, REFUSED, RETRY, RETRY])
    before = first.status()
    first.close()
    after = sqlite_outbox(box, clock).status()
    assert replace(after, file_bytes=0) == replace(before, file_bytes=0)


def test_a_full_outbox_refuses_the_new_and_keeps_the_old(box: Path, clock: ManualClock) -> None:
    report = Remembered()
    outbox = sqlite_outbox(box, clock, report, max_bytes=MIB)
    receipts = []
    while (receipt := outbox.put(envelopes(20, size=1000))) is not None:
        receipts.append(receipt)
    status = outbox.status()
    assert status.events == 20 * len(receipts)
    assert status.payload_bytes > 0.75 * MIB
    assert status.file_bytes <= MIB + 8 * MIB
    assert report.counts["note outbox_not_stored"] == 20
    assert_balanced(status, accepted=20 * len(receipts))
    for receipt in receipts:  # and it can still be drained, whatever PostHog says
        outbox.settle(receipt, [DELIVERED] * 10 + [REFUSED] * 10)
    assert_balanced(outbox.status())
    assert outbox.status().events == 0
    assert outbox.put(envelopes(20, size=1000)) is not None


def test_a_warning_comes_before_it_is_full(box: Path, clock: ManualClock) -> None:
    report = Remembered()
    outbox = sqlite_outbox(box, clock, report, max_bytes=MIB)
    used = 0
    while "outbox_nearly_full" not in report.kinds:
        assert outbox.put(envelopes(20, size=1000)) is not None, "it was full before anybody was warned"
        used += 20 * 1000
    assert 0.6 * MIB < used < 0.85 * MIB


def test_refused_events_are_kept_for_people_until_they_take_too_much_room(
    box: Path, clock: ManualClock
) -> None:
    outbox = sqlite_outbox(box, clock, max_bytes=4 * MIB)
    for _ in range(20):
        batch = envelopes(10, size=2000)
        receipt = outbox.put(batch)
        assert receipt is not None
        outbox.settle(receipt, [REFUSED] * 10)
    kept = outbox.refused(1000)
    assert 30 < len(kept) < 100
    assert kept[0].uuid == batch[-1].uuid
    assert (kept[0].reason, kept[0].detail) == ("invalid", "this event is not well-formed")
    assert outbox.status().counters["refused"] == 200
    assert outbox.forget_refused() == len(kept)
    assert outbox.refused() == []
    assert_balanced(outbox.status(), accepted=200)


def test_a_large_batch_becomes_several_parcels_and_one_receipt(box: Path, clock: ManualClock) -> None:
    outbox = sqlite_outbox(box, clock)
    batch = envelopes(1500, size=1000)
    receipt = outbox.put(batch)
    assert receipt is not None
    assert len(receipt.parcels) == 3
    outcomes = [DELIVERED] * 1500
    outcomes[700] = RETRY
    outbox.settle(receipt, outcomes)
    clock.advance(2)
    rest = outbox.claim(PAGE)
    assert rest is not None
    assert uuids(rest.envelopes) == [batch[700].uuid]


def test_two_outboxes_on_one_directory_see_the_same_rows_and_take_different_ones(
    box: Path, clock: ManualClock
) -> None:
    one, two = sqlite_outbox(box, clock), sqlite_outbox(box, clock)
    for _ in range(4):
        one.put([envelope(size=900)])
    clock.advance(30)
    first, second = one.claim(1500), two.claim(1500)
    assert first is not None
    assert second is not None
    assert not set(uuids(first.envelopes)) & set(uuids(second.envelopes))
    two.settle(
        first, [DELIVERED] * len(first.envelopes)
    )  # with the receipt, anybody of the process may settle
    two.settle(second, [DELIVERED] * len(second.envelopes))
    one.close()
    two.close()


def test_one_process_at_a_time_has_the_turn(box: Path, clock: ManualClock) -> None:
    one, two = sqlite_outbox(box, clock), sqlite_outbox(box, clock)
    assert one.take_turn(force=False) == 0.0
    assert two.take_turn(force=True) == 30.0
    clock.advance(20)
    one.claim(PAGE)  # a page more keeps the turn
    assert two.take_turn(force=True) == 30.0
    one.end_turn(failed=False)
    assert two.take_turn(force=False) == 0.0


def test_the_turn_of_a_process_that_died_is_over_after_thirty_seconds(box: Path, clock: ManualClock) -> None:
    sqlite_outbox(box, clock).take_turn(force=False)
    clock.advance(30)
    assert sqlite_outbox(box, clock).take_turn(force=False) == 0.0


def test_after_a_failure_one_process_in_all_tries_again(box: Path, clock: ManualClock) -> None:
    one, two = sqlite_outbox(box, clock), sqlite_outbox(box, clock)
    one.take_turn(force=False)
    wait = one.end_turn(failed=True)
    assert 0.5 <= wait <= 1.0
    assert two.take_turn(force=False) == pytest.approx(wait, abs=0.002)


# -- files that are not ours ------------------------------------------------------------------------


def test_another_projects_outbox_is_neither_read_nor_drained(box: Path, clock: ManualClock) -> None:
    """[P-OUTBOX-OWNER]"""
    ours = sqlite_outbox(box, clock)
    ours.put(envelopes(1))
    report = Remembered()
    theirs = SqliteOutbox(
        box, owner=StateOwner("https://us.i.posthog.com", "phc_theirs"), clock=clock, report=report
    )
    with pytest.raises(ForeignStateError):
        theirs.verify()
    assert theirs.put(envelopes(1)) is None
    clock.advance(31)
    assert theirs.claim(PAGE) is None
    assert theirs.take_turn(force=True) > 0
    assert "outbox_trouble" in report.kinds
    assert "another PostHog host or project" in theirs.status().trouble
    assert ours.status().events == 1


def test_a_newer_versions_outbox_is_left_alone_and_a_file_of_ours_is_used(
    box: Path, clock: ManualClock
) -> None:
    newer = Schema(tables.SCHEMA.application_id, tables.SCHEMA.version + 1, "CREATE TABLE surprise(x)")
    future = StateFile(box / "outbox.db", schema=newer, owner=OWNER, clock=clock)
    with future.transaction():
        pass
    future.close()
    before = (box / "outbox.db").read_bytes()
    report = Remembered()
    outbox = sqlite_outbox(box, clock, report)
    outbox.verify()
    assert outbox.put(envelopes(2)) is not None
    assert outbox.path.name == "outbox.v1.db"
    assert report.kinds == ["outbox_newer"]
    assert (box / "outbox.db").read_bytes() == before
    outbox.close()
    again = sqlite_outbox(box, clock)
    clock.advance(31)
    assert again.claim(PAGE) is not None or again.claim(PAGE) is not None


def test_a_tool_without_the_key_looks_and_drops_but_makes_no_file(box: Path, clock: ManualClock) -> None:
    tool = SqliteOutbox(box, owner=None, clock=clock, report=Remembered())
    assert tool.status().trouble
    assert not box.exists()
    batch = envelopes(3)
    outbox = sqlite_outbox(box, clock)
    outbox.put(batch)
    outbox.put(envelopes(2))
    assert tool.status().events == 5
    assert [(p.events, p.attempts, p.leased) for p in tool.stored()] == [(3, 1, True), (2, 1, True)]
    assert tool.drop_stored() == 0, "somebody is sending these right now"
    clock.advance(30)
    assert tool.drop_stored() == 5
    assert tool.status().counters["dropped"] == 5
    assert_balanced(outbox.status(), accepted=5)


@pytest.mark.parametrize("where", ["a file", "nowhere to write", "a link"])
def test_a_directory_that_can_not_be_used_stores_nothing_and_raises_nothing(
    tmp_path: Path, clock: ManualClock, where: str
) -> None:
    box = tmp_path / "box"
    if where == "a file":
        box.write_bytes(b"")
    elif where == "a link":
        (tmp_path / "real").mkdir(mode=0o700)
        box.symlink_to(tmp_path / "real")
    else:
        box = Path("/proc/nowhere/box")
    report = Remembered()
    outbox = sqlite_outbox(box, clock, report)
    outbox.verify()
    assert outbox.put(envelopes(2)) is None
    assert outbox.claim(PAGE) is None
    assert outbox.take_turn(force=True) > 0
    assert outbox.next_due() is None
    assert outbox.expire() == 0
    outbox.tidy()
    assert outbox.status().trouble
    assert report.counts["note outbox_not_stored"] == 2
    outbox.close()


# -- clocks -----------------------------------------------------------------------------------------


def step(clock: ManualClock, seconds: float) -> None:
    """Move the wall clock alone, as a correction does."""
    clock._time_ns += round(seconds * 1e9)


DAY = 86_400


@pytest.mark.parametrize(
    "stepped",
    [
        pytest.param(-3600, id="an hour back"),
        pytest.param(3 * DAY, id="three days ahead"),
        pytest.param(-56 * 365 * DAY, id="to 1970"),
        pytest.param(80 * 365 * DAY, id="to the end of the century"),
    ],
)
def test_a_step_of_the_clock_expires_nothing_and_blocks_nothing(
    box: Path, clock: ManualClock, stepped: float
) -> None:
    """[P-OUTBOX-CLOCK]"""
    outbox = sqlite_outbox(box, clock)
    outbox.expire()  # a first look at the clock
    outbox.put(envelopes(1))
    outbox.take_turn(force=False)
    outbox.end_turn(failed=True, retry_after=200)
    clock.advance(60)
    step(clock, stepped)
    outbox.put(envelopes(1))
    assert outbox.expire() == 0
    clock.advance(301)
    assert outbox.take_turn(force=False) == 0.0, "no lease and no pause lasts longer than five minutes"
    claimed = outbox.claim(PAGE)
    assert claimed is not None
    assert len(claimed.envelopes) == 2
    outbox.settle(claimed, [RETRY] * 2)
    clock.advance(7 * DAY - 400)
    assert outbox.expire() == 0, "age is time that passed, whatever the clock said meanwhile"


def test_a_clock_that_starts_in_1970_and_is_set_right_expires_nothing(box: Path) -> None:
    clock = ManualClock(time_ns=5_000_000_000)
    outbox = sqlite_outbox(box, clock)
    outbox.put(envelopes(1))
    outbox.expire()
    clock.advance(30)
    step(clock, 56 * 365 * DAY)
    assert outbox.expire() == 0
    clock.advance(7 * DAY)
    assert outbox.expire() == 1


def test_a_restart_of_the_machine_is_no_step_of_the_clock(box: Path, clock: ManualClock) -> None:
    """The monotonic clock starts anew; the boot id says so, and then the wall clock is believed."""
    before = sqlite_outbox(box, clock)
    before._boot = "first boot"
    before.put(envelopes(1))
    before.expire()
    before.close()
    clock._time_ns += 8 * DAY * 1_000_000_000
    clock._monotonic = 0.0
    after = sqlite_outbox(box, clock)
    after._boot = "second boot"
    assert after.expire() == 1


# -- what the report hears --------------------------------------------------------------------------


def test_what_is_let_go_leaves_this_processs_balance_too(box: Path, clock: ManualClock) -> None:
    report = Remembered()
    outbox = sqlite_outbox(box, clock, report)
    outbox.put(envelopes(3))
    clock.advance(8 * DAY)
    outbox.expire()
    assert report.counts["dropped outbox_expired"] == 3
    assert report.counts["stored"] == -3
    assert "outbox_expired" in report.kinds


def test_neither_key_nor_content_is_in_what_is_said(box: Path, clock: ManualClock) -> None:
    report = Remembered()
    outbox = sqlite_outbox(box, clock, report, max_bytes=MIB)
    secret = envelope()._replace(properties=b'{"name":"canary"}', distinct_id="canary")
    receipt = outbox.put([secret])
    assert receipt is not None
    outbox.settle(receipt, [Outcome(OutcomeKind.REFUSED, "invalid", "no")])
    while outbox.put(envelopes(50, size=1000)) is not None:
        pass
    said = repr((report.lines, receipt, outbox.status(), outbox.stored(), outbox.refused(), outbox))
    assert "canary" not in said
    assert "phc_" not in said
    assert b"phc_test" not in outbox.path.read_bytes()


# -- files of earlier versions ----------------------------------------------------------------------

FILES = Path(__file__).with_name("files")


@pytest.mark.parametrize("file", sorted(FILES.glob("outbox-schema-*.db")), ids=lambda path: path.stem)
def test_a_file_of_every_schema_ever_released_is_drained(box: Path, clock: ManualClock, file: Path) -> None:
    """[P-OUTBOX-UPGRADE] Made by the code of its time: five accepted, one delivered, one refused."""
    box.mkdir(mode=0o700)
    shutil.copy(file, box / "outbox.db")
    outbox = sqlite_outbox(box, clock)
    clock.advance(3600)
    claimed = outbox.claim(PAGE)
    assert claimed is not None
    assert [event.properties for event in claimed.envelopes] == [b'{"n":2}', b'{"n":3}', b'{"n":4}']
    assert [event.uuid[-1] for event in claimed.envelopes] == ["2", "3", "4"]
    assert [event.personless for event in claimed.envelopes] == [True, False, False]
    assert claimed.envelopes[1].session_id == "0199bbbb-0000-7000-8000-000000000000"
    assert [(event.event, event.reason) for event in outbox.refused()] == [("order placed", "invalid")]
    outbox.settle(claimed, [DELIVERED] * 3)
    assert_balanced(outbox.status(), accepted=5)


def test_the_newest_schema_has_a_file_here() -> None:
    assert (FILES / f"outbox-schema-{tables.SCHEMA.version}.db").exists(), "add one, made by the new code"
