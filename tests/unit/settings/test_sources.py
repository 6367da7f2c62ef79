"""Where a setting comes from, and what is said and done when it can't be used."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from opentelemetry.exporter.posthog.errors import ConfigurationError, Problem
from opentelemetry.exporter.posthog.settings.hooks import ImportedHook
from opentelemetry.exporter.posthog.settings.model import (
    Compression,
    GroupRule,
    Preset,
    PrivacyAction,
    Settings,
)
from opentelemetry.exporter.posthog.settings.options import OPTIONS
from opentelemetry.exporter.posthog.settings.sources import Resolution, resolve

KEY = {"api_key": "phc_project"}
US = "https://us.i.posthog.com"
P = "OTEL_EXPORTER_POSTHOG_"


def settings_of(keywords: Mapping[str, object], env: Mapping[str, str] | None = None) -> Settings:
    resolution = resolve(keywords, env or {})
    assert resolution.problems == ()
    assert resolution.settings is not None
    return resolution.settings


def problem_of(resolution: Resolution) -> Problem:
    (problem,) = resolution.problems
    return problem


def test_a_key_is_all_that_is_needed() -> None:
    assert settings_of(KEY) == Settings(api_key="phc_project", host=US)


def test_the_environment_alone_is_enough() -> None:
    made = settings_of(
        {}, {P + "API_KEY": "phc_env", P + "HOST": "eu", P + "TIMEOUT": "2500", P + "GEOIP": "true"}
    )
    assert made == Settings(api_key="phc_env", host="https://eu.i.posthog.com", timeout=2.5, geoip=True)


@pytest.mark.parametrize(
    ("keywords", "env", "key", "origin"),
    [
        pytest.param(
            {"api_key": "phc_1"}, {P + "API_KEY": "phc_2"}, "phc_1", "keyword",
            id="a keyword comes before a variable",
        ),
        pytest.param(
            {}, {P + "API_KEY": "phc_2", "POSTHOG_API_KEY": "phc_3"}, "phc_2", P + "API_KEY",
            id="our variable comes before PostHog's",
        ),
        pytest.param(
            {}, {"POSTHOG_API_KEY": "phc_3", "POSTHOG_PROJECT_API_KEY": "phc_4"}, "phc_3", "POSTHOG_API_KEY",
            id="PostHog's first name comes before its second",
        ),
        pytest.param(
            {}, {"POSTHOG_PROJECT_API_KEY": "phc_4"}, "phc_4", "POSTHOG_PROJECT_API_KEY",
            id="PostHog's second name is read too",
        ),
        pytest.param(
            {"api_key": None}, {P + "API_KEY": "phc_2"}, "phc_2", P + "API_KEY", id="None is not given"
        ),
        pytest.param(
            {"api_key": ""}, {P + "API_KEY": " ", "POSTHOG_API_KEY": "phc_3"}, "phc_3", "POSTHOG_API_KEY",
            id="blank text is not given, in a keyword and in a variable",
        ),
        pytest.param(
            {"api_key": 123}, {}, "123", "keyword", id="a key that YAML reads as a number is text again"
        ),
    ],
)  # fmt: skip
def test_precedence(keywords: Mapping[str, object], env: Mapping[str, str], key: str, origin: str) -> None:
    resolution = resolve(keywords, env)
    assert resolution.settings is not None
    assert resolution.settings.api_key == key
    assert resolution.origins["api_key"] == origin


def test_every_option_has_an_origin_and_a_value() -> None:
    resolution = resolve(KEY, {P + "TIMEOUT": "soon"})
    assert set(resolution.origins) == set(resolution.values) == {option.name for option in OPTIONS}
    assert resolution.origins["timeout_millis"] == "default"


def test_every_mistake_is_told_at_once_under_the_name_that_was_written() -> None:  # [P-SETTINGS-AT-ONCE]
    resolution = resolve(
        {
            "api_key": "phx_personal",
            "groups": "a=1,b=2,c=3,d=4,e=5,f=6",
            "timeout_millis": "soon",
            "tiemout": 3,
            "api-key": "phc_1",
        },
        {
            "POSTHOG_HOST": "eu.i.posthog.com",
            P + "PRIVACY": "patterns.emial=keep",
            P + "CAPTURE_MODE": "v2",
            P + "GEOIP": "yes",
            P + "HSOT": "eu",
            P + "TIMEOUT_MILLIS": "5000",
        },
    )
    assert resolution.settings is None
    assert [(problem.name, problem.fatal) for problem in resolution.problems] == [
        ("api_key", True),
        ("POSTHOG_HOST", True),
        (P + "CAPTURE_MODE", False),
        ("groups", True),
        (P + "PRIVACY", True),
        (P + "GEOIP", False),
        ("timeout_millis", False),
        ("tiemout", False),
        ("api-key", False),
        (P + "HSOT", False),
        (P + "TIMEOUT_MILLIS", False),
    ]
    told = str(ConfigurationError(resolution.problems))
    assert told.startswith("11 PostHog exporter settings need a change:")
    assert "Did you mean `api_key`?" in told
    assert f"Did you mean `{P}HOST`?" in told
    assert f"Did you mean `{P}TIMEOUT`?" in told


def test_a_missing_key_is_a_problem_of_our_variable() -> None:
    resolution = resolve({}, {})
    assert resolution.settings is None
    assert problem_of(resolution).name == P + "API_KEY"
    assert "phc_" in problem_of(resolution).fix


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("api_key", "phx_1"),
        ("host", "here"),
        ("groups", "organization"),
        ("group_prefixes", "organization=x"),
        ("group_prefixes", {"team": "team."}),
        ("privacy", "strict"),
        ("privacy", {"group_properties": {"organisation": ["name"]}}),
        ("privacy", {"default": "hash"}),
        ("privacy_hash_key", "short"),
        ("before_send", "shop.hooks"),
        ("opt_out", {"a": 1}),
    ],
)
def test_the_exporter_is_inert_while_a_wrong_value_could_send_what_must_not_leave(
    name: str, wrong: object
) -> None:  # [P-SETTINGS-INERT]
    resolution = resolve({**KEY, name: wrong}, {})
    assert resolution.settings is None
    assert problem_of(resolution).fatal
    assert "sends nothing" in problem_of(resolution).fix


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("proxy", "here"),
        ("ca_bundle", "~/x"),
        ("capture_mode", "v2"),
        ("compression", "br"),
        ("insecure", "1"),
        ("disabled", "yes"),
        ("spans", "some"),
        ("logs", "entry"),
        ("refused_statuses", "99"),
        ("event_prefix", "$x"),
        ("event_prefix", "x" * 101),
        ("person_properties", "email"),
        ("timeout_millis", 10),
        ("max_retries", -1),
        ("outbox", "file:///x"),
        ("outbox_mode", "always"),
        ("outbox_max_bytes", "1 parsec"),
        ("outbox_max_age", "0"),
        ("ledger", "mysql://x"),
        ("group_interval_millis", 0),
        ("ledger_max_groups", 0),
    ],
)
def test_any_other_wrong_value_takes_its_default(name: str, wrong: object) -> None:
    resolution = resolve({**KEY, name: wrong}, {})
    assert resolution.settings == Settings(api_key="phc_project", host=US)
    assert problem_of(resolution).name == name
    assert "the default holds" in problem_of(resolution).fix


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("api-key", "api_key"),
        ("apiKey", "api_key"),
        ("token", "api_key"),
        ("endpoint", "host"),
        ("timeout", "timeout_millis"),
        ("OTEL_EXPORTER_POSTHOG_HOST", "host"),
        ("befor_send", "before_send"),
    ],
)
def test_an_unknown_keyword_is_ignored_and_the_likely_one_named(written: str, meant: str) -> None:
    resolution = resolve({**KEY, written: "x"}, {})
    assert resolution.settings == Settings(api_key="phc_project", host=US)
    assert f"Did you mean `{meant}`?" in problem_of(resolution).fix


def test_a_name_like_none_of_ours_gets_no_guess() -> None:
    assert problem_of(resolve({**KEY, "zzzzzz": 1}, {})).fix == "Remove it. It is ignored."


def test_an_unknown_name_can_not_forge_a_log_line() -> None:
    problem = problem_of(resolve({**KEY, "x\nERROR all is lost" + "y" * 500: 1}, {}))
    assert "\n" not in str(problem)
    assert len(problem.name) <= 60


def test_an_empty_variable_is_unset_whatever_its_name() -> None:
    assert settings_of(KEY, {P + "NONSENSE": "", P + "HOST": ""}).host == US


def test_variables_of_others_are_not_ours_to_judge() -> None:
    settings_of(KEY, {"OTEL_EXPORTER_OTLP_ENDPOINT": "x", "POSTHOG_PERSONAL_API_KEY": "phx_1"})


@pytest.mark.parametrize("name", ["group_processor", "sigterm_flush", "celery"])
def test_a_switch_of_the_set_up_is_read_from_the_environment_alone(name: str) -> None:
    resolution = resolve({**KEY, name: True}, {})
    assert resolution.values[name] is False
    assert P + name.upper() in problem_of(resolution).fix
    assert resolve({}, {P + name.upper(): "true"}).values[name] is True, (
        "even without a key, which YAML may have"
    )


def test_an_app_host_is_corrected_with_one_notice() -> None:
    resolution = resolve(KEY, {"POSTHOG_HOST": "https://eu.posthog.com/"})
    assert resolution.settings is not None
    assert resolution.settings.host == "https://eu.i.posthog.com"
    (notice,) = resolution.notices
    assert notice.startswith("POSTHOG_HOST: eu.posthog.com is where PostHog is looked at")


def test_plain_http_to_another_machine_needs_to_be_allowed() -> None:
    remote = {**KEY, "host": "http://posthog.internal:8000"}
    assert resolve(remote, {}).settings is None
    assert settings_of({**remote, "insecure": True}).host == "http://posthog.internal:8000"
    assert settings_of({**KEY, "host": "http://127.0.0.1:8009"}).host == "http://127.0.0.1:8009"


@pytest.mark.parametrize(
    ("keywords", "env"),
    [
        pytest.param({"disabled": True}, {}, id="by our keyword"),
        pytest.param({}, {P + "DISABLED": "True"}, id="by our variable"),
        pytest.param({}, {"OTEL_SDK_DISABLED": "TRUE"}, id="by the SDK's variable"),
    ],
)
def test_what_is_disabled_says_nothing(keywords: Mapping[str, object], env: Mapping[str, str]) -> None:
    resolution = resolve({**keywords, "host": "nowhere", "nonsense": 1}, env)
    assert resolution.settings is not None
    assert resolution.settings.disabled
    assert resolution.problems == ()
    assert resolution.notices == ()


def test_groups_and_their_prefixes_meet_in_one_setting() -> None:
    made = settings_of(
        {**KEY, "groups": {"organization": "org_id"}, "group_prefixes": {"organization": "org_"}}
    )
    assert made.groups == (GroupRule(type="organization", attribute="org_id", prefix="org_"),)


def test_one_mistake_in_the_groups_is_not_told_again_for_what_depends_on_them() -> None:
    resolution = resolve(
        {**KEY, "groups": "team", "group_prefixes": "team=t.", "privacy": "group_properties.team=name"}, {}
    )
    assert problem_of(resolution).name == "groups"
    assert resolve({**KEY, "privacy": "default=hash", "privacy_hash_key": "short"}, {}).problems[1:] == ()


def test_a_prefix_that_fits_no_group_is_not_among_the_values() -> None:
    """The group processor makes its rules from the values, whatever is wrong with the exporter's settings."""
    resolution = resolve({**KEY, "group_prefixes": "team=t."}, {})
    assert problem_of(resolution).name == "group_prefixes"
    assert resolution.values["group_prefixes"] == {}


