"""A Flask service. It says whose request it is; it does not know that PostHog exists."""

from __future__ import annotations

import os
from contextlib import ExitStack

from flask import Flask, Response, abort, g, request
from opentelemetry._logs import get_logger

from opentelemetry.exporter.posthog import organization, user

app = Flask(__name__)
events = get_logger("reports")

TOKENS = {"ada": ("u_ada", "org_acme"), "hedy": ("u_hedy", "org_globex"), "joan": ("u_joan", "org_initech")}
PLANS = {"org_acme": "team", "org_globex": "team", "org_initech": "free"}
"""What a database would know."""


@app.before_request
def sign_in() -> None:
    """After this the request, its server span and all that happens inside belong to the organization."""
    if request.path == "/healthz":
        return
    known = TOKENS.get(request.headers.get("Authorization", ""))
    if known is None:
        abort(401)
    g.user_id, g.organization_id = known
    # A real service reads the plan from its database; here the request says what it would read.
    plan = request.args.get("plan", PLANS[g.organization_id])
    blocks = ExitStack()
    blocks.enter_context(organization(g.organization_id, plan_name=plan))
    blocks.enter_context(user(g.user_id))
    g.blocks = blocks


@app.teardown_request
def sign_out(_: BaseException | None) -> None:
    blocks: ExitStack | None = g.pop("blocks", None)
    if blocks is not None:
        blocks.close()


@app.after_request
def name_worker(response: Response) -> Response:
    response.headers["X-Worker"] = str(os.getpid())
    return response


@app.get("/healthz")
def healthz() -> dict[str, str]:
    return {"status": "ok"}


@app.get("/reports")
def list_reports() -> dict[str, list[str]]:
    return {"reports": []}


@app.post("/reports")
def create_report() -> tuple[dict[str, str], int]:
    events.emit(event_name="report created", attributes={"report.kind": "sales"})
    return {"status": "created"}, 201
