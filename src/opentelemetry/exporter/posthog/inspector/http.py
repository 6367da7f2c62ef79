"""The page and its API, on the very port that takes events.

========================================  ==========================================================
``GET /``                                 the page
``GET /events?name=…&organization=…``     events; also by ``person``, ``uuid``; ``wait`` seconds for ``count``
``DELETE /events``                        a fresh project and an empty page
``GET /organizations``                    groups with their profiles; ``type`` is ``organization`` by default
``GET /organizations/{key}``              one of them, with the timeline of every property
``GET /not-exported``                     what exporters let go, by reason, with samples and the remedy
``GET /requests`` · ``/requests/{n}``     requests; one as it came, without the key
``GET /findings``                         what PostHog would have lost or changed without a word
``GET POST DELETE /faults``               what the double is told to do wrong (``testing.Fault`` as JSON)
``GET /export.jsonl?mask=1``              all events, one a line
``GET /stream``                           everything as it happens (server-sent events)
========================================  ==========================================================

Everything but PostHog's own endpoints needs the token: ``?token=…`` or ``Authorization: Bearer …``.

The standard library's server is enough: one process, a handful of readers, a thread each. And it is the only
one on which a fault can reset a connection or drip an answer on the same port as the page.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote

from ..testing.exchange import Answer, lower_case_names, split_target
from ..testing.server import DoubleHandler
from ..version import __version__
from . import queries
from .guard import Guard
from .inspector import Inspector

PAGE: Final = Path(__file__).with_name("page")

CONTENT_TYPES: Final = {
    "html": "text/html; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}

CONTENT_SECURITY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

SECURITY: Final = (
    ("Content-Security-Policy", CONTENT_SECURITY),
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "no-referrer"),
    ("Cache-Control", "no-store"),
)

MAX_REPORT: Final = 8 * 1024 * 1024
"""Bytes of one report; an exporter bounds its own far below."""

STREAM_CHUNK: Final = 50
"""Records a message: some 50 kB of JSON, which a browser reads in a few milliseconds."""

STREAM_PAUSE: Final = 0.1
"""Seconds between messages of a live stream: ten repaints a second are as live as a person can see."""

HEARTBEAT: Final = 10.0
"""Seconds after which a silent stream says that it is alive."""

POSTHOG_PATHS: Final = ("/batch", "/i/", "/capture", "/e", "/decide", "/flags", "/s")

Route = Callable[["Call"], Answer]


class Call:
    """One request to the page or its API."""

    def __init__(self, method: str, path: str, query: Mapping[str, str], body: bytes) -> None:
        self.method = method
        self.path = path
        self.query = query
        self.body = body


class InspectorHandler(DoubleHandler):
    """Serves the page beside PostHog's endpoints."""

    def __init__(self, *arguments: Any, inspector: Inspector, guard: Callable[[], Guard]) -> None:
        self.inspector = inspector
        self.guard = guard
        super().__init__(*arguments)

    def answer(self) -> None:
        path, query = split_target(self.path)
        if is_posthogs(path):
            super().answer()
            return
        headers = lower_case_names(self.headers.items())
        body = self.body()
        if body is None:
            self.close_connection = True
            self.write(Answer(413, (("Connection", "close"),)))
            return
        call = Call(self.command, path, query, body)
        guard = self.guard()
        if not guard.is_named_rightly(headers):
            self.write(sentence(421, "Ask for the inspector under 127.0.0.1 or localhost."))
            return
        open_answer = self._open(call)
        if open_answer is not None:
            self.write(open_answer)
            return
        objection = guard.objection(self.command, headers, query)
        if objection is not None:
            self.write(sentence(*objection))
        elif (self.command, path) == ("GET", "/stream"):
            self._stream(headers.get("last-event-id") or query.get("after", ""))
        elif path.startswith("/_double/"):
            answer, _ = self.server.double.handle(self.command, self.path, headers.items(), body)
            self.write(answer)
        else:
            self.write(self._data(call, guard))

    def _open(self, call: Call) -> Answer | None:
        """What holds no data and so needs no token; None for everything else."""
        if call.method != "GET":
            return None
        if call.path == "/_inspector/hello":
            return as_json({"inspector": __version__})
        if call.path.startswith("/page/"):
            return page_file(call.path.removeprefix("/page/"))
        if call.path == "/favicon.ico":
            return page_file("icon.svg")
        return None

    def _data(self, call: Call, guard: Guard) -> Answer:
        if call.path == "/" and call.method == "GET":
            page = page_file("index.html")
            cookie = f"{guard.cookie}={guard.token}; HttpOnly; SameSite=Strict; Path=/"
            return Answer(page.status, (*page.headers, ("Set-Cookie", cookie)), page.body)
        if (call.method, call.path) == ("POST", "/_inspector/reports"):
            return self._report(call.body)
        try:
            return answer_call(self.inspector, call)
        except queries.QueryError as error:
            return as_json({"error": str(error)}, status=400)

    def _report(self, body: bytes) -> Answer:
        if len(body) > MAX_REPORT:
            return sentence(413, "A report is at most 8 MiB.")
        try:
            self.inspector.report(json.loads(body))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            return sentence(400, f"This is no report of an exporter: {type(error).__name__}.")
        return Answer(204)

    # -- the stream -----------------------------------------------------------------------------------

    def _stream(self, position: str) -> None:
        """Everything after ``position`` (``<epoch>-<seq>``), then all that comes, until somebody ends."""
        self.close_connection = True
        head = (("Content-Type", "text/event-stream"), ("Connection", "close"), *SECURITY)
        lines = "".join(f"{name}: {value}\r\n" for name, value in head)
        self.wfile.write(f"HTTP/1.1 200 OK\r\n{lines}\r\n".encode())
        feed, closing = self.inspector.feed, self.server.closing
        epoch, _, number = position.partition("-")
        seq = int(number) if number.isdecimal() else 0
        if epoch != feed.epoch:
            epoch, seq = "", 0
        while not closing.is_set():
            if epoch != feed.epoch:
                epoch, seq = feed.epoch, 0
                self._say(epoch, 0, [self._hello(epoch)])
            found = feed.after(seq, limit=STREAM_CHUNK)
            if found:
                seq = found[-1].seq
                self._say(epoch, seq, [record.to_json() for record in found])
                if len(found) < STREAM_CHUNK:
                    closing.wait(STREAM_PAUSE)
            elif not feed.wait(seq, epoch, HEARTBEAT):
                self.wfile.write(b": still here\n\n")

    def _hello(self, epoch: str) -> dict[str, Any]:
        return {
            "kind": "hello",
            "epoch": epoch,
            "version": __version__,
            "masked": self.inspector.masked,
            "host": f"http://127.0.0.1:{self.guard().port}",
            "token": self.guard().token,
        }

    def _say(self, epoch: str, seq: int, records: Iterable[Mapping[str, Any]]) -> None:
        data = json.dumps(list(records), ensure_ascii=True, separators=(",", ":"), default=str)
        self.wfile.write(f"id: {epoch}-{seq}\ndata: {data}\n\n".encode())


