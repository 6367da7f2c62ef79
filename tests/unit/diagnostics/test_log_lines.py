"""Log lines: few, on one line each, never a loop, never an exception."""

from __future__ import annotations

import logging

import pytest

from opentelemetry.exporter.posthog.delivery.record import DeliveryRecord
from opentelemetry.exporter.posthog.diagnostics import Diagnostics
from opentelemetry.exporter.posthog.diagnostics.quiet_log import MAX_KINDS, QuietLog
from opentelemetry.exporter.posthog.diagnostics.summary import rate_line
from opentelemetry.exporter.posthog.reasons import Reason
from tests.manual_clock import ManualClock


class Lines(logging.Handler):
    """Keeps what was logged."""

    def __init__(self) -> None:
        super().__init__()
        self.all: list[tuple[str, str]] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.all.append((record.levelname, record.getMessage()))


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def lines() -> Lines:
    return Lines()


@pytest.fixture
def logger(lines: Lines) -> logging.Logger:
    logger = logging.Logger("test", logging.INFO)
    logger.addHandler(lines)
    return logger


@pytest.fixture
def told(clock: ManualClock, logger: logging.Logger) -> Diagnostics:
    return Diagnostics(clock=clock, logger=logger)


def test_one_line_a_kind_and_minute_and_the_next_one_counts_those_between(
    told: Diagnostics, lines: Lines, clock: ManualClock
) -> None:
    for _ in range(5):
        told.warn("timeout", "it took too long")
    told.error("key", "no such key")
    clock.advance(59)
    told.warn("timeout", "it took too long")
    clock.advance(1)
    told.warn("timeout", "it took too long")
    clock.advance(60)
    told.warn("timeout", "it took too long")
    assert lines.all == [
        ("WARNING", "it took too long"),
        ("ERROR", "no such key"),
        ("WARNING", "it took too long (+5 since the last)"),
        ("WARNING", "it took too long"),
    ]


def test_what_is_said_once_is_said_once(told: Diagnostics, lines: Lines, clock: ManualClock) -> None:
    told.info_once("property:name", "new group property name")
    clock.advance(1_000)
    told.info_once("property:name", "new group property name")
    told.info_once("property:plan", "new group property plan")
    assert [message for _, message in lines.all] == ["new group property name", "new group property plan"]


def test_kinds_without_end_share_one(clock: ManualClock, logger: logging.Logger, lines: Lines) -> None:
    log = QuietLog(logger, clock)
    for number in range(MAX_KINDS + 10):
        log.line(logging.WARNING, f"kind {number}", "x")
    assert len(lines.all) == MAX_KINDS + 1


def test_a_name_from_outside_forges_no_line(told: Diagnostics, lines: Lines) -> None:
    told.warn("name", "event a\nERROR all is lost\r\x1b[31m")
    assert lines.all == [("WARNING", "event a ERROR all is lost  [31m")]


def test_a_percent_sign_in_a_line_is_no_placeholder(told: Diagnostics, lines: Lines) -> None:
    told.warn("percent", "100 %s of it")
    assert lines.all == [("WARNING", "100 %s of it")]


