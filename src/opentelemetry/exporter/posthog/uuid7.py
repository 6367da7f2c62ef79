"""The layout of our ids: UUIDv7 (RFC 9562, section 5.7), made of a time and of bits that are passed in.

Pure, so whoever makes an id decides what fixes it: hashed bits give the same id for the same thing in every
process and at every retry, random bits an id of its own. The layout is a contract: state that outlives an
upgrade must give the same id again.
"""

from __future__ import annotations

DAY_NS = 86_400 * 1_000_000_000

RANDOM_BITS = 74
"""Bits of a UUIDv7 that are neither time nor version nor variant."""

_MAX_MS = (1 << 48) - 1

_VERSION_7, _VARIANT = 7 << 76, 2 << 62
_UPPER_12, _LOWER_62 = 0xFFF << 62, (1 << 62) - 1
"""Bits on either side of the variant's two."""


def uuid7(time_ns: int, bits: int) -> str:
    """The canonical text of the UUIDv7 of ``time_ns`` (Unix epoch) and the low 74 of ``bits``.

    A time outside the 48 bits of milliseconds (before 1970, after 10889) is bounded to them: an odd clock
    must not cost the event.
    """
    milliseconds = time_ns // 1_000_000
    if not 0 <= milliseconds <= _MAX_MS:
        milliseconds = 0 if milliseconds < 0 else _MAX_MS
    number = milliseconds << 80 | _VERSION_7 | (bits & _UPPER_12) << 2 | _VARIANT | bits & _LOWER_62
    groups = number.to_bytes(16, "big").hex("-", 2)  # 8 groups of 4 digits; half of what formatting takes
    return groups[:4] + groups[5:29] + groups[30:34] + groups[35:]


def start_of_day(time_ns: int) -> int:
    """00:00 UTC of the day of ``time_ns``, in nanoseconds."""
    return time_ns // DAY_NS * DAY_NS
