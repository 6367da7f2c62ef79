"""On whose behalf we act: known in a web request, carried along with each task, known again in the task.

Telemetry context does not carry an organization from process to process by itself, and it should not: what
travels in headers of requests is written by whoever calls. The messages of our own broker are our own.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, NamedTuple

from celery import Task

from opentelemetry.exporter.posthog import organization, user


class Acting(NamedTuple):
    organization_id: str
    user_id: str


_acting: ContextVar[Acting | None] = ContextVar("acting", default=None)


@contextmanager
def acting_for(acting: Acting) -> Generator[None]:
    """Everything inside happens for this organization and by this user."""
    token = _acting.set(acting)
    try:
        with organization(acting.organization_id), user(acting.user_id):
            yield
    finally:
        _acting.reset(token)


class TenantTask(Task):
    """A task that runs on behalf of whoever sent it."""

    def apply_async(self, args: Any = None, kwargs: Any = None, **options: Any) -> Any:
        acting = _acting.get()
        if acting is not None:
            options["headers"] = {**(options.get("headers") or {}), "acting": list(acting)}
        return super().apply_async(args, kwargs, **options)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        sent_by: list[str] | None = self.request.get("acting")
        if sent_by is None:
            return super().__call__(*args, **kwargs)
        with acting_for(Acting(*sent_by)):
            return super().__call__(*args, **kwargs)
