"""What settings ask of the machine they are used on: packages that are installed, a file that is there.

Settings themselves are pure (``sources.py``). Here they meet the process they are for: what is not there is a
problem like any other, told at the start with all of them, and the default holds until it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from importlib.util import find_spec
from typing import Any, Protocol

from ..errors import MissingExtraError, Problem
from .model import Compression, Settings
from .options import BY_NAME
from .sources import DEFAULT, KEYWORD, Resolution, meanwhile, resolve

REDIS_SCHEMES = ("redis://", "rediss://", "unix://")


class Machine(Protocol):
    """Where an exporter runs."""

    def has(self, package: str) -> bool:
        """Whether ``package`` can be imported."""
        ...

    def certificates(self, path: str) -> str:
        """What is wrong with a file of certificates, as the end of a sentence; empty when nothing is."""
        ...


class ThisMachine:
    """The one of this process."""

    def has(self, package: str) -> bool:
        try:
            return find_spec(package) is not None
        except (ImportError, ValueError):  # a module that somebody put there without a spec
            return False

    def certificates(self, path: str) -> str:
        import ssl  # the first export needs it anyway, the application's start does not

        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        try:
            context.load_verify_locations(cafile=path)
        except FileNotFoundError:
            return "names a file that does not exist"
        except ssl.SSLError:
            return "names a file that is no PEM file of certificates"
        except OSError as error:
            return f"names a file that can't be read ({error.strerror or type(error).__name__})"
        return "" if context.cert_store_stats()["x509"] else "names a file without a certificate"


THIS_MACHINE = ThisMachine()


def resolve_here(
    keywords: Mapping[str, object], env: Mapping[str, str], machine: Machine = THIS_MACHINE
) -> Resolution:
    """As :func:`~.sources.resolve`, and what this machine lacks is among the problems. Never raises."""
    resolution = resolve(keywords, env)
    settings = resolution.settings
    if settings is None or settings.disabled:
        return resolution
    lacking: dict[str, Any] = {}
    problems: list[Problem] = []

    def lacks(name: str, got: str, fix: str, instead: object) -> None:
        lacking[name] = instead
        origin = resolution.origins.get(name, DEFAULT)
        option = BY_NAME[name]
        written = {KEYWORD: name, DEFAULT: option.variable}.get(origin, origin)
        problems.append(Problem(written, got, f"{fix} {meanwhile(option)}"))

    if settings.compression is Compression.ZSTD and not machine.has("zstandard"):
        lacks("compression", "is zstd, which is not installed", _install("fast"), Compression.GZIP)
    if (settings.ledger or "").lower().startswith(REDIS_SCHEMES) and not machine.has("redis"):
        lacks("ledger", "is a Redis, whose client is not installed", _install("redis"), None)
    if (settings.proxy or "").lower().startswith("socks5") and not machine.has("socksio"):
        lacks(
            "proxy",
            "is a SOCKS proxy, for which a package is not installed",
            "Run: pip install 'httpx[socks]'.",
            None,
        )
    if settings.ca_bundle is not None and (wrong := machine.certificates(settings.ca_bundle)):
        lacks("ca_bundle", wrong, BY_NAME["ca_bundle"].fix, None)
    problems += _proxy_of_the_environment(settings, env)
    if not problems:
        return resolution
    return replace(
        resolution,
        settings=replace(settings, **lacking),
        problems=(*resolution.problems, *problems),
        origins={**resolution.origins, **dict.fromkeys(lacking, DEFAULT)},
    )


def _install(extra: str) -> str:
    command = str(MissingExtraError("", extra)).partition("Run: ")[2]
    return f"Run: {command}."


def _proxy_of_the_environment(settings: Settings, env: Mapping[str, str]) -> list[Problem]:
    """A proxy that other programs may well use, and this exporter can't."""
    if settings.proxy is not None or not settings.proxy_from_environment:
        return []
    return [
        Problem(
            name,
            "is an https:// proxy, and TLS inside TLS is not supported here",
            "Write http:// (what goes through it to PostHog is encrypted all the same), "
            "or name another proxy in `proxy`.",
        )
        for name in ("https_proxy", "HTTPS_PROXY")
        if env.get(name, "").lower().startswith("https://")
    ][:1]
