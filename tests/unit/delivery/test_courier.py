"""The courier over a scripted transport and a manual clock: who arrives, when, in how many requests."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opentelemetry.exporter.posthog.delivery.breaker import BRIEF, FAILURES, INTERVAL, PROBE
from opentelemetry.exporter.posthog.delivery.courier import Courier
from opentelemetry.exporter.posthog.delivery.record import DeliveryRecord
from opentelemetry.exporter.posthog.model import Envelope, Outcome, OutcomeKind
from opentelemetry.exporter.posthog.settings.model import CaptureMode, Compression, Settings
from opentelemetry.exporter.posthog.wire.exchange import NoAnswer, Request, Response
from tests.envelopes import an_envelope, an_update_envelope, an_uuid
from tests.manual_clock import ManualClock
from tests.scripted_transport import (
    LOST,
    OK,
    UNREACHABLE,
    ScriptedTransport,
    Step,
    answer,
    hangs,
    uuids_of,
    v1_results,
)

NOT_FOUND = answer(404)
LEGACY, V1, AUTO = CaptureMode.LEGACY, CaptureMode.V1, CaptureMode.AUTO
DELIVERED, RETRY, REFUSED = OutcomeKind.DELIVERED, OutcomeKind.RETRY, OutcomeKind.REFUSED


class Post:
    """A courier, its transport, its clock, and what it recorded."""

    def __init__(
        self,
        steps: Iterable[Step] = (),
        *,
        mode: CaptureMode = LEGACY,
        then: Step = OK,
        takes: float = 0.01,
        **options: Any,
    ) -> None:
        self.clock = ManualClock()
        self.transport = ScriptedTransport(self.clock, steps, then=then, takes=takes)
        self.records: list[DeliveryRecord] = []
        self.courier = Courier(
            transport=self.transport,
            settings=Settings(
                api_key="phc_test",
                host="https://eu.i.posthog.com",
                capture_mode=mode,
                **{"compression": Compression.NONE, **options},
            ),
            clock=self.clock,
            random=Random(7),
            observer=self.records.append,
        )

    def deliver(self, envelopes: Sequence[Envelope], *, within: float = 10.0) -> list[Outcome]:
        return self.courier.deliver(envelopes, deadline=self.clock.monotonic() + within)

    @property
    def sent(self) -> list[list[str]]:
        return [uuids_of(request) for request in self.transport.sent]

    @property
    def paths(self) -> list[str]:
        return [request.url.removeprefix("https://eu.i.posthog.com") for request in self.transport.sent]

    def header(self, name: str) -> list[str]:
        return [dict(request.headers)[name] for request in self.transport.sent]


def some(count: int) -> list[Envelope]:
    return [an_envelope() for _ in range(count)]


def kinds(outcomes: Iterable[Outcome]) -> list[OutcomeKind]:
    return [outcome.kind for outcome in outcomes]


# -- the plain way ----------------------------------------------------------------------------------------


def test_a_delivered_batch_is_one_request_and_one_outcome_an_envelope() -> None:
    post, batch = Post(), some(3)
    assert post.deliver(batch) == [Outcome(DELIVERED)] * 3
    assert post.sent == [[envelope.uuid for envelope in batch]]


def test_nothing_to_deliver_sends_nothing() -> None:
    post = Post()
    assert post.deliver([]) == []
    assert post.sent == []


def test_a_batch_beyond_512_events_is_several_requests_in_order() -> None:
    post, batch = Post(), some(1100)
    assert kinds(post.deliver(batch)) == [DELIVERED] * 1100
    assert [len(sent) for sent in post.sent] == [512, 512, 76]
    assert [uuid for sent in post.sent for uuid in sent] == [envelope.uuid for envelope in batch]


def test_one_event_that_is_too_large_falls_alone() -> None:
    post = Post()
    huge = an_envelope(properties=b'{"p":"' + b"a" * 1_000_000 + b'"}')
    small = an_envelope()
    outcomes = post.deliver([huge, small])
    assert [(outcome.kind, outcome.reason) for outcome in outcomes] == [
        (REFUSED, "too_large"),
        (DELIVERED, ""),
    ]
    assert post.sent == [[small.uuid]]


def test_an_event_that_posthog_would_refuse_never_leaves() -> None:
    post, good = Post(), an_envelope()
    outcomes = post.deliver([an_envelope(event=""), good])
    assert outcomes == [Outcome(REFUSED, "invalid", "event"), Outcome(DELIVERED)]
    assert post.sent == [[good.uuid]]


def test_the_same_envelope_twice_is_sent_once_and_is_there_for_both() -> None:
    post, envelope = Post(), an_envelope()
    assert kinds(post.deliver([envelope, an_envelope(), envelope])) == [DELIVERED] * 3
    assert len(post.sent[0]) == 2


def test_another_envelope_under_the_same_uuid_is_refused_and_counted() -> None:
    uuid = an_uuid()
    post = Post()
    outcomes = post.deliver([an_envelope("a", uuid=uuid), an_envelope("b", uuid=uuid)])
    assert outcomes == [Outcome(DELIVERED), Outcome(REFUSED, "duplicate_uuid")]
    assert post.records[0].reasons == {"duplicate_uuid": 1}


# -- retries ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "trouble",
    [
        pytest.param(answer(503), id="a busy service"),
        pytest.param(answer(500), id="an internal error"),
        pytest.param(answer(502), id="a bad gateway"),
        pytest.param(answer(504), id="a slow gateway"),
        pytest.param(answer(408), id="a request time-out"),
        pytest.param(answer(429), id="too many requests"),
        pytest.param(answer(404), id="not found"),
        pytest.param(answer(200, b'{"sta'), id="a torn success"),
        pytest.param(LOST, id="a lost answer"),
        pytest.param(UNREACHABLE, id="no connection"),
    ],
)
@pytest.mark.parametrize("mode", [LEGACY, V1], ids=["legacy", "v1"])
def test_a_hiccup_is_retried_with_the_same_content(mode: CaptureMode, trouble: Response | NoAnswer) -> None:
    last: Step = (lambda request, _: v1_results(request)) if mode is V1 else OK
    post = Post([trouble, trouble], then=last, mode=mode)
    assert kinds(post.deliver(some(2))) == [DELIVERED, DELIVERED]
    assert len({request.body for request in post.transport.sent}) == 1
    assert len(post.sent) == 3


def test_a_v1_retry_keeps_its_id_and_counts_its_attempts() -> None:
    post = Post([answer(503), LOST], then=lambda request, _: v1_results(request), mode=V1)
    post.deliver(some(1))
    assert len(set(post.header("PostHog-Request-Id"))) == 1
    assert post.header("PostHog-Attempt") == ["1", "2", "3"]
    stamps = post.header("PostHog-Request-Timestamp")
    assert stamps == sorted(set(stamps)), "each attempt says when it left"


def test_each_delivery_has_a_request_id_of_its_own() -> None:
    post = Post(then=lambda request, _: v1_results(request), mode=V1)
    post.deliver(some(1))
    post.deliver(some(1))
    assert len(set(post.header("PostHog-Request-Id"))) == 2


def test_retry_after_is_a_minimum() -> None:
    post = Post([answer(503, retry_after="3")])
    post.deliver(some(1))
    assert post.clock.waits[0] >= 3.0


def test_a_wait_beyond_the_deadline_is_not_begun() -> None:
    post = Post([answer(503, retry_after="60")])
    outcomes = post.deliver(some(1))
    assert post.clock.waits == []
    assert (outcomes[0].kind, outcomes[0].reason, outcomes[0].retry_after) == (RETRY, "http_503", 60.0)


def test_max_retries_bounds_the_attempts() -> None:
    post = Post(then=answer(503), max_retries=2)
    assert kinds(post.deliver(some(1))) == [RETRY]
    assert len(post.sent) == 3


@given(
    steps=st.lists(
        st.sampled_from([answer(503), answer(429, retry_after="2"), LOST, UNREACHABLE, hangs, OK, NOT_FOUND]),
        max_size=12,
    ),
    within=st.floats(0.05, 12.0),
    takes=st.floats(0.0, 3.0),
)
@settings(max_examples=120, deadline=None)
def test_no_attempt_starts_at_or_after_the_deadline_nor_may_last_beyond_it(
    steps: list[Step], within: float, takes: float
) -> None:
    post = Post(steps, then=answer(503), takes=takes)
    post.deliver(some(3), within=within)
    for started, timeout in zip(post.transport.started, post.transport.timeouts, strict=True):
        assert started < within
        assert started + timeout <= within + 1e-6
    assert post.clock.monotonic() <= within + takes + 1e-6


def test_a_deadline_that_is_over_sends_nothing() -> None:
    post = Post()
    outcomes = post.deliver(some(1), within=0.0)
    assert outcomes == [Outcome(RETRY, "deadline")]
    assert post.sent == []


# -- what may have been applied ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("trouble", "unknown"),
    [
        pytest.param(answer(503), True, id="a server error may have been stored"),
        pytest.param(LOST, True, id="so may a lost answer"),
        pytest.param(answer(429), False, id="a refusal for now was not"),
        pytest.param(answer(401), False, id="a wrong key was not"),
        pytest.param(answer(402), False, id="a used-up quota was not"),
        pytest.param(UNREACHABLE, False, id="what never left was not"),
    ],
)
def test_an_outcome_says_since_when_it_is_unknown(trouble: Response | NoAnswer, unknown: bool) -> None:
    post = Post([trouble], max_retries=0)
    post.clock.advance(5.0)
    outcome = post.deliver(some(1))[0]
    assert outcome.kind is RETRY
    assert outcome.unknown_at == (5.0 if unknown else None)


def test_a_delivery_after_an_unknown_attempt_still_names_that_attempt() -> None:
    post = Post([LOST])
    outcome = post.deliver(some(1))[0]
    assert (outcome.kind, outcome.unknown_at) == (DELIVERED, 0.0)


# -- events that are to blame -------------------------------------------------------------------------------


def refuses(poison: set[str], status: int = 400) -> Step:
    def judge(request: Request, _: float) -> Response:
        if poison & set(uuids_of(request)):
            return answer(status, b"event submitted with an empty event name")
        return OK

    return judge


@given(poisoned=st.sets(st.integers(0, 511), max_size=8))
@settings(max_examples=25, deadline=None)
def test_poison_is_isolated_and_costs_nobody_else(poisoned: set[int]) -> None:
    batch = some(512)
    post = Post(then=refuses({batch[position].uuid for position in poisoned}), takes=0.0)
    outcomes = post.deliver(batch)
    assert {position for position, outcome in enumerate(outcomes) if outcome.kind is REFUSED} == poisoned
    assert kinds(outcomes).count(DELIVERED) == 512 - len(poisoned)
    assert len(post.sent) <= len(poisoned) * 2 * 9 + 1


def test_a_request_that_is_too_much_is_halved_until_it_passes() -> None:
    def too_much(request: Request, _: float) -> Response:
        return answer(413) if len(uuids_of(request)) > 2 else OK

    post, batch = Post(then=too_much), some(8)
    assert kinds(post.deliver(batch)) == [DELIVERED] * 8
    assert sorted(len(sent) for sent in post.sent) == [2, 2, 2, 2, 4, 4, 8]


def test_halves_are_new_requests_with_ids_of_their_own() -> None:
    def too_much(request: Request, _: float) -> Response:
        return (
            answer(413, {"error": "payload_too_large"}) if len(uuids_of(request)) > 1 else v1_results(request)
        )

    post = Post(then=too_much, mode=V1)
    assert kinds(post.deliver(some(2))) == [DELIVERED] * 2
    assert len(set(post.header("PostHog-Request-Id"))) == 3
    assert post.header("PostHog-Attempt") == ["1", "1", "1"]


def test_one_event_that_alone_is_too_much_is_too_large() -> None:
    post = Post([answer(413)])
    assert post.deliver(some(1)) == [Outcome(REFUSED, "too_large", "")]


def test_a_parcel_that_waits_holds_no_other_one_up() -> None:
    post, batch = Post([answer(503, retry_after="5"), OK, OK]), some(600)
    assert kinds(post.deliver(batch)) == [DELIVERED] * 600
    assert post.transport.started[1] < 1.0, "the second request did not wait for the first one's retry"


def test_only_the_events_that_v1_did_not_keep_go_again() -> None:
    batch = some(4)
    spoilt = {
        batch[1].uuid: {"result": "retry", "details": "not_persisted"},
        batch[2].uuid: {"result": "drop"},
    }

    def first(request: Request, _: float) -> Response:
        return v1_results(request, spoilt)._replace(headers={"retry-after": "1"})

    post = Post([first], then=lambda request, _: v1_results(request), mode=V1)
    outcomes = post.deliver(batch)
    assert kinds(outcomes) == [DELIVERED, DELIVERED, REFUSED, DELIVERED]
    assert post.sent[1] == [batch[1].uuid]
    assert len(set(post.header("PostHog-Request-Id"))) == 1
    assert post.clock.waits[0] >= 1.0


def test_a_group_update_without_its_group_write_waits_for_another_time() -> None:
    def no_person(request: Request, _: float) -> Response:
        word = {"result": "ok", "details": "person_processing_disabled"}
        return v1_results(request, dict.fromkeys(uuids_of(request), word))

    post = Post(then=no_person, mode=V1)
    outcomes = post.deliver([an_update_envelope(), an_envelope()])
    assert [(outcome.kind, outcome.reason) for outcome in outcomes] == [
        (RETRY, "person_processing_disabled"),
        (DELIVERED, "person_processing_disabled"),
    ]
    assert outcomes[0].unknown_at is None
    assert len(post.sent) == 1, "not again in this delivery"
    assert post.records[0].remarks == {"person_processing_disabled": 1}


# -- stop, and keep ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("refusal", "reason"),
    [
        pytest.param(answer(401), "credentials", id="a wrong key"),
        pytest.param(answer(403), "credentials", id="a forbidden one"),
        pytest.param(answer(402), "quota", id="a used-up quota"),
        pytest.param(answer(200, b"<html>Welcome</html>"), "not_posthog", id="a page for people"),
        pytest.param(answer(302, location="https://elsewhere.example/"), "redirect", id="a redirect"),
    ],
)
def test_what_needs_a_person_stops_the_delivery_and_refuses_nothing(refusal: Response, reason: str) -> None:
    post = Post(then=refusal)
    outcomes = post.deliver(some(1300))
    assert {(outcome.kind, outcome.reason) for outcome in outcomes} == {(RETRY, reason)}
    assert len(post.sent) == 1
    assert post.records[0].reasons == {reason: 1300}


def test_what_a_refusal_asks_to_wait_holds_for_all_that_it_stopped() -> None:
    post = Post(then=answer(402, retry_after="60"))
    assert {outcome.retry_after for outcome in post.deliver(some(600))} == {60.0}


def test_only_what_was_sent_can_be_unknown() -> None:
    post = Post(then=answer(200, b"<html>"))
    outcomes = post.deliver(some(600))
    assert [outcome.unknown_at is not None for outcome in outcomes] == [True] * 512 + [False] * 88


# -- auto ----------------------------------------------------------------------------------------------------


def test_auto_stays_with_v1_where_v1_answers() -> None:
    post = Post(then=lambda request, _: v1_results(request), mode=AUTO)
    post.deliver(some(1))
    post.deliver(some(1))
    assert set(post.paths) == {"/i/v1/analytics/events"}


@pytest.mark.parametrize(
    "first",
    [
        pytest.param(answer(404), id="no such route"),
        pytest.param(answer(405), id="no such method"),
        pytest.param(answer(403, b"<html>Forbidden"), id="a firewall"),
        pytest.param(answer(200, {"status": "Ok"}), id="a relay that accepts everything"),
        pytest.param(answer(301), id="a redirect"),
    ],
)
def test_auto_speaks_legacy_at_once_where_v1_is_not_spoken(first: Response) -> None:
    post, batch = Post([first], mode=AUTO), some(2)
    assert kinds(post.deliver(batch)) == [DELIVERED] * 2
    assert post.paths == ["/i/v1/analytics/events", "/batch/"]
    assert post.sent[0] == post.sent[1], "the same uuids"
    assert post.clock.waits == []
    post.deliver(some(1))
    assert post.paths[2:] == ["/batch/"], "and remembers it"


@pytest.mark.parametrize(
    "nothing_said",
    [
        pytest.param(answer(408), id="a time-out"),
        pytest.param(answer(429), id="too many requests"),
        pytest.param(answer(503), id="a server error"),
        pytest.param(LOST, id="silence"),
    ],
)
def test_auto_learns_nothing_from_trouble(nothing_said: Response | NoAnswer) -> None:
    post = Post([nothing_said], then=lambda request, _: v1_results(request), mode=AUTO)
    post.deliver(some(1))
    assert post.paths == ["/i/v1/analytics/events"] * 2


@pytest.mark.parametrize(
    "refusal",
    [
        pytest.param(answer(401, {"error": "invalid_api_token"}), id="by its tag"),
        pytest.param(answer(404, b"", posthog_request_id="x"), id="by the echo of our id"),
    ],
)
def test_a_refusal_that_only_v1_gives_decides_for_v1(refusal: Response) -> None:
    post = Post([refusal], then=lambda request, _: v1_results(request), mode=AUTO, max_retries=0)
    post.deliver(some(1))
    post.clock.advance(INTERVAL)
    post.deliver(some(1))
    assert post.paths == ["/i/v1/analytics/events"] * 2


@pytest.mark.fast
@pytest.mark.parametrize("asked", [Compression.AUTO, Compression.ZSTD])
def test_zstd_is_for_v1_and_legacy_gets_gzip(asked: Compression) -> None:
    post = Post([NOT_FOUND], mode=AUTO, compression=asked)
    post.deliver(some(1))
    assert post.header("Content-Encoding") == ["zstd", "gzip"]


def test_gzip_stays_gzip_on_both() -> None:
    post = Post([NOT_FOUND], mode=AUTO, compression=Compression.GZIP)
    post.deliver(some(1))
    assert post.header("Content-Encoding") == ["gzip", "gzip"]


CANNOT_READ = [
    pytest.param(answer(415, {"error": "unsupported_encoding"}), id="v1 says so"),
    pytest.param(answer(415, b"<html>415</html>", content_type="text/html"), id="a proxy says so"),
    pytest.param(answer(400, {"error": "request_decoding_error"}), id="v1 found no sense in the bytes"),
]


@pytest.mark.fast
@pytest.mark.parametrize("mode", [AUTO, V1])
@pytest.mark.parametrize("refusal", CANNOT_READ)
def test_a_host_that_cannot_read_zstd_gets_the_same_events_as_gzip_at_once(
    refusal: Response, mode: CaptureMode
) -> None:
    post = Post(
        [refusal], then=lambda request, _: v1_results(request), mode=mode, compression=Compression.AUTO
    )
    batch = some(2)
    assert kinds(post.deliver(batch)) == [DELIVERED] * 2
    assert post.header("Content-Encoding") == ["zstd", "gzip"]
    assert post.paths == ["/i/v1/analytics/events"] * 2
    assert uuids_of(post.transport.sent[1]) == [envelope.uuid for envelope in batch]
    assert post.clock.waits == []
    assert (post.records[0].unread, post.records[0].encoding) == ("zstd", "gzip")
    post.deliver(some(1))
    assert post.header("Content-Encoding")[2:] == ["gzip"], "and remembers it"
    assert post.records[1].unread == ""


@pytest.mark.fast
@pytest.mark.parametrize("refusal", CANNOT_READ)
def test_what_cannot_be_read_as_gzip_either_is_not_sent_for_ever(refusal: Response) -> None:
    post = Post(then=refusal, mode=V1, compression=Compression.AUTO)
    assert kinds(post.deliver(some(1))) == [RETRY]
    assert post.header("Content-Encoding") == ["zstd", "gzip"]


@pytest.mark.fast
def test_a_wrong_content_type_is_not_blamed_on_zstd() -> None:
    post = Post(
        then=answer(415, {"error": "unsupported_content_type"}), mode=V1, compression=Compression.AUTO
    )
    assert kinds(post.deliver(some(1))) == [RETRY]
    assert post.header("Content-Encoding") == ["zstd"]


@pytest.mark.fast
def test_a_host_without_v1_behind_a_proxy_without_zstd_gets_legacy_in_the_end() -> None:
    post = Post([answer(415), NOT_FOUND], mode=AUTO, compression=Compression.AUTO)
    assert kinds(post.deliver(some(1))) == [DELIVERED]
    assert post.paths == ["/i/v1/analytics/events"] * 2 + ["/batch/"]
    assert post.header("Content-Encoding") == ["zstd", "gzip", "gzip"]


@pytest.mark.fast
def test_a_second_request_that_was_under_way_as_zstd_goes_again_too() -> None:
    batch = some(600)
    refusal = answer(415, {"error": "unsupported_encoding"})
    post = Post(
        [refusal, refusal],
        then=lambda request, _: v1_results(request),
        mode=V1,
        compression=Compression.AUTO,
    )
    assert kinds(post.deliver(batch)) == [DELIVERED] * 600
    assert post.header("Content-Encoding") == ["zstd", "zstd", "gzip", "gzip"]


# -- breaker -------------------------------------------------------------------------------------------------


def test_an_export_that_used_its_whole_deadline_leaves_the_next_one_a_second() -> None:
    post = Post(then=hangs)
    post.deliver(some(1))
    assert post.clock.monotonic() == pytest.approx(10.0, abs=0.1)
    before = post.clock.monotonic()
    post.deliver(some(1000))
    assert post.clock.monotonic() - before <= BRIEF
    assert post.records[-1].attempts == 1, "tries once"


def test_four_batches_at_shutdown_fit_into_the_sdks_thirty_seconds() -> None:
    post = Post(then=hangs)
    for _ in range(4):
        post.deliver(some(512))
    assert post.clock.monotonic() < 20.0


def test_once_an_interval_a_slow_host_gets_a_patient_probe_and_then_everything() -> None:
    post = Post([hangs, hangs, hangs], takes=2.0)
    post.deliver(some(1))  # the whole deadline
    post.deliver(some(1))  # a second
    post.clock.advance(INTERVAL)
    assert kinds(post.deliver(some(600))) == [DELIVERED] * 600
    assert post.transport.timeouts[-2] == PROBE
    assert not post.records[-1].breaker_open


def test_a_dead_host_is_given_up_after_five_failures_in_a_delivery() -> None:
    post = Post(then=UNREACHABLE, max_retries=50, takes=0.0)
    post.deliver(some(5000), within=100.0)
    assert post.records[0].attempts == FAILURES


def test_the_failure_that_opens_the_breaker_is_not_waited_for() -> None:
    post = Post(then=UNREACHABLE, max_retries=50, takes=0.0)
    post.deliver(some(1), within=100.0)
    assert len(post.clock.waits) == FAILURES - 1


def test_with_an_outbox_an_outage_costs_one_probe_an_interval(tmp_path: Any) -> None:
    post = Post(then=hangs, outbox=str(tmp_path))
    post.deliver(some(1))
    attempts = len(post.sent)
    start = post.clock.monotonic()
    while post.clock.monotonic() < start + 10 * INTERVAL:
        outcomes = post.deliver(some(1))
        post.clock.advance(1.0)
        assert kinds(outcomes) == [RETRY]
    assert len(post.sent) - attempts <= 10
    assert post.records[-1].seconds == 0.0


# -- end of life ---------------------------------------------------------------------------------------------


def test_an_interrupt_cuts_the_running_request_and_ends_the_delivery() -> None:
    post: Post

    def interrupted(request: Request, _: float) -> NoAnswer:
        post.courier.interrupt()
        return NoAnswer("shut_down", sent=True)

    post = Post([interrupted])
    outcomes = post.deliver(some(600))
    assert post.transport.aborted
    assert [outcome.reason for outcome in outcomes] == ["shut_down"] * 600
    assert [outcome.unknown_at is not None for outcome in outcomes] == [True] * 512 + [False] * 88
    assert len(post.sent) == 1


def test_haste_ends_pauses_but_not_first_attempts() -> None:
    post: Post

    def hurry(request: Request, _: float) -> Response:
        post.courier.hasten()
        return answer(503)

    post = Post([hurry])
    assert kinds(post.deliver(some(600))) == [RETRY] * 512 + [DELIVERED] * 88
    assert post.clock.waits == []
    assert kinds(post.deliver(some(1))) == [DELIVERED]


def test_a_child_process_forgets_the_breaker_and_keeps_the_protocol() -> None:
    post = Post([NOT_FOUND], mode=AUTO)
    post.deliver(some(1))
    post.courier.interrupt()
    post.courier.after_fork_in_child()
    assert kinds(post.deliver(some(1))) == [DELIVERED]
    assert post.paths == ["/batch/"]


# -- whatever happens ----------------------------------------------------------------------------------------


def breaks(request: Request, timeout: float) -> Response:
    raise RuntimeError("a transport that breaks its promise")


def test_a_transport_that_raises_is_no_answer() -> None:
    post = Post([breaks])
    assert kinds(post.deliver(some(1))) == [DELIVERED]


def test_an_observer_that_raises_costs_nothing() -> None:
    clock = ManualClock()

    def broken(record: DeliveryRecord) -> None:
        raise RuntimeError

    courier = Courier(
        transport=ScriptedTransport(clock),
        settings=Settings(api_key="k", host="http://h", capture_mode=LEGACY),
        clock=clock,
        random=Random(1),
        observer=broken,
    )
    assert kinds(courier.deliver(some(1), deadline=1.0)) == [DELIVERED]


def test_an_envelope_that_can_not_be_written_raises_nothing() -> None:
    broken: Any = an_envelope()._replace(properties=None)
    outcomes = Post().deliver([broken])
    assert kinds(outcomes) == [RETRY]
    assert outcomes[0].reason == "internal_error"


STEPS = st.sampled_from(
    [OK, NOT_FOUND, LOST, UNREACHABLE, hangs, breaks]
    + [answer(status) for status in (200, 204, 301, 400, 401, 402, 408, 413, 418, 422, 429, 500, 503)]
    + [
        answer(200, b"<html>"),
        answer(200, {"results": {}}),
        answer(503, retry_after="Fri, 31 Dec 9999 23:59:59 GMT"),
    ]
)


@given(
    steps=st.lists(STEPS, max_size=20),
    mode=st.sampled_from(CaptureMode),
    count=st.integers(1, 9),
    within=st.floats(0, 20),
)
@settings(max_examples=150, deadline=None)
def test_every_envelope_ends_exactly_once_whatever_the_world_does(
    steps: list[Step], mode: CaptureMode, count: int, within: float
) -> None:
    post, batch = Post(steps, mode=mode, then=answer(503)), some(count)
    outcomes = post.deliver(batch, within=within)
    assert len(outcomes) == count
    record = post.records[0]
    assert record.delivered + sum(record.reasons.values()) == count
    assert (
        record.attempts == len(post.sent) == sum(record.statuses.values()) + sum(record.no_answers.values())
    )
    sent = {uuid for uuids in post.sent for uuid in uuids}
    for envelope, outcome in zip(batch, outcomes, strict=True):
        assert outcome.reason or outcome.kind is DELIVERED
        if envelope.uuid not in sent:
            assert outcome.kind is RETRY
            assert outcome.unknown_at is None


def test_two_threads_deliver_at_the_same_time() -> None:
    post = Post(takes=0.0, then=lambda request, _: v1_results(request), mode=AUTO)
    batches = [some(50) for _ in range(40)]
    outcomes: list[Outcome] = []

    def work(mine: list[list[Envelope]]) -> None:
        for batch in mine:
            outcomes.extend(post.deliver(batch))

    threads = [threading.Thread(target=work, args=(batches[start::4],)) for start in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert kinds(outcomes) == [DELIVERED] * 2000
    uuids = [uuid for sent in post.sent for uuid in sent]
    assert len(uuids) == len(set(uuids)) == 2000


def test_pauses_grow_with_each_attempt() -> None:
    post = Post([answer(503)] * 4)
    post.deliver(some(1), within=100.0)
    spread = [wait - 0.1 for wait in post.clock.waits]
    ceilings = [0.5, 1.0, 2.0, 4.0]
    assert all(0.0 <= wait <= ceiling for wait, ceiling in zip(spread, ceilings, strict=True))
