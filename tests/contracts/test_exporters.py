"""What OpenTelemetry asks of an exporter, held by both of ours, over real HTTP against the double."""

from __future__ import annotations

import gc
import inspect
import logging
import os
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from importlib.metadata import entry_points
from typing import Any, NamedTuple

import pytest
from opentelemetry.sdk._logs.export import LogRecordExporter, LogRecordExportResult
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from opentelemetry.exporter.posthog import PostHogLogExporter, PostHogSpanExporter
from opentelemetry.exporter.posthog.testing import PostHogDouble
from opentelemetry.exporter.posthog.testing.faults import Fault
from tests.builders import a_log, a_span

ACME = {"organization.id": "org_acme", "organization.plan": "team"}


class Kind(NamedTuple):
    """One of the two exporters, and how to make a signal for it."""

    exporter: type[Any]
    signal: Callable[..., Any]
    success: Any
    failure: Any


SPANS = Kind(PostHogSpanExporter, a_span, SpanExportResult.SUCCESS, SpanExportResult.FAILURE)
LOGS = Kind(PostHogLogExporter, a_log, LogRecordExportResult.SUCCESS, LogRecordExportResult.FAILURE)

both = pytest.mark.parametrize("kind", [pytest.param(SPANS, id="spans"), pytest.param(LOGS, id="logs")])


@pytest.fixture
def double() -> Iterator[PostHogDouble]:
    with PostHogDouble.listening() as running:
        yield running


@pytest.fixture
def make(double: PostHogDouble) -> Iterator[Callable[..., Any]]:
    """Exporters to the double, shut down at the end."""
    made: list[Any] = []

    def exporter(kind: Kind, **options: Any) -> Any:
        made.append(kind.exporter(**{"api_key": "phc_test", "host": double.url, **options}))
        return made[-1]

    yield exporter
    for one in made:
        one.shutdown(1_000)


# -- construction ------------------------------------------------------------------------------------


