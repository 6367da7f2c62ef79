"""Our own traffic makes no telemetry: no span of an instrumented client, no log record of the HTTP library.

Instrumentations look for a mark in the context, of which there are two spellings. Logging handlers look at
no mark, so the HTTP library's own loggers get a filter that drops what is said while we are the ones who
send. Without both, an exporter of spans or logs feeds itself.
"""

from __future__ import annotations

import logging
from collections.abc import Generator
from contextlib import contextmanager

from opentelemetry import context

PLAIN_KEY = "suppress_instrumentation"

_SDK_KEY: str = getattr(
    context, "_SUPPRESS_INSTRUMENTATION_KEY", PLAIN_KEY
)  # private: may go, the plain one stays

_OURS = context.create_key("posthog_exporter_sends")

HTTP_LOGGERS = (
    "httpx",
    "httpcore.connection",
    "httpcore.http11",
    "httpcore.proxy",
    "httpcore.socks",
)


class _NotWhileWeSend(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        return not context.get_value(_OURS)


_FILTER = _NotWhileWeSend()


@contextmanager
def suppressed() -> Generator[None]:
    """What this thread does inside makes no span and no line of the HTTP library's loggers."""
    for name in HTTP_LOGGERS:
        logging.getLogger(name).addFilter(_FILTER)  # again and again: logging configuration removes filters
    marked = context.set_value(_SDK_KEY, True)
    marked = context.set_value(PLAIN_KEY, True, marked)
    token = context.attach(context.set_value(_OURS, True, marked))
    try:
        yield
    finally:
        context.detach(token)
