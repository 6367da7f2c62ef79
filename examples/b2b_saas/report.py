"""What a person wants to see when the story is over, at a glance."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from examples.b2b_saas.stored import Stored

from opentelemetry.exporter.posthog.reasons import Reason

LAST_LINE = re.compile(
    r"sent (?P<sent>[\d,]+) events?, .*?(?P<updates>[\d,]+) group updates? \((?P<saved>[\d,]+) saved\).*?"
    r"refused (?P<refused>[\d,]+(?: \([^)]*\))?), dropped (?P<dropped>[\d,]+(?: \([^)]*\))?).*?"
    r"; of (?P<signals>[\d,]+) signals not selected (?P<let_go>[\d,]+(?: \([^)]*\))?)"
    r"(?:; properties withheld (?P<withheld>[\d,]+(?: \([^)]*\))?))?"
)
"""The exporter's own last words in the service's log, which hold every reason with its count."""

WITHHELD = {
    "property_convention": "technical attributes of the instrumentation that no product person asks for",
    "property_private": "personal data: an e-mail address, a token",
    "property_reserved": "names that PostHog acts on, such as $set or $groups",
}
"""What the exporter's words for withheld properties mean in this story."""


@dataclass(frozen=True, slots=True)
class LastWords:
    """The exporter's account of itself."""

    signals: int
    sent: int
    saved: int
    reasons: dict[str, int]
    withheld: dict[str, int]

    @classmethod
    def found_in(cls, log: str) -> LastWords | None:
        """From a log; None when the exporter did not get to say them."""
        said = LAST_LINE.search(log)
        if said is None:
            return None
        return cls(
            signals=number(said["signals"]),
            sent=number(said["sent"]),
            saved=number(said["saved"]),
            reasons={**by_reason(said["let_go"]), **by_reason(said["dropped"]), **by_reason(said["refused"])},
            withheld=by_reason(said["withheld"] or ""),
        )


def number(text: str) -> int:
    return int(text.replace(",", ""))


def by_reason(text: str) -> dict[str, int]:
    """``3 (no_group 2, plain_log 1)`` as a mapping."""
    return {word: number(count) for word, count in re.findall(r"(\w+) ([\d,]+)", text.partition("(")[2])}


def lines(stored: Stored, words: LastWords, organizations: list[str], profiles: list[str]) -> Iterator[str]:
    yield from _events(stored, organizations)
    for key in profiles:
        yield from _profile(stored, key)
    yield from _calls(stored, words)
    yield from _reasons(words)


def _events(stored: Stored, organizations: list[str]) -> Iterator[str]:
    columns: list[str | None] = [*organizations, None]
    counts = stored.counts()
    yield ""
    yield f"{'EVENTS IN POSTHOG':<28}" + "".join(f"{column or 'no organization':>17}" for column in columns)
    for name in dict.fromkeys(event.name for event in stored.events):
        cells = (counts[name, column] for column in columns)
        yield f"  {name:<26}" + "".join(f"{count or '·':>17}" for count in cells)


def _profile(stored: Stored, organization: str) -> Iterator[str]:
    yield ""
    yield f"PROFILE OF {organization:<40}  true since (event time)"
    for name, known in sorted(stored.profiles.get(organization, {}).items()):
        yield f"  {name:<22} {shown(known.value):<26}  {moment(known.time)}"


def _calls(stored: Stored, words: LastWords) -> Iterator[str]:
    calls = sum(stored.group_identifies.values())
    yield ""
    yield f"FROM {words.signals} SIGNALS: {words.sent} events and {calls} $groupidentify calls"
    yield f"  {words.saved:>3}  further $groupidentify calls would have said nothing new and were not made"
    yield f"  {stored.repeats:>3}  event was sent twice under one uuid, a repeated webhook: PostHog keeps one"


def _reasons(words: LastWords) -> Iterator[str]:
    yield ""
    yield f"{sum(words.reasons.values())} SIGNALS WERE NOT EXPORTED, AND WHY"
    for word, count in sorted(words.reasons.items(), key=lambda item: -item[1]):
        yield f"  {count:>3}  {word:<20} {sentence(word)}"
    yield ""
    yield f"{sum(words.withheld.values())} PROPERTIES WERE WITHHELD, AND WHY"
    for word, count in sorted(words.withheld.items(), key=lambda item: -item[1]):
        yield f"  {count:>3}  {word:<20} {WITHHELD.get(word, '')}"


def sentence(word: str) -> str:
    """What a counted word means, from the exporter's own table."""
    try:
        return Reason(word).text.sentence
    except (KeyError, ValueError):
        return ""


def moment(time: datetime) -> str:
    return f"{time:%Y-%m-%d %H:%M:%S}Z"


def shown(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 26 else f"{text[:25]}…"
