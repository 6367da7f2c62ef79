"""The end of a Celery worker process, which runs no exit hooks.

Prefork children end by ``os._exit``, at shutdown and after ``max_tasks_per_child``: what is queued is lost
unless it is flushed when Celery says that the process ends.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

DEADLINE = 15.0
"""Seconds: an export that uses its whole deadline of 10 s, and the last ones; half of a container's grace."""


def connect() -> str | None:
    """Flush and close the providers when a worker process ends. What is wrong, or None."""
    try:
        signals: Any = import_module("celery.signals")
    except ImportError:
        return "Celery is not installed in this environment"
    signals.worker_process_shutdown.connect(_on_worker_process_shutdown, weak=False)
    return None


def _on_worker_process_shutdown(**_: object) -> None:
    from .providers import close_providers

    close_providers(DEADLINE)
