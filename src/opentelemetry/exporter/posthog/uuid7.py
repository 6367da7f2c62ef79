"""The layout of our ids: UUIDv7 (RFC 9562, section 5.7), made of a time and of bits that are passed in.

Pure, so whoever makes an id decides what fixes it: bits that are cut or hashed from a thing give the same id
for the same thing in every process and at every retry, random bits an id of its own. The layout is a
contract: state that outlives an upgrade must give the same id again.
"""

from __future__ import annotations

DAY_NS = 86_400 * 1_000_000_000

RANDOM_BITS = 74
"""Bits of a UUIDv7 that are neither time nor version nor variant."""

END_DIGITS = 12
"""Hexadecimal digits after the last hyphen, 48 of those bits."""

_MAX_MS = (1 << 48) - 1

_VERSION_7, _VARIANT = 7 << 28, 2 << 14
_UPPER_12, _LOWER_14 = 0xFFF << 14, (1 << 14) - 1
"""Bits on either side of the variant's two, before the end."""

_END = (1 << 4 * END_DIGITS) - 1


def uuid7(time_ns: int, bits: int) -> str:
    """The canonical text of the UUIDv7 of ``time_ns`` (Unix epoch) and the low 74 of ``bits``.

    A time outside the 48 bits of milliseconds (before 1970, after 10889) is bounded to them: an odd clock
    must not cost the event.
    """
    return uuid7_ending(time_ns, bits >> 4 * END_DIGITS, f"{bits & _END:012x}")


def uuid7_ending(time_ns: int, bits: int, end: str) -> str:
    """The same of the low 26 of ``bits`` and the text of the rest: 12 hexadecimal digits in lower case."""
    milliseconds = time_ns // 1_000_000
    if not 0 <= milliseconds <= _MAX_MS:
        milliseconds = 0 if milliseconds < 0 else _MAX_MS
    number = milliseconds << 32 | _VERSION_7 | (bits & _UPPER_12) << 2 | _VARIANT | bits & _LOWER_14
    groups = number.to_bytes(10, "big").hex("-", 2)  # 5 groups of 4 digits; half of what formatting takes
    return f"{groups[:4]}{groups[5:]}-{end}"


def start_of_day(time_ns: int) -> int:
    """00:00 UTC of the day of ``time_ns``, in nanoseconds."""
    return time_ns // DAY_NS * DAY_NS
