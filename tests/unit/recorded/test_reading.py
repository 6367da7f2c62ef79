"""What was written down is read back as the signal it was."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from google.protobuf.json_format import MessageToDict
from opentelemetry._logs import SeverityNumber
from opentelemetry.exporter.otlp.proto.common._log_encoder import encode_logs
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk._logs import LoggerProvider, ReadableLogRecord
from opentelemetry.sdk._logs.export import (
    ConsoleLogRecordExporter,
    InMemoryLogRecordExporter,
    SimpleLogRecordProcessor,
)
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import ConsoleSpanExporter, SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from opentelemetry import trace
from opentelemetry.exporter.posthog.recorded import Unreadable, documents, read_recorded

ATTRIBUTES: dict[str, Any] = {
    "organization.id": "org_1",
    "seats": 2**53 + 1,
    "share": 0.5,
    "tags": ("a", "b"),
    "live": True,
}
RESOURCE = Resource({"service.name": "shop"})


@pytest.fixture
def signals() -> tuple[ReadableSpan, ReadableLogRecord, str]:
    """A span and a log event as the SDK makes them, and what its console exporters print of them."""
    printed = io.StringIO()
    spans, records = InMemorySpanExporter(), InMemoryLogRecordExporter()
    tracers, loggers = TracerProvider(resource=RESOURCE), LoggerProvider(resource=RESOURCE)
    for span_exporter in (spans, ConsoleSpanExporter(out=printed)):
        tracers.add_span_processor(SimpleSpanProcessor(span_exporter))
    for log_exporter in (records, ConsoleLogRecordExporter(out=printed)):
        loggers.add_log_record_processor(SimpleLogRecordProcessor(log_exporter))
    tracer = tracers.get_tracer("shop", "1.0")
    with tracer.start_as_current_span("GET /x", kind=trace.SpanKind.SERVER, attributes=ATTRIBUTES):
        loggers.get_logger("shop").emit(
            event_name="order.paid", attributes=ATTRIBUTES, body="paid", severity_number=SeverityNumber.INFO
        )
    tracers.shutdown()
    loggers.shutdown()
    return spans.get_finished_spans()[0], records.get_finished_logs()[0], printed.getvalue()


def otlp_json(message: Any) -> str:
    """protobuf's JSON with OTLP's exception: ids in hexadecimal. One line, as the file exporter writes it."""
    import base64

    def hexadecimal(node: Any) -> Any:
        if isinstance(node, dict):
            return {
                key: base64.b64decode(value).hex()
                if key in ("traceId", "spanId", "parentSpanId")
                else hexadecimal(value)
                for key, value in node.items()
            }
        return [hexadecimal(item) for item in node] if isinstance(node, list) else node

    return json.dumps(hexadecimal(MessageToDict(message, use_integers_for_enums=True))) + "\n"


def assert_same_span(found: object, made: ReadableSpan) -> None:
    assert isinstance(found, ReadableSpan)
    assert (found.name, found.kind) == (made.name, made.kind)
    assert found.get_span_context().trace_id == made.get_span_context().trace_id
    assert found.get_span_context().span_id == made.get_span_context().span_id
    assert {k: list(v) if isinstance(v, (list, tuple)) else v for k, v in found.attributes.items()} == {
        **ATTRIBUTES,
        "tags": ["a", "b"],
    }
    assert found.resource.attributes["service.name"] == "shop"


def test_a_span_in_otlp_json_comes_back_to_the_nanosecond(
    signals: tuple[ReadableSpan, ReadableLogRecord, str],
) -> None:
    made = signals[0]
    (found,) = read_recorded(io.BytesIO(otlp_json(encode_spans([made])).encode()))
    assert_same_span(found.signal, made)
    assert (found.signal.start_time, found.signal.end_time) == (made.start_time, made.end_time)
    assert found.signal.instrumentation_scope.name == "shop"


def test_a_log_event_in_otlp_json_keeps_its_name_times_and_trace(
    signals: tuple[ReadableSpan, ReadableLogRecord, str],
) -> None:
    made = signals[1].log_record
    (found,) = read_recorded(io.BytesIO(otlp_json(encode_logs([signals[1]])).encode()))
    record = found.signal.log_record
    assert record.event_name == "order.paid"
    assert record.observed_timestamp == made.observed_timestamp
    assert (record.trace_id, record.span_id) == (made.trace_id, made.span_id)
    assert record.severity_number is SeverityNumber.INFO
    assert record.body == "paid"


def test_what_the_console_exporters_print_is_read_though_it_spreads_over_lines(
    signals: tuple[ReadableSpan, ReadableLogRecord, str],
) -> None:
    log, span = read_recorded(io.BytesIO(signals[2].encode()))
    assert log.signal.log_record.event_name == "order.paid"
    printed, made = log.signal.log_record.observed_timestamp, signals[1].log_record.observed_timestamp
    assert abs(printed - made) <= 1_000  # the console rounds to microseconds
    assert_same_span(span.signal, signals[0])
    assert span.line > log.line


@pytest.mark.parametrize(
    ("text", "line"),
    [
        pytest.param('{"name": "x"}\n', 1, id="a document that is no telemetry"),
        pytest.param(
            '\n\n{"resourceSpans": [{"scopeSpans": [{"spans": [{"traceId": "zz"}]}]}]}\n', 3, id="a bad id"
        ),
        pytest.param('{"resourceSpans": [\n', 1, id="a document that was cut off"),
    ],
)
def test_what_can_not_be_read_is_named_by_its_line(text: str, line: int) -> None:
    (found,) = read_recorded(io.BytesIO(text.encode()))
    assert isinstance(found, Unreadable)
    assert found.line == line
    assert not found.is_chatter


GOOD = '{"resourceSpans": [{"scopeSpans": [{"spans": [{"traceId": "01", "spanId": "02", "name": "%s"}]}]}]}\n'


@pytest.mark.parametrize(
    ("text", "lost"),
    [
        pytest.param('{"resourceSpans": [{"scope' + "\n", [2], id="a line that was cut off by a crash"),
        pytest.param("INFO: started\n", [2], id="a line that the application printed"),
        pytest.param('{"half": 1} {"resource\n', [2], id="two writers in one line"),
        pytest.param("{\n" + '    "a": 1,\n', [2], id="a printed document that never closes"),
        pytest.param("[" * 100_000 + "]" * 100_000 + "\n", [2], id="nesting that no parser takes"),
        pytest.param("\xff\xfe{}\n", [2], id="bytes that are no text"),
    ],
)
def test_what_is_broken_costs_itself_and_not_its_neighbours(text: str, lost: list[int]) -> None:
    stream = io.BytesIO((GOOD % "before").encode() + text.encode("latin-1") + (GOOD % "after").encode())
    found = list(read_recorded(stream))
    assert [one.signal.name for one in found if not isinstance(one, Unreadable)] == ["before", "after"]
    assert [one.line for one in found if isinstance(one, Unreadable)] == lost


def test_a_bad_span_does_not_cost_the_batch_that_it_came_in() -> None:
    spans = [{"traceId": trace_id, "spanId": "02", "name": "n"} for trace_id in ("01", "zz", "03")]
    line = json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": spans}]}]}) + "\n"
    first, second, third = read_recorded(io.BytesIO(line.encode()))
    assert isinstance(second, Unreadable)
    assert (first.place, third.place) == (0, 2)


def test_a_document_that_is_too_long_is_skipped_without_being_held() -> None:
    good = (GOOD % "n").encode()
    stream = io.BytesIO(good + b"{" + b"x" * 10_000 + b"\n" + good)
    found = list(documents(stream, longest=500))
    assert [bool(one.why) for one in found] == [False, True, False]
    assert all(len(one.text) <= 500 for one in found)


def test_reading_can_go_on_where_a_document_ended() -> None:
    text = b"".join((GOOD % n).encode() for n in "abc")
    stream = io.BytesIO(text)
    first, *rest = documents(stream)
    stream.seek(first.end)
    again = list(documents(stream, start=first.end, line=first.next_line))
    assert again == rest
    assert [text[one.start : one.end] for one in again] == [one.text for one in rest]
