"""Faults to order: what the double does instead of answering as it should.

A fault waits in a script until a request matches it; the first match is used up (``times``). In another
process the same script is written over HTTP as JSON: ``POST /_double/faults``.

>>> script = FaultScript()
>>> script.add(Fault(status=503, retry_after="2", times=2))   # two refusals, then all is well
>>> script.add(Fault(reset="after"))                          # then one answer is lost
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

from .exchange import Request
from .judgement import Judgement, Project, Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One way to fail, for the next ``times`` requests that match (None: for ever).

    Without any of the ways to fail it is a no-op that lets requests pass, which is how a fault is aimed at
    the third request of a script.
    """

    # which requests
    times: int | None = 1
    path: str = ""  # the path contains this
    event: str = ""  # the batch holds an event of this name
    at_least: int = 0  # the batch holds so many events
    attempt: int = 0  # PostHog-Attempt is this
    when: Callable[[Request], bool] | None = field(default=None, repr=False)  # in the same process only

    # what the answer is
    status: int = 0  # answered instead of storing; the protocol's own body and headers for it
    retry_after: str = ""  # the header's value: seconds or a date; also on a 200
    body: str | None = None
    content_type: str = ""
    html: bool = (
        False  # an HTML page, with 200 unless ``status`` says otherwise: a captive portal, a typo in the host
    )
    redirect: str = ""  # Location of a 307
    bomb: int = 0  # bytes that a small gzip answer unpacks to

    # what the network does
    stall: float = 0.0  # seconds before the answer leaves
    drip: float = 0.0  # seconds between the bytes of the answer
    reset: str = ""  # "before" or "after": connection reset before, or after the events were stored
    cut: int = 0  # bytes of the answer before the connection is reset; events are stored

    # what the project does
    results: Mapping[str, Verdict | tuple[str, str | None] | str] = field(default_factory=dict[str, Any])
    quota: str = ""  # "events", "exceptions", "surveys" or "ai" is used up
    v1_off: bool = False  # the host does not serve v1
    unknown_key: bool = False  # 401: no project has this key

    def __post_init__(self) -> None:
        if self.reset not in ("", "before", "after"):
            raise ValueError('reset is "before" or "after" (the events were stored)')
        if self.quota and self.quota not in ("events", "exceptions", "surveys", "ai"):
            raise ValueError('quota is one of "events", "exceptions", "surveys" and "ai"')

    def matches(self, request: Request, judgement: Judgement) -> bool:
        """Whether this request is meant. ``judgement`` is what would be answered without a fault."""
        names = event_names(judgement)
        return (
            self.path in request.path
            and (not self.event or self.event in names)
            and len(names) >= self.at_least
            and (not self.attempt or request.headers.get("posthog-attempt") == str(self.attempt))
            and (self.when is None or self.when(request))
        )

    @property
    def changes_project(self) -> bool:
        """Whether the project judges otherwise while it holds: verdicts, quota, protocol, key."""
        return bool(self.results or self.quota or self.v1_off or self.unknown_key)

    @property
    def answers(self) -> bool:
        """Whether the answer is made up, and nothing stored."""
        return bool(self.status or self.html or self.redirect or self.bomb or self.reset == "before")

    def project(self, project: Project) -> Project:
        """The project as it behaves under this fault."""
        verdicts = {name: _verdict(asked) for name, asked in self.results.items()}
        return replace(
            project,
            v1=project.v1 and not self.v1_off,
            known_keys=frozenset() if self.unknown_key else project.known_keys,
            enforce_key=project.enforce_key or self.unknown_key,
            exhausted=project.exhausted | ({self.quota} if self.quota else set()),
            verdicts={**project.verdicts, **verdicts},
        )

    def to_json(self) -> dict[str, Any]:
        """All that differs from the default, as JSON; a ``when`` can't travel."""
        values = asdict(self)
        return {
            spec.name: values[spec.name]
            for spec in fields(self)
            if spec.name != "when" and values[spec.name] not in (0, "", None, False, {}, [])
        } | ({"times": None} if self.times is None else {})

    @staticmethod
    def from_json(values: Mapping[str, Any]) -> Fault:
        """Raises ``ValueError`` naming a key that no fault has."""
        known = {spec.name for spec in fields(Fault)} - {"when"}
        unknown = sorted(set(values) - known)
        if unknown:
            raise ValueError(
                f"no such part of a fault: {', '.join(unknown)}; known are {', '.join(sorted(known))}"
            )
        return Fault(**values)


def _verdict(asked: Verdict | tuple[str, str | None] | list[str] | str) -> Verdict:
    """``"retry"``, ``["drop", "rejected"]`` or a Verdict; a known word alone gets its usual details."""
    if isinstance(asked, str):
        return Verdict(asked, USUAL_DETAILS.get(asked))
    result, details = asked if len(asked) == 2 else (*asked, None)
    if not isinstance(result, str):
        raise ValueError("a result is a word, or a word and its details")
    return Verdict(result, details)


USUAL_DETAILS = {
    "retry": "not_persisted",
    "warning": "person_processing_disabled",
    "drop": "event_restriction_drop",
}


def event_names(judgement: Judgement) -> set[str] | list[str]:
    """Names of the events of a request that could be read, one an event."""
    if judgement.envelope is not None:
        return [sent.name for sent in judgement.envelope.events]
    return [event.name for event in judgement.accepted]


class FaultScript:
    """Faults in the order in which they wait. Not safe for threads by itself: the double holds its lock."""

    def __init__(self) -> None:
        self._waiting: list[Fault] = []

    def add(self, *faults: Fault) -> None:
        """Append to the script."""
        self._waiting.extend(faults)

    def clear(self) -> None:
        """From now on all is well."""
        self._waiting.clear()

    def take(self, request: Request, judgement: Judgement) -> Fault | None:
        """The first fault that means this request, used up once."""
        for position, fault in enumerate(self._waiting):
            if fault.matches(request, judgement):
                if fault.times is not None:
                    left = fault.times - 1
                    self._waiting[position : position + 1] = [replace(fault, times=left)] if left > 0 else []
                return fault
        return None

    @property
    def waiting(self) -> tuple[Fault, ...]:
        return tuple(self._waiting)
