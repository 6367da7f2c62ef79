"""What PostHog must hold in the end, worked out from the script alone; shares no code with the ledger."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from itertools import groupby

from tests.fleet.script import Signal, Value

Allowed = Mapping[str, Collection[str]]
"""Property -> the JSON of each value it may have. More than one where nobody can say which."""


def as_json(value: Value) -> str:
    """For Python ``1 == True``; for PostHog it is not."""
    return json.dumps(value)


def truth(signals: Iterable[Signal], excused: Collection[int] = ()) -> dict[str, Allowed]:
    """Organization -> what each property may be, by the newest event time, then the newest time of sight.

    ``excused`` are signals that need not have been taken, and may have been. Two values seen at one and the
    same time of sight and event are ordered by a digest, which is the ledger's affair: either is allowed.
    """
    found: dict[str, dict[str, set[str]]] = {}
    newest: dict[tuple[str, str], tuple[int, int]] = {}
    unsure: list[Signal] = []
    for signal in signals:
        properties = found.setdefault(signal.organization, {})
        if signal.n in excused:
            unsure.append(signal)
            continue
        moment = (signal.time, signal.seen)
        for name, value in signal.said.items():
            place = (signal.organization, name)
            if place not in newest or moment > newest[place]:
                newest[place] = moment
                properties[name] = {as_json(value)}
            elif moment == newest[place]:
                properties[name].add(as_json(value))
    for signal in unsure:
        for name, value in signal.said.items():
            place = (signal.organization, name)
            if place in newest and (signal.time, signal.seen) >= newest[place]:
                found[signal.organization][name].add(as_json(value))
    return {organization: dict(properties) for organization, properties in found.items()}


def transitions(signals: Iterable[tuple[int, Signal]]) -> int:
    """How often something changed for one observer who hears of the signals in this order, the first sight of
    each organization being one change. Signals of one number are heard of at once."""
    count = 0
    known: dict[str, dict[str, tuple[int, int, str]]] = {}
    for _, together in groupby(signals, key=lambda one: one[0]):
        changed: set[str] = set()
        for _, signal in together:
            if signal.organization not in known:
                changed.add(signal.organization)
            properties = known.setdefault(signal.organization, {})
            for name, value in signal.said.items():
                stamp = (signal.time, signal.seen, as_json(value))
                former = properties.get(name)
                if former is None or stamp > former:
                    properties[name] = stamp
                    if former is None or former[2] != stamp[2]:
                        changed.add(signal.organization)
        count += len(changed)
    return count


def differences(truth: Mapping[str, Allowed], profiles: Mapping[str, Mapping[str, Value]]) -> dict[str, str]:
    """Organization -> what is wrong with its profile. Empty: all true, none missing, none invented."""
    wrong: dict[str, str] = {}
    for organization in truth.keys() | profiles.keys():
        if organization not in profiles:
            wrong[organization] = "has no profile"
            continue
        if organization not in truth:
            wrong[organization] = "was never spoken of"
            continue
        held = {name: as_json(value) for name, value in profiles[organization].items()}
        parts = [
            f"{name} is {held.get(name, 'missing')}, true is {' or '.join(sorted(allowed))}"
            for name, allowed in truth[organization].items()
            if held.get(name) not in allowed
        ]
        parts += [f"{name} was never said" for name in held.keys() - truth[organization].keys()]
        if parts:
            wrong[organization] = "; ".join(sorted(parts))
    return wrong
