from __future__ import annotations

from typing import Any

from opentelemetry.exporter.posthog.translate.plain import MAX_TOLD, Plainness, Remembered

KEYS = ("organization.plan", "note")


def plainness(remembered: Remembered) -> Plainness:
    return Plainness(KEYS, KEYS, {"organization": [("organization.plan", "plan")]}, remembered)


def a_signal(plan: str) -> dict[str, Any]:
    return {"organization.plan": plan, "note": "hello"}


def test_signals_that_say_the_same_of_a_group_share_what_it_was_told() -> None:
    looks = plainness(Remembered())
    first = looks.look(a_signal("team"))
    assert first == {"organization": {"plan": "team"}}
    assert looks.look(a_signal("team")) is first
    assert looks.look(a_signal("free")) == {"organization": {"plan": "free"}}


def test_a_secret_beside_values_that_were_seen_before_is_still_found() -> None:
    looks = plainness(Remembered())
    assert looks.look(a_signal("team")) is not None
    assert looks.look({**a_signal("team"), "note": "sk_live_abcdefgh12345678"}) is None


def test_a_value_of_a_group_that_is_not_plain_is_never_remembered() -> None:
    looks = plainness(Remembered())
    for _ in range(2):
        assert looks.look(a_signal("anna@example.com")) is None


def test_sets_of_keys_share_one_bound_and_beyond_it_all_are_forgotten() -> None:
    remembered = Remembered()
    one, other = plainness(remembered), plainness(remembered)
    first = one.look(a_signal("team"))
    for number in range(MAX_TOLD - 1):
        other.look(a_signal(f"plan {number}"))
    assert one.look(a_signal("team")) is first
    other.look(a_signal("one more"))
    again = one.look(a_signal("team"))
    assert again == first
    assert again is not first
