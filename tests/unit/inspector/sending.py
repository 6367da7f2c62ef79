"""Send to an inspector in memory, as any PostHog SDK would."""

from __future__ import annotations

import json
from collections.abc import Mapping

from opentelemetry.exporter.posthog.inspector.inspector import Inspector

KEY = "phc_secret_key_of_the_project"


def send_legacy(inspector: Inspector, *events: Mapping[str, object]) -> int:
    """One request to ``/batch/``; its status."""
    body = json.dumps({"api_key": KEY, "batch": list(events)}).encode()
    status, _, _ = inspector.double.answer("POST", "/batch/", {"Content-Type": "application/json"}, body)
    return status


def event(
    name: str, organization: str = "org_acme", person: str = "u_ada", **properties: object
) -> dict[str, object]:
    return {
        "event": name,
        "distinct_id": person,
        "properties": {"$groups": {"organization": organization}, **properties},
    }


def group_update(key: str, **properties: object) -> dict[str, object]:
    return {
        "event": "$groupidentify",
        "distinct_id": f"$organization_{key}",
        "properties": {"$group_type": "organization", "$group_key": key, "$group_set": properties},
    }
