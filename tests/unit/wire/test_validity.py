from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opentelemetry.exporter.posthog.model import Envelope
from opentelemetry.exporter.posthog.wire.validity import all_sound, fault_of
from tests.envelopes import an_envelope, an_update_envelope, an_uuid


@pytest.mark.parametrize(
    ("envelope", "fault"),
    [
        pytest.param(an_envelope(), "", id="an ordinary event may leave"),
        pytest.param(an_update_envelope(), "", id="so may a group update"),
        pytest.param(an_envelope(""), "event", id="an event needs a name"),
        pytest.param(an_envelope(" \t"), "event", id="a blank name is none"),
        pytest.param(an_envelope("e" * 200), "", id="a name may have 200 bytes"),
        pytest.param(an_envelope("e" * 201), "event", id="and no more"),
        pytest.param(an_envelope("é" * 101), "event", id="bytes count, not characters"),
        pytest.param(an_envelope("a\udfffb"), "event", id="a lone surrogate is no text"),
        pytest.param(an_envelope(distinct_id=""), "distinct_id", id="an event needs a distinct id"),
        pytest.param(an_envelope(distinct_id="漢" * 67), "distinct_id", id="of at most 200 bytes"),
        pytest.param(an_envelope(distinct_id="a\0b"), "distinct_id", id="without NUL"),
        pytest.param(an_envelope(uuid="x"), "uuid", id="the uuid is one"),
        pytest.param(
            an_envelope(uuid="01A210FC-5EF3-7000-8000-000000000000"),
            "uuid",
            id="in lower case, or PostHog's answer names another one",
        ),
        pytest.param(
            an_envelope()._replace(timestamp="2026-01-01T00:00:00"), "timestamp", id="time has a zone"
        ),
        pytest.param(an_envelope(session_id="s1"), "session_id", id="a session is a uuid"),
        pytest.param(an_envelope(properties=b"[]"), "properties", id="properties are an object"),
        pytest.param(an_envelope(properties=b""), "properties", id="and not nothing"),
    ],
)
def test_fault_of(envelope: Envelope, fault: str) -> None:
    assert fault_of(envelope) == fault
    assert not fault or not all_sound([an_envelope(), envelope, an_envelope()])


def test_a_usual_batch_needs_no_look_at_each_envelope() -> None:
    session = "019ab000-0000-7000-8000-000000000000"
    batch = [an_envelope(), an_update_envelope(), an_envelope("tick", session_id=session, personless=True)]
    assert all_sound(batch)
    assert all_sound([])


def test_an_uuid_that_occurs_twice_is_not_taken_for_sound() -> None:
    assert not all_sound([an_envelope(uuid=an_uuid())] * 2)


ODD = st.text(st.sampled_from("a0F-:TZ. \0é漢\udfff\u2028{}"), max_size=4)


@given(
    field=st.sampled_from(["event", "uuid", "distinct_id", "timestamp", "session_id"]),
    at=st.integers(0, 36),
    cut=st.integers(0, 3),
    odd=ODD,
    length=st.integers(1, 3),
)
def test_what_is_taken_for_sound_together_is_sound_one_by_one(
    field: str, at: int, cut: int, odd: str, length: int
) -> None:
    batch = [an_envelope(session_id=an_uuid()) for _ in range(length)]
    text: str = getattr(batch[0], field)
    batch[0] = batch[0]._replace(**{field: text[:at] + odd + text[at + cut :]})
    if all_sound(batch):
        assert [fault_of(envelope) for envelope in batch] == [""] * length


def test_neighbours_do_not_make_up_for_each_other() -> None:
    one, other = an_envelope(), an_envelope()
    moved = [one._replace(uuid=one.uuid + other.uuid[0]), other._replace(uuid=other.uuid[1:])]
    assert not all_sound(moved)
