"""What the page and other programs may ask of an inspector, as plain JSON values."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, Final

from ..reasons import LEDGER_TEXTS, Reason
from ..testing.faults import Fault
from ..testing.strict_json import is_list
from .inspector import Inspector
from .masking import Mask

MAX_WAIT: Final = 60.0
"""Seconds that one call may wait for events; a caller that wants more asks again."""


class QueryError(ValueError):
    """A call that can't be answered as it was asked; says how to ask."""


def events(inspector: Inspector, query: Mapping[str, str]) -> list[dict[str, Any]]:
    """Stored events and group updates, in order of arrival.

    ``query`` may ask for a ``name``, ``organization``, ``person`` or ``uuid``, and for the newest ``limit``.
    With ``wait`` seconds: once there are ``count`` (1), or those that there are when the time is up.
    """
    try:
        wait, count = float(query.get("wait") or 0), int(query.get("count") or 1)
        limit = int(query.get("limit") or 0)
    except ValueError:
        raise QueryError("wait is seconds; count and limit are whole numbers") from None

    def found() -> list[Mapping[str, Any]]:
        return [event for event in inspector.feed.all("event") if _matches(event, query)]

    if wait > 0:
        inspector.feed.wait_until(lambda: len(found()) >= count, min(wait, MAX_WAIT))
    rows = found()
    return [_with_origin(inspector, event) for event in (rows[-limit:] if limit > 0 else rows)]


def _matches(event: Mapping[str, Any], query: Mapping[str, str]) -> bool:
    name, organization = query.get("name"), query.get("organization")
    person, uuid = query.get("person"), query.get("uuid")
    return (
        (not name or event["event"] == name)
        and (not organization or organization in event["groups"].values())
        and (not person or event["distinct_id"] == person)
        and (not uuid or event["uuid"] == uuid)
    )


def _with_origin(inspector: Inspector, event: Mapping[str, Any]) -> dict[str, Any]:
    return {**event, "origin": inspector.feed.get("origin", event["uuid"])}


def groups(inspector: Inspector, kind: str) -> list[dict[str, Any]]:
    """Groups of one type with their profiles, in order of first sight."""
    profiles: dict[str, dict[str, Any]] = {}
    for seen in inspector.feed.all("group"):
        if seen["type"] == kind:
            profiles[seen["key"]] = {"type": kind, "key": seen["key"], "properties": {}}
    for change in inspector.feed.all("change"):
        if change["type"] == kind and change["key"] in profiles:
            profiles[change["key"]]["properties"][change["name"]] = change["value"]
    return list(profiles.values())


def group(inspector: Inspector, kind: str, key: str) -> dict[str, Any] | None:
    """One group: its profile, what PostHog took, and what the ledger made of every observation."""
    found = next((one for one in groups(inspector, kind) if one["key"] == key), None)
    decisions = [one for one in inspector.feed.all("decision") if (one["type"], one["key"]) == (kind, key)]
    if found is None and not decisions:
        return None
    changes = [one for one in inspector.feed.all("change") if (one["type"], one["key"]) == (kind, key)]
    return {
        **(found or {"type": kind, "key": key, "properties": {}}),
        "changes": changes,
        "decisions": [{**one, "says": _ledger_sentence(one["verdict"])} for one in decisions],
    }


def _ledger_sentence(verdict: str) -> str:
    text = LEDGER_TEXTS.get(verdict)
    return "" if text is None else text.sentence


def not_exported(inspector: Inspector) -> list[dict[str, Any]]:
    """Why signals and captures did not reach PostHog: counts by reason over all exporters, and samples."""
    counts: Counter[str] = Counter()
    for exporter in inspector.feed.all("exporter"):
        for part in ("not_selected", "dropped", "refused"):
            counts.update(exporter["stats"].get(part, {}))
    samples = inspector.feed.all("sample")
    return [
        {
            "reason": reason,
            "count": count,
            **text_of(reason),
            "samples": [sample for sample in samples if sample["reason"] == reason],
        }
        for reason, count in counts.most_common()
    ]


def text_of(reason: str) -> dict[str, str]:
    """The sentence and the remedy of a reason; PostHog's own words have none in our table."""
    try:
        text = Reason(reason).text
    except ValueError:
        return {"sentence": "PostHog refused it, or did not take it in time.", "remedy": "See its request."}
    return {"sentence": text.sentence, "remedy": text.remedy}


def vocabulary() -> dict[str, Any]:
    """Every reason and ledger verdict in words: the same table that logs, metrics and documentation read."""
    return {
        "reasons": {reason.value: text_of(reason.value) for reason in Reason},
        "verdicts": {
            word: {"sentence": text.sentence, "remedy": text.remedy} for word, text in LEDGER_TEXTS.items()
        },
    }


def request(inspector: Inspector, number: int) -> dict[str, Any] | None:
    """A request with its head, its body in words, and what there is to say of it."""
    known = inspector.feed.get("request", f"{number}")
    if known is None:
        return None
    return {
        **known,
        "raw": inspector.raw(number),
        "said": [
            {**one, "kind": kind}
            for kind in ("refusal", "finding", "warning")
            for one in inspector.feed.all(kind)
            if one["request"] == number
        ],
    }


def export(inspector: Inspector, *, mask: bool) -> Iterator[str]:
    """All events as lines of JSON, with the signal that each came from; masked if asked for."""
    cover = Mask(inspector.feed.epoch.encode()) if mask and not inspector.masked else None
    for event in inspector.feed.all("event"):
        line = _with_origin(inspector, event)
        if cover is not None:
            line = {
                **line,
                "distinct_id": cover.id(line["distinct_id"]),
                "groups": cover.groups(line["groups"]),
                "properties": cover.properties(line["properties"]),
            }
        yield json.dumps(line, ensure_ascii=False, default=str) + "\n"


def faults(body: bytes) -> list[Fault]:
    """Faults from JSON: one, or a list."""
    try:
        asked = json.loads(body)
        return [Fault.from_json(values) for values in (asked if is_list(asked) else [asked])]
    except (ValueError, TypeError, AttributeError) as error:
        raise QueryError(str(error)) from None
