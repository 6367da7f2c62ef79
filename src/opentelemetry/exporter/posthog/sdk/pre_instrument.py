"""The hook of zero-code set-up: switches on, without code, what the environment asks for.

``opentelemetry-instrument`` calls it when the providers exist and before the application is imported. Unless
one of three variables is set it does nothing: no import of the SDK, no handler, no processor.
"""

from __future__ import annotations

import logging
import os
from typing import Any

logger = logging.getLogger("opentelemetry.exporter.posthog")

PREFIX = "OTEL_EXPORTER_POSTHOG_"
VARIABLES = (f"{PREFIX}GROUP_PROCESSOR", f"{PREFIX}SIGTERM_FLUSH", f"{PREFIX}CELERY")


def pre_instrument(**_: Any) -> None:
    """Entry point ``opentelemetry_pre_instrument``. Never raises: that would end all instrumentation."""
    if not any(os.environ.get(variable, "").strip() for variable in VARIABLES):
        return
    problems: list[str] = []
    try:
        from ..settings.sources import resolve

        values = resolve({}, os.environ).values
        if values["disabled"]:
            return
        if values["group_processor"]:
            problems += _attempt("GROUP_PROCESSOR", _add_group_processor)
        if values["sigterm_flush"]:
            problems += _attempt("SIGTERM_FLUSH", _install_sigterm_flush)
        if values["celery"]:
            problems += _attempt("CELERY", _connect_celery)
    except Exception as error:  # noqa: BLE001
        problems.append(f"the environment could not be read: {type(error).__name__}")
    if problems:
        logger.error("PostHog exporter: %s", "; ".join(problems))


def _attempt(name: str, act: Any) -> list[str]:
    try:
        problem: str | None = act()
    except Exception as error:  # noqa: BLE001
        problem = f"failed with {type(error).__name__}"
    return [f"{PREFIX}{name} has no effect: {problem}"] if problem else []


def _add_group_processor() -> str | None:
    from .group_processor import PostHogGroupProcessor
    from .providers import add_processor

    return add_processor(PostHogGroupProcessor())


def _install_sigterm_flush() -> str | None:
    from .sigterm import install

    return install()


def _connect_celery() -> str | None:
    from .celery import connect

    return connect()
