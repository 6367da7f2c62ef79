"""The story that is played against the service's API, and what PostHog must hold when it is over."""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import httpx

ACME, GLOBEX, APP = "org_acme", "org_globex", "app_crm"

SPAN_RULES = ";".join(
    [
        "POST /orgs=organization created",
        "POST /orgs/{org_id}/members=member invited",
        "POST /orgs/{org_id}/reports=report created",
        "POST /orgs/{org_id}/reports/{number}/*=-",  # log events say these better
        "POST /orgs/{org_id}/apps*=-",
        "POST /webhooks/*=-",
        "GET *=-",
    ]
)
"""What the operator of the service wrote into OTEL_EXPORTER_POSTHOG_SPANS."""

Counts = Counter[tuple[str, str | None]]
"""Events by (name, organization)."""


@dataclass(frozen=True, slots=True)
class Chapter:
    """One thing that happens, and the events that PostHog stores because of it."""

    title: str
    act: Callable[[], None]
    stores: Counts


@dataclass(frozen=True, slots=True)
class Expected:
    """What PostHog must hold. A time of None: within the story, to be exact to the second is not possible."""

    events: Counts
    profiles: dict[str, dict[str, tuple[Any, datetime | None]]]
    group_identifies: dict[str, int]
    users: dict[str, set[str]]
    """Event name to the distinct ids it may have."""


