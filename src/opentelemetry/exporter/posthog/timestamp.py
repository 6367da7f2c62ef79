"""Instants as text and back, exact to the microsecond (never through a float). Pure.

PostHog tells events of one instant apart by their timestamps, so microseconds are kept.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone
from functools import lru_cache
from typing import Final

SECOND_NS: Final = 1_000_000_000

LAST_NS: Final = 253_402_300_799 * SECOND_NS + 999_999_999
"""The last instant of the year 9999: RFC 3339 has no year beyond it."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=timezone.utc)

_RFC3339: Final = re.compile(
    r"(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d:\d\d)(?:\.(\d{1,9})\d*)?\s*([Zz]|[+-]\d\d:?\d\d)", re.ASCII
)


def rfc3339(time_ns: int) -> str:
    """``2026-11-23T14:01:24.916575Z``. Before 1970 and after 9999 the nearest representable instant."""
    if not SECOND_NS <= time_ns <= LAST_NS:
        return rfc3339(LAST_NS) if time_ns > LAST_NS else f"{_second('0')}.{max(time_ns, 0) // 1000:06d}Z"
    digits = str(time_ns)  # to cut digits is quicker than to divide
    return f"{_second(digits[:-9])}.{digits[-9:-3]}Z"


@lru_cache(maxsize=256)  # a batch spans a few seconds; building the text again costs three times as much
def _second(seconds: str) -> str:
    return (_EPOCH + timedelta(seconds=int(seconds))).strftime("%Y-%m-%dT%H:%M:%S")


def to_datetime(time_ns: int) -> datetime:
    """UTC, microseconds."""
    return _EPOCH + timedelta(microseconds=min(max(time_ns, 0), LAST_NS) // 1000)


def from_datetime(moment: datetime) -> int:
    """Nanoseconds since the epoch; a datetime without zone is UTC."""
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=timezone.utc)
    return (moment - _EPOCH) // timedelta(microseconds=1) * 1000


def parse_rfc3339(text: str) -> int | None:
    """Nanoseconds since the epoch, or None: a text without a zone says no instant."""
    match = _RFC3339.fullmatch(text.strip())
    if match is None:
        return None
    date, clock, fraction, zone = match.groups()
    offset = "+0000" if zone in "Zz" else zone.replace(":", "")
    try:
        moment = datetime.strptime(f"{date}T{clock}{offset}", "%Y-%m-%dT%H:%M:%S%z")
        return from_datetime(moment) + int((fraction or "0").ljust(9, "0"))
    except (ValueError, OverflowError):
        return None
