"""The pytest plugin, installed with the package. Importing it costs nothing: pytest does so in every run.

Everything that needs OpenTelemetry or HTTP is imported inside the fixtures, when a test asks for one.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest

BLOCK_LIVE = "posthog_block_live"
LOOPBACK_ONLY = "OTEL_EXPORTER_POSTHOG_LOOPBACK_ONLY"
"""An exporter that finds this in its environment sends to loopback hosts only; subprocesses inherit it."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addini(
        BLOCK_LIVE,
        "refuse to send telemetry to any PostHog that is not on this machine, for the whole run",
        type="bool",
        default=False,
    )


def pytest_configure(config: pytest.Config) -> None:
    if config.getini(BLOCK_LIVE):
        os.environ[LOOPBACK_ONLY] = "true"
