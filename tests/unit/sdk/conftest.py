from __future__ import annotations

from collections.abc import Iterator

import pytest

from opentelemetry.exporter.posthog.context import configure
from opentelemetry.exporter.posthog.settings.model import GroupRule

ORGANIZATION = GroupRule(type="organization", attribute="organization.id", prefix="organization.")


@pytest.fixture(autouse=True)
def default_configuration() -> Iterator[None]:
    configure([ORGANIZATION], propagate=False, trust=False)
    yield
    configure([ORGANIZATION], propagate=False, trust=False)
