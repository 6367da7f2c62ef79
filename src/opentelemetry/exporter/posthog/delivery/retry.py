"""What to do after an answer, or after none. Pure: time and chance are arguments.

=============================== ========= ======================================================
answer                          act       may it have been applied?
=============================== ========= ======================================================
2xx, understood                 ACCEPT    each event by its own verdict
2xx, a page for people          STOP      unknown (``not_posthog``)
2xx, anything else              RESEND    unknown: torn or absurd
3xx                             STOP      unknown; a redirect is never followed
400, 422                        HALVE     no; one event alone is REFUSEd, a fault of the whole request KEPT
401, 403 / 402                  STOP      no (``credentials`` / ``quota``)
404                             RESEND    no: it may come from a proxy that restarts
408                             RESEND    unknown
413                             HALVE     no; on legacy a part of several events may be; one alone is REFUSEd
429                             RESEND    no
other 4xx                       KEEP      no
5xx and every other status      RESEND    unknown
no answer                       RESEND    unknown, unless it surely never left
=============================== ========= ======================================================
"""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from email.utils import parsedate_to_datetime
from enum import Enum
from math import isfinite
from typing import Final, NamedTuple

from ..model import Outcome, OutcomeKind
from ..wire.exchange import Judgement, NoAnswer, Response

FIRST_CEILING: Final = 0.5
"""Seconds; each further attempt doubles what chance may choose from."""

LONGEST_CEILING: Final = 30.0
"""Seconds; PostHog's own SDKs wait no longer."""

SHORTEST_DELAY: Final = 0.1
"""Seconds; PostHog's rules for SDKs ask for at least that."""

LONGEST_RETRY_AFTER: Final = 300.0
"""Seconds; a server that asks for a day is asked again in five minutes."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=timezone.utc)


class Act(Enum):
    ACCEPT = "accept"  # the answer names what became of each event
    RESEND = "resend"  # the same again, later, as the next attempt
    HALVE = "halve"  # two new requests of half the events each
    REFUSE = "refuse"  # this one event, never again
    KEEP = "keep"  # this request goes no further in this delivery
    STOP = "stop"  # nothing does: a person must act, or somebody else answers for PostHog


class Decision(NamedTuple):
    """The act, and how it is to be counted."""

    act: Act
    reason: str = ""
    detail: str = ""
    unknown: bool = False  # the request may have been, or may yet be, applied
    retry_after: float = 0.0  # seconds the server asked for
    healthy: bool = True  # the host answers as PostHog does; False counts towards opening the breaker


def decide(
    answer: Response | NoAnswer, judgement: Judgement | None, *, envelopes: int, now_ns: int
) -> Decision:
    """What to do with a request of so many ``envelopes``. ``judgement`` is None without an answer."""
    if isinstance(answer, NoAnswer) or judgement is None:
        reason, sent, detail = answer if isinstance(answer, NoAnswer) else ("no_answer", True, "")
        return Decision(Act.RESEND, reason, detail, unknown=sent, healthy=False)
    asked = retry_after_of(answer.headers.get("retry-after"), now_ns)
    if 200 <= answer.status < 300:
        return _after_success(judgement, asked)
    return _after_refusal(answer.status, judgement, asked, alone=envelopes == 1)


def _after_success(judgement: Judgement, asked: float) -> Decision:
    if judgement.verdicts is not None:
        return Decision(Act.ACCEPT, retry_after=asked)
    if judgement.html:
        return Decision(Act.STOP, "not_posthog", "html", unknown=True, healthy=False)
    return Decision(Act.RESEND, "bad_answer", unknown=True, retry_after=asked, healthy=False)


def _after_refusal(status: int, judgement: Judgement, asked: float, *, alone: bool) -> Decision:
    reason, tag = f"http_{status}", judgement.tag
    match status:
        case 401 | 403:
            return Decision(Act.STOP, "credentials", tag or reason, retry_after=asked)
        case 402:
            return Decision(Act.STOP, "quota", tag or reason, retry_after=asked)
        case 400 | 422 if judgement.whole or (judgement.html and not judgement.spoken):
            return Decision(Act.KEEP, reason, tag, healthy=False)
        case 400 | 422:
            return Decision(Act.REFUSE if alone else Act.HALVE, reason, tag)
        case 413:
            word = "too_large" if alone else reason
            return Decision(Act.REFUSE if alone else Act.HALVE, word, tag, unknown=judgement.partly_applied)
        case 404 | 429:
            return Decision(Act.RESEND, reason, tag, retry_after=asked, healthy=False)
        case 408:
            return Decision(Act.RESEND, reason, tag, unknown=True, retry_after=asked, healthy=False)
        case _ if 300 <= status < 400:
            return Decision(Act.STOP, "redirect", reason, unknown=True, healthy=False)
        case _ if 400 <= status < 500:
            return Decision(Act.KEEP, reason, tag, retry_after=asked, healthy=False)
        case _:
            return Decision(Act.RESEND, reason, tag, unknown=True, retry_after=asked, healthy=False)


def kept(decision: Decision) -> Outcome:
    """The outcome of an envelope that goes no further in this delivery."""
    return Outcome(OutcomeKind.RETRY, decision.reason, decision.detail, decision.retry_after)


# -- how long to wait ----------------------------------------------------------------------------------


def delay_after(attempt: int, *, at_least: float, chance: float) -> float:
    """Seconds to wait after the failed ``attempt`` (from 1): full jitter on top of what the server asked for.

    ``chance`` is in [0, 1). ``Retry-After`` is a minimum; chance comes on top of it, or all clients would
    come back in the same instant.
    """
    ceiling = min(LONGEST_CEILING, FIRST_CEILING * 2.0 ** min(max(attempt, 1) - 1, 16))
    return max(SHORTEST_DELAY, at_least) + chance * ceiling


def retry_after_of(value: str | None, now_ns: int) -> float:
    """What a ``Retry-After`` header asks for: seconds from ``now_ns``, within [0, ``LONGEST_RETRY_AFTER``].

    Delta seconds or an HTTP date in any of its forms; 0.0 for anything else.
    """
    if value is None:
        return 0.0
    value = value.strip()[:64]
    seconds = _seconds_in(value)
    if seconds is None:
        seconds = _seconds_until(value, now_ns)
    return min(max(0.0, seconds), LONGEST_RETRY_AFTER)


def _seconds_in(value: str) -> float | None:
    try:
        seconds = float(value)
    except ValueError:
        return None
    return seconds if isfinite(seconds) else 0.0


def _seconds_until(value: str, now_ns: int) -> float:
    try:
        then = parsedate_to_datetime(value)
        if then.tzinfo is None:
            then = then.replace(tzinfo=timezone.utc)
        return (then - _EPOCH) / timedelta(seconds=1) - now_ns / 1e9
    except (ValueError, TypeError, IndexError, OverflowError):
        return 0.0
