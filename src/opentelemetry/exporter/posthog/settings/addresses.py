"""Where things are: PostHog's host and project key, the proxy, the ledger's store, directories.

Nothing here touches a disk or a network; a wrong address is told from a right one by its form.
"""

from __future__ import annotations

import re
from ipaddress import ip_address
from typing import NamedTuple
from urllib.parse import SplitResult, urlsplit

from .parsing import shape, text, unusable

REGIONS = {"us": "https://us.i.posthog.com", "eu": "https://eu.i.posthog.com"}

APP_HOSTS = {
    "app.posthog.com": "us.i.posthog.com",
    "us.posthog.com": "us.i.posthog.com",
    "eu.posthog.com": "eu.i.posthog.com",
}
"""Where people look at PostHog (and copy from their browser), and where that region takes events."""

ENDPOINTS = ("/batch", "/capture", "/i/v0/e", "/i/v1/analytics/events")
"""Paths that the exporter adds by itself; a host that already ends in one would get it twice."""

MAX_KEY_BYTES = 64  # PostHog answers 401 `too_long` beyond


class Host(NamedTuple):
    """A canonical base URL, whether it is plain HTTP to another machine, and what was corrected."""

    url: str
    is_plain_and_remote: bool
    notice: str = ""


def project_key(value: object) -> str:
    """A key of the form that PostHog accepts: 1 to 64 ASCII characters, no NUL, no personal key."""
    key = text(value)
    if not key:
        raise unusable("is empty")
    if key[0] in "\"'" and key[-1] == key[0]:
        raise unusable("stands in quotation marks that belong to it", "Remove them: env files keep quotes.")
    if key.startswith("phx_"):
        raise unusable(
            f"starts with phx_ and so is a personal API key ({len(key)} characters)",
            "Use the project API key (project token), which starts with phc_: Settings > Project in PostHog. "
            "Revoke the personal key if it was published.",
        )
    if not key.isascii():
        raise unusable(f"has characters outside ASCII ({len(key)} characters)")
    if len(key) > MAX_KEY_BYTES:
        raise unusable(f"has {len(key)} characters, and a project key at most {MAX_KEY_BYTES}")
    if " " in key:
        raise unusable("has a blank in the middle")
    return key


def host(value: object) -> Host:
    """The base URL that requests go to: a region word or a URL, canonical, without trailing slash."""
    written = text(value)
    if written.lower() in REGIONS:
        return Host(REGIONS[written.lower()], is_plain_and_remote=False)
    url = _url(
        written, schemes=("https", "http"), fix="Write `us`, `eu` or a URL such as https://eu.i.posthog.com."
    )
    if url.username is not None or url.password is not None:
        raise unusable(
            "has a user name or a password in it", "Remove it: PostHog knows you by the project key alone."
        )
    if "?" in written or "#" in written:
        raise unusable("has a ? or a # in it", "Write the base URL alone.")
    path = url.path.rstrip("/")
    if not re.fullmatch(r"(/[A-Za-z0-9\-._~!$&'()*+,;=:@%]*)*", path, re.ASCII):
        raise unusable("has characters in its path that no URL has", "Percent-encode them.")
    for endpoint in ENDPOINTS:
        if path.endswith(endpoint):
            raise unusable(
                f"ends in {endpoint}, which the exporter adds by itself", "Write the base URL without it."
            )
    name = _host_name(url)
    if name in {"posthog.com", "www.posthog.com"}:
        raise unusable(
            "is PostHog's web site and takes no events", "Write the region of your project: `us` or `eu`."
        )
    if name in APP_HOSTS:
        ingestion = APP_HOSTS[name]
        return Host(
            f"https://{ingestion}",
            is_plain_and_remote=False,
            notice=f"{name} is where PostHog is looked at; events go to https://{ingestion}",
        )
    port = _port(url)
    return Host(
        f"{url.scheme}://{name}{port}{path}",
        is_plain_and_remote=url.scheme == "http" and not _is_loopback(name),
    )


