"""Stamps the current groups and user on every span that starts and every log record that is emitted."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

from opentelemetry.attributes import BoundedAttributes
from opentelemetry.sdk._logs import LogRecordProcessor
from opentelemetry.sdk.trace import SpanProcessor

from ..clock import SystemClock
from ..context.blocks import configure, current_scope
from ..context.stamps import forget, keep, remember
from ..diagnostics.quiet_log import QuietLog
from ..settings.group_types import rules
from ..settings.sources import DEFAULT, resolve

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.sdk._logs import ReadWriteLogRecord
    from opentelemetry.sdk.trace import ReadableSpan, Span
    from opentelemetry.util.types import AttributeValue

    from ..context.scope import Scope

logger = logging.getLogger("opentelemetry.exporter.posthog")


class PostHogGroupProcessor(SpanProcessor, LogRecordProcessor):
    """A span processor and a log record processor in one object, for both providers.

    What ``organization()``, ``group()`` and ``user()`` put becomes attributes of the signals inside: all or
    nothing of each group, and nothing that the application set is overwritten. Add it *before* the exporting
    log processor; for spans the order does not matter.

    Options are as for the exporters, keyword-only, with the same names in the environment: ``groups`` and
    ``group_prefixes`` (needed here only if the exporter is configured elsewhere), ``groups_from_baggage``
    (inbound baggage is written by whoever calls: not trusted unless told so) and ``propagate_baggage``
    (outbound baggage reaches every called host: off unless told so).

    The hooks run on the application's threads, take a few microseconds, hold no lock and never raise.

    >>> from opentelemetry.sdk.trace import TracerProvider
    >>> TracerProvider().add_span_processor(PostHogGroupProcessor())
    """

    def __init__(
        self,
        *,
        groups: Mapping[str, str] | None = None,
        group_prefixes: Mapping[str, str | None] | None = None,
        groups_from_baggage: bool | None = None,
        propagate_baggage: bool | None = None,
    ) -> None:
        self._open = True
        self._log = QuietLog(logger, SystemClock())
        try:
            self._configure(
                {
                    "groups": groups,
                    "group_prefixes": group_prefixes,
                    "groups_from_baggage": groups_from_baggage,
                    "propagate_baggage": propagate_baggage,
                }
            )
        except Exception as error:  # noqa: BLE001 - zero-code set-up ends all telemetry if a constructor raises
            self._log.line(logging.ERROR, "configure", f"PostHogGroupProcessor: {type(error).__name__}")

    def _configure(self, options: Mapping[str, object]) -> None:
        """Take over what was said here or in the environment; what was not is the exporter's to say."""
        resolution = resolve(options, os.environ)
        problems = [str(problem) for problem in resolution.problems if problem.name in options]
        if problems:
            self._log.always(logging.ERROR, " ".join(["PostHogGroupProcessor:", *problems]))
        values, origins = resolution.values, resolution.origins
        told = {name for name in options if origins.get(name, DEFAULT) != DEFAULT}
        configure(
            rules(values["groups"], values["group_prefixes"])
            if told & {"groups", "group_prefixes"}
            else None,
            propagate=values["propagate_baggage"] if "propagate_baggage" in told else None,
            trust=values["groups_from_baggage"] if "groups_from_baggage" in told else None,
        )

    # -- hooks on the application's threads ---------------------------------------------------------

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        """Stamp a span that starts inside a block."""
        try:
            scope = current_scope(parent_context)
            if scope.stamps and self._open:
                _stamp_span(span, scope)
        except Exception as error:  # noqa: BLE001 - what is raised here reaches the application
            self._failed("span", error)

    def on_end(self, span: ReadableSpan) -> None:
        """Keep the groups of a span whose own attributes may have been evicted; forget all others."""
        try:
            context = span.context
            keys = forget(context.span_id) if context is not None else None
            if context is not None and keys is not None and span.dropped_attributes:
                keep(context.span_id, keys)
        except Exception as error:  # noqa: BLE001 - what is raised here reaches the application
            self._failed("span", error)

    def on_emit(self, log_record: ReadWriteLogRecord) -> None:
        """Stamp a log record that is emitted inside a block."""
        try:
            record = log_record.log_record
            scope = current_scope(record.context)
            if scope.stamps and self._open:
                present = cast("dict[str, AttributeValue] | None", record.attributes)
                if present is None:
                    record.attributes = dict(scope.attributes)
                    return
                attributes = scope.attributes_beside(present)
                if not write_clean(present, attributes):
                    present.update(attributes)
        except Exception as error:  # noqa: BLE001 - what is raised here reaches the application, also logging's
            self._failed("log record", error)

    def enabled(self, **_: object) -> bool:
        """False: nobody has to make a log record for our sake."""
        return False

    def _failed(self, signal: str, error: Exception) -> None:
        self._log.line(logging.ERROR, "stamp", f"a {signal} could not be stamped: {type(error).__name__}")

    # -- life -----------------------------------------------------------------------------------------

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """True: nothing waits here. Before SDK 1.42, None would keep later processors from being flushed."""
        return True

    def shutdown(self) -> None:
        """Stamp nothing any more."""
        self._open = False


def _stamp_span(span: Span, scope: Scope) -> None:
    # The public property wraps the attributes anew each time, and asking the wrapper costs 1.5 us.
    own: object = getattr(span, "_attributes", None)
    values = dict_in(own)
    present = dict(span.attributes or {}) if values is None else values
    attributes, keys = scope.attributes, scope.keys
    if not scope.conflicts.isdisjoint(present):
        attributes = scope.attributes_beside(present)
        keys = {stamp.type: stamp.key for stamp in scope.stamps_beside(present)}
    if attributes:
        if values is None or not _fitted_in(own, values, attributes):
            span.set_attributes(attributes)
        remember(span.get_span_context().span_id, keys)


def dict_in(bounded: object) -> dict[str, AttributeValue] | None:
    """The dict inside a signal's attributes; None where this SDK keeps them differently or cuts values."""
    if type(bounded) is not BoundedAttributes or bounded.max_value_len is not None:
        return None
    values: dict[str, AttributeValue] | None = getattr(bounded, "_dict", None)
    return values if type(values) is dict else None


def write_clean(bounded: object, attributes: Mapping[str, AttributeValue]) -> bool:
    """Write attributes whose values need no check straight into a signal that nobody else has yet.

    The SDK's own way converts and checks every value, which costs three times as much as everything else in
    ``on_start``. False, and nothing written, where its limits apply or this SDK keeps attributes differently.
    """
    values = dict_in(bounded)
    return values is not None and _fitted_in(bounded, values, attributes)


def _fitted_in(
    bounded: Any, values: dict[str, AttributeValue], attributes: Mapping[str, AttributeValue]
) -> bool:
    if bounded.maxlen is not None and len(values) + len(attributes) > bounded.maxlen:
        return False
    values.update(attributes)
    return True
