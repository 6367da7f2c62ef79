"""Who shares a pipeline, who closes it, and what a second exporter may still choose."""

from __future__ import annotations

import logging
from threading import Event, Thread
from typing import Any

import pytest
from tests.builders import a_log, a_span, some_settings
from tests.manual_clock import ManualClock

from opentelemetry.exporter.posthog import PostHogLogExporter, PostHogSpanExporter
from opentelemetry.exporter.posthog.assembly import assemble
from opentelemetry.exporter.posthog.diagnostics import Diagnostics
from opentelemetry.exporter.posthog.errors import ForeignStateError
from opentelemetry.exporter.posthog.runtime import SharedPipeline, share
from opentelemetry.exporter.posthog.testing import PostHogDouble
from opentelemetry.exporter.posthog.translate.plans import GroupNames


def shared_pipeline(**options: Any) -> SharedPipeline:
    return SharedPipeline(some_settings(**options), Diagnostics(clock=ManualClock()), assemble)


def test_exporters_of_one_host_and_key_hold_the_same_pipeline() -> None:
    mine = shared_pipeline()
    first, differing = share(some_settings(), lambda: mine)
    second, _ = share(some_settings(event_prefix="new "), shared_pipeline)
    assert first is second is mine
    assert differing == ()
    first.release(0.0)
    second.release(0.0)


def test_another_key_gets_a_pipeline_of_its_own() -> None:
    mine = shared_pipeline()
    first, _ = share(some_settings(), lambda: mine)
    other, _ = share(
        some_settings().__class__(api_key="phc_other", host="https://us.i.posthog.com"), shared_pipeline
    )
    assert other is not first
    first.release(0.0)
    other.release(0.0)


def test_a_second_exporter_s_delivery_options_are_named_when_they_differ() -> None:
    mine = shared_pipeline()
    share(some_settings(), lambda: mine)
    _, differing = share(some_settings(timeout=3.0, max_retries=1, event_prefix="x "), shared_pipeline)
    assert differing == ("timeout", "max_retries")
    mine.release(0.0)
    mine.release(0.0)


def test_after_the_last_release_a_new_exporter_gets_a_new_pipeline() -> None:
    mine, fresh = shared_pipeline(), shared_pipeline()
    first, _ = share(some_settings(), lambda: mine)
    first.release(0.0)
    second, _ = share(some_settings(), lambda: fresh)
    assert second is fresh
    second.release(0.0)


def test_two_exporters_that_disagree_are_told_once_in_one_error(caplog: pytest.LogCaptureFixture) -> None:
    with PostHogDouble.listening() as double:
        spans = PostHogSpanExporter(api_key="phc_two", host=double.url, timeout_millis=4_000)
        with caplog.at_level(logging.ERROR):
            logs = PostHogLogExporter(api_key="phc_two", host=double.url, timeout_millis=5_000)
        assert [record.levelno for record in caplog.records] == [logging.ERROR]
        assert "timeout" in caplog.text
        spans.export([a_span()])
        logs.export([a_log()])
        logs.shutdown()
        spans.shutdown()
        assert len(double.events) == 2


def test_a_state_file_of_another_project_makes_the_exporter_inert_and_says_so_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def refuse(*_: Any) -> Any:
        raise ForeignStateError("outbox.db belongs to another host and key. Name another directory.")

    shared = SharedPipeline(some_settings(), Diagnostics(clock=ManualClock()), refuse)
    shared.hold()
    for _ in range(3):
        assert shared.export(_source(), [a_log()]) is False
    assert caplog.text.count("belongs to another host and key") == 1
    assert shared.stats().not_selected == {"inert": 3}
    assert shared.stats().balanced


def _source() -> Any:
    from opentelemetry.exporter.posthog.sdk.intake import log_source

    return log_source(some_settings())


def test_a_fork_waits_until_what_an_exporter_imports_is_there() -> None:
    shared, importing, imported, forked = shared_pipeline(), Event(), Event(), Event()

    def make(_: GroupNames) -> str:
        importing.set()
        assert imported.wait(10)
        return "source"

    def fork() -> None:
        shared.before_fork()
        forked.set()
        shared.after_fork_in_parent()

    exporter = Thread(target=shared.prepare, args=(make,))
    exporter.start()
    assert importing.wait(10)
    forking = Thread(target=fork)
    forking.start()
    assert not forked.is_set()
    imported.set()
    assert forked.wait(10)
    exporter.join()
    forking.join()


def test_both_translators_of_a_project_know_the_same_property_names() -> None:
    shared = shared_pipeline()
    assert shared.prepare(lambda names: names) is shared.prepare(lambda names: names)
