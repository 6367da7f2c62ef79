"""Masks hide every value and every id, and leave what says how an event was made."""

from __future__ import annotations

import json

from opentelemetry.exporter.posthog.inspector.inspector import Inspector
from opentelemetry.exporter.posthog.inspector.masking import Mask
from opentelemetry.exporter.posthog.inspector.queries import export, groups, request
from tests.unit.inspector.sending import send_legacy

SECRETS = ("ada@example.com", "org_acme", "u_ada", "Acme Inc.", "4321.5", "hidden-list-item")


def events() -> list[dict[str, object]]:
    properties = {
        "$lib": "test", "email": "ada@example.com", "amount": 4321.5, "paid": True, "none": None,
        "list": ["hidden-list-item"], "map": {"k": "hidden-list-item"},
        "$groups": {"organization": "org_acme"},
    }  # fmt: skip
    update = {
        "$group_type": "organization", "$group_key": "org_acme", "$group_set": {"name": "Acme Inc."},
    }  # fmt: skip
    return [
        {"event": "paid", "distinct_id": "u_ada", "properties": properties},
        {"event": "$groupidentify", "distinct_id": "$organization_org_acme", "properties": update},
    ]


def everything(inspector: Inspector) -> str:
    records = [record.to_json() for record in inspector.feed.after(0, limit=10_000)]
    return json.dumps([records, request(inspector, 1), list(export(inspector, mask=False))])


def test_a_masked_inspector_shows_no_value_anywhere() -> None:
    inspector = Inspector(mask=True)
    send_legacy(inspector, *events())
    shown = everything(inspector)
    assert [secret for secret in SECRETS if secret in shown] == []
    assert '"$lib": "test"' in shown


def test_an_unmasked_one_shows_them_all() -> None:
    inspector = Inspector()
    send_legacy(inspector, *events())
    shown = everything(inspector)
    assert [secret for secret in SECRETS if secret not in shown] == []


def test_a_masked_export_of_an_unmasked_inspector_shows_none() -> None:
    inspector = Inspector()
    send_legacy(inspector, *events())
    shown = "".join(export(inspector, mask=True))
    assert [secret for secret in SECRETS if secret in shown] == []
    assert '"event": "paid"' in shown


def test_one_organization_is_still_told_from_another_under_a_mask() -> None:
    mask = Mask(b"salt")
    assert mask.id("org_1") == mask.id("org_1") != mask.id("org_2")
    assert Mask(b"other").id("org_1") != mask.id("org_1"), "pseudonyms mean nothing elsewhere"


def test_a_masked_group_is_one_group_in_events_and_profiles() -> None:
    inspector = Inspector(mask=True)
    send_legacy(inspector, *events())
    (profile,) = groups(inspector, "organization")
    event = next(event for event in inspector.feed.all("event") if event["event"] == "paid")
    assert event["groups"] == {"organization": profile["key"]}
