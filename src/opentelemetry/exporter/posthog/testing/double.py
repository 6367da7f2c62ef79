"""A PostHog of one's own: real rules, real status codes, and a memory that can be asked.

>>> with PostHogDouble.listening() as double:           # a real HTTP server on a free port
...     run_the_service(host=double.url)
...     assert double.organization("org_42").properties["plan"] == "team"
...     assert not double.refused and not double.findings, double.explain()

In memory the same rules are one call: ``PostHogDouble().answer("POST", "/batch/", headers, body)``.
"""

from __future__ import annotations

from collections.abc import Collection, Generator, Iterable, Mapping
from contextlib import contextmanager
from dataclasses import replace
from random import Random
from typing import TYPE_CHECKING, Protocol

from ..clock import SystemClock
from .admin import administer
from .exchange import Answer, Request, lower_case_names, split_target
from .fault_answers import fault_answer, with_retry_after
from .faults import Fault, FaultScript
from .findings import Finding
from .group_memory import GroupMemory
from .judgement import AcceptedEvent, Judgement, Limits, Project
from .recorder import Exchange, Recorder
from .retry_discipline import MIN_DELAY, Attempt, RetryDiscipline
from .rules import dated, judge

if TYPE_CHECKING:
    from .server import Server
    from .watching import Watcher


class Times(Protocol):
    """The clock, as the double needs it: see :class:`~opentelemetry.exporter.posthog.clock.Clock`."""

    def time_ns(self) -> int: ...
    def monotonic(self) -> float: ...


