"""Three things that a signed-in member does."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.http import require_POST
from opentelemetry._logs import get_logger

from opentelemetry.exporter.posthog import organization

from .models import Member

events = get_logger("shop")


def healthz(request: HttpRequest) -> HttpResponse:
    return JsonResponse({"status": "ok"})


@require_POST
def create_order(request: HttpRequest) -> HttpResponse:
    if signed_in(request) is None:
        return HttpResponse(status=401)
    events.emit(event_name="order placed", attributes={"amount": 49})
    return JsonResponse({"status": "placed"}, status=201)


@require_POST
async def share_order(request: HttpRequest, number: int) -> HttpResponse:
    if signed_in(request) is None:
        return HttpResponse(status=401)
    events.emit(event_name="order shared", attributes={"order.number": number})
    return JsonResponse({"order": number})


@require_POST
def change_plan(request: HttpRequest, plan: str) -> HttpResponse:
    member = signed_in(request)
    if member is None:
        return HttpResponse(status=401)
    tenant = member.organization
    tenant.plan = plan
    tenant.save()
    with organization(tenant.id, name=tenant.name, plan_name=plan):  # from here on the new plan is true
        events.emit(event_name="plan changed", attributes={"plan": plan})
    return JsonResponse({"plan": plan})


def signed_in(request: HttpRequest) -> Member | None:
    return getattr(request, "member", None)
