"""Envelopes as bytes, and back."""

from __future__ import annotations

from hypothesis import example, given, settings
from hypothesis import strategies as st

from opentelemetry.exporter.posthog.delivery.outbox_parcel import (
    PARCEL_BYTES,
    PARCEL_EVENTS,
    cut,
    pack,
    packed_bytes,
    print_of,
    unpack,
)
from opentelemetry.exporter.posthog.model import Envelope
from tests.outbox_kit import envelope, envelopes

texts = st.text(st.characters(), max_size=12)
some_envelopes = st.lists(
    st.builds(Envelope, texts, texts, texts, texts, st.binary(max_size=60), st.booleans(), st.none() | texts),
    max_size=6,
)


@given(some_envelopes)
def test_what_is_packed_comes_back_as_it_was(batch: list[Envelope]) -> None:
    assert unpack(pack(batch), len(batch)) == (tuple(batch), 0)


@settings(max_examples=200)
@given(batch=some_envelopes.filter(len), data=st.data())
def test_a_changed_byte_never_changes_an_envelope_unseen(batch: list[Envelope], data: st.DataObject) -> None:
    body = bytearray(pack(batch))
    position = data.draw(st.integers(0, len(body) - 1))
    body[position] ^= data.draw(st.integers(1, 255))
    whole, damaged = unpack(bytes(body), len(batch))
    assert len(whole) + damaged == len(batch)
    assert damaged >= 1
    assert set(whole) <= set(batch)


@given(batch=some_envelopes, length=st.integers(0, 400))
def test_a_body_that_was_cut_gives_what_is_left(batch: list[Envelope], length: int) -> None:
    whole, damaged = unpack(pack(batch)[:length], len(batch))
    assert len(whole) + damaged == len(batch)
    assert list(whole) == batch[: len(whole)]


def test_damage_in_one_envelope_costs_no_other() -> None:
    batch = [envelope(str(n), size=100) for n in range(5)]
    body = bytearray(pack(batch))
    body[-150] ^= 1  # the last but one
    assert unpack(bytes(body), 5) == ((*batch[:3], batch[4]), 1)


@example(b"P1")
@given(st.binary(max_size=80))
def test_garbage_is_damage_and_never_an_error(garbage: bytes) -> None:
    assert unpack(garbage, 3).envelopes == ()


def test_parcels_are_cut_by_count_and_by_bytes_and_lose_nothing() -> None:
    small = envelopes(PARCEL_EVENTS * 2 + 1)
    assert [len(part) for part in cut(small)] == [PARCEL_EVENTS, PARCEL_EVENTS, 1]
    large = [envelope(size=PARCEL_BYTES // 2 - 10), envelope(size=PARCEL_BYTES * 2), *envelopes(3)]
    parts = list(cut(large))
    assert [len(part) for part in parts] == [1, 1, 3]
    assert [e for part in parts for e in part] == large
    assert list(cut([])) == []


def test_the_print_depends_on_the_uuids_and_their_order_alone() -> None:
    one, two = envelopes(2)
    assert print_of([one, two]) != print_of([two, one])
    assert print_of([one]) == print_of([one._replace(properties=b"{}")])


@given(some_envelopes)
def test_the_estimate_is_not_too_small(batch: list[Envelope]) -> None:
    """A full outbox must be noticed before it is written to. Escapes of rare characters may double a text."""
    texts_length = sum(
        5 * (len(e.event) + len(e.uuid) + len(e.distinct_id) + len(e.timestamp)) for e in batch
    )
    assert len(pack(batch)) <= packed_bytes(batch) + texts_length * 2 + 200


def test_the_estimate_is_about_right_for_an_ordinary_batch() -> None:
    batch = envelopes(512, size=1300)
    assert 0.9 < len(pack(batch)) / packed_bytes(batch) <= 1.0
