"""Says whose request it is: the server span and all that happens inside belong to the organization."""

from __future__ import annotations

from collections.abc import Callable

from django.http import HttpRequest, HttpResponseBase

from opentelemetry.exporter.posthog import organization, user

from .models import Member


class TenantMiddleware:
    """Sync, so that views, sync and async, run in the context that it sets."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        member: Member | None = getattr(request, "member", None)
        if member is None:
            return self._get_response(request)
        tenant = member.organization
        with organization(tenant.id, name=tenant.name, plan_name=tenant.plan), user(member.user_id):
            return self._get_response(request)