def proxy(value: object) -> str:
    """The URL of a proxy, which may carry a user name and a password. Not one that is itself spoken to over
    TLS: the engine below can't speak TLS through TLS within a deadline."""
    written = text(value)
    fix = "Write a URL such as http://proxy.example:3128."
    if written.lower().startswith("https://"):
        raise unusable(
            "is an https:// proxy, and TLS inside TLS is not supported here",
            "Write http://: what goes through it to PostHog is encrypted all the same.",
        )
    url = _url(written, schemes=("http", "socks5", "socks5h"), fix=fix)
    _host_name(url)
    _port(url)
    return written


INSPECTOR_FIX = "Write the address that `otel-posthog inspect` prints, like http://127.0.0.1:8009/?token=..."


def inspector(value: object) -> str:
    """The address of an inspector, on this machine: what the exporter decides is told to nobody else."""
    written = text(value)
    url = _url(written, schemes=("http",), fix=INSPECTOR_FIX)
    if not _is_loopback(_host_name(url)):
        raise unusable("is no address of this machine", INSPECTOR_FIX)
    _port(url)
    return written


def path(value: object) -> str:
    """A path as the operating system takes it."""
    written = text(value)
    if "://" in written:
        raise unusable("is a URL where a path is needed")
    if written.startswith("~"):
        raise unusable(
            "starts with ~, which only a shell turns into a home directory", "Write the whole path."
        )
    return written


LEDGER_FIX = "Write `memory`, a path, sqlite:///path or a redis://, rediss:// or unix:// URL."


def ledger(value: object) -> str:
    """The ledger's store: ``memory``, a path, ``sqlite:///path``, or the URL of Redis or Valkey."""
    written = text(value)
    if written.lower() == "memory":
        return "memory"
    scheme, separator, rest = written.partition("://")
    if not separator:
        return path(written)
    match scheme.lower():
        case "sqlite":
            if not rest.startswith("/") or not rest.strip("/"):
                raise unusable(
                    "starts with sqlite:// and no path follows", "Write sqlite:///path, with three slashes."
                )
        case "redis" | "rediss":
            url = _url(written, schemes=("redis", "rediss"), fix=LEDGER_FIX)
            _host_name(url)
            _port(url)
        case "unix":
            if not rest.strip("/"):
                raise unusable("starts with unix:// and no path follows", "Write unix:///path/of/the/socket.")
        case _:
            raise unusable("is a URL of a kind that is not known here", LEDGER_FIX)
    return written


# -- parts of a URL ---------------------------------------------------------------------------------


def _url(written: str, *, schemes: tuple[str, ...], fix: str) -> SplitResult:
    if "://" not in written:
        raise unusable(f"{shape(written)} without a scheme such as {schemes[0]}://", fix)
    try:
        url = urlsplit(written)
    except ValueError:
        raise unusable("is no well-formed URL", fix) from None
    if url.scheme not in schemes:
        raise unusable(f"does not start with {' or '.join(f'{scheme}://' for scheme in schemes)}", fix)
    return url


def _host_name(url: SplitResult) -> str:
    name = (url.hostname or "").rstrip(".")
    if not name:
        raise unusable("is a URL without a host name")
    if ":" in name:
        try:
            return f"[{ip_address(name).compressed}]"
        except ValueError:
            raise unusable("has an IPv6 address in it that is none") from None
    if not name.isascii():
        raise unusable("has characters outside ASCII in its host name", "Write it in its xn-- form.")
    if not re.fullmatch(r"[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*", name):
        raise unusable("has a host name with characters that no host name has")
    return name


def _port(url: SplitResult) -> str:
    """The port as it stands in a canonical URL: left out where it is the scheme's own."""
    try:
        port = url.port
    except ValueError:
        port = 0
    if port == 0:
        raise unusable("has a port that is no number from 1 to 65535")
    return "" if port is None or port == {"https": 443, "http": 80}.get(url.scheme) else f":{port}"


def is_this_machine(url: str) -> bool:
    """Whether a host, as :func:`host` made it, is a loopback address."""
    return _is_loopback(urlsplit(url).hostname or "")


def _is_loopback(name: str) -> bool:
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ip_address(name.strip("[]")).is_loopback
    except ValueError:
        return False
