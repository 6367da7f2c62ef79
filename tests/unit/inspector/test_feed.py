"""The feed: what readers see, in which order, and how much of it is kept."""

from __future__ import annotations

import threading

from opentelemetry.exporter.posthog.inspector.feed import KEEP, Feed


def small_feed() -> Feed:
    return Feed(keep={**KEEP, "event": 3})


def test_a_reader_that_comes_later_sees_everything_in_order() -> None:
    feed = Feed()
    for n in range(5):
        feed.put("event", f"{n}", {"n": n})
    assert [record.data["n"] for record in feed.after(0, limit=100)] == [0, 1, 2, 3, 4]


def test_a_reader_goes_on_where_it_was() -> None:
    feed = Feed()
    for n in range(500):
        feed.put("event", f"{n}", {"n": n})
    first = feed.after(0, limit=200)
    second = feed.after(first[-1].seq, limit=200)
    third = feed.after(second[-1].seq, limit=200)
    assert [record.data["n"] for record in [*first, *second, *third]] == list(range(500))
    assert feed.after(third[-1].seq, limit=200) == []


def test_a_record_put_again_replaces_the_former_and_comes_once_more() -> None:
    feed = Feed()
    feed.put("event", "a", {"repeats": 0})
    seen = feed.after(0, limit=10)[-1].seq
    feed.put("event", "a", {"repeats": 1})
    assert [record.data["repeats"] for record in feed.after(seen, limit=10)] == [1]
    assert [record.data["repeats"] for record in feed.after(0, limit=10)] == [1]


def test_the_oldest_of_a_kind_make_room_and_other_kinds_stay() -> None:
    feed = small_feed()
    feed.put("request", "r", {"n": 0})
    for n in range(6):
        feed.put("event", f"{n}", {"n": n})
    assert [event["n"] for event in feed.all("event")] == [3, 4, 5]
    assert len(feed.all("request")) == 1
    assert len(feed.after(0, limit=100)) == 4


def test_clearing_tells_readers_to_begin_anew() -> None:
    feed = Feed()
    feed.put("event", "a", {})
    epoch = feed.epoch
    feed.clear()
    assert feed.epoch != epoch
    assert feed.after(0, limit=10) == []


def test_whoever_waits_is_woken_by_the_record_it_waits_for() -> None:
    feed = Feed()
    woken = threading.Event()

    def wait() -> None:
        if feed.wait_until(lambda: feed.get("event", "b") is not None, timeout=30):
            woken.set()

    reader = threading.Thread(target=wait)
    reader.start()
    feed.put("event", "a", {})
    feed.put("event", "b", {})
    reader.join(30)
    assert woken.is_set()
