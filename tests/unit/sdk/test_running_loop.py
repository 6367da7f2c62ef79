"""The hint about a blocked event loop, which every export passes by."""

from __future__ import annotations

import sys
from types import ModuleType

import pytest

from opentelemetry.exporter.posthog.sdk.running_loop import warn_on_running_loop


def test_an_export_does_not_mind_that_another_thread_is_just_importing_asyncio(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Found by the fleet: the two exporters begin together, and one of them imports a client library."""
    monkeypatch.setitem(sys.modules, "asyncio", ModuleType("asyncio"))
    warn_on_running_loop()