def test_a_handler_that_raises_ends_no_export(told: Diagnostics, logger: logging.Logger) -> None:
    class Broken(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            raise RuntimeError("a handler of somebody's")

    logger.addHandler(Broken())
    told.warn("any", "line")
    told.error("any other", "line")


def test_a_handler_that_leads_back_to_us_makes_no_second_line(
    told: Diagnostics, logger: logging.Logger, lines: Lines
) -> None:
    class Loop(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            told.warn(f"caused by {record.getMessage()}", "an export of our own line failed")
            told.received("log", 1)

    loop = Loop()
    logger.addHandler(loop)
    told.warn("first", "an export failed")
    assert lines.all == [("WARNING", "an export failed")]
    assert told.snapshot().received == 1
    logger.removeHandler(loop)
    told.warn("caused by an export failed", "and now for its own sake")  # that kind has not spoken yet
    assert lines.all[1] == ("WARNING", "and now for its own sake (+1 since the last)")


def test_the_rate_is_said_after_the_first_minute_and_then_once_a_day(
    told: Diagnostics, lines: Lines, clock: ManualClock
) -> None:
    clock.advance(500)  # before the first signal no time counts
    told.tick()
    told.received("span", 6)
    told.made(["member invited"] * 6)
    clock.advance(59)
    told.tick()
    assert not lines.all
    clock.advance(1)
    told.tick()
    told.tick()
    assert lines.all == [
        (
            "INFO",
            "6 events in 1 min (member invited 6): 0.1 a second, about 259,200 a month at this rate",
        )
    ]
    told.received("span", 48)
    told.made(["order paid"] * 48)
    clock.advance(86_399)
    told.tick()
    assert len(lines.all) == 1
    clock.advance(1)
    told.tick()
    assert lines.all[1][1] == (
        "48 events in 24 h (order paid 48): 0.0 a second, about 1,440 a month at this rate"
    )


def test_the_rate_names_the_three_largest_and_sums_the_rest() -> None:
    events = {"a": 5, "b": 50, "c": 7, "d": 1, "e": 2}
    assert rate_line(events, 60.0) == (
        "65 events in 1 min (b 50, c 7, a 5, 2 other names 3): "
        "1.1 a second, about 2,808,000 a month at this rate"
    )


def test_the_last_words_are_figures_when_nothing_was_lost(told: Diagnostics, lines: Lines) -> None:
    told.received("log", 4)
    told.made(["a"] * 4)
    told.delivered(3)
    told.dropped(Reason.BEFORE_SEND, 1)  # somebody asked for that
    told.updates(granted=3, delivered=3)
    told.note("identifies_saved", 41_892)
    told.final_line()
    told.final_line()
    [(level, message)] = lines.all
    assert level == "INFO"
    assert message.startswith(
        "sent 3 events, 3 group updates (41,892 saved), refused 0, dropped 1 (before_send 1)"
    )


@pytest.mark.parametrize(
    ("lose", "says"),
    [
        pytest.param(lambda told: told.dropped(Reason.DEADLINE, 2), "dropped 2 (deadline 2)", id="dropped"),
        pytest.param(lambda told: told.refused("invalid", 2), "refused 2 (invalid 2)", id="refused"),
        pytest.param(
            lambda told: told.updates(granted=1, refused=1), "1 group updates refused", id="an update refused"
        ),
    ],
)
def test_the_last_words_are_a_warning_when_something_was_lost(
    told: Diagnostics, lines: Lines, lose: object, says: str
) -> None:
    told.received("log", 2)
    assert callable(lose)
    lose(told)
    told.final_line()
    [(level, message)] = lines.all
    assert level == "WARNING"
    assert says in message


def test_a_pipeline_that_did_nothing_has_no_last_words(told: Diagnostics, lines: Lines) -> None:
    told.final_line()
    assert not lines.all


@pytest.mark.parametrize(
    ("reason", "level", "words"),
    [
        pytest.param(
            "credentials", "ERROR", "does not accept the project key", id="a wrong key needs a person"
        ),
        pytest.param("not_posthog", "ERROR", "this host is not PostHog", id="a web page is no delivery"),
        pytest.param("redirect", "ERROR", "redirect", id="a redirect is not followed"),
        pytest.param("quota", "ERROR", "quota", id="a quota needs a person"),
        pytest.param("http_503", "WARNING", "2 of 5 events and group updates", id="an outage passes"),
        pytest.param("invalid", "WARNING", "were not delivered: invalid", id="an event was refused"),
    ],
)
def test_a_delivery_that_failed_says_why(
    told: Diagnostics, lines: Lines, reason: str, level: str, words: str
) -> None:
    told.delivery(DeliveryRecord(envelopes=5, protocol="v1", delivered=3, reasons={reason: 2}))
    [(said_level, message)] = lines.all
    assert said_level == level
    assert words in message


def test_a_delivery_that_went_well_is_silent_but_for_debug(
    told: Diagnostics, lines: Lines, clock: ManualClock
) -> None:
    record = DeliveryRecord(
        envelopes=5, protocol="v1", delivered=5, statuses={200: 1}, requests=1, attempts=1
    )
    told.delivery(record)
    assert not lines.all
    curious = logging.Logger("curious", logging.DEBUG)
    curious.addHandler(lines)
    Diagnostics(clock=clock, logger=curious).delivery(record)
    [(level, message)] = lines.all
    assert level == "DEBUG"
    assert message.startswith("delivered 5 of 5 by v1")
