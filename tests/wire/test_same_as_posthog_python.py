"""The same capture and the same group identify, sent by us and by PostHog's own SDK, say the same.

The SDK really sends, to a recorder on a loopback port. What may differ is named below, one line a reason;
anything else that differs fails.
"""

from __future__ import annotations

import gzip
import json
import threading
from collections.abc import Iterator
from datetime import datetime, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from random import Random
from typing import Any, NamedTuple

import pytest
from posthog import Posthog

from opentelemetry.exporter.posthog.clock import SystemClock
from opentelemetry.exporter.posthog.delivery.courier import Courier
from opentelemetry.exporter.posthog.delivery.httpx_transport import HttpxTransport
from opentelemetry.exporter.posthog.model import Capture, Envelope, Group, GroupUpdate
from opentelemetry.exporter.posthog.settings.model import CaptureMode, Compression, Settings
from opentelemetry.exporter.posthog.timestamp import parse_rfc3339, to_datetime
from opentelemetry.exporter.posthog.uuid7 import uuid7
from opentelemetry.exporter.posthog.wire.encoding import Encoder

KEY = "phc_differential"
TIME_NS = 1_790_000_000_123_456_000

RUNTIME = {"$python_runtime", "$python_version", "$os", "$os_version", "$os_distro"}
"""What the SDK says of its machine; ours comes from the resource, under the application's own names."""

LIBRARY = {"$lib", "$lib_version"}
"""Each names itself; that both do is checked."""


class Recorded(NamedTuple):
    path: str
    headers: dict[str, str]
    body: dict[str, Any]

    @property
    def event(self) -> dict[str, Any]:
        (event,) = self.body["batch"]
        found: dict[str, Any] = event
        return found


class Recorder:
    """Accepts everything, in both protocols."""

    def __init__(self) -> None:
        recorded: list[Recorded] = []

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if self.headers.get("Content-Encoding") == "gzip":
                    body = gzip.decompress(body)
                said = json.loads(body)
                headers = {name.lower(): value for name, value in self.headers.items()}
                recorded.append(Recorded(self.path, headers, said))
                results = {event["uuid"]: {"result": "ok"} for event in said["batch"]}
                answer = json.dumps({"results": results} if "v1" in self.path else {"status": "Ok"}).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_: object) -> None: ...

        self.recorded = recorded
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def recorder() -> Iterator[Recorder]:
    recorder = Recorder()
    yield recorder
    recorder.close()


def ours(recorder: Recorder, envelope: Envelope | None, mode: CaptureMode) -> Recorded:
    assert envelope is not None
    transport, clock = HttpxTransport(), SystemClock()
    courier = Courier(
        transport=transport,
        settings=Settings(api_key=KEY, host=recorder.url, capture_mode=mode, compression=Compression.GZIP),
        clock=clock,
        random=Random(5),
    )
    courier.deliver([envelope], deadline=clock.monotonic() + 10.0)
    courier.close()
    return recorder.recorded[-1]


def theirs(recorder: Recorder, mode: CaptureMode, call: str, **arguments: Any) -> Recorded:
    client = Posthog(
        KEY,
        host=recorder.url,
        sync_mode=True,
        gzip=True,
        capture_mode="v1" if mode is CaptureMode.V1 else "v0",
    )
    getattr(client, call)(**arguments)
    client.shutdown()
    return recorder.recorded[-1]


def meaning(recorded: Recorded) -> dict[str, Any]:
    """One event without what each sender must choose for itself."""
    event = dict(recorded.event)
    properties = {k: v for k, v in event.pop("properties").items() if k not in RUNTIME | LIBRARY}
    event["timestamp"] = parse_rfc3339(event["timestamp"])
    options = event.pop("options", {})  # absent and empty mean the same
    # `$set` beside the properties and among them mean the same to PostHog.
    for name in ("$set",):
        if name in event:
            properties[name] = event.pop(name)
    return {**event, "options": options, "properties": properties}


def envelope_of(recorded: Recorded) -> dict[str, Any]:
    """The body without its events and times; a false `historical_migration` and none mean the same."""
    body = {k: v for k, v in recorded.body.items() if k not in {"batch", "sent_at", "created_at"}}
    if body.get("historical_migration") is False:
        del body["historical_migration"]
    return body


def protocol_of(recorded: Recorded) -> dict[str, Any]:
    """Path, encoding and the headers that the protocol asks for, values where they must agree."""
    named = {name for name in recorded.headers if name.startswith("posthog-")} | {"authorization"}
    return {
        "path": recorded.path.rstrip("/"),
        "headers": {name for name in named if name in recorded.headers},
        "authorization": recorded.headers.get("authorization"),
        "content-type": recorded.headers["content-type"].partition(";")[0],
        "content-encoding": recorded.headers.get("content-encoding"),
        "attempt": recorded.headers.get("posthog-attempt"),
        "agent is sdk": recorded.headers["user-agent"] == recorded.headers.get("posthog-sdk-info"),
    }


