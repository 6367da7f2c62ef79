"""Whether retries on v1 are what PostHog asks for (rule 35): one small memory a request id.

The double sees every attempt and knows what it answered, so it can tell a retry that is owed from one that
is not. Pure but for its own memory; times are arguments.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

from .judgement import Envelope, Sent

FINAL_STATUSES = frozenset({400, 401, 402, 403, 415})
"""No attempt may follow these."""

MIN_DELAY = 0.1
"""Seconds before a first retry that PostHog's rules for its SDKs ask for at least."""

REMEMBERED_REQUESTS = 10_000
"""Request ids kept; a retry comes within seconds, so older ones are history."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try as it was answered. ``status`` is 0 when no answer went out."""

    envelope: Envelope
    status: int
    retry_after: float  # seconds; 0.0 when none was asked for
    ended: float  # monotonic seconds


class RetryDiscipline:
    """Remembers the last try of every request id. Not safe for threads: the double holds its lock."""

    def __init__(self, *, min_delay: float = MIN_DELAY) -> None:
        self._min_delay = min_delay
        self._last: OrderedDict[str, Attempt] = OrderedDict()

    def check(self, envelope: Envelope, *, started: float) -> list[tuple[str, str, Sent | None]]:
        """Findings about this try as (name, detail, the event it is about)."""
        last = self._last.get(envelope.request_id)
        if last is None:
            return (
                []
                if envelope.attempt == 1
                else [("attempt_not_next", f"first seen as {envelope.attempt}", None)]
            )
        return [*self._head(envelope, last, started), *self._events(envelope, last)]

    def remember(self, attempt: Attempt) -> None:
        """What was answered, or that nothing was."""
        self._last[attempt.envelope.request_id] = attempt
        self._last.move_to_end(attempt.envelope.request_id)
        while len(self._last) > REMEMBERED_REQUESTS:
            self._last.popitem(last=False)

    def _head(self, envelope: Envelope, last: Attempt, started: float) -> list[tuple[str, str, Sent | None]]:
        found: list[tuple[str, str, Sent | None]] = []
        before = last.envelope
        if envelope.attempt != before.attempt + 1:
            found.append(("attempt_not_next", f"{envelope.attempt} after {before.attempt}", None))
        if envelope.created_at != before.created_at:
            found.append(("created_at_changed", "", None))
        if envelope.request_timestamp_ns <= before.request_timestamp_ns:
            found.append(("request_timestamp_not_newer", "", None))
        least = max(self._min_delay, last.retry_after)
        if last.status and started - last.ended < least:
            found.append(("retry_too_soon", f"{started - last.ended:.3f} s of {least:g} s", None))
        if last.status in FINAL_STATUSES or (last.status == 413 and len(before.events) == 1):
            found.append(("retry_after_final", f"status {last.status}", None))
        if last.status == 413 and len(before.events) > 1:
            found.append(("retry_after_final", "a split after 413 needs a new request id", None))
        return found

    def _events(self, envelope: Envelope, last: Attempt) -> list[tuple[str, str, Sent | None]]:
        found: list[tuple[str, str, Sent | None]] = []
        before = {sent.uuid: sent for sent in last.envelope.events}
        owed = set(before)
        if last.status == 200:
            owed = {uuid for uuid, word in last.envelope.results.items() if word == "retry"}
        for sent in envelope.events:
            known = before.get(sent.uuid)
            if known is not None and known.content != sent.content:
                found.append(("event_changed", "", sent))
            if known is not None and sent.uuid not in owed:
                word = last.envelope.results.get(sent.uuid, "absent")
                found.append(("settled_event_resent", f"its result was {word}", sent))
        sent_uuids = {sent.uuid for sent in envelope.events}
        missing, strange = owed - sent_uuids, sent_uuids - set(before)
        if missing or strange:
            found.append(("batch_changed", f"{len(missing)} missing, {len(strange)} new", None))
        return found
