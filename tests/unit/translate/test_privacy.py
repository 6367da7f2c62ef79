"""What may leave as a property, by the words of a key and the shape of a value."""

from __future__ import annotations

import pytest

from opentelemetry.exporter.posthog.settings.model import PRIVACY_PATTERNS, PrivacyAction, PrivacyPolicy
from opentelemetry.exporter.posthog.translate.privacy import KEY_WORDS, key_pattern, value_pattern
from tests.builders import a_log, translated


@pytest.mark.parametrize(
    ("key", "pattern"),
    [
        ("organization.billing_email", "email"),
        ("billingEmail", "email"),
        ("EMAIL", "email"),
        ("user-phone", "phone"),
        ("APIKey", "secret"),
        ("x.api_key", "secret"),
        ("accessToken", "token"),
        ("customer.id", "customer_id"),
        ("stripe_customer_id", "customer_id"),
        ("organization.created_by", "created_by"),
        ("tax.iban", "iban"),
        ("ssn", "ssn"),
        ("contact.first_name", "name"),
        ("client_ip", "ip"),
        ("llm.input_tokens", None),
        ("subscription", None),
        ("organization.name", None),
        ("customer.count", None),
        ("created_at", None),
        ("description", None),
        ("zip", None),
        ("emailing", None),
        ("secretary", None),
        ("organization.plan_name", None),
    ],
)
def test_keys_match_by_whole_words(key: str, pattern: str | None) -> None:
    assert key_pattern(key) == pattern


@pytest.mark.parametrize(
    ("value", "pattern"),
    [
        ("anna@example.com", "email"),
        (" Anna.B+x@mail.example.co.uk ", "email"),
        ("Anna <anna@example.com>", "email"),
        ("write to anna@example.com please", None),
        ("@anna", None),
        ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl", "token"),
        ("sk_live_abcdefgh1234", "token"),
        ("ghp_abcdefghijkl", "token"),
        ("Bearer abcdefghijk", "token"),
        ("skating", None),
        ("4111 1111 1111 1111", "card"),
        ("4111111111111111", "card"),
        ("4111111111111112", None),
        ("1234567812345670", None),
        ("org_42", None),
    ],
)
def test_values_match_by_their_whole_shape(value: str, pattern: str | None) -> None:
    assert value_pattern(value) == pattern
    capture = translated(a_log(attributes={"note": value})).capture
    assert capture is not None
    assert capture.properties.get("note") == (value if pattern is None else None)


def test_only_text_is_private() -> None:
    given = {"email_verified": True, "password": 5, "phone": ["0228 1"], "secret": b"x", "token": {"a": "b"}}
    capture = translated(a_log(attributes={**given, "tokens": 7, "email": 1.5})).capture
    assert capture is not None
    assert capture.properties["email_verified"] is True
    assert capture.properties["password"] == 5
    assert capture.properties["email"] == 1.5
    assert not {"phone", "secret", "token"} & capture.properties.keys()


def test_keys_inside_of_maps_match_too() -> None:
    given = {"order": {"id": 5, "email": "x", "lines": [{"note": "a@b.io", "n": 1}], "anna@b.io": 1}}
    capture = translated(a_log(attributes=given)).capture
    assert capture is not None
    assert capture.properties["order"] == {"id": 5, "lines": [{"n": 1}]}


def test_a_policy_keeps_drops_and_hashes() -> None:
    given = {
        "organization.id": "o",
        "organization.email": "a@b.io",
        "password": "x",
        "mail_to.email": "a@b.io",
        "kept": 1,
    }
    policy = PrivacyPolicy(
        patterns={"email": PrivacyAction.HASH},
        keep=frozenset({"password"}),
        drop=frozenset({"kept"}),
        hash_key=b"0123456789abcdef",
    )
    result = translated(a_log(attributes=given), privacy=policy)
    assert result.capture is not None
    hashed = result.capture.properties["organization.email"]
    assert isinstance(hashed, str)
    assert len(hashed) == 64
    assert result.observations[0].properties == {"email": hashed}
    assert result.capture.properties["mail_to.email"] == hashed
    assert result.capture.properties["password"] == "x"
    assert "kept" not in result.capture.properties
    kept = translated(a_log(attributes=given), privacy=PrivacyPolicy(default=PrivacyAction.KEEP)).capture
    assert kept is not None
    assert kept.properties["organization.email"] == "a@b.io"


def test_a_hash_without_a_key_is_a_drop() -> None:
    policy = PrivacyPolicy(default=PrivacyAction.HASH)
    capture = translated(a_log(attributes={"email": "x"}), privacy=policy).capture
    assert capture is not None
    assert "email" not in capture.properties


def test_campaign_names_need_an_option() -> None:
    given = {"utm_source": "x", "gclid": "y"}
    silent, asked = (
        translated(a_log(attributes=given), campaign_properties=on).capture for on in (False, True)
    )
    assert silent is not None
    assert asked is not None
    assert not given.keys() & silent.properties.keys()
    assert given.items() <= asked.properties.items()


def test_settings_know_every_pattern_and_no_other() -> None:
    assert set(KEY_WORDS) == PRIVACY_PATTERNS
