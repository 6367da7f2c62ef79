"""Keys, hosts, proxies, paths and stores are told by their form."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from opentelemetry.exporter.posthog.settings.addresses import host, ledger, path, project_key, proxy
from opentelemetry.exporter.posthog.settings.parsing import UnusableError


@pytest.mark.parametrize(
    ("written", "url"),
    [
        pytest.param("us", "https://us.i.posthog.com", id="the word us is the US region"),
        pytest.param(" EU ", "https://eu.i.posthog.com", id="a region word in any case"),
        pytest.param("https://eu.i.posthog.com", "https://eu.i.posthog.com", id="a URL"),
        pytest.param(
            "https://eu.i.posthog.com///", "https://eu.i.posthog.com", id="trailing slashes never matter"
        ),
        pytest.param("HTTPS://EU.I.PostHog.com:443", "https://eu.i.posthog.com", id="one spelling per host"),
        pytest.param("https://shop.example/ingest/", "https://shop.example/ingest", id="a path prefix stays"),
        pytest.param("https://shop.example.:8443", "https://shop.example:8443", id="another port stays"),
        pytest.param("http://[::1]:8009", "http://[::1]:8009", id="an IPv6 address keeps its brackets"),
        pytest.param(
            "https://app.posthog.com", "https://us.i.posthog.com", id="the old app host is corrected"
        ),
        pytest.param(
            "https://us.posthog.com/", "https://us.i.posthog.com", id="the US app host is corrected"
        ),
        pytest.param(
            "https://eu.posthog.com/project/7",
            "https://eu.i.posthog.com",
            id="a page of the app is corrected",
        ),
    ],
)
def test_host_becomes_a_canonical_base_url(written: str, url: str) -> None:
    assert host(written).url == url


def test_a_corrected_app_host_is_told_in_one_notice() -> None:
    notice = host("https://eu.posthog.com").notice
    assert "eu.posthog.com" in notice
    assert "https://eu.i.posthog.com" in notice
    assert host("https://eu.i.posthog.com").notice == ""


@pytest.mark.parametrize(
    ("written", "is_remote"),
    [
        pytest.param("http://localhost:8009", False, id="localhost is this machine"),
        pytest.param("http://double.localhost", False, id="names under localhost are this machine"),
        pytest.param("http://127.3.2.1", False, id="all of 127 is this machine"),
        pytest.param("http://[::1]", False, id="the IPv6 loopback is this machine"),
        pytest.param("http://localhost.example.com", True, id="a name that only starts so is not"),
        pytest.param("http://127.0.0.1.nip.io", True, id="a name that looks like an address is not"),
        pytest.param("http://10.0.0.1", True, id="a private address is another machine"),
        pytest.param("https://10.0.0.1", False, id="https is never plain"),
    ],
)
def test_plain_http_to_another_machine_is_noticed(written: str, is_remote: bool) -> None:
    assert host(written).is_plain_and_remote is is_remote


@pytest.mark.parametrize(
    ("parse", "written", "says"),
    [
        pytest.param(host, "eu.i.posthog.com", "without a scheme", id="a host without a scheme"),
        pytest.param(host, "germany", "without a scheme", id="a region that is none"),
        pytest.param(host, "ftp://x.example", "does not start with https://", id="another scheme"),
        pytest.param(host, "https://me:pw@x.example", "user name or a password", id="a user in a host"),
        pytest.param(host, "https://@x.example", "user name or a password", id="an empty user in a host"),
        pytest.param(host, "https://x.example/?a=1", "has a ? or a #", id="a query in a host"),
        pytest.param(host, "https://x.example/#", "has a ? or a #", id="an empty fragment in a host"),
        pytest.param(host, "https:///x", "without a host name", id="no host name"),
        pytest.param(host, "https://[::1", "no well-formed URL", id="half an IPv6 address"),
        pytest.param(host, "https://x.example:99999", "has a port", id="a port that is none"),
        pytest.param(host, "https://x_y z.example", "host name with characters", id="a blank in a host name"),
        pytest.param(host, "https://bücher.example", "outside ASCII", id="a host name outside ASCII"),
        pytest.param(host, "https://x.example/a b", "characters in its path", id="a blank in a path"),
        pytest.param(
            host, "https://us.i.posthog.com/batch/", "ends in /batch", id="an endpoint instead of a base"
        ),
        pytest.param(host, "https://posthog.com", "web site", id="PostHog's web site"),
        pytest.param(project_key, "phx_" + "a" * 40, "starts with phx_", id="a personal key"),
        pytest.param(project_key, "a" * 65, "has 65 characters", id="a key too long"),
        pytest.param(project_key, "phc_ä", "outside ASCII", id="a key outside ASCII"),
        pytest.param(project_key, "phc_\0x", "control character", id="a key with NUL"),
        pytest.param(project_key, "phc_a phc_b", "blank in the middle", id="two keys"),
        pytest.param(
            project_key, '"phc_a"', "quotation marks", id="a key that kept the quotes of an env file"
        ),
        pytest.param(project_key, ["phc_a"], "is a list of 1 item", id="a list of keys"),
        pytest.param(proxy, "proxy.example:3128", "without a scheme", id="a proxy without a scheme"),
        pytest.param(proxy, "http://:3128", "without a host name", id="a proxy without a host"),
        pytest.param(path, "file:///x", "is a URL", id="a URL where a path is needed"),
        pytest.param(path, "~/x", "starts with ~", id="a home directory that no shell expanded"),
        pytest.param(
            ledger, "postgres://db/x", "of a kind that is not known", id="a store that is not known"
        ),
        pytest.param(ledger, "sqlite://x.db", "no path follows", id="SQLite with two slashes"),
        pytest.param(ledger, "sqlite:///", "no path follows", id="SQLite without a path"),
        pytest.param(ledger, "redis://", "without a host name", id="Redis without a host"),
        pytest.param(ledger, "unix://", "no path follows", id="a socket without a path"),
    ],
)
def test_refuses(parse: Callable[[object], object], written: object, says: str) -> None:
    with pytest.raises(UnusableError) as caught:
        parse(written)
    assert says in caught.value.mistakes[0].got


@pytest.mark.parametrize(
    ("parse", "written"),
    [
        pytest.param(project_key, "phc_" + "a" * 60, id="a key of 64 characters"),
        pytest.param(project_key, "sTMFPsFhdP1Ssg", id="an old key without a prefix"),
        pytest.param(proxy, "http://me:pw@proxy.example:3128", id="a proxy with a password"),
        pytest.param(proxy, "socks5://proxy.example", id="a SOCKS proxy"),
        pytest.param(ledger, "memory", id="a ledger in memory"),
        pytest.param(ledger, "/var/lib/shop/ledger.db", id="a ledger's path"),
        pytest.param(ledger, "sqlite:////var/lib/shop/ledger.db", id="a SQLite URL"),
        pytest.param(ledger, "rediss://me:pw@cache.example:6379/0", id="Redis over TLS with a password"),
        pytest.param(ledger, "unix:///run/redis.sock?db=1", id="Redis on a socket"),
    ],
)
def test_takes_as_written(parse: Callable[[object], object], written: str) -> None:
    assert parse(written) == written
