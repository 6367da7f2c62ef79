"""Taking a body out of its compression, within a limit."""

from __future__ import annotations

import importlib
import zlib
from typing import Any


class BadEncodingError(ValueError):
    """The bytes are not what the encoding says."""


class TooLargeError(ValueError):
    """More came out than may."""


class NotInstalledError(ValueError):
    """The double lacks a library for this encoding; says what to install."""


def gunzip(body: bytes, limit: int) -> bytes:
    return _inflate(body, limit, wbits=31)


def zlib_or_raw(body: bytes, limit: int) -> bytes:
    """``deflate`` means the zlib wrapper; raw deflate is tolerated."""
    return _inflate(body, limit, wbits=15 if body[:1] == b"\x78" else -15)


def _inflate(body: bytes, limit: int, *, wbits: int) -> bytes:
    reader = zlib.decompressobj(wbits)
    try:
        out = reader.decompress(body, limit + 1)
    except zlib.error as error:
        raise BadEncodingError(str(error)) from error
    if len(out) > limit:
        raise TooLargeError
    if not reader.eof:
        raise BadEncodingError("incomplete stream")
    return out


def unzstd(body: bytes, limit: int) -> bytes:
    """Needs Python 3.14 or the package ``zstandard``."""
    try:
        module: Any = importlib.import_module("compression.zstd")
    except ImportError:
        return _unzstd_with_zstandard(body, limit)
    reader = module.ZstdDecompressor()
    try:
        out: bytes = reader.decompress(body, max_length=limit + 1)
    except module.ZstdError as error:
        raise BadEncodingError(str(error)) from error
    return _checked(out, limit, complete=reader.eof or len(out) > limit)


def _unzstd_with_zstandard(body: bytes, limit: int) -> bytes:
    try:
        module: Any = importlib.import_module("zstandard")
    except ImportError as error:
        raise NotInstalledError("reading zstd needs: pip install zstandard") from error
    out = bytearray()
    try:
        with module.ZstdDecompressor().stream_reader(body) as reader:
            while len(out) <= limit and (piece := reader.read(min(1 << 20, limit + 1))):
                out += piece
    except module.ZstdError as error:
        raise BadEncodingError(str(error)) from error
    return _checked(bytes(out), limit, complete=bool(out))


def unbrotli(body: bytes, limit: int) -> bytes:
    """Needs the package ``brotli``."""
    try:
        module: Any = importlib.import_module("brotli")
    except ImportError as error:
        raise NotInstalledError("reading br needs: pip install brotli") from error
    try:
        out: bytes = module.decompress(body)
    except module.error as error:
        raise BadEncodingError(str(error)) from error
    return _checked(out, limit, complete=True)


def _checked(out: bytes, limit: int, *, complete: bool) -> bytes:
    if len(out) > limit:
        raise TooLargeError
    if not complete:
        raise BadEncodingError("incomplete stream")
    return out
