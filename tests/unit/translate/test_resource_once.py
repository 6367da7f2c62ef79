"""What all signals of a provider share is converted once an object, not once a signal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from opentelemetry.sdk.resources import Resource

from opentelemetry.exporter.posthog.settings.model import Settings
from opentelemetry.exporter.posthog.translate.translator import Translator
from tests.builders import a_span
from tests.manual_clock import EPOCH_NS


class CountingResource(Resource):
    """Counts how often somebody reads its attributes."""

    reads = 0

    @property
    def attributes(self) -> Mapping[str, Any]:  # type: ignore[override]
        self.reads += 1
        return super().attributes


def test_a_resource_is_read_once_for_all_its_spans() -> None:
    resource = CountingResource({"service.name": "shop"})
    span = a_span(resource=resource)
    translator = Translator(Settings(api_key="phc_test", host="https://eu.i.posthog.com"))
    resource.reads = 0

    captures = [translator.span(span, now_ns=EPOCH_NS).capture for _ in range(50)]

    assert all(capture is not None and capture.properties["service.name"] == "shop" for capture in captures)
    assert resource.reads == 1
