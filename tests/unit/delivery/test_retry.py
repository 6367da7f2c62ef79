"""The decision after an answer, status by status, and how long to wait."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opentelemetry.exporter.posthog.delivery.retry import (
    LONGEST_CEILING,
    LONGEST_RETRY_AFTER,
    SHORTEST_DELAY,
    Act,
    decide,
    delay_after,
    retry_after_of,
)
from opentelemetry.exporter.posthog.model import OutcomeKind
from opentelemetry.exporter.posthog.wire.exchange import Judgement, NoAnswer, Response, Verdict
from tests.manual_clock import EPOCH_NS

NOTHING_SAID = Judgement(spoken=False)
NOW = datetime.fromtimestamp(EPOCH_NS / 1e9, timezone.utc)


def after(
    status: int, judgement: Judgement = NOTHING_SAID, *, envelopes: int = 2, retry_after: str = ""
) -> tuple:
    headers = {"retry-after": retry_after} if retry_after else {}
    decision = decide(Response(status, headers, b""), judgement, envelopes=envelopes, now_ns=EPOCH_NS)
    return decision.act, decision.reason, decision.unknown


NO, UNKNOWN = False, True


@pytest.mark.parametrize(
    ("status", "act", "reason", "unknown"),
    [
        pytest.param(301, Act.STOP, "redirect", UNKNOWN, id="a redirect is never followed"),
        pytest.param(307, Act.STOP, "redirect", UNKNOWN, id="not even one that keeps the method"),
        pytest.param(400, Act.HALVE, "http_400", NO, id="a bad request is searched for the bad event"),
        pytest.param(422, Act.HALVE, "http_422", NO, id="so is one that could not be processed"),
        pytest.param(401, Act.STOP, "credentials", NO, id="a wrong key stops everything and costs nothing"),
        pytest.param(403, Act.STOP, "credentials", NO, id="so does a forbidden one"),
        pytest.param(402, Act.STOP, "quota", NO, id="a used-up quota too"),
        pytest.param(404, Act.RESEND, "http_404", NO, id="not found may be a proxy that restarts"),
        pytest.param(405, Act.KEEP, "http_405", NO, id="a wrong method is nobody's event's fault"),
        pytest.param(408, Act.RESEND, "http_408", UNKNOWN, id="a time-out there may have been stored"),
        pytest.param(413, Act.HALVE, "http_413", NO, id="too much at once goes in halves"),
        pytest.param(415, Act.KEEP, "http_415", NO, id="a refused encoding is nobody's event's fault"),
        pytest.param(
            429, Act.RESEND, "http_429", NO, id="too many requests is always retriable, never applied"
        ),
        pytest.param(500, Act.RESEND, "http_500", UNKNOWN, id="an internal error may have been stored"),
        pytest.param(502, Act.RESEND, "http_502", UNKNOWN, id="so may a bad gateway's"),
        pytest.param(503, Act.RESEND, "http_503", UNKNOWN, id="so may a busy service's"),
        pytest.param(504, Act.RESEND, "http_504", UNKNOWN, id="so may a slow gateway's"),
        pytest.param(520, Act.RESEND, "http_520", UNKNOWN, id="and any other error of a server"),
        pytest.param(199, Act.RESEND, "http_199", UNKNOWN, id="an absurd status says nothing"),
        pytest.param(999, Act.RESEND, "http_999", UNKNOWN, id="neither does one beyond all classes"),
    ],
)
def test_after_a_status(status: int, act: Act, reason: str, unknown: bool) -> None:
    assert after(status) == (act, reason, unknown)


@pytest.mark.parametrize("status", range(100, 600))
def test_only_a_2xx_can_deliver_and_only_an_event_alone_can_be_refused(status: int) -> None:
    act, _, _ = after(status)
    assert act is not Act.REFUSE
    assert act is not Act.ACCEPT


@pytest.mark.parametrize(
    ("status", "judgement", "envelopes", "expected"),
    [
        pytest.param(
            400, NOTHING_SAID, 1, (Act.REFUSE, "http_400", NO), id="the bad event alone is refused for good"
        ),
        pytest.param(
            413, NOTHING_SAID, 1, (Act.REFUSE, "too_large", NO), id="one event that is too much is too large"
        ),
        pytest.param(
            413,
            Judgement(spoken=True, partly_applied=True),
            2,
            (Act.HALVE, "http_413", UNKNOWN),
            id="legacy may have kept the events before the large one",
        ),
        pytest.param(
            400,
            Judgement(spoken=True, whole=True),
            1,
            (Act.KEEP, "http_400", NO),
            id="a request that was broken on the way blames no event",
        ),
        pytest.param(
            400,
            Judgement(spoken=False, html=True),
            1,
            (Act.KEEP, "http_400", NO),
            id="a proxy's page about a bad request blames no event",
        ),
        pytest.param(
            200,
            Judgement(spoken=False, html=True),
            2,
            (Act.STOP, "not_posthog", UNKNOWN),
            id="a page is no PostHog",
        ),
        pytest.param(
            200,
            NOTHING_SAID,
            2,
            (Act.RESEND, "bad_answer", UNKNOWN),
            id="a success that can't be read is none",
        ),
        pytest.param(
            200,
            Judgement(spoken=True, verdicts=(Verdict(OutcomeKind.DELIVERED),)),
            1,
            (Act.ACCEPT, "", NO),
            id="a success that was understood is one",
        ),
    ],
)
def test_after_what_the_answer_says(
    status: int, judgement: Judgement, envelopes: int, expected: tuple[Act, str, bool]
) -> None:
    assert after(status, judgement, envelopes=envelopes) == expected


@pytest.mark.parametrize(
    ("sent", "unknown"),
    [
        pytest.param(True, UNKNOWN, id="a lost answer may be a stored event"),
        pytest.param(False, NO, id="what never left was never stored"),
    ],
)
def test_after_no_answer(sent: bool, unknown: bool) -> None:
    decision = decide(NoAnswer("timeout", sent=sent), None, envelopes=2, now_ns=EPOCH_NS)
    assert (decision.act, decision.reason, decision.unknown) == (Act.RESEND, "timeout", unknown)
    assert not decision.healthy


# -- Retry-After ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        pytest.param(None, 0.0, id="no header asks for nothing"),
        pytest.param("", 0.0, id="an empty one neither"),
        pytest.param("3", 3.0, id="seconds"),
        pytest.param(" 3 ", 3.0, id="with blanks around"),
        pytest.param("0", 0.0, id="at once"),
        pytest.param("-5", 0.0, id="never in the past"),
        pytest.param("1000000000000", LONGEST_RETRY_AFTER, id="an age of the world is cut to five minutes"),
        pytest.param("9" * 5000, LONGEST_RETRY_AFTER, id="so is a number nobody can read"),
        pytest.param("nan", 0.0, id="not a number is no number"),
        pytest.param("inf", 0.0, id="infinity is none either"),
        pytest.param("soon", 0.0, id="a word says nothing"),
        pytest.param("Wed, 99 Zzz 2026 99:99:99 GMT", 0.0, id="a date that is none says nothing"),
        pytest.param(format_datetime(NOW + timedelta(seconds=7), usegmt=True), 7.0, id="an HTTP date"),
        pytest.param((NOW + timedelta(seconds=7)).strftime("%A, %d-%b-%y %H:%M:%S GMT"), 7.0, id="RFC 850"),
        pytest.param((NOW + timedelta(seconds=7)).strftime("%a %b %d %H:%M:%S %Y"), 7.0, id="asctime"),
        pytest.param("Sun, 06 Nov 1994 08:49:37 GMT", 0.0, id="a date long ago is now"),
        pytest.param(
            "Fri, 31 Dec 9999 23:59:59 GMT", LONGEST_RETRY_AFTER, id="the end of time is five minutes"
        ),
    ],
)
def test_retry_after_of(value: str | None, seconds: float) -> None:
    assert retry_after_of(value, EPOCH_NS) == pytest.approx(seconds, abs=1e-3)


@given(
    value=st.text()
    | st.from_regex(r"[A-Za-z]{3}, \d\d[ -][A-Za-z]{3}[ -]\d{2,4} \d\d:\d\d:\d\d [A-Z+\-0-9]{1,5}")
)
def test_whatever_a_server_asks_for_is_bounded(value: str) -> None:
    assert 0.0 <= retry_after_of(value, EPOCH_NS) <= LONGEST_RETRY_AFTER


@given(
    attempt=st.integers(-5, 10**12),
    at_least=st.floats(0, LONGEST_RETRY_AFTER),
    chance=st.floats(0, 1, exclude_max=True),
)
def test_a_pause_is_at_least_what_the_server_asks_for_and_bounded(
    attempt: int, at_least: float, chance: float
) -> None:
    pause = delay_after(attempt, at_least=at_least, chance=chance)
    assert max(at_least, SHORTEST_DELAY) <= pause <= max(at_least, SHORTEST_DELAY) + LONGEST_CEILING


@pytest.mark.parametrize(
    ("attempt", "at_least", "chance", "seconds"),
    [
        pytest.param(1, 0.0, 0.0, 0.1, id="chance may choose the shortest pause"),
        pytest.param(1, 0.0, 0.5, 0.35, id="the first ceiling is half a second"),
        pytest.param(2, 0.0, 0.5, 0.6, id="each failure doubles it"),
        pytest.param(3, 0.0, 0.5, 1.1, id="and again"),
        pytest.param(50, 0.0, 0.5, 15.1, id="up to half a minute"),
        pytest.param(1, 7.0, 0.5, 7.25, id="chance comes on top of what the server asks for"),
    ],
)
def test_delay_after(attempt: int, at_least: float, chance: float, seconds: float) -> None:
    assert delay_after(attempt, at_least=at_least, chance=chance) == pytest.approx(seconds)