class PostHogDouble(Recorder):
    """Plays one PostHog project. Safe from many threads.

    ``v1``: whether the host serves the v1 protocol. ``known_keys``: the project's keys (None: any). An
    unknown key is accepted and what it sends is lost, as in production, or answered with 401 under
    ``enforce_key``. ``clock`` tells the server's time. ``seed`` decides in which order the streams of
    different distinct ids are worked off. ``min_retry_delay``: seconds below which a retry is too soon.
    ``keep_requests``, ``keep_events``: how many of the newest are remembered (None: all). ``watcher`` is told
    of everything at once; ingestion then catches up after each request instead of when somebody asks.
    """

    def __init__(
        self,
        *,
        v1: bool = True,
        known_keys: Collection[str] | None = None,
        enforce_key: bool = False,
        exhausted: Iterable[str] = (),
        limits: Limits | None = None,
        clock: Times | None = None,
        seed: int = 0,
        min_retry_delay: float = MIN_DELAY,
        keep_requests: int = 10_000,
        keep_events: int | None = None,
        watcher: Watcher | None = None,
    ) -> None:
        super().__init__(seed=seed, keep_requests=keep_requests, keep_events=keep_events, watcher=watcher)
        self._project = Project(
            v1=v1,
            known_keys=None if known_keys is None else frozenset(known_keys),
            enforce_key=enforce_key,
            exhausted=frozenset(exhausted),
            limits=limits or Limits(),
        )
        self._clock: Times = clock or SystemClock()
        self._random = Random(seed)
        self._faults = FaultScript()
        self._discipline = RetryDiscipline(min_delay=min_retry_delay)
        self._group_memory = GroupMemory()
        self._numbers = 0
        self._server: Server | None = None

    # -- over HTTP ------------------------------------------------------------------------------------

    @classmethod
    @contextmanager
    def listening(
        cls,
        port: int = 0,
        *,
        host: str = "127.0.0.1",
        v1: bool = True,
        known_keys: Collection[str] | None = None,
        enforce_key: bool = False,
        exhausted: Iterable[str] = (),
        limits: Limits | None = None,
        clock: Times | None = None,
        seed: int = 0,
        min_retry_delay: float = MIN_DELAY,
    ) -> Generator[PostHogDouble]:
        """A double behind a real HTTP server; ``.url`` is its address. Port 0 takes a free one."""
        double = cls(
            v1=v1,
            known_keys=known_keys,
            enforce_key=enforce_key,
            exhausted=exhausted,
            limits=limits,
            clock=clock,
            seed=seed,
            min_retry_delay=min_retry_delay,
        )
        with double.serving(port, host=host):
            yield double

    @contextmanager
    def serving(self, port: int = 0, *, host: str = "127.0.0.1") -> Generator[str]:
        """Serve this double over HTTP for as long as the block lasts; yields the address."""
        from .server import Server

        server = Server(self, host, port)
        self._server = server
        server.start()
        try:
            yield server.url
        finally:
            self._server = None
            server.stop()

    @property
    def url(self) -> str:
        """``http://127.0.0.1:<port>``, what an exporter's ``host`` is set to."""
        if self._server is None:
            raise RuntimeError("this double serves no HTTP: use PostHogDouble.listening() or .serving()")
        return self._server.url

    # -- faults ---------------------------------------------------------------------------------------

    def fail(self, *faults: Fault) -> None:
        """Append to the script of faults; each waits for the next request it matches."""
        with self._lock:
            self._faults.add(*faults)

    def heal(self) -> None:
        """Forget all waiting faults."""
        with self._lock:
            self._faults.clear()

    @property
    def waiting_faults(self) -> tuple[Fault, ...]:
        """Faults that no request has used up yet, in order."""
        with self._lock:
            return self._faults.waiting

    def clear(self) -> None:
        """A fresh project: what clients were told is stored is stored no more. Request numbers go on."""
        with self._lock:
            super().clear()
            self._group_memory = GroupMemory()

    # -- one request ----------------------------------------------------------------------------------

    def answer(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str],
        body: bytes,
    ) -> tuple[int, dict[str, str], bytes]:
        """Answer one request in memory: status, headers, body.

        Raises ``ConnectionResetError`` under a fault that resets. Stalls and drips do not wait here.
        """
        answer, fault = self.handle(method, path, headers.items(), body)
        if fault is not None and (fault.reset or fault.cut):
            raise ConnectionResetError("reset by a fault of the double")
        return answer.status, dict(answer.headers), answer.body

    def handle(
        self,
        method: str,
        target: str,
        headers: Iterable[tuple[str, str]],
        body: bytes,
        *,
        client: str = "memory",
        peer_ip: str = "127.0.0.1",
    ) -> tuple[Answer, Fault | None]:
        """Judge, store and record one request; what the network is to do besides is in the fault."""
        path, query = split_target(target)
        if path.startswith("/_double/"):
            return administer(self, method, path, query, body), None
        with self._lock:
            self._numbers += 1
            request = Request(
                number=self._numbers,
                method=method,
                path=path,
                query=query,
                headers=lower_case_names(headers),
                body=body,
                received_ns=self._clock.time_ns(),
                monotonic=self._clock.monotonic(),
                client=client,
                peer_ip=peer_ip,
            )
            return self._answer(request)

    def _answer(self, request: Request) -> tuple[Answer, Fault | None]:
        bits = self._random.getrandbits(74)
        judgement = judge(request, self._project, random_bits=bits)
        fault = self._faults.take(request, judgement)
        if fault is not None and fault.changes_project:
            judgement = judge(request, fault.project(self._project), random_bits=bits)
        answer = judgement.answer
        stored = judgement.accepted
        refused = judgement.refusals
        if fault is not None and fault.answers:
            answer = dated(fault_answer(fault, request), request)
            stored, refused = [], []
        elif fault is not None:
            answer = with_retry_after(answer, fault)
        silent = fault is not None and bool(fault.reset or fault.cut)
        findings = [*judgement.findings, *self._findings_with_memory(request, judgement)]
        self._keep(request, judgement, stored, answer, silent=silent)
        exchange = Exchange(
            request=request,
            status=0 if silent else answer.status,
            uuids=tuple(event.uuid for event in stored),
            attempt=judgement.envelope.attempt if judgement.envelope is not None else 0,
            encoded_bytes=len(request.body),
            fault=repr(fault.to_json()) if fault is not None else "",
        )
        self._record(exchange, findings, refused)
        return answer, fault

    def _findings_with_memory(self, request: Request, judgement: Judgement) -> list[Finding]:
        """What can only be said by one who remembers earlier requests."""
        found: list[Finding] = []
        if judgement.envelope is not None:
            for name, detail, sent in self._discipline.check(judgement.envelope, started=request.monotonic):
                event, uuid = (sent.name, sent.uuid) if sent is not None else ("", "")
                found.append(Finding(name, request.number, event, uuid, detail))
        found += [
            Finding("redundant_group_update", request.number, event.name, event.uuid)
            for event in judgement.accepted
            if self._group_memory.needless(event)
        ]
        return found

    def _keep(
        self,
        request: Request,
        judgement: Judgement,
        stored: list[AcceptedEvent],
        answer: Answer,
        *,
        silent: bool,
    ) -> None:
        for event in stored:
            self._store.accept(event)
        acknowledged = not silent and answer.status in (200, 204)
        self._group_memory.arrived(stored, acknowledged=acknowledged)
        if not stored:
            self._group_memory.lost(judgement.accepted)
        if judgement.envelope is not None:
            after = answer.header("Retry-After") or ""
            envelope = judgement.envelope
            if answer.status != 200:
                envelope = replace(envelope, results={})
            self._discipline.remember(
                Attempt(
                    envelope=envelope,
                    status=0 if silent else answer.status,
                    retry_after=float(after) if after.isascii() and after.isdigit() else 0.0,
                    ended=self._clock.monotonic(),
                )
            )
