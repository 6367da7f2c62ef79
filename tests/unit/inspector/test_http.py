"""The page and its API over a real port."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from http.client import HTTPConnection
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import pytest

from opentelemetry.exporter.posthog.inspector.http import PAGE, page_file
from opentelemetry.exporter.posthog.inspector.inspector import Inspector
from opentelemetry.exporter.posthog.inspector.serving import Address, serving
from tests.unit.inspector.sending import KEY, event, send_legacy

LOCK = threading.Lock()


class Answer(NamedTuple):
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Client:
    def __init__(self, inspector: Inspector, address: Address) -> None:
        self.inspector = inspector
        self.address = address
        self._netloc = urlsplit(address.host).netloc

    def call(
        self, method: str, path: str, body: object = None, *, token: bool = True, **headers: str
    ) -> Answer:
        connection = HTTPConnection(self._netloc, timeout=20)
        sent = {"Authorization": f"Bearer {self.address.token}"} if token else {}
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        content = None if body is None else json.dumps(body)
        connection.request(method, path, content, sent)
        got = connection.getresponse()
        answer = Answer(got.status, dict(got.headers), got.read())
        connection.close()
        return answer


@pytest.fixture
def client() -> Iterator[Client]:
    inspector = Inspector()
    with serving(inspector) as address:
        yield Client(inspector, address)


def test_any_sdk_can_send_without_a_token_and_a_test_reads_with_one(client: Client) -> None:
    sent = client.call(
        "POST", "/batch/", {"api_key": KEY, "batch": [event("paid"), event("other")]}, token=False
    )
    assert sent.status == 200
    (found,) = client.call("GET", "/events?name=paid").json
    assert found["groups"] == {"organization": "org_acme"}


@pytest.mark.parametrize(
    "path", ["/", "/events", "/stream", "/export.jsonl", "/_double/state", "/requests/1", "/faults"]
)
def test_nothing_is_shown_without_the_token(client: Client, path: str) -> None:
    send_legacy(client.inspector, event("paid"))
    answer = client.call("GET", path, token=False)
    assert answer.status == 401
    assert b"paid" not in answer.body


def test_a_name_that_was_rebound_to_the_loopback_reads_nothing(client: Client) -> None:
    assert client.call("GET", "/events", Host="evil.example").status == 421


def test_another_page_can_not_clear(client: Client) -> None:
    send_legacy(client.inspector, event("paid"))
    assert client.call("DELETE", "/events", Origin="http://localhost:3000").status == 403
    assert len(client.call("GET", "/events").json) == 1


def test_waiting_ends_with_the_event_that_was_waited_for(client: Client) -> None:
    later = threading.Thread(target=lambda: send_legacy(client.inspector, event("late")))
    later.start()
    (found,) = client.call("GET", "/events?name=late&wait=20").json
    later.join()
    assert found["event"] == "late"


def test_events_are_found_by_organization_person_and_uuid(client: Client) -> None:
    send_legacy(client.inspector, event("a", "org_1", "u_1"), event("a", "org_2", "u_2"))
    (first,) = client.call("GET", "/events?organization=org_1").json
    assert client.call("GET", "/events?person=u_1").json == [first]
    assert client.call("GET", f"/events?uuid={first['uuid']}").json == [first]
    assert client.call("GET", "/events?name=b").json == []


def test_clearing_is_for_the_next_test(client: Client) -> None:
    send_legacy(client.inspector, event("paid"))
    assert client.call("DELETE", "/events").status == 204
    assert client.call("GET", "/events").json == []


def test_a_fault_is_met_by_the_next_request_and_healed(client: Client) -> None:
    assert client.call("POST", "/faults", {"status": 503, "times": 2}).status == 204
    assert client.call("POST", "/batch/", {"api_key": KEY, "batch": [event("paid")]}).status == 503
    assert (
        client.call("GET", "/faults").json == [{"times": 1, "status": 503}]
        or len(client.call("GET", "/faults").json) == 1
    )
    assert client.call("DELETE", "/faults").status == 204
    assert client.call("POST", "/batch/", {"api_key": KEY, "batch": [event("paid")]}).status == 200


def test_a_fault_that_does_not_exist_is_named(client: Client) -> None:
    answer = client.call("POST", "/faults", {"explode": True})
    assert answer.status == 400
    assert "explode" in answer.json["error"]


def test_a_wrong_question_is_answered_with_how_to_ask(client: Client) -> None:
    assert client.call("GET", "/events?wait=soon").status == 400
    assert client.call("GET", "/nothing").status == 404


def test_every_export_line_is_an_event(client: Client) -> None:
    send_legacy(client.inspector, event("a"), event("b"))
    lines = client.call("GET", "/export.jsonl").body.decode().splitlines()
    assert [json.loads(line)["event"] for line in lines] == ["a", "b"]


def test_the_stream_brings_what_was_there_and_what_comes(client: Client) -> None:
    send_legacy(client.inspector, event("before"))
    connection = HTTPConnection(urlsplit(client.address.host).netloc, timeout=20)
    connection.request("GET", "/stream", headers={"Authorization": f"Bearer {client.address.token}"})
    stream = connection.getresponse()
    assert b'"before"' in read_until(stream, b'"before"')
    send_legacy(client.inspector, event("after"))
    assert b'"after"' in read_until(stream, b'"after"')
    connection.close()


def read_until(stream: Any, wanted: bytes) -> bytes:
    got = b""
    while wanted not in got:
        line = stream.readline()
        assert line, "the stream ended"
        got += line
    return got


def test_the_page_loads_nothing_from_the_network(client: Client) -> None:
    page = client.call("GET", "/")
    assert page.status == 200
    assert "default-src 'none'" in page.headers["Content-Security-Policy"]
    for file in PAGE.iterdir():
        text = file.read_text(encoding="utf-8").replace("http://www.w3.org/2000/svg", "")
        assert "http://" not in text.replace("http://127.0.0.1", ""), file.name
        assert "https://" not in text, file.name


@pytest.mark.parametrize("name", ["../http.py", "http.py", "..%2fhttp.py", "main", ".js", "sub/main.js"])
def test_only_files_of_the_page_are_served(name: str) -> None:
    assert page_file(name).status == 404


def test_the_cookie_is_for_this_inspector_and_out_of_reach_of_scripts(client: Client) -> None:
    cookie = client.call("GET", "/").headers["Set-Cookie"]
    assert f"posthog_inspector_{urlsplit(client.address.host).port}=" in cookie
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie


def test_a_report_in_another_shape_is_turned_away(client: Client) -> None:
    assert client.call("POST", "/_inspector/reports", {"exporter": "x"}).status == 400
    assert client.call("POST", "/_inspector/reports", {}, token=False).status == 401