def same(one: Recorded, other: Recorded) -> None:
    assert meaning(one) == meaning(other)
    assert envelope_of(one) == envelope_of(other)
    assert protocol_of(one) == protocol_of(other)
    for name in LIBRARY:
        assert (name in one.event["properties"]) is (name in other.event["properties"])


BOTH = pytest.mark.parametrize("mode", [CaptureMode.V1, CaptureMode.LEGACY], ids=["v1", "legacy"])

VALUES: dict[str, Any] = {
    "plan": "pro",
    "seats": 5,
    "ratio": 0.25,
    "trial": False,
    "tags": ["a", 1, None],
    "nested": {"a": {"b": [1]}},
    "name": 'Zoë ✓ \u2028 "quoted" \\ back',
    "none": None,
}


def a_capture(**parts: Any) -> Capture:
    whole = {
        "name": "member invited",
        "distinct_id": "user-1",
        "time_ns": TIME_NS,
        "uuid": uuid7(TIME_NS, 42),
        "groups": {"organization": "org_42"},
        "properties": VALUES,
        **parts,
    }
    return Capture(**whole)


def moment() -> datetime:
    return to_datetime(TIME_NS).astimezone(timezone.utc)


@BOTH
def test_a_capture_with_groups(recorder: Recorder, mode: CaptureMode) -> None:
    capture = a_capture()
    same(
        ours(recorder, Encoder().capture(capture), mode),
        theirs(
            recorder,
            mode,
            "capture",
            event=capture.name,
            distinct_id=capture.distinct_id,
            properties=VALUES,
            groups={"organization": "org_42"},
            timestamp=moment(),
            uuid=capture.uuid,
        ),
    )


@BOTH
def test_a_capture_without_a_person(recorder: Recorder, mode: CaptureMode) -> None:
    capture = a_capture(distinct_id="otel:shop", groups={}, personless=True)
    same(
        ours(recorder, Encoder().capture(capture), mode),
        theirs(
            recorder,
            mode,
            "capture",
            event=capture.name,
            distinct_id=capture.distinct_id,
            properties={**VALUES, "$process_person_profile": False},
            timestamp=moment(),
            uuid=capture.uuid,
        ),
    )


@BOTH
def test_a_capture_in_a_session(recorder: Recorder, mode: CaptureMode) -> None:
    capture = a_capture(session_id="019ab000-0000-7000-8000-000000000000")
    same(
        ours(recorder, Encoder().capture(capture), mode),
        theirs(
            recorder,
            mode,
            "capture",
            event=capture.name,
            distinct_id=capture.distinct_id,
            properties={**VALUES, "$session_id": capture.session_id},
            groups={"organization": "org_42"},
            timestamp=moment(),
            uuid=capture.uuid,
        ),
    )


@BOTH
def test_a_capture_that_sets_a_person(recorder: Recorder, mode: CaptureMode) -> None:
    capture = a_capture(person={"plan": "pro"})
    same(
        ours(recorder, Encoder().capture(capture), mode),
        theirs(
            recorder,
            mode,
            "capture",
            event=capture.name,
            distinct_id=capture.distinct_id,
            properties={**VALUES, "$set": {"plan": "pro"}},
            groups={"organization": "org_42"},
            timestamp=moment(),
            uuid=capture.uuid,
        ),
    )


@BOTH
@pytest.mark.parametrize("properties", [VALUES, {}], ids=["with properties", "at first sight"])
def test_a_group_identify(recorder: Recorder, mode: CaptureMode, properties: dict[str, Any]) -> None:
    update = GroupUpdate(
        group=Group("organization", "org_42"),
        properties=properties,
        time_ns=TIME_NS,
        uuid=uuid7(TIME_NS, 43),
        distinct_id="$organization_org_42",
        first_sight=not properties,
        claim=None,
    )
    same(
        ours(recorder, Encoder().group_update(update), mode),
        theirs(
            recorder,
            mode,
            "group_identify",
            group_type="organization",
            group_key="org_42",
            properties=properties,
            timestamp=moment(),
            uuid=update.uuid,
            distinct_id=update.distinct_id,
        ),
    )


@BOTH
def test_what_differs_is_what_we_say_on_purpose(recorder: Recorder, mode: CaptureMode) -> None:
    mine = ours(recorder, Encoder().capture(a_capture()), mode)
    sdk = theirs(recorder, mode, "capture", event="e", distinct_id="user-1", properties=VALUES)
    only_theirs = set(sdk.event["properties"]) - set(mine.event["properties"])
    assert only_theirs <= RUNTIME
    assert "sent_at" not in mine.body, "PostHog would shift an event by the age of a request that waited"
    if mode is CaptureMode.LEGACY:
        assert "sent_at" in sdk.body
        assert mine.event["properties"]["$lib"] == "opentelemetry-exporter-posthog"
        assert sdk.event["properties"]["$lib"] == "posthog-python"
