"""A web service that learns the organization of a request only after authentication."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import Depends, FastAPI
from opentelemetry._logs import get_logger

from opentelemetry.exporter.posthog import organization, user

events = get_logger("web")
app = FastAPI()


async def tenant(org_id: str) -> AsyncIterator[str]:
    with organization(org_id, plan_name="team"), user("u_1"):
        yield org_id


@app.get("/orgs/{org_id}")
def read(org_id: Annotated[str, Depends(tenant)]) -> dict[str, str]:
    events.emit(event_name="org.read")
    return {"organization": org_id}


@app.get("/health")
def health() -> dict[str, str]:
    return {}
