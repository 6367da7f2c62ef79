"""On whose behalf the current work runs: ``organization()``, ``group()`` and ``user()``.

Needs the OpenTelemetry API only, so that application code may import it everywhere; without an SDK it does
nothing. What is put here lives under a private key of the OpenTelemetry context: it follows coroutines, tasks
and ``asyncio.to_thread``, it does not follow bare threads and pools, and it never leaves the process unless
``propagate_baggage`` was asked for.

``PostHogGroupProcessor`` stamps it on every span that starts and every log record that is emitted inside.
The current span is set too if it is the local entry span: it started before anyone was authenticated.
"""

from __future__ import annotations

from .blocks import configure, current_scope, group, organization, user

__all__ = ["configure", "current_scope", "group", "organization", "user"]
