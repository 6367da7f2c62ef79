"""Real pipelines over the double in memory, on a manual clock and without threads of their own."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from opentelemetry.sdk._logs import ReadableLogRecord

from opentelemetry.exporter.posthog.assembly import assemble
from opentelemetry.exporter.posthog.diagnostics import Diagnostics
from opentelemetry.exporter.posthog.diagnostics.stats import Stats
from opentelemetry.exporter.posthog.pipeline import Pipeline
from opentelemetry.exporter.posthog.settings.model import Settings
from opentelemetry.exporter.posthog.source import Source
from opentelemetry.exporter.posthog.testing import PostHogDouble
from opentelemetry.exporter.posthog.testing.transport import InMemoryTransport
from opentelemetry.exporter.posthog.translate.translator import Translation, Translator
from opentelemetry.exporter.posthog.wire.exchange import NoAnswer, Response
from tests.builders import Bits, a_log, some_settings
from tests.manual_clock import ManualClock

SECOND_NS = 1_000_000_000


class Lab:
    """A pipeline, its double and its clock. ``life`` is how long an unanswered request may still land."""

    def __init__(self, *, life: float = 0.0, settings: Settings | None = None, **options: Any) -> None:
        self.clock = ManualClock()
        self.settings = settings or some_settings(**options)
        self.double = PostHogDouble(clock=self.clock, min_retry_delay=0.0)
        self.transport = LivingTransport(self.double, life)
        self.diagnostics = Diagnostics(clock=self.clock, logger=logging.getLogger("tests.lab"))
        self.pipeline: Pipeline = assemble(
            self.settings, self.diagnostics, transport=self.transport, clock=self.clock, background=False
        )
        translate, bits = Translator(self.settings).log, Bits()

        def translated(record: ReadableLogRecord) -> Translation:
            return translate(record, now_ns=self.clock.time_ns(), random_bits=bits)

        self.source = Source("log", translated)

    def export(self, *records: ReadableLogRecord) -> bool:
        return self.pipeline.export(self.source, records)

    def says(
        self, at: int, key: str = "org_1", /, event: str = "seen", **properties: Any
    ) -> ReadableLogRecord:
        """A log event of ``at`` seconds after the clock's start that says this of an organization."""
        attributes = {"organization.id": key, **{f"organization.{n}": v for n, v in properties.items()}}
        time_ns = START_NS + at * SECOND_NS
        return a_log(event, attributes, timestamp=time_ns, observed_ns=time_ns)

    def profile(self, key: str = "org_1") -> Mapping[str, Any]:
        return self.double.organization(key).properties

    @property
    def stats(self) -> Stats:
        return self.diagnostics.snapshot()


START_NS = ManualClock().time_ns() - 60 * SECOND_NS
"""A minute before the clock's start, so that times in tests are in the past, but not late."""


class LivingTransport(InMemoryTransport[Response, NoAnswer]):
    """As over a network: for ``life`` seconds nobody knows whether an unanswered request still arrives."""

    def __init__(self, double: PostHogDouble, life: float) -> None:
        super().__init__(double, answered=Response, unanswered=NoAnswer)
        self._life = life

    @property
    def request_life(self) -> float:
        return self._life