def is_posthogs(path: str) -> bool:
    """Whether a path belongs to PostHog: what a service sends to it is judged, never answered by the page."""
    return any(path == known or path.startswith(known.rstrip("/") + "/") for known in POSTHOG_PATHS)


# -- the API ------------------------------------------------------------------------------------------


def answer_call(inspector: Inspector, call: Call) -> Answer:
    """Answer one call of the API. Raises :class:`~.queries.QueryError`."""
    head, _, rest = call.path.strip("/").partition("/")
    match call.method, head, unquote(rest):
        case "GET", "events", "":
            return as_json(queries.events(inspector, call.query))
        case "DELETE", "events", "":
            inspector.clear()
            return Answer(204)
        case "GET", "organizations", "":
            return as_json(queries.groups(inspector, call.query.get("type", "organization")))
        case "GET", "organizations", key:
            return found_or_not(queries.group(inspector, call.query.get("type", "organization"), key))
        case "GET", "not-exported", "":
            return as_json(queries.not_exported(inspector))
        case "GET", "requests", "":
            return as_json(inspector.feed.all("request"))
        case "GET", "requests", number if number.isdecimal():
            return found_or_not(queries.request(inspector, int(number)))
        case "GET", "findings", "":
            return as_json([*inspector.feed.all("finding"), *inspector.feed.all("warning")])
        case "GET", "vocabulary", "":
            return as_json(queries.vocabulary())
        case "GET", "export.jsonl", "":
            text = "".join(queries.export(inspector, mask=call.query.get("mask") in ("1", "true")))
            name = ("Content-Disposition", 'attachment; filename="posthog-events.jsonl"')
            kind = ("Content-Type", "application/x-ndjson; charset=utf-8")
            return Answer(200, (kind, name, *SECURITY), text.encode("utf-8", "replace"))
        case "GET" | "POST" | "DELETE", "faults", "":
            return faults(inspector, call)
        case _:
            return as_json({"error": "no such call", "calls": __doc__}, status=404)


def faults(inspector: Inspector, call: Call) -> Answer:
    if call.method == "POST":
        inspector.double.fail(*queries.faults(call.body))
        return Answer(204)
    if call.method == "DELETE":
        inspector.double.heal()
        return Answer(204)
    return as_json([fault.to_json() for fault in inspector.double.waiting_faults])


def as_json(value: Any, *, status: int = 200) -> Answer:
    body = json.dumps(value, ensure_ascii=False, default=str).encode("utf-8", "replace")
    return Answer(status, (("Content-Type", "application/json; charset=utf-8"), *SECURITY), body)


def found_or_not(value: Mapping[str, Any] | None) -> Answer:
    return as_json({"error": "there is none"}, status=404) if value is None else as_json(value)


def sentence(status: int, text: str) -> Answer:
    body = (text + "\n").encode()
    return Answer(status, (("Content-Type", "text/plain; charset=utf-8"), *SECURITY), body)


@lru_cache(maxsize=64)
def page_file(name: str) -> Answer:
    """A file of the page; only names without a path, and only of kinds that the page has."""
    stem, _, ending = name.rpartition(".")
    if not stem.replace("-", "").isalnum() or ending not in CONTENT_TYPES:
        return sentence(404, "There is no such file.")
    try:
        content = (PAGE / name).read_bytes()
    except OSError:
        return sentence(404, "There is no such file.")
    return Answer(200, (("Content-Type", CONTENT_TYPES[ending]), *SECURITY), content)
