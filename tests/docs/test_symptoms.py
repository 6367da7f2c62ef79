"""docs/how-to/debug-by-symptom.md: each place where a symptom shows really exists."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer.main
from tests.docs.blocks import ROOT

from opentelemetry.exporter.posthog.cli.app import app
from opentelemetry.exporter.posthog.diagnostics import Stats, UpdateStats
from opentelemetry.exporter.posthog.diagnostics.summary import final_words
from opentelemetry.exporter.posthog.reasons import Reason

PACKAGE = ROOT / "src/opentelemetry/exporter/posthog"
PAGE = (ROOT / "docs/how-to/debug-by-symptom.md").read_text()
ROW = re.compile(r"^\| ([^|]+) \| ([^|]+) \| ([^|]+) \| ([^|]+) \|$", re.MULTILINE)
HEADS = {"Symptom", "---"}
PLACES = [
    (symptom, place)
    for symptom, where, _, _ in ROW.findall(PAGE)
    if symptom not in HEADS
    for place in re.findall(r"`([^`]+)`", where)
]


def words_of_the_code() -> Iterator[str]:
    """All text that the exporter may say, docstrings left out; pieces between the values it puts in."""
    for path in PACKAGE.rglob("*.py"):
        tree = ast.parse(path.read_text())
        silent = {
            id(node.value)
            for node in ast.walk(tree)
            if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        }
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in silent:
                yield node.value


SAID = list(dict.fromkeys(words_of_the_code()))


def exists(place: str) -> bool:
    """A command, a counted word, or a part of a line."""
    if place.startswith("otel-posthog "):
        _, name, *rest = place.split()
        command = typer.main.get_command(app)
        for part in [name, *rest]:
            commands = getattr(command, "commands", None)
            if part.startswith("--"):
                if not any(part in option.opts for option in command.params):
                    return False
            elif commands is not None:
                command = commands.get(part)
                if command is None:
                    return False
        return True
    if re.fullmatch(r"[a-z0-9_]+", place):
        return place in SAID or place in {reason.value for reason in Reason}
    return any(place in said for said in SAID)


@pytest.mark.parametrize(("symptom", "place"), PLACES)
def test_where_a_symptom_shows_there_is_something(symptom: str, place: str) -> None:
    assert exists(place), symptom


def test_every_row_says_where_to_look() -> None:
    rows = [row for row in ROW.findall(PAGE) if row[0] not in HEADS]

    assert len(rows) >= 35
    assert [symptom for symptom, where, _, _ in rows if "`" not in where] == []


@pytest.mark.parametrize(
    "place",
    ["no_such_word", "otel-posthog no-such-command", "otel-posthog doctor --no-such-option", "no such line"],
)
def test_a_place_that_does_not_exist_is_found(place: str) -> None:
    assert not exists(place)


def test_every_reason_for_which_a_signal_or_event_is_missing_stands_on_the_page() -> None:
    """But for those that somebody asked for by an option, or that are not the operator's to mend."""
    asked_for = {
        "own_scope", "capture_false", "excluded_by_rule", "preset_off", "not_named", "preflight", "ai_span",
        "dry_run", "translation_error", "invalid", "outbox_expired",
    }  # fmt: skip
    missing = {reason.value for reason in Reason if f"`{reason.value}`" not in PAGE}

    assert missing == asked_for


def test_the_last_line_on_the_page_is_said_in_these_words() -> None:
    (line,) = [line for line in PAGE.splitlines() if line.startswith("sent ")]
    stats = Stats(
        received=5_310,
        not_selected={"no_group": 12, "not_an_entry": 4_094},
        made=1_204,
        delivered=1_204,
        updates=UpdateStats(granted=3, delivered=3),
        notes={"identifies_saved": 9_871},
    )

    assert stats.balanced
    assert final_words(stats) == line


COMMAND = re.compile(r"(?<![\w./-])otel-posthog ([a-z]+(?: [a-z]+)?(?: --[a-z-]+)*)")


@pytest.mark.parametrize("page", sorted((ROOT / "docs/how-to").glob("*.md")), ids=lambda page: page.stem)
def test_every_command_that_a_guide_names_exists(page: Path) -> None:
    named = COMMAND.findall(page.read_text())

    assert [command for command in named if not exists(f"otel-posthog {command}")] == []


CHECK = re.compile(r"^✓ (?:reachability|protocol|sampler): .*$", re.MULTILINE)


@pytest.mark.parametrize("page", ["hosts", "sampling"])
def test_what_doctor_says_in_a_guide_is_what_it_really_says(page: str) -> None:
    """The page about doctor is run; it asks a local PostHog, the guides one in Europe."""
    real = (ROOT / "docs/how-to/check-your-setup.md").read_text().replace("http://127.0.0.1:8009", "HOST")
    quoted = CHECK.findall((ROOT / f"docs/how-to/{page}.md").read_text())

    assert quoted
    assert [line for line in quoted if line.replace("https://eu.i.posthog.com", "HOST") not in real] == []


QUOTED = re.compile(r"^\| `([^`]+)`[^|]*\|", re.MULTILINE)


@pytest.mark.parametrize(
    "page", ["hosts", "kubernetes", "migrate-from-posthog-capture", "several-projects", "aws-lambda", "costs"]
)
def test_what_other_guides_quote_from_the_log_is_said(page: str) -> None:
    """Of each cell the pieces between values; lines of other programs are named here."""
    others = {"Task timed out", "flushed", "exceeds the total limit of empty dirs"}
    text = (ROOT / f"docs/how-to/{page}.md").read_text()
    table = text[text.index("## Troubleshooting") :]
    quoted = [piece.strip() for cell in QUOTED.findall(table) for piece in cell.split("…") if piece.strip()]

    assert [piece for piece in quoted if piece not in others and not exists(piece)] == []
