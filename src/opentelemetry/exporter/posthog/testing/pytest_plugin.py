"""The pytest plugin, installed with the package. Importing it costs nothing: pytest does so in every run.

Everything that needs OpenTelemetry or HTTP is imported inside the fixtures, when a test asks for one.
"""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from .capture import PostHogCapture

BLOCK_LIVE = "posthog_block_live"
LOOPBACK_ONLY = "PYTEST_POSTHOG_BLOCK_LIVE"
"""Exporters that find this in the environment stay inert unless their host is this machine."""

MARKER = "posthog"
SHOW = "--posthog-show"
CAPTURES = ("posthog_capture", "posthog_capture_session")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addini(
        BLOCK_LIVE,
        "refuse to send telemetry to any PostHog that is not on this machine, for the whole run",
        type="bool",
        default=False,
    )
    parser.getgroup("posthog").addoption(
        SHOW,
        action="store_true",
        help="show below a failed test what posthog_capture holds (with -rP below a passed one too)",
    )


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers",
        f"{MARKER}(host_status=None, **options): options of the exporters in posthog_capture for this test; "
        "with host_status=503 its PostHog answers every request with that status",
    )
    if config.getini(BLOCK_LIVE) and LOOPBACK_ONLY not in os.environ:
        os.environ[LOOPBACK_ONLY] = "true"
        config.add_cleanup(_allow_live)
    if config.getoption(SHOW):
        config.pluginmanager.register(_Shower(), "posthog_otel_show")


def _allow_live() -> None:
    os.environ.pop(LOOPBACK_ONLY, None)


class _Shower:
    """Adds what was captured to the report of a test."""

    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, Any, None]:
        report: pytest.TestReport = (yield).get_result()
        if call.when != "call":
            return
        used: dict[str, Any] = getattr(item, "funcargs", {})
        report.sections.extend((name, used[name].account()) for name in CAPTURES if name in used)


@pytest.fixture
def posthog_options() -> dict[str, Any]:
    """Options of the exporters in ``posthog_capture``: override it where a test needs its own."""
    return {}


@pytest.fixture
def posthog_capture(
    request: pytest.FixtureRequest, posthog_options: dict[str, Any]
) -> Iterator[PostHogCapture]:
    """The telemetry of this test as PostHog would store it: the real exporters into the strict double.

    Attached to the global OpenTelemetry providers if the SDK's are set; else use its ``tracer_provider`` and
    ``logger_provider``, or ``attach`` your own. ``@pytest.mark.posthog(...)`` sets options for one test.
    """
    from .capturing import capturing
    from .faults import Fault

    marked = _marked(request.node)  # pyright: ignore[reportUnknownMemberType]  # pytest gives it no type
    status: int | None = marked.pop("host_status", None)
    with capturing(**{**posthog_options, **marked}) as captured:
        if status is not None:
            captured.fail(Fault(status=status, times=None))
        yield captured


@pytest.fixture(scope="session")
def posthog_session_options() -> dict[str, Any]:
    """Options of the exporters in ``posthog_capture_session``."""
    return {}


@pytest.fixture(scope="session")
def posthog_capture_session(posthog_session_options: dict[str, Any]) -> Iterator[PostHogCapture]:
    """As ``posthog_capture``, for the whole run: what all tests together made PostHog store.

    For suites whose application is started once. What one test caused, the next one finds there: ``clear()``
    in between.
    """
    from .capturing import capturing

    with capturing(**posthog_session_options) as captured:
        yield captured


def _marked(node: Any) -> dict[str, Any]:
    """The options of all marks on a test; the nearest one wins. A mark takes keywords only."""
    options: dict[str, Any] = {}
    for mark in node.iter_markers(MARKER):
        if mark.args:
            raise pytest.UsageError(f"@pytest.mark.{MARKER} takes keywords only, such as host_status=503")
        options = {**mark.kwargs, **options}
    return options
