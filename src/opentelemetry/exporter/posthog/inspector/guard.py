"""Who may read the page. Pure.

Telemetry is sensitive, and a port on the loopback can be reached by every user of the machine, by every page
that a browser shows, and through DNS rebinding under a stranger's name. So the names under which the page is
asked for are fixed, everything that shows data needs the token, and what changes something must not come
from another page. Requests of PostHog's protocols are open, as PostHog's are: they only bring data in.
"""

from __future__ import annotations

from collections.abc import Mapping
from hmac import compare_digest
from http.cookies import CookieError, SimpleCookie
from typing import NamedTuple


class Guard(NamedTuple):
    """What this inspector answers to."""

    token: str
    port: int

    @property
    def cookie(self) -> str:
        """Cookies are shared by all ports of a host, so the name carries ours."""
        return f"posthog_inspector_{self.port}"

    def objection(
        self, method: str, headers: Mapping[str, str], query: Mapping[str, str]
    ) -> tuple[int, str] | None:
        """Why this request is turned away, as a status and a sentence; None when it may pass.

        ``headers`` by lower-case name.
        """
        if not self.is_named_rightly(headers):
            return 421, "Ask for the inspector under 127.0.0.1 or localhost."
        origin = headers.get("origin")
        if method != "GET" and origin is not None and origin not in self._origins():
            return 403, "This was sent by another page."
        if not self._knows_token(headers, query):
            return 401, "Open the address that `otel-posthog inspect` printed: it carries the token."
        return None

    def is_named_rightly(self, headers: Mapping[str, str]) -> bool:
        return headers.get("host", "").lower() in self._names()

    def _names(self) -> tuple[str, ...]:
        return tuple(f"{name}:{self.port}" for name in ("127.0.0.1", "localhost", "[::1]"))

    def _origins(self) -> tuple[str, ...]:
        return tuple(f"http://{name}" for name in self._names())

    def _knows_token(self, headers: Mapping[str, str], query: Mapping[str, str]) -> bool:
        scheme, _, bearer = headers.get("authorization", "").partition(" ")
        offered = [query.get("token", ""), bearer.strip() if scheme.lower() == "bearer" else ""]
        try:
            cookie = SimpleCookie(headers.get("cookie", "")).get(self.cookie)
        except CookieError:
            cookie = None
        offered.append(cookie.value if cookie is not None else "")
        return any(compare_digest(one.encode(), self.token.encode()) for one in offered)
