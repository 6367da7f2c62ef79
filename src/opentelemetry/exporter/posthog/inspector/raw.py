"""The raw request, readable and without the project's key. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from ..testing import bodies
from .masking import Mask, NoMask

if TYPE_CHECKING:
    from ..testing.exchange import Request

MOST_SHOWN: Final = 2 * 1024 * 1024
"""Bytes of a body that a page shows; a browser chokes on more, and PostHog takes no event that large."""

SECRET_HEADERS: Final = frozenset({"authorization", "cookie", "proxy-authorization"})

_KEY: Final = re.compile(r'("(?:api_key|token)"\s*:\s*")[^"]*(")')

_READERS: Final = {
    "gzip": bodies.gunzip,
    "deflate": bodies.zlib_or_raw,
    "zstd": bodies.unzstd,
    "br": bodies.unbrotli,
}


class Raw(NamedTuple):
    """A request as it is kept: small, since bodies stay compressed."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes

    @staticmethod
    def of(request: Request) -> Raw:
        return Raw(request.method, request.path, request.headers, request.body)

    def to_json(self, mask: Mask) -> dict[str, Any]:
        """For the page; under a mask only the head of it."""
        text = self._text() if isinstance(mask, NoMask) else "(values are masked)"
        return {
            "method": self.method,
            "path": self.target,
            "headers": {
                name: "(hidden)" if name in SECRET_HEADERS else value for name, value in self.headers.items()
            },
            "body": text,
        }

    def _text(self) -> str:
        encoding = self.headers.get("content-encoding", "").strip().lower()
        body = self.body
        if not encoding and body[:2] == b"\x1f\x8b":
            encoding = "gzip"
        if encoding in _READERS:
            try:
                body = _READERS[encoding](body, MOST_SHOWN)
            except bodies.TooLargeError:
                return f"(more than {MOST_SHOWN} bytes)"
            except ValueError as error:
                return f"(can't be read as {encoding}: {error})"
        if len(body) > MOST_SHOWN:
            return f"(more than {MOST_SHOWN} bytes)"
        text = body.decode("utf-8", "replace")
        with suppress(ValueError, RecursionError):
            text = json.dumps(json.loads(text), indent=2, ensure_ascii=False)
        return _KEY.sub(r"\1(hidden)\2", text)
