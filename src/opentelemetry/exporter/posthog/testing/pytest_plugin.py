"""The pytest plugin, installed with the package. Importing it costs nothing: pytest does so in every run.

Everything that needs OpenTelemetry or HTTP is imported inside the fixtures, when a test asks for one.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from .capture import PostHogCapture

BLOCK_LIVE = "posthog_block_live"
LOOPBACK_ONLY = "PYTEST_POSTHOG_BLOCK_LIVE"
"""Exporters that find this in the environment stay inert unless their host is this machine."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addini(
        BLOCK_LIVE,
        "refuse to send telemetry to any PostHog that is not on this machine, for the whole run",
        type="bool",
        default=False,
    )


def pytest_configure(config: pytest.Config) -> None:
    if config.getini(BLOCK_LIVE) and LOOPBACK_ONLY not in os.environ:
        os.environ[LOOPBACK_ONLY] = "true"
        config.add_cleanup(_allow_live)


def _allow_live() -> None:
    os.environ.pop(LOOPBACK_ONLY, None)


@pytest.fixture
def posthog_options() -> dict[str, Any]:
    """Options of the exporters in ``posthog_capture``: override it where a test needs its own."""
    return {}


@pytest.fixture
def posthog_capture(posthog_options: dict[str, Any]) -> Iterator[PostHogCapture]:
    """The telemetry of this test as PostHog would store it: the real exporters into the strict double.

    Attached to the global OpenTelemetry providers if the SDK's are set; else use its ``tracer_provider`` and
    ``logger_provider``, or ``attach`` your own.
    """
    from .capturing import capturing

    with capturing(**posthog_options) as captured:
        yield captured
