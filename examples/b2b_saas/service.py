"""A small B2B service: people sign up, make organizations, work in them; a billing provider sends webhooks.

Nothing here knows PostHog except ``organization`` and ``user``, which say on whose behalf a request runs.
Spans come from the instrumentation; facts that are worth counting are log events. What becomes of both is
said by environment variables alone (README.md).
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import os
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, Any

from fastapi import Depends, FastAPI, Header, HTTPException, Request
from opentelemetry._logs import SeverityNumber, get_logger
from pydantic import BaseModel

from opentelemetry.exporter.posthog import group, organization, user

logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
log = logging.getLogger("b2b_saas")
events = get_logger("b2b_saas")

WEBHOOK_SECRET = os.environ.get("BILLING_WEBHOOK_SECRET", "whsec_local")

SIGNATURE_AGE = 300
"""Seconds for which a signed delivery holds, so that nobody can play a recorded one later."""

app = FastAPI(title="b2b_saas")


@dataclass(slots=True)
class Account:
    """What this service knows of an organization. It keeps everything in memory: it is an example."""

    id: str
    name: str
    members: set[str] = field(default_factory=set[str])
    reports: list[str] = field(default_factory=list[str])
    apps: dict[str, str] = field(default_factory=dict[str, str])
    """Id to name."""


accounts: dict[str, Account] = {}


class SignUp(BaseModel):
    user_id: str
    email: str


class NewOrganization(BaseModel):
    id: str
    name: str
    website: str
    created_at: datetime
    management_email: str


class NewMember(BaseModel):
    user_id: str


class NewReport(BaseModel):
    title: str


class NewApp(BaseModel):
    id: str
    name: str
    runtime: str


class BillingEvent(BaseModel):
    """What the provider sends: ``id`` is the same when it delivers twice, ``occurred_at`` when it is late."""

    id: str
    type: str
    occurred_at: datetime
    organization_id: str
    plan: str
    seats: int
    status: str


def emit(name: str, attributes: Mapping[str, Any], *, at: datetime | None = None) -> None:
    """One log event. The organization and the user are stamped on it by the exporter's processor."""
    events.emit(
        event_name=name,
        timestamp=None if at is None else int(at.timestamp()) * 1_000_000_000,
        severity_number=SeverityNumber.INFO,
        attributes=dict(attributes),
    )


async def acting_user(x_user: Annotated[str, Header()]) -> AsyncIterator[str]:
    """The user of this request; a real service reads a session here."""
    with user(x_user):
        yield x_user


async def own_account(org_id: str, user_id: Annotated[str, Depends(acting_user)]) -> AsyncIterator[Account]:
    """The organization of this request, refused to strangers.

    It is named before the check on purpose, as most services do: a refused request counts for nobody.
    """
    account = accounts.get(org_id)
    with organization(org_id, name=account.name if account else None):
        if account is None or user_id not in account.members:
            raise HTTPException(403, "not a member of this organization")
        yield account


@app.get("/healthz")
async def healthz() -> dict[str, str]:
    return {"status": "ok"}


@app.post("/signups", status_code=201)
async def sign_up(body: SignUp) -> dict[str, str]:
    with user(body.user_id):
        emit("user signed up", {"user.email": body.email, "signup.channel": "web"})
    return {"user_id": body.user_id}


@app.post("/orgs", status_code=201)
async def create_organization(
    body: NewOrganization, user_id: Annotated[str, Depends(acting_user)]
) -> dict[str, str]:
    accounts[body.id] = Account(id=body.id, name=body.name, members={user_id})
    with organization(
        body.id,
        at=body.created_at,
        name=body.name,
        website=body.website,
        created_at=body.created_at.isoformat(),
        management_email=body.management_email,
    ):
        log.info("organization created")
    return {"id": body.id}


@app.post("/orgs/{org_id}/members", status_code=201)
async def invite_member(body: NewMember, account: Annotated[Account, Depends(own_account)]) -> dict[str, int]:
    account.members.add(body.user_id)
    return {"members": len(account.members)}


@app.post("/orgs/{org_id}/reports", status_code=201)
async def create_report(body: NewReport, account: Annotated[Account, Depends(own_account)]) -> dict[str, int]:
    account.reports.append(body.title)
    return {"report": len(account.reports)}


@app.get("/orgs/{org_id}/reports")
async def list_reports(account: Annotated[Account, Depends(own_account)]) -> list[str]:
    return account.reports


@app.post("/orgs/{org_id}/reports/{number}/tags")
async def tag_report(
    number: int, tags: dict[str, Any], account: Annotated[Account, Depends(own_account)]
) -> dict[str, int]:
    """Passes on whatever the client sends, which is careless and common."""
    emit("report tagged", {"report.number": number, **tags})
    return {"report": number}


@app.post("/orgs/{org_id}/reports/{number}/export")
async def export_report(number: int, account: Annotated[Account, Depends(own_account)]) -> dict[str, int]:
    emit("report exported", {"report.number": number, "report.format": "pdf"})
    return {"report": number}


@app.post("/orgs/{org_id}/apps", status_code=201)
async def create_app(body: NewApp, account: Annotated[Account, Depends(own_account)]) -> dict[str, str]:
    account.apps[body.id] = body.name
    with group("app", body.id, name=body.name, runtime=body.runtime):
        emit("app created", {})
    return {"id": body.id}


@app.post("/orgs/{org_id}/apps/{app_id}/deploys", status_code=201)
async def deploy(app_id: str, account: Annotated[Account, Depends(own_account)]) -> dict[str, str]:
    """An app is a group of its own: what happens here belongs to the organization and to the app."""
    if app_id not in account.apps:
        raise HTTPException(404, "no such app")
    with group("app", app_id):
        emit("app deployed", {})
    return {"id": app_id}


@app.post("/webhooks/billing")
async def billing(request: Request, x_signature: Annotated[str, Header()]) -> dict[str, str]:
    """The provider's view of a subscription. It delivers at least once, and sometimes hours late."""
    body = await request.body()
    if not signed(body, x_signature, now=time.time()):
        raise HTTPException(401, "wrong signature")
    event = BillingEvent.model_validate_json(body)
    with organization(
        event.organization_id,
        at=event.occurred_at,
        plan_name=event.plan,
        seats=event.seats,
        subscription_status=event.status,
    ):
        emit(
            event.type,
            {"posthog.idempotency_key": event.id, "billing.plan": event.plan},
            at=event.occurred_at,
        )
    return {"received": event.id}


def signed(body: bytes, header: str, *, now: float) -> bool:
    """Whether the provider signed this body not long ago: ``t=<seconds>,v1=<HMAC-SHA-256 of "t.body">``."""
    parts = dict(part.split("=", 1) for part in header.split(",") if "=" in part)
    stamp, signature = parts.get("t", ""), parts.get("v1", "")
    if not stamp.isdecimal() or abs(now - int(stamp)) > SIGNATURE_AGE:
        return False
    expected = hmac.new(WEBHOOK_SECRET.encode(), f"{stamp}.".encode() + body, hashlib.sha256)
    return hmac.compare_digest(expected.hexdigest(), signature)
