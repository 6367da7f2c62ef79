"""What the answers of a host say: is it PostHog, which protocol, is the key accepted, is the clock right?"""

from __future__ import annotations

from collections.abc import Iterator
from email.utils import parsedate_to_datetime
from typing import NamedTuple

from ...settings.model import CaptureMode
from ...timestamp import from_datetime
from ...wire.exchange import Judgement, NoAnswer, Response
from .finding import Finding, error, hint, ok, warning

CLOCK_TOLERANCE = 60.0
"""Seconds. Events keep their order below it; the header tells whole seconds only."""

NO_EVENT_NAME = b"event submitted with an empty event name"
"""The legacy protocol judges the key before the events, so this refusal says that it let the key pass."""


class Answered(NamedTuple):
    """One probe: what came back, what the wire made of it, and when (ns)."""

    answer: Response | NoAnswer
    judgement: Judgement | None
    at_ns: int
    trouble: str = ""  # where no answer came: what stood in the way, in words


class Probes(NamedTuple):
    """The probes that were made; a protocol that is not in question was not asked."""

    v1: Answered | None
    legacy: Answered | None
    encoding: str = ""  # in which an exporter would compress its bodies here


def connection_findings(host: str, mode: CaptureMode, probes: Probes) -> Iterator[Finding]:
    asked = [one for one in (probes.v1, probes.legacy) if one is not None]
    silent = [one for one in asked if isinstance(one.answer, NoAnswer)]
    if len(silent) == len(asked):
        yield _no_answer(host, silent[0])
        return
    yield ok("reachability", f"{host} answers" + (", TLS is sound" if host.startswith("https") else ""))
    if any(one.judgement is not None and one.judgement.html for one in asked) and not _speaks(probes):
        yield error(
            "host",
            f"{host} answers with a web page: it is not PostHog's ingestion",
            "Set host to us, eu, or the ingestion address of your own PostHog.",
        )
        return
    yield from _protocol_and_key(mode, probes)
    for one in asked:
        found = _clock(one)
        if found is not None:
            yield found
            break


def _no_answer(host: str, probe: Answered) -> Finding:
    reason = probe.answer.reason if isinstance(probe.answer, NoAnswer) else ""
    return error(
        "reachability",
        f"{host} does not answer: {probe.trouble or reason.replace('_', ' ')}",
        "Check host, proxy and ca_bundle, and what this network lets out.",
    )


def _speaks(probes: Probes) -> bool:
    return _speaks_v1(probes) or _legacy_refused_the_event(probes.legacy)


def _speaks_v1(probes: Probes) -> bool:
    return probes.v1 is not None and probes.v1.judgement is not None and probes.v1.judgement.spoken


def _legacy_refused_the_event(probe: Answered | None) -> bool:
    return (
        probe is not None
        and isinstance(probe.answer, Response)
        and probe.answer.status == 400
        and NO_EVENT_NAME in probe.answer.body
    )


def _protocol_and_key(mode: CaptureMode, probes: Probes) -> Iterator[Finding]:
    if mode is CaptureMode.V1 and not _speaks_v1(probes):
        yield error(
            "protocol",
            "capture_mode is v1, and this host does not speak it",
            "Set capture_mode to auto or legacy.",
        )
        return
    bodies = f", with {probes.encoding} bodies" if probes.encoding else ""
    if _speaks_v1(probes):
        assert probes.v1 is not None
        yield ok("protocol", f"v1, which {mode.value} chooses here{bodies}")
        yield _key(probes.v1)
    elif probes.legacy is not None:
        if mode is CaptureMode.AUTO:
            yield ok("protocol", f"legacy: this host does not speak v1, so auto chooses legacy{bodies}")
        else:
            yield ok("protocol", f"legacy, as set{bodies}")
        yield _key(probes.legacy)


def _key(probe: Answered) -> Finding:
    answer = probe.answer
    if isinstance(answer, NoAnswer):
        return error("api_key", "the probe of the key got no answer", "Run doctor again.")
    if answer.status in (401, 403):
        return error(
            "api_key",
            f"PostHog answers {answer.status}: it takes no events under this key",
            "Copy the project API key from Settings > Project, of the region that host names.",
        )
    if answer.status == 402:
        return error(
            "quota",
            "PostHog answers 402: the project's quota is used up",
            "Raise the limit under Billing in PostHog.",
        )
    tag = probe.judgement.tag if probe.judgement is not None else ""
    if tag == "empty_batch" or _legacy_refused_the_event(probe):
        return ok("api_key", "its form is accepted; whether a project has it, only an event in PostHog shows")
    return hint(
        "api_key",
        f"the probe was answered with {answer.status}, which says nothing of the key",
        "Run doctor again, or with --send-test-event.",
    )


def _clock(probe: Answered) -> Finding | None:
    if not isinstance(probe.answer, Response):
        return None
    try:
        server_ns = from_datetime(parsedate_to_datetime(probe.answer.headers["date"]))
    except (KeyError, ValueError, TypeError):
        return None
    ahead = (probe.at_ns - server_ns) / 1e9
    if abs(ahead) <= CLOCK_TOLERANCE:
        return ok("clock", f"within {CLOCK_TOLERANCE:g} s of the server's")
    way = "ahead of" if ahead > 0 else "behind"
    return warning(
        "clock",
        f"this machine is {abs(ahead):,.0f} s {way} the server: events are "
        "filed under the wrong time, and newer values of a profile may lose",
        "Set the clock; run a time service (NTP).",
    )
