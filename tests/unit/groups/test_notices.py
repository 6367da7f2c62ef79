"""What people are told of the ledger: each kind once."""

from __future__ import annotations

import pytest

from opentelemetry.exporter.posthog.groups.notices import LATE, MAX_KINDS, Notice, Notices, late_first_sight
from opentelemetry.exporter.posthog.model import Group, GroupUpdate
from tests.manual_clock import EPOCH_NS


def test_each_kind_is_handed_out_once() -> None:
    notices = Notices()
    for message in ("first", "again"):
        notices.add(Notice("clock", message))
    notices.add(Notice("other", "other"))
    assert [notice.message for notice in notices.take()] == ["first", "other"]
    notices.add(Notice("clock", "later"))
    assert list(notices.take()) == []


def test_kinds_that_somebody_makes_up_without_end_are_not_remembered_without_end() -> None:
    notices = Notices()
    for number in range(MAX_KINDS + 50):
        notices.add(Notice(f"flapping:organization:made up {number}", ""))
    assert len(notices.take()) == MAX_KINDS


def test_a_child_says_neither_what_the_parent_said_nor_what_it_was_about_to_say() -> None:
    notices = Notices()
    notices.add(Notice("said", ""))
    notices.take()
    notices.add(Notice("about to be said", ""))
    notices.after_fork_in_child()
    notices.add(Notice("said", ""))
    assert list(notices.take()) == []


def update(age_ns: int, *, first: bool = True, empty: bool = False) -> GroupUpdate:
    properties = {} if empty else {"plan": "secret"}
    return GroupUpdate(Group("organization", "org_42"), properties, EPOCH_NS - age_ns, "", "", first, None)


@pytest.mark.parametrize(
    ("seen", "durable", "told"),
    [
        pytest.param(update(LATE + 1), False, True, id="old news come first after a restart"),
        pytest.param(update(LATE), False, False, id="five minutes are not old"),
        pytest.param(update(LATE + 1, first=False), False, False, id="a change is not a first sight"),
        pytest.param(update(LATE + 1, empty=True), False, False, id="a key alone sets nothing back"),
        pytest.param(update(LATE + 1), True, False, id="a ledger that remembers takes no old news"),
    ],
)
def test_old_news_at_a_first_sight_are_told_where_they_may_do_harm(
    seen: GroupUpdate, durable: bool, told: bool
) -> None:
    notice = late_first_sight(seen, EPOCH_NS, durable=durable)
    assert (notice is not None) == told
    if notice is not None:
        assert "OTEL_EXPORTER_POSTHOG_LEDGER" in notice.message
        assert "secret" not in notice.message
        assert "org_42" not in notice.message
