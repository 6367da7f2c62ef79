"""Carries reports to an inspector on this machine, and nowhere else."""

from __future__ import annotations

from http.client import HTTPConnection, HTTPException
from typing import Final
from urllib.parse import parse_qs, urlsplit

from ..settings.addresses import inspector

REPORTS: Final = "/_inspector/reports"


class LoopbackPost:
    """Posts reports to ``address``, whose token travels in a header. One connection a report.

    The standard library's client on purpose: it follows no redirect, knows no proxy, and is given a number
    and no name to look up. Raises ``UnusableError`` for an address that is not of the loopback.
    """

    def __init__(self, address: str) -> None:
        url = urlsplit(inspector(address))
        host = url.hostname or ""
        is_number = host.replace(".", "").isdigit() or ":" in host
        self._host = host if is_number else "127.0.0.1"  # whatever a hosts file says of localhost
        self._port = url.port or 80
        named = f"[{host}]" if ":" in host else host
        self._headers = {"Content-Type": "application/json", "Host": f"{named}:{self._port}"}
        token = parse_qs(url.query).get("token", [""])[0]
        if token:
            self._headers["Authorization"] = f"Bearer {token}"

    def __call__(self, report: bytes, patience: float) -> bool:
        """True when the inspector took it. ``patience`` is seconds for each wait on the socket."""
        connection = HTTPConnection(self._host, self._port, timeout=patience)
        try:
            connection.request("POST", REPORTS, report, self._headers)
            return connection.getresponse().status == 204
        except (OSError, HTTPException):
            return False
        finally:
            connection.close()
