"""Times and uuids as PostHog reads them: strictly on v1, leniently on the legacy protocol."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone
from email.utils import parsedate_to_datetime

SECOND_NS = 1_000_000_000
DAY_NS = 86_400 * SECOND_NS

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)

_RFC3339 = re.compile(r"(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d:)(\d\d)(?:\.(\d+))?([Zz]|[+-]\d\d:\d\d)", re.ASCII)
_STRICT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|\+00:00)", re.ASCII)
_LENIENT = re.compile(
    r"(\d{4}-\d\d-\d\d)(?:[Tt ](\d\d:\d\d)(?::(\d\d)(?:[.,](\d+))?)?)?\s*([Zz]|[+-]\d\d(?::?\d\d)?)?",
    re.ASCII,
)
_UUID = re.compile(
    r"(?:urn:uuid:)?(?P<a>[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})"
    r"|(?P<b>[0-9a-f]{32})|\{(?P<c>[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})\}",
    re.IGNORECASE | re.ASCII,
)


def rfc3339_ns(text: str) -> int | None:
    """Nanoseconds since the epoch of an RFC 3339 time with zone; None for anything else."""
    match = _RFC3339.fullmatch(text)
    if match is None:
        return None
    date, minutes, seconds, fraction, zone = match.groups()
    return _assemble(date, minutes[:-1], seconds, fraction, zone)


def lenient_ns(text: str) -> int | None:
    """What the legacy protocol makes of a timestamp: also date only, RFC 2822, epoch digits; naive is UTC."""
    text = text.strip()
    match = _LENIENT.fullmatch(text)
    if match is not None:
        date, minutes, seconds, fraction, zone = match.groups()
        return _assemble(date, minutes or "00:00", seconds or "00", fraction, zone or "Z")
    if re.fullmatch(r"\d{9,13}", text):
        return int(text) * (SECOND_NS if len(text) <= 10 else 1_000_000)
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)
    return round((moment - _EPOCH) / timedelta(microseconds=1)) * 1_000


def _assemble(date: str, minutes: str, seconds: str, fraction: str | None, zone: str) -> int | None:
    leap = seconds == "60"
    try:
        moment = datetime.fromisoformat(f"{date}T{minutes}:{'59' if leap else seconds}+00:00")
        offset = _offset(zone)
    except ValueError:
        return None
    whole = round((moment - _EPOCH).total_seconds()) + leap - offset
    return whole * SECOND_NS + int(((fraction or "") + "000000000")[:9])


def _offset(zone: str) -> int:
    """Seconds east of Greenwich."""
    if zone in "Zz":
        return 0
    digits = zone[1:].replace(":", "").ljust(4, "0")
    hours, minutes = int(digits[:2]), int(digits[2:])
    if hours > 23 or minutes > 59:
        raise ValueError(zone)
    return (hours * 3600 + minutes * 60) * (-1 if zone[0] == "-" else 1)


def is_strict_utc(text: str) -> bool:
    """Whether a time has the one form that every part of PostHog reads alike."""
    return _STRICT.fullmatch(text) is not None


def canonical_uuid(text: str) -> str | None:
    """Lower case with hyphens; None when no form of a uuid."""
    match = _UUID.fullmatch(text.strip())
    if match is None:
        return None
    plain = (match["a"] or match["b"] or match["c"]).replace("-", "").lower()
    return f"{plain[:8]}-{plain[8:12]}-{plain[12:16]}-{plain[16:20]}-{plain[20:]}"


def uuid_version(uuid: str) -> int:
    return int(uuid[14], 16)


def uuid7_time_ms(uuid: str) -> int:
    """Milliseconds since the epoch that a version 7 uuid carries."""
    return int(uuid.replace("-", "")[:12], 16)


def uuid7_at(time_ns: int, random_bits: int) -> str:
    """The uuid that PostHog gives an event that came without one."""
    bits = random_bits & ((1 << 74) - 1)
    value = (max(0, time_ns // 1_000_000) << 80) | (7 << 76) | ((bits >> 62) << 64) | (2 << 62)
    plain = f"{value | (bits & ((1 << 62) - 1)):032x}"
    return f"{plain[:8]}-{plain[8:12]}-{plain[12:16]}-{plain[16:20]}-{plain[20:]}"


def iso(time_ns: int) -> str:
    """RFC 3339 in UTC with microseconds, to be read by people."""
    return (_EPOCH + timedelta(microseconds=time_ns // 1_000)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def day(time_ns: int) -> str:
    """The UTC calendar day."""
    return iso(time_ns)[:10]
