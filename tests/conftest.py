"""What holds for every test: a clean environment, no silent skip in CI, a header that names the versions."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version

import hypothesis
import pytest

OURS = ("OTEL_", "POSTHOG_")
"""Variables with these prefixes change what the exporter and the SDK do; no test may inherit them."""

HEADER = ("opentelemetry-sdk", "opentelemetry-distro", "httpx", "orjson", "redis", "posthog", "hypothesis")


def forget_settings() -> None:
    for name in [name for name in os.environ if name.startswith(OURS)]:
        del os.environ[name]


hypothesis.settings.register_profile("any pace", deadline=None)  # a busy machine is no counterexample
hypothesis.settings.load_profile("any pace")

forget_settings()  # before any test module is imported: the SDK reads some variables at import

from opentelemetry.exporter.posthog.context import configure  # noqa: E402 - see above
from opentelemetry.exporter.posthog.settings.model import GroupRule  # noqa: E402

ORGANIZATION = GroupRule(type="organization", attribute="organization.id", prefix="organization.")


@pytest.fixture(autouse=True)
def clean_environment() -> Iterator[None]:
    """No OTEL_* or POSTHOG_* variable from outside, and none left behind for the next test."""
    forget_settings()
    yield
    forget_settings()


@pytest.fixture(autouse=True)
def default_naming() -> Iterator[None]:
    """Which attributes carry which group is the process's: what one test says must not hold for the next."""
    configure([ORGANIZATION], propagate=False, trust=False)
    yield
    configure([ORGANIZATION], propagate=False, trust=False)


def pytest_report_header() -> str:
    return f"python {platform.python_version()}, " + ", ".join(f"{name} {_version(name)}" for name in HEADER)


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "absent"


# -- with CI=true a test that did not run has failed -------------------------------------------------


def skipping_is_failing() -> bool:
    return os.environ.get("CI", "").lower() == "true"


def _fail_if_skipped(report: pytest.TestReport | pytest.CollectReport) -> None:
    if report.skipped and not hasattr(report, "wasxfail") and skipping_is_failing():
        report.outcome = "failed"
        report.longrepr = f"skipped, and with CI=true nothing may be skipped: {report.longrepr}"


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport() -> Iterator[None]:
    report = yield
    _fail_if_skipped(report)
    return report


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_make_collect_report() -> Iterator[None]:
    report = yield
    _fail_if_skipped(report)
    return report