def test_the_hash_key_comes_from_its_own_option() -> None:
    made = settings_of(
        {**KEY, "privacy": "patterns.email=hash"}, {P + "PRIVACY_HASH_KEY": "a secret of our own"}
    )
    assert made.privacy.patterns == {"email": PrivacyAction.HASH}
    assert made.privacy.hash_key == b"a secret of our own"


def test_zstd_is_nothing_for_the_legacy_protocol() -> None:
    resolution = resolve({**KEY, "compression": "zstd", "capture_mode": "legacy"}, {})
    assert resolution.settings is not None
    assert resolution.settings.compression is Compression.GZIP
    assert problem_of(resolution).name == "compression"
    assert settings_of({**KEY, "compression": "zstd"}).compression is Compression.ZSTD


def test_off_means_off_however_yaml_reads_it() -> None:
    assert settings_of({**KEY, "spans": False}).spans.preset is Preset.OFF
    assert settings_of({**KEY, "logs": "off"}).logs.preset is Preset.OFF


def test_blanks_of_an_event_prefix_stay() -> None:
    assert settings_of({**KEY, "event_prefix": "shop: "}).event_prefix == "shop: "


def test_hooks_and_ids_reach_the_settings() -> None:
    made = settings_of({**KEY, "before_send": "shop.hooks:clean", "opt_out": ["org_1"]})
    assert made.before_send == ImportedHook("shop.hooks:clean")
    assert made.opt_out is None
    assert made.opt_out_ids == {"org_1"}
    assert settings_of({**KEY, "opt_out": "shop.hooks:silent"}).opt_out == ImportedHook("shop.hooks:silent")


def test_no_secret_is_in_a_repr() -> None:
    secrets = {
        "api_key": "phc_hidden1",
        "proxy": "http://me:hidden2@proxy.example",
        "ledger": "redis://:hidden3@cache.example",
        "privacy_hash_key": "hidden4-hidden4-hidden4",
        "opt_out": ["hidden5"],
    }
    assert "hidden" not in repr(resolve(secrets, {}))