class Story:
    """Needs a client of the service and the time at which it is told; the billing provider has its own."""

    def __init__(self, client: httpx.Client, now: datetime, webhook_secret: str) -> None:
        self._client = client
        self._secret = webhook_secret
        now = now.replace(microsecond=0)  # providers stamp whole seconds
        self.founded = now - timedelta(days=1)
        self.subscribed = now - timedelta(hours=6)
        self.resized = now - timedelta(hours=4)  # its webhook arrives after the upgrade's
        self.upgraded = now - timedelta(hours=2)
        self.canceled = now - timedelta(minutes=20)

    # -- what happens ---------------------------------------------------------------------------------

    def chapters(self) -> Iterator[Chapter]:
        yield Chapter(
            "two people sign up, without an organization", self._sign_ups, counts("user signed up", None, 2)
        )
        yield Chapter(
            "each makes an organization",
            self._found,
            counts("organization created", ACME) + counts("organization created", GLOBEX),
        )
        yield Chapter(
            "members invite members and work",
            self._work,
            counts("member invited", ACME, 2)
            + counts("report created", ACME, 3)
            + counts("report created", GLOBEX),
        )
        yield Chapter(
            "an app is made, and deployed twice",
            self._make_app,
            counts("app created", ACME) + counts("app deployed", ACME, 2),
        )
        yield Chapter(
            "the billing provider reports a subscription",
            lambda: self._webhook("evt_1", "subscription created", self.subscribed, "team", 5, "active"),
            counts("subscription created", ACME),
        )
        yield Chapter(
            "and delivers the same webhook again",
            lambda: self._webhook("evt_1", "subscription created", self.subscribed, "team", 5, "active"),
            Counter(),
        )
        yield Chapter(
            "an upgrade",
            lambda: self._webhook("evt_3", "subscription upgraded", self.upgraded, "business", 20, "active"),
            counts("subscription upgraded", ACME),
        )
        yield Chapter(
            "a webhook arrives two hours late, with the old plan",
            lambda: self._webhook("evt_2", "subscription updated", self.resized, "team", 8, "past_due"),
            counts("subscription updated", ACME),
        )
        yield Chapter(
            "the cancellation, at the provider's time",
            lambda: self._webhook(
                "evt_4", "subscription canceled", self.canceled, "business", 20, "canceled"
            ),
            counts("subscription canceled", ACME),
        )
        yield Chapter("somebody forges a webhook, and plays an old one again", self._forge, Counter())
        yield Chapter("a stranger and a scanner are refused", self._refused, Counter())
        yield Chapter(
            "a client sends PostHog's control names in its tags",
            self._control_names,
            counts("report tagged", ACME),
        )
        yield Chapter(
            "one last export, and at once SIGTERM",
            lambda: self._post(f"/orgs/{GLOBEX}/reports/1/export", user="u_hedy"),
            counts("report exported", GLOBEX),
        )

    def _sign_ups(self) -> None:
        for user in ("u_ada", "u_hedy"):
            self._post("/signups", {"user_id": user, "email": f"{user}@example.com"})
        self._get("/healthz")

    def _found(self) -> None:
        self._post("/orgs", self._organization(ACME, "Acme Inc.", "https://acme.example"), user="u_ada")
        self._post("/orgs", self._organization(GLOBEX, "Globex", "https://globex.example"), user="u_hedy")

    def _organization(self, key: str, name: str, website: str) -> dict[str, Any]:
        return {
            "id": key,
            "name": name,
            "website": website,
            "created_at": self.founded.isoformat(),
            "management_email": f"ceo@{key}.example.com",
        }

    def _work(self) -> None:
        for member in ("u_bob", "u_cleo"):
            self._post(f"/orgs/{ACME}/members", {"user_id": member}, user="u_ada")
        for member in ("u_ada", "u_bob", "u_cleo"):
            self._post(f"/orgs/{ACME}/reports", {"title": "Q3"}, user=member)
            self._get(f"/orgs/{ACME}/reports", user=member)
        self._post(f"/orgs/{GLOBEX}/reports", {"title": "Plan"}, user="u_hedy")

    def _make_app(self) -> None:
        body = {"id": APP, "name": "CRM", "runtime": "python"}
        self._post(f"/orgs/{ACME}/apps", body, user="u_ada")
        for _ in range(2):
            self._post(f"/orgs/{ACME}/apps/{APP}/deploys", user="u_bob")

    def _refused(self) -> None:
        self._post(f"/orgs/{ACME}/reports", {"title": "Mine now"}, user="u_mallory", status=403)
        self._post("/orgs/org_guess/reports", {"title": "Hello?"}, user="u_mallory", status=403)

    def _control_names(self) -> None:
        tags = {
            "priority": "high",
            "$set": {"plan": "free"},
            "$groups": {"organization": GLOBEX},
            "$group_set": {"name": "Owned"},
            "$process_person_profile": False,
            "distinct_id": "u_mallory",
        }
        self._post(f"/orgs/{ACME}/reports/1/tags", tags, user="u_bob")

    def _webhook(self, key: str, kind: str, at: datetime, plan: str, seats: int, status: str) -> None:
        body = billing_event(key, kind, at, plan, seats, status)
        self._deliver(body, signature(body, self._secret, int(time.time())), 200)

    def _forge(self) -> None:
        body = billing_event("evt_5", "subscription updated", self.canceled, "free", 1, "active")
        self._deliver(body, signature(body, "whsec_guessed", int(time.time())), 401)
        self._deliver(body, signature(body, self._secret, int(time.time()) - 3600), 401)

    def _deliver(self, body: bytes, signed: str, status: int) -> None:
        headers = {"x-signature": signed, "content-type": "application/json"}
        self._check(self._client.post("/webhooks/billing", content=body, headers=headers), status)

    def _post(
        self, path: str, body: object = None, *, user: str | None = None, status: int | None = None
    ) -> None:
        self._check(self._client.post(path, json=body, headers=acting(user)), status)

    def _get(self, path: str, *, user: str | None = None) -> None:
        self._check(self._client.get(path, headers=acting(user)), None)

    def _check(self, response: httpx.Response, status: int | None) -> None:
        if status is None:
            response.raise_for_status()
        elif response.status_code != status:
            raise RuntimeError(f"{response.request.url.path} answered {response.status_code}, not {status}")

    # -- what must come of it -------------------------------------------------------------------------

    def expected(self) -> Expected:
        total: Counts = Counter()
        for chapter in self.chapters():
            total += chapter.stores
        founded = {"created_at": (self.founded.isoformat(), self.founded)}
        return Expected(
            events=total,
            profiles={
                ACME: {
                    "name": ("Acme Inc.", self.founded),
                    "website": ("https://acme.example", self.founded),
                    **founded,
                    "plan_name": ("business", self.upgraded),
                    "seats": (20, self.upgraded),
                    "subscription_status": ("canceled", self.canceled),
                },
                GLOBEX: {
                    "name": ("Globex", self.founded),
                    "website": ("https://globex.example", self.founded),
                    **founded,
                },
                APP: {"name": ("CRM", None), "runtime": ("python", None)},
            },
            group_identifies={ACME: 4, GLOBEX: 1, APP: 1},  # first sight; subscription, upgrade, cancellation
            users={
                "user signed up": {"u_ada", "u_hedy"},
                "organization created": {"u_ada", "u_hedy"},
                "member invited": {"u_ada"},
                "report created": {"u_ada", "u_bob", "u_cleo", "u_hedy"},
                "app created": {"u_ada"},
                "app deployed": {"u_bob"},
                "report tagged": {"u_bob"},
                "report exported": {"u_hedy"},
                "subscription created": {f"$organization_{ACME}"},
                "subscription updated": {f"$organization_{ACME}"},
                "subscription upgraded": {f"$organization_{ACME}"},
                "subscription canceled": {f"$organization_{ACME}"},
            },
        )


def counts(name: str, organization: str | None, count: int = 1) -> Counts:
    return Counter({(name, organization): count})


def billing_event(key: str, kind: str, at: datetime, plan: str, seats: int, status: str) -> bytes:
    """As the provider writes it."""
    return json.dumps(
        {
            "id": key,
            "type": kind,
            "occurred_at": at.isoformat(),
            "organization_id": ACME,
            "plan": plan,
            "seats": seats,
            "status": status,
        }
    ).encode()


def signature(body: bytes, secret: str, second: int) -> str:
    """As the provider signs a delivery, so that neither its content nor its time can be another."""
    digest = hmac.new(secret.encode(), f"{second}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={second},v1={digest}"


def acting(user: str | None) -> dict[str, str]:
    return {} if user is None else {"x-user": user}
