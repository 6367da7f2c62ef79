"""What this machine lacks is told with all other problems, at the start, and the default holds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import certifi
import pytest

from opentelemetry.exporter.posthog.settings.model import Compression
from opentelemetry.exporter.posthog.settings.sources import Resolution
from opentelemetry.exporter.posthog.settings.surroundings import ThisMachine, resolve_here

KEY = {"api_key": "phc_1"}
VARIABLE = "OTEL_EXPORTER_POSTHOG_"


class Bare:
    """A machine on which nothing is installed and no file of certificates is any good."""

    def has(self, package: str) -> bool:
        return False

    def certificates(self, path: str) -> str:
        return "names a file that does not exist"


LACKING = [
    ("compression", "zstd", "pip install 'opentelemetry-exporter-posthog[fast]'", Compression.GZIP),
    ("ledger", "redis://cache.example", "pip install 'opentelemetry-exporter-posthog[redis]'", None),
    ("ledger", "rediss://me:pw@cache.example/0", "[redis]'", None),
    ("ledger", "unix:///run/redis.sock", "[redis]'", None),
    ("proxy", "socks5://proxy.example:1080", "pip install 'httpx[socks]'", None),
    ("ca_bundle", "/nowhere.pem", "path of a PEM file", None),
]


def only_problem(resolution: Resolution) -> Any:
    (problem,) = resolution.problems
    return problem


@pytest.mark.parametrize(("name", "value", "mend", "instead"), LACKING)
def test_what_is_not_there_is_one_problem_that_names_the_option_and_its_mend(
    name: str, value: str, mend: str, instead: object
) -> None:
    by_keyword = resolve_here({**KEY, name: value}, {}, Bare())
    by_variable = resolve_here(KEY, {VARIABLE + name.upper(): value}, Bare())
    for resolution, written in ((by_keyword, name), (by_variable, VARIABLE + name.upper())):
        problem = only_problem(resolution)
        assert problem.name == written
        assert mend in problem.fix
        assert not problem.fatal
        assert "pw" not in str(problem)
        assert resolution.settings is not None
        assert getattr(resolution.settings, name) == instead
        assert resolution.origins[name] == "default"


def test_all_that_is_lacking_is_told_at_once() -> None:
    given = {name: value for name, value, _, _ in LACKING}
    resolution = resolve_here({**KEY, **given, "timeout_millis": "soon"}, {}, Bare())
    assert [problem.name for problem in resolution.problems] == [
        "timeout_millis", "compression", "ledger", "proxy", "ca_bundle",
    ]  # fmt: skip


def test_nothing_is_looked_for_that_nobody_asked_for() -> None:
    assert resolve_here(KEY, {}, Bare()).problems == ()
    assert resolve_here({**KEY, "ledger": "memory"}, {}, Bare()).problems == ()
    assert resolve_here({**KEY, "ledger": "/var/lib/shop/ledger.db"}, {}, Bare()).problems == ()


def test_an_exporter_that_is_switched_off_lacks_nothing() -> None:
    assert resolve_here({**KEY, "ca_bundle": "/nowhere.pem", "disabled": True}, {}, Bare()).problems == ()


def test_a_proxy_spoken_to_over_tls_is_a_problem_and_http_is_the_mend() -> None:
    resolution = resolve_here({**KEY, "proxy": "https://me:pw@proxy.example"}, {}, Bare())
    problem = only_problem(resolution)
    assert "TLS inside TLS" in problem.got
    assert "http://" in problem.fix
    assert "pw" not in str(problem)
    assert resolution.settings is not None
    assert resolution.settings.proxy is None


@pytest.mark.parametrize("name", ["HTTPS_PROXY", "https_proxy"])
def test_so_it_is_where_the_environment_names_it_and_we_were_told_to_listen(name: str) -> None:
    env = {name: "https://me:pw@proxy.example"}
    problem = only_problem(resolve_here({**KEY, "proxy_from_environment": True}, env, Bare()))
    assert problem.name == name
    assert "pw" not in str(problem)
    assert resolve_here(KEY, env, Bare()).problems == ()
    http = {**KEY, "proxy_from_environment": True, "proxy": "http://proxy.example"}
    assert resolve_here(http, env, Bare()).problems == ()


# -- this machine -------------------------------------------------------------------------------------------


def test_what_is_installed_here_is_found() -> None:
    assert ThisMachine().has("httpx")
    assert not ThisMachine().has("no_such_package_anywhere")


def test_a_file_of_certificates_is_fine() -> None:
    assert ThisMachine().certificates(certifi.where()) == ""


@pytest.mark.parametrize(
    ("content", "wrong"),
    [
        (None, "does not exist"),
        ("", "is no PEM file"),
        ("hello", "is no PEM file"),
        ("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "is no PEM file"),
    ],
)
def test_a_file_that_is_none_is_told_from_one_that_is_missing(
    content: str | None, wrong: str, tmp_path: Path
) -> None:
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_text(content)
    assert wrong in ThisMachine().certificates(str(path))


def test_a_directory_is_no_file_of_certificates(tmp_path: Path) -> None:
    assert ThisMachine().certificates(str(tmp_path))
