"""Recorded telemetry for tests, as the collector's file exporter writes it: one export request a line."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

BEGIN_NS = 1_750_000_000_000_000_000  # 2025-06-15T15:06:40Z: surely more than 48 hours ago
SECOND_NS = 1_000_000_000


def pairs(attributes: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [
        {"key": key, "value": {"intValue": str(v)} if isinstance(v, int) else {"stringValue": v}}
        for key, v in attributes.items()
    ]


RESOURCE = {"attributes": pairs({"service.name": "shop"})}


def span_line(
    number: int,
    attributes: Mapping[str, Any],
    *,
    name: str = "POST /orders",
    time_ns: int | None = None,
    kind: int = 2,
) -> str:
    """One server span; spans of different numbers differ in their ids and, unless told, in their times."""
    start = BEGIN_NS + number * SECOND_NS if time_ns is None else time_ns
    span = {
        "traceId": f"{number + 1:032x}",
        "spanId": f"{number + 1:016x}",
        "name": name,
        "kind": kind,
        "startTimeUnixNano": str(start),
        "endTimeUnixNano": str(start + SECOND_NS // 4),
        "attributes": pairs(attributes),
    }
    scope = {"scope": {"name": "shop"}, "spans": [span]}
    return json.dumps({"resourceSpans": [{"resource": RESOURCE, "scopeSpans": [scope]}]}) + "\n"


def log_line(number: int, attributes: Mapping[str, Any], *, name: str = "order paid", count: int = 1) -> str:
    """``count`` identical log events in one document."""
    record = {
        "timeUnixNano": str(BEGIN_NS + number * SECOND_NS),
        "observedTimeUnixNano": str(BEGIN_NS + number * SECOND_NS),
        "eventName": name,
        "attributes": pairs(attributes),
    }
    scope = {"scope": {"name": "shop"}, "logRecords": [record] * count}
    return json.dumps({"resourceLogs": [{"resource": RESOURCE, "scopeLogs": [scope]}]}) + "\n"


def organization(number: int, **more: Any) -> dict[str, Any]:
    return {"organization.id": f"org_{number}", **{f"organization.{k}": v for k, v in more.items()}}


def record(path: Path, lines: Iterable[str]) -> Path:
    path.write_text("".join(lines))
    return path


def some_lines(count: int, organizations: int = 7) -> Iterable[str]:
    """Spans and log events by turns, the newest first, as no file should be and some are."""
    for number in reversed(range(count)):
        make = log_line if number % 3 == 0 else span_line
        yield make(number, organization(number % organizations, plan=f"plan_{number}"))
