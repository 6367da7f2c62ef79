"""httpcore's pool of connections: direct, or through the proxy that was named."""

from __future__ import annotations

import ssl
import urllib.request
from urllib.parse import unquote, urlsplit

import httpcore


def build_pool(
    url: str,
    *,
    backend: httpcore.NetworkBackend,
    proxy: str | None,
    ssl_context: ssl.SSLContext | None,
    trust_env: bool,
    max_connections: int,
    keep_alive: float,
) -> httpcore.ConnectionPool:
    """A pool for requests to ``url``. Connections are kept for ``keep_alive`` seconds."""
    if proxy is None and trust_env:
        proxy = proxy_from_environment(url)
    if proxy is None:
        return httpcore.ConnectionPool(
            ssl_context=ssl_context,
            max_connections=max_connections,
            keepalive_expiry=keep_alive,
            network_backend=backend,
        )
    where, auth = _parted(proxy)
    if where.scheme in (b"socks5", b"socks5h"):
        return httpcore.SOCKSProxy(
            proxy_url=where,
            proxy_auth=auth,
            ssl_context=ssl_context,
            max_connections=max_connections,
            keepalive_expiry=keep_alive,
            network_backend=backend,
        )
    return httpcore.HTTPProxy(
        proxy_url=where,
        proxy_auth=auth,
        ssl_context=ssl_context,
        proxy_ssl_context=ssl_context if where.scheme == b"https" else None,
        max_connections=max_connections,
        keepalive_expiry=keep_alive,
        network_backend=backend,
    )


def proxy_from_environment(url: str) -> str | None:
    """What ``HTTPS_PROXY``, ``HTTP_PROXY``, ``ALL_PROXY`` and ``NO_PROXY`` say of ``url``."""
    parts = urlsplit(url)
    if urllib.request.proxy_bypass(parts.netloc):
        return None
    proxies = urllib.request.getproxies()
    return proxies.get(parts.scheme) or proxies.get("all") or None


def _parted(proxy: str) -> tuple[httpcore.URL, tuple[bytes, bytes] | None]:
    """The proxy's URL without its credentials, and those."""
    parts = urlsplit(proxy)
    host = parts.hostname or ""
    if ":" in host:
        host = f"[{host}]"
    port = f":{parts.port}" if parts.port is not None else ""
    auth = None
    if parts.username is not None:
        auth = (unquote(parts.username).encode(), unquote(parts.password or "").encode())
    return httpcore.URL(f"{parts.scheme}://{host}{port}"), auth