@both
def test_a_constructor_without_arguments_never_raises_and_goes_inert_with_one_error(
    kind: Kind, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_POSTHOG_TIMEOUT", f"not a number, for the {kind.exporter.__name__}")
    exporter = kind.exporter()
    assert exporter.export([kind.signal()]) is kind.failure
    assert exporter.force_flush() is True, "nothing waits"
    exporter.shutdown()
    assert [record.levelno for record in caplog.records] == [logging.ERROR]
    assert "OTEL_EXPORTER_POSTHOG_API_KEY" in caplog.text
    stats = exporter.stats()
    assert stats.not_selected == {"inert": 1}
    assert stats.balanced


@both
@pytest.mark.parametrize(
    "options",
    [
        pytest.param({"host": "ftp://x"}, id="a host that is none"),
        pytest.param({"groups": 7}, id="groups of a wrong type"),
        pytest.param({"api_key": ["a"]}, id="a key of a wrong type"),
        pytest.param({"nonsense": object(), "timeout_millis": -1}, id="unknown and impossible options"),
        pytest.param({"before_send": "no.such:thing"}, id="a hook that can't be imported"),
        pytest.param(
            {"ledger": "redis://localhost:1/0", "outbox": "/proc/nope"}, id="state that can't be kept"
        ),
    ],
)
def test_no_configuration_makes_a_constructor_or_an_export_raise(kind: Kind, options: dict[str, Any]) -> None:
    exporter = kind.exporter(
        **{"api_key": "phc_test", "host": "http://127.0.0.1:9", "timeout_millis": 500, **options}
    )
    exporter.export([kind.signal()])
    exporter.shutdown(500)


@both
def test_a_class_named_posthog_stands_behind_the_entry_point(kind: Kind) -> None:
    base, group = {
        PostHogSpanExporter: (SpanExporter, "opentelemetry_traces_exporter"),
        PostHogLogExporter: (LogRecordExporter, "opentelemetry_logs_exporter"),
    }[kind.exporter]
    (found,) = entry_points(group=group, name="posthog")
    assert found.load() is kind.exporter
    assert issubclass(kind.exporter, base)


@both
def test_all_three_methods_are_our_own_and_shutdown_takes_its_timeout_by_position(kind: Kind) -> None:
    for name in ("export", "shutdown", "force_flush"):
        assert name in vars(kind.exporter)
    parameter = inspect.signature(kind.exporter.shutdown).parameters["timeout_millis"]
    assert parameter.kind is inspect.Parameter.POSITIONAL_OR_KEYWORD
    assert parameter.default == 30_000


@both
def test_an_sdk_that_is_disabled_leaves_us_silent(
    kind: Kind, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("OTEL_SDK_DISABLED", "true")
    kind.exporter()
    assert caplog.records == []


# -- export -------------------------------------------------------------------------------------------


@both
def test_lists_tuples_and_empty_batches_are_taken(
    kind: Kind, make: Callable[..., Any], double: PostHogDouble
) -> None:
    exporter = make(kind)
    assert exporter.export([]) is kind.success
    assert double.requests == [], "nothing to say, no request"
    assert exporter.export([kind.signal()]) is kind.success
    assert exporter.export((kind.signal(),)) is kind.success
    assert len(double.events) == 2
    assert exporter.stats().balanced


@both
def test_our_name_and_version_stand_in_the_user_agent_and_as_the_library(
    kind: Kind, make: Callable[..., Any], double: PostHogDouble
) -> None:
    from opentelemetry.exporter.posthog.version import __version__

    make(kind).export([kind.signal()])
    headers = double.requests[0].request.headers
    assert (
        headers["user-agent"]
        == headers["posthog-sdk-info"]
        == f"opentelemetry-exporter-posthog/{__version__}"
    )
    assert double.events[0].properties["$lib"] == "opentelemetry-exporter-posthog"


@both
def test_an_exception_in_translation_costs_one_signal_and_never_the_batch(
    kind: Kind, make: Callable[..., Any], double: PostHogDouble
) -> None:
    exporter = make(kind)
    assert exporter.export([object(), kind.signal()]) in (kind.success, kind.failure)
    assert len(double.events) == 1
    assert exporter.stats().not_selected == {"translation_error": 1}
    assert exporter.stats().balanced


class Poisonous(dict[str, Any]):
    """Attributes that interrupt whoever reads them."""

    def __init__(self, error: type[BaseException]) -> None:
        self.error = error

    def get(self, *_: Any) -> Any:
        raise self.error

    copy = keys = items = values = __iter__ = __contains__ = __getitem__ = __len__ = get  # type: ignore[assignment]


@pytest.mark.parametrize("error", [SystemExit, KeyboardInterrupt, GeneratorExit])
def test_a_base_exception_never_leaves_export_on_a_worker_thread(
    make: Callable[..., Any], double: PostHogDouble, error: type[BaseException]
) -> None:
    """It would kill the batch processor's worker for good."""
    exporter = make(SPANS)
    span = a_span()
    span._attributes = Poisonous(error)
    results: list[Any] = []
    worker = threading.Thread(target=lambda: results.append(exporter.export([span])))
    worker.start()
    worker.join()
    assert results == [SpanExportResult.FAILURE]
    assert exporter.export([a_span()]) is SpanExportResult.SUCCESS, "the exporter lives on"


def test_exit_signals_on_the_main_thread_belong_to_the_application(make: Callable[..., Any]) -> None:
    span = a_span()
    span._attributes = Poisonous(KeyboardInterrupt)
    with pytest.raises(KeyboardInterrupt):
        make(SPANS).export([span])


@both
def test_a_dripping_server_can_not_hold_an_export_beyond_its_deadline(
    kind: Kind, make: Callable[..., Any], double: PostHogDouble
) -> None:
    double.fail(Fault(drip=0.05, times=None))
    exporter = make(kind, timeout_millis=600)
    started = time.monotonic()
    assert exporter.export([kind.signal()]) is kind.failure
    assert time.monotonic() - started < 0.6 + 0.4, "its deadline and what two busy cores may add"
    assert exporter.stats().balanced


@both
def test_a_retry_after_beyond_the_deadline_ends_the_export_instead_of_holding_it(
    kind: Kind, make: Callable[..., Any], double: PostHogDouble
) -> None:
    double.fail(Fault(status=503, retry_after="3600", times=None))
    exporter = make(kind, timeout_millis=2_000)
    started = time.monotonic()
    assert exporter.export([kind.signal()]) is kind.failure
    assert time.monotonic() - started < 2.5
    assert len(double.requests) == 1


@both
def test_a_failed_delivery_is_tried_again_within_the_export_with_the_same_ids(
    kind: Kind, make: Callable[..., Any], double: PostHogDouble
) -> None:
    double.fail(Fault(status=503), Fault(reset="after"))
    exporter = make(kind, timeout_millis=9_000)
    assert exporter.export([kind.signal(attributes=ACME)]) is kind.success
    assert len(double.events) == 1
    assert [repeat.event for repeat in double.repeats] != [], (
        "the answer was lost after the events were stored"
    )
    assert not double.findings, double.explain()


@both
def test_many_threads_may_export_at_once(kind: Kind, make: Callable[..., Any], double: PostHogDouble) -> None:
    exporter = make(kind)
    results: list[Any] = []
    signals = [
        [kind.signal(attributes={"organization.id": f"org_{n % 3}", "n": f"{t}-{n}"}) for n in range(10)]
        for t in range(6)
    ]
    threads = [
        threading.Thread(target=lambda batch=batch: results.append(exporter.export(batch)))
        for batch in signals
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert results == [kind.success] * 6
    stats = exporter.stats()
    assert stats.balanced, stats
    assert stats.made == 60
    assert len(double.identifies) == 3


def test_span_and_log_exporter_identify_an_organization_once_between_them(
    make: Callable[..., Any], double: PostHogDouble
) -> None:
    spans, logs = make(SPANS), make(LOGS)
    work = [(spans, [a_span(attributes=ACME)]), (logs, [a_log(attributes=ACME)])] * 4
    threads = [threading.Thread(target=exporter.export, args=(batch,)) for exporter, batch in work]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(double.identifies) == 1, double.explain()
    assert double.organization("org_acme").properties == {"plan": "team"}


def test_an_update_counts_as_known_only_once_posthog_took_it(
    make: Callable[..., Any], double: PostHogDouble
) -> None:
    double.fail(Fault(status=402, times=1))
    exporter = make(LOGS)
    assert exporter.export([a_log(attributes=ACME)]) is LogRecordExportResult.FAILURE
    assert double.groups == {}
    exporter.export([a_log(attributes=ACME)])
    assert exporter.force_flush(5_000) is True
    assert double.organization("org_acme").properties == {"plan": "team"}


# -- end of life ---------------------------------------------------------------------------------------


@both
def test_after_shutdown_an_export_fails_and_sends_nothing(
    kind: Kind, make: Callable[..., Any], double: PostHogDouble
) -> None:
    exporter = make(kind)
    exporter.export([kind.signal()])
    exporter.shutdown()
    before = len(double.requests)
    assert exporter.export([kind.signal()]) is kind.failure
    assert len(double.requests) == before
    assert exporter.stats().not_selected == {"shut_down": 1}
    assert exporter.stats().balanced


@both
def test_a_second_shutdown_is_quiet(
    kind: Kind, make: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    exporter = make(kind)
    exporter.export([kind.signal()])
    exporter.shutdown()
    caplog.clear()
    exporter.shutdown()
    assert caplog.records == []


def test_the_pipeline_stays_open_until_its_last_exporter_is_shut_down(
    make: Callable[..., Any], double: PostHogDouble
) -> None:
    """At interpreter exit the log provider closes first."""
    spans, logs = make(SPANS), make(LOGS)
    logs.export([a_log()])
    logs.shutdown()
    assert spans.export([a_span()]) is SpanExportResult.SUCCESS
    assert len(double.events) == 2


@both
def test_shutdown_ends_a_pause_between_attempts_at_once(
    kind: Kind, make: Callable[..., Any], double: PostHogDouble
) -> None:
    double.fail(Fault(status=503, retry_after="5", times=None))
    exporter = make(kind, timeout_millis=9_000)
    results: list[Any] = []
    worker = threading.Thread(target=lambda: results.append(exporter.export([kind.signal()])))
    worker.start()
    while not double.requests:
        time.sleep(0.005)
    time.sleep(0.05)  # the answer travels; the pause of 5 s has begun
    started = time.monotonic()
    exporter.shutdown(5_000)
    assert time.monotonic() - started < 1.0
    worker.join(1)
    assert results == [kind.failure]
    assert exporter.stats().balanced


@both
def test_a_shutdown_whose_time_is_up_cuts_the_running_request_off(
    kind: Kind, make: Callable[..., Any], double: PostHogDouble
) -> None:
    double.fail(Fault(stall=4.0, times=None))
    exporter = make(kind, timeout_millis=9_000)
    results: list[Any] = []
    worker = threading.Thread(target=lambda: results.append(exporter.export([kind.signal()])))
    worker.start()
    while not exporter.stats().made:
        time.sleep(0.005)
    time.sleep(0.1)  # the request is on its way
    started = time.monotonic()
    exporter.shutdown(700)
    assert time.monotonic() - started < 1.7
    worker.join(2)
    assert results == [kind.failure]
    assert exporter.stats().balanced


@both
def test_a_flush_says_false_while_a_delivery_is_open_and_true_once_nothing_waits(
    kind: Kind, make: Callable[..., Any], double: PostHogDouble
) -> None:
    double.fail(Fault(stall=0.8))
    exporter = make(kind)
    worker = threading.Thread(target=exporter.export, args=([kind.signal(attributes=ACME)],))
    worker.start()
    while not exporter.stats().made:
        time.sleep(0.005)
    started = time.monotonic()
    assert exporter.force_flush(100) is False
    assert time.monotonic() - started < 0.5
    worker.join(10)
    assert exporter.force_flush(5_000) is True


def test_an_exporter_that_nobody_holds_is_collected(double: PostHogDouble) -> None:
    exporter = PostHogSpanExporter(api_key="phc_collected", host=double.url)
    exporter.export([])  # builds the pipeline and enters it into fork handling
    gone = weakref.ref(exporter)
    del exporter
    gc.collect()
    assert gone() is None


# -- fork ------------------------------------------------------------------------------------------------


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this platform")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # a fork of a process with threads: the very case
def test_a_child_forked_during_an_export_delivers_its_own_and_the_parent_too(
    make: Callable[..., Any], double: PostHogDouble
) -> None:
    exporter = make(LOGS)
    exporter.export([a_log("before")])
    double.fail(Fault(stall=0.5, event="parent"))
    worker = threading.Thread(target=exporter.export, args=([a_log("parent")],))
    worker.start()
    while exporter.stats().made < 2:
        time.sleep(0.005)
    time.sleep(0.05)  # the parent's request is on the wire
    children = []
    for number in range(4):
        child = os.fork()
        if not child:
            told = exporter.export([a_log(f"child {number}")])
            fine = told is LogRecordExportResult.SUCCESS and exporter.stats().made == 1
            os._exit(0 if fine else 1)
        children.append(child)
    assert [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children] == [0] * 4
    worker.join(10)
    names = {event.name for event in double.events}
    assert names == {"before", "parent", *(f"child {number}" for number in range(4))}
    assert exporter.stats().balanced
    assert {repeat.event for repeat in double.repeats} == {"$groupidentify"}
    assert len(double.identifies) == 1, "each process sights the organization first, PostHog keeps one"
