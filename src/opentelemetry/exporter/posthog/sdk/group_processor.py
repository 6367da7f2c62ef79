"""Stamps the current groups and user on every span that starts and every log record that is emitted."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, cast

from opentelemetry.attributes import BoundedAttributes
from opentelemetry.sdk._logs import LogRecordProcessor
from opentelemetry.sdk.trace import SpanProcessor

from ..clock import SystemClock
from ..context.blocks import configure, current_scope
from ..context.stamps import noted_on, remember
from ..diagnostics.quiet_log import QuietLog
from ..settings.group_types import rules
from ..settings.sources import DEFAULT, resolve

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.sdk._logs import ReadWriteLogRecord
    from opentelemetry.sdk.trace import Span
    from opentelemetry.util.types import AttributeValue

    from ..context.scope import Scope

logger = logging.getLogger("opentelemetry.exporter.posthog")

_KEPT_IN_A_DICT: Final = type(getattr(BoundedAttributes(), "_dict", None)) is dict
"""Does this SDK keep attributes as the one that this was written for?"""


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


def _stamp_span(span: Any, scope: Scope) -> None:
    try:
        own = span._attributes if _KEPT_IN_A_DICT else None
    except AttributeError:
        own = None
    # The public property wraps the attributes anew each time, and asking the wrapper costs 1.5 us.
    present = own._dict if type(own) is BoundedAttributes else dict(span.attributes or {})
    attributes, keys = scope.attributes, scope.keys
    if not scope.conflicts.isdisjoint(present):
        attributes = scope.attributes_beside(present)
        keys = {stamp.type: stamp.key for stamp in scope.stamps_beside(present)}
        if not attributes:
            return
    if not write_clean(own, attributes):
        span.set_attributes(attributes)
    if not noted_on(own, keys):
        remember(span, keys)


def write_clean(bounded: Any, attributes: Mapping[str, AttributeValue]) -> bool:
    """Write attributes whose values need no check straight into a signal that nobody else has yet.

    The SDK's own way converts and checks every value, which costs three times as much as everything else in
    ``on_start``. False, and nothing written, where its limits apply or this SDK keeps attributes differently.
    """
    if not _KEPT_IN_A_DICT or type(bounded) is not BoundedAttributes or bounded.max_value_len is not None:
        return False
    values: dict[str, AttributeValue] = bounded._dict
    if bounded.maxlen is not None and len(values) + len(attributes) > bounded.maxlen:
        return False
    values.update(attributes)
    return True
