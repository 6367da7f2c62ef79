"""The tables of ``docs/explanation/performance.md``, from what ``make bench`` has found.

``python -m benchmarks.page RESULT.json...`` puts one run, or several beside each other, between the markers.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from .table import Row, amount, as_unit, from_json, goals

PAGE = Path(__file__).parents[1] / "docs/explanation/performance.md"
BEGIN, END = "<!-- make bench writes from here -->", "<!-- to here -->"

SHIPPED = "spans, zstd: the [fast] configuration"
"""The row whose cost says what a user gets."""

ORDER = ("aim", "must", "below aim", "MISSED")

Result = Mapping[str, Any]


def write(results: Sequence[Result], page: Path = PAGE) -> None:
    text = page.read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGIN)
    _, marker, after = rest.partition(END)
    if not marker:
        raise SystemExit(f"{page} lacks the markers {BEGIN} and {END}")
    page.write_text(f"{before}{BEGIN}\n\n{tables(results)}\n\n{END}{after}", encoding="utf-8")


def tables(results: Sequence[Result]) -> str:
    """Markdown: machine, what it means for a user, and a table a topic."""
    last = results[-1]
    here = last["machine"]
    versions = ", ".join(f"{name} {number}" for name, number in here["versions"].items())
    runs = f"{len(results)} runs" if len(results) > 1 else "One run"
    loads = ", ".join(f"{one['load']:.1f}" for one in results)
    where = f"{here['cpu']}, {here['cores']} cores, {here['system']}, {here['python']}; {versions}"
    lines = [
        f"{runs} on {last['when']}: {where}. Load average at the end: {loads}.",
        "",
        meaning([from_json(row) for _, rows in last["parts"] for row in rows]),
    ]
    for index, (title, _) in enumerate(last["parts"]):
        parts = [[from_json(row) for row in one["parts"][index][1]] for one in results]
        lines += ["", f"### {title}", "", *_table(list(zip(*parts, strict=True)))]
    return "\n".join(lines)


def meaning(rows: Sequence[Row]) -> str:
    """What the shipped configuration's cost is in events a second and in cores."""
    cost = next(row.cost for row in rows if row.name == SHIPPED and row.cost is not None).median
    return (
        f"**Here a span from record to acknowledged event takes {cost:.0f} µs of CPU**: one core makes "
        f"{1e6 / cost:,.0f} events a second, and a million events a day take {cost:.0f} seconds of CPU, "
        f"{cost / 86_400:.2%} of one core."
    )


def _table(rows: Sequence[tuple[Row, ...]]) -> list[str]:
    lines = ["| measure | cost, µs | found | goal: must, aim | reached |", "|---|---|---|---|---|"]
    for runs in rows:
        last = runs[-1]
        found = " · ".join(amount(row.found) for row in runs)
        worst = max(
            (row.verdict for row in runs), key=lambda verdict: ORDER.index(verdict) if verdict else -1
        )
        cost = "" if last.cost is None else f"{last.cost.median:.3g}"
        lines.append(f"| {last.name} | {cost} | {found} {as_unit(last)} | {goals(last)} | {worst} |")
    return lines


def main() -> None:
    write([json.loads(Path(name).read_text(encoding="utf-8")) for name in sys.argv[1:]])


if __name__ == "__main__":
    main()
