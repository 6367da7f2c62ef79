"""Results on standard output, talk on standard error; colour and progress only for a person at a terminal.

Nothing is ever wrapped: a line of a result is a line for ``grep``. ``NO_COLOR`` is honoured, by rich.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import contextmanager
from datetime import datetime, timezone
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.text import Text

KIBI = 1024


def _console(*, stderr: bool = False) -> Console:
    return Console(stderr=stderr, highlight=False, markup=False, emoji=False, soft_wrap=True)


def out(text: str = "", *, style: str = "") -> None:
    """A line of the result."""
    _console().print(Text(text, style=style))


def marked(mark: str, style: str, text: str) -> None:
    """A line of the result with a coloured mark in front."""
    _console().print(Text.assemble((mark, style), " ", text))


def out_json(value: Any, *, indent: int | None = 2) -> None:
    """The result as JSON."""
    sys.stdout.write(json.dumps(value, indent=indent, ensure_ascii=False) + "\n")
    sys.stdout.flush()


def talk(text: str) -> None:
    """What a person wants to know meanwhile."""
    _console(stderr=True).print(Text(text))


def table(rows: Iterable[Sequence[str]], *, header: Sequence[str]) -> None:
    """Aligned columns, the numbers to the right; no frame, so that ``awk`` and people both read it."""
    lines = [list(header), *(list(row) for row in rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(header))]
    right = [all(_is_figure(line[i]) for line in lines[1:]) and len(lines) > 1 for i in range(len(header))]
    for number, line in enumerate(lines):
        cells = [c.rjust(w) if r else c.ljust(w) for c, w, r in zip(line, widths, right, strict=True)]
        out("  ".join(cells).rstrip(), style="bold" if number == 0 else "")


def _is_figure(text: str) -> bool:
    return (
        text.replace(",", "")
        .replace(".", "")
        .removesuffix(" B")
        .removesuffix(" KiB")
        .removesuffix(" MiB")
        .removesuffix(" GiB")
        .isdigit()
    )


def at_terminal() -> bool:
    """Whether a person watches standard error."""
    return _console(stderr=True).is_terminal


@contextmanager
def progress(what: str, total: int) -> Generator[Callable[[int], None]]:
    """A bar on a terminal, nothing elsewhere. What it yields takes how much is done so far."""
    if not at_terminal():
        yield lambda done: None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=_console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=total or None)
        yield lambda done: bar.update(task, completed=done)


# -- figures ------------------------------------------------------------------------------------------


def size(count: int) -> str:
    """Bytes for people."""
    amount = float(count)
    for unit in ("B", "KiB", "MiB"):
        if amount < KIBI:
            return f"{count} B" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= KIBI
    return f"{amount:.1f} GiB"


def moment(time_ns: int) -> str:
    """An instant for people: UTC, whole seconds."""
    return datetime.fromtimestamp(time_ns // 1_000_000_000, timezone.utc).strftime("%Y-%m-%d %H:%M:%SZ")


def duration(seconds: float) -> str:
    """A length of time for people, in its largest fitting unit."""
    for unit, length in (("d", 86_400.0), ("h", 3_600.0), ("min", 60.0)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds:.3g} s"


def plural(count: int, word: str) -> str:
    return f"{count:,} {word}{'' if count == 1 else 's'}"


def ask(question: str) -> bool:
    """Ask a person at the terminal; where nobody can answer, the answer is no."""
    if not (sys.stdin.isatty() and at_terminal()):
        talk("Nobody is there to be asked: give --yes.")
        return False
    talk(f"{question} [y/N]")
    return sys.stdin.readline().strip().lower() in ("y", "yes")
