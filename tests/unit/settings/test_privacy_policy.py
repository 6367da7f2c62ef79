"""The privacy policy, as text and as YAML."""

from __future__ import annotations

import pytest

from opentelemetry.exporter.posthog.settings.model import PRIVACY_PATTERNS, PrivacyAction, PrivacyPolicy
from opentelemetry.exporter.posthog.settings.parsing import UnusableError
from opentelemetry.exporter.posthog.settings.privacy_policy import hash_key, needs_hash_key, privacy
from opentelemetry.exporter.posthog.translate.privacy import KEY_WORDS

TEXT = (
    "default=keep; patterns.email=hash;patterns.token=drop;keep=organization.billing_email, a.b;"
    "drop=app.note;group_properties.organization=name,plan_name;conventions=url.path,db.*"
)
YAML = {
    "default": "keep",
    "patterns": {"email": "hash", "token": "drop"},
    "keep": ["organization.billing_email", "a.b"],
    "drop": ["app.note"],
    "group_properties": {"organization": ["name", "plan_name"]},
    "conventions": ["url.path", "db.*"],
}


def test_text_and_yaml_mean_the_same() -> None:
    assert privacy(TEXT) == privacy(YAML) == PrivacyPolicy(
        default=PrivacyAction.KEEP,
        patterns={"email": PrivacyAction.HASH, "token": PrivacyAction.DROP},
        keep=frozenset({"organization.billing_email", "a.b"}),
        drop=frozenset({"app.note"}),
        group_properties={"organization": frozenset({"name", "plan_name"})},
        conventions=frozenset({"url.path", "db.*"}),
    )  # fmt: skip


def test_an_empty_mapping_is_the_default_policy() -> None:
    assert privacy({}) == PrivacyPolicy()


def test_an_empty_list_of_group_properties_allows_none() -> None:
    assert privacy({"group_properties": {"organization": []}}).group_properties == {
        "organization": frozenset()
    }


def test_the_patterns_that_may_be_named_are_those_that_translation_knows() -> None:
    assert frozenset(KEY_WORDS) == PRIVACY_PATTERNS


@pytest.mark.parametrize(
    ("written", "says"),
    [
        pytest.param("patterns.emial=keep", "no pattern that is known", id="a pattern that is none"),
        pytest.param("patterns.email=burn", "none of keep, drop, hash", id="an action that is none"),
        pytest.param("default=maybe", "none of keep, drop, hash", id="a default action that is none"),
        pytest.param("strict", "entry 1 has no =", id="a word"),
        pytest.param("patterns=email", "does not say of what", id="patterns without a name"),
        pytest.param("keep.a=b", "dot in a name that takes none", id="a dot too much"),
        pytest.param("keep=a;keep=b", "a second time", id="one name twice"),
        pytest.param("patterns.email=keep;patterns.email=drop", "a second time", id="one pattern twice"),
        pytest.param("keep=a;drop=a", "under `keep` and under `drop`", id="a key that is kept and dropped"),
        pytest.param({"kepe": ["a"]}, "key that is not known", id="an unknown key"),
        pytest.param({"patterns": ["email"]}, "where a mapping is needed", id="a list of patterns"),
        pytest.param({"conventions": ["a b"]}, "neither an attribute key", id="a convention that is none"),
        pytest.param({"keep": {"a": 1}}, "where a list is needed", id="a mapping where a list is needed"),
        pytest.param(True, "where a mapping is needed", id="a boolean"),
        pytest.param(
            {"group_properties": {"o": [f"p{n}" for n in range(51)]}},
            "more than 50",
            id="more names than are sent",
        ),
    ],
)
def test_refuses(written: object, says: str) -> None:
    with pytest.raises(UnusableError) as caught:
        privacy(written)
    assert says in caught.value.mistakes[0].got


def test_a_hash_key_that_can_be_guessed_is_refused() -> None:
    assert hash_key("0123456789abcdef") == b"0123456789abcdef"
    with pytest.raises(UnusableError, match="has 15 characters"):
        hash_key("0123456789abcde")


@pytest.mark.parametrize("text", ["default=hash", "patterns.email=hash"])
def test_a_policy_that_hashes_needs_a_key(text: str) -> None:
    assert needs_hash_key(privacy(text))
    assert not needs_hash_key(privacy("patterns.email=drop"))
