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


def uuid7(time_ns: int, bits: int) -> str:
    """The canonical text of the UUIDv7 of ``time_ns`` (Unix epoch) and the low 74 of ``bits``.

    A time outside the 48 bits of milliseconds (before 1970, after 10889) is bounded to them: an odd clock
    must not cost the event.
    """
    milliseconds = time_ns // 1_000_000
    if not 0 <= milliseconds <= _MAX_MS:
        milliseconds = 0 if milliseconds < 0 else _MAX_MS
    return "%08x-%04x-7%03x-%04x-%012x" % (  # noqa: UP031 - two thirds of what an f-string takes here
        milliseconds >> 16,
        milliseconds & 0xFFFF,
        bits >> 62 & 0xFFF,
        bits >> 48 & 0x3FFF | 0x8000,
        bits & 0xFFFF_FFFF_FFFF,
    )


def start_of_day(time_ns: int) -> int:
    """00:00 UTC of the day of ``time_ns``, in nanoseconds."""
    return time_ns // DAY_NS * DAY_NS
