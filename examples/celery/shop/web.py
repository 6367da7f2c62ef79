"""The web service: an order is placed, its invoice is left to the workers."""

from __future__ import annotations

from flask import Flask, abort, request

from .tasks import clean_up, make_invoice
from .tenancy import Acting, acting_for

app = Flask(__name__)
TOKENS = {"ada": Acting("org_acme", "u_ada"), "hedy": Acting("org_globex", "u_hedy")}


@app.post("/orders/<int:number>")
def place_order(number: int) -> tuple[dict[str, int], int]:
    acting = TOKENS.get(request.headers.get("Authorization", ""))
    if acting is None:
        abort(401)
    with acting_for(acting):
        make_invoice.delay(number, 49)
    return {"order": number}, 202


@app.post("/clean-up")
def request_clean_up() -> tuple[dict[str, str], int]:
    clean_up.delay()
    return {"status": "asked for"}, 202
