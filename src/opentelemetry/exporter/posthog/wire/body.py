"""JSON and compression of bodies.

orjson where it is installed (the ``fast`` extra), else the standard library: ten times slower and the same
JSON value. Both refuse what PostHog's parsers would refuse; a value that can't be written as it is is
repaired (:func:`plain`), so that one odd value costs itself and not its event.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Mapping
from enum import Enum
from importlib import import_module
from json.encoder import encode_basestring
from math import isfinite
from typing import Any, Final, NamedTuple, cast

MAX_SAFE_INTEGER: Final = 2**53 - 1
"""PostHog reads numbers as JavaScript does: integers beyond are rounded silently, so they travel as text."""

MAX_DEPTH: Final = 64
"""Levels of nesting in an event; the legacy protocol refuses the whole batch beyond 127 from its root."""

GZIP_LEVEL: Final = 5
"""A sixth less time than 6 for 2 % more bytes; below it bytes grow faster than time falls."""

ZSTD_LEVEL: Final = 1
"""Smaller than gzip 9 on our bodies at an eighth of the time of gzip 5."""

_GZIP_WINDOW: Final = 31  # zlib's way to ask for a gzip header, which then carries no time


def plain(value: object, depth: int = MAX_DEPTH) -> Any:
    """``value`` as JSON of the kind that PostHog keeps: repaired where it must be, null where it can't be."""
    match value:
        case None | bool():
            return value
        case str():
            return _text(value)
        case Enum():
            return plain(value.value, depth)
        case int():
            number = int(value)
            return number if -MAX_SAFE_INTEGER <= number <= MAX_SAFE_INTEGER else str(number)
        case float():
            return float(value) if isfinite(value) else None
        case Mapping() if depth > 0:
            members = cast("Mapping[object, object]", value)
            return {_text(str(key)): plain(member, depth - 1) for key, member in members.items()}
        case list() | tuple() | set() | frozenset() if depth > 0:
            return [plain(item, depth - 1) for item in cast("list[object]", value)]
        case Mapping() | list() | tuple() | set() | frozenset():
            return None
        case _:
            return _text(str(value))


def _text(text: str) -> str:
    if text.isascii():
        return text if type(text) is str else str.__str__(text)
    return text.encode("utf-8", "surrogatepass").decode("utf-8", "replace")


def _with_standard_library(value: object) -> bytes:
    try:
        return _compact(value if _is_plain(value) else plain(value)).encode()
    except ValueError:  # no number, an infinity or a lone surrogate somewhere
        return _compact(plain(value)).encode()


_compact: Final = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode


quoted: Final[Callable[[str], str]] = encode_basestring
"""A text as a JSON string, what is not ASCII left as it is."""


def _is_plain(value: object, depth: int = MAX_DEPTH) -> bool:
    """Would :func:`plain` change nothing but what the encoder itself refuses? A quarter of its price."""
    kind = type(value)
    if kind in _KEPT:
        return True
    if kind is int:
        return -MAX_SAFE_INTEGER <= cast("int", value) <= MAX_SAFE_INTEGER
    if kind not in _HOLDING or not depth:
        return False
    members = cast("Any", value)
    if kind is dict:
        if not _TEXT.issuperset(map(type, members)):  # json has a way of its own with other keys
            return False
        members = members.values()
    return all(_is_plain(member, depth - 1) for member in members if type(member) not in _KEPT)


_KEPT: Final = frozenset({str, float, bool, type(None)})
_HOLDING: Final = frozenset({dict, list})
_TEXT: Final = frozenset({str})


def _with_orjson(orjson: Any) -> Callable[[object], bytes]:
    dumps: Callable[..., bytes] = orjson.dumps
    options: int = (
        orjson.OPT_STRICT_INTEGER
        | orjson.OPT_PASSTHROUGH_SUBCLASS
        | orjson.OPT_PASSTHROUGH_DATACLASS
        | orjson.OPT_PASSTHROUGH_DATETIME
    )

    def encode(value: object) -> bytes:
        try:
            encoded = dumps(value, option=options)
        except TypeError:  # what orjson can't write: integers beyond 53 bits, lone surrogates, odd types,
            encoded = dumps(plain(value), option=options)  # 255 levels
        return bytes(memoryview(encoded))  # orjson's own object holds a buffer several times its length

    return encode


def _optional(name: str) -> Any:
    try:
        return import_module(name)
    except ImportError:
        return None


def json_encoder(*, fast: bool = True) -> Callable[[object], bytes]:
    """The function that writes compact UTF-8 JSON; ``fast=False`` for the standard library's.

    What it makes raises ``ValueError``, ``TypeError`` or ``RecursionError`` for what is no JSON at all.
    """
    orjson = _optional("orjson") if fast else None
    return _with_standard_library if orjson is None else _with_orjson(orjson)


# -- compression ------------------------------------------------------------------------------------


class Codec(NamedTuple):
    """How a body is compressed. ``name`` is the ``Content-Encoding``; empty for none."""

    name: str
    compress: Callable[[bytes], bytes]


def _gzip(body: bytes) -> bytes:
    stream = zlib.compressobj(GZIP_LEVEL, zlib.DEFLATED, _GZIP_WINDOW)
    return stream.compress(body) + stream.flush()


def _unchanged(body: bytes) -> bytes:
    return body


NONE: Final = Codec("", _unchanged)
GZIP: Final = Codec("gzip", _gzip)


def zstd() -> Codec | None:
    """zstandard (the ``fast`` extra), which only the v1 protocol takes; None if it is not installed."""
    zstandard = _optional("zstandard")
    if zstandard is None:
        return None

    def compress(body: bytes) -> bytes:
        compressed: bytes = zstandard.ZstdCompressor(level=ZSTD_LEVEL).compress(body)  # not safe to share
        return bytes(memoryview(compressed))  # zstandard's own object holds a buffer as long as the body

    return Codec("zstd", compress)
