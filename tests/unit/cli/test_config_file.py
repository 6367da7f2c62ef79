"""The exporters of ours in a configuration file, with its variables filled in."""

from __future__ import annotations

from pathlib import Path

import pytest

from opentelemetry.exporter.posthog.cli.config_file import read

FILE = """
file_format: "1.1"
tracer_provider:
  processors:
    - batch: {exporter: {otlp_http: {}}}
    - simple:
        exporter:
          posthog: {api_key: "${KEY}", host: "${HOST:-eu}", event_prefix: "$$x"}
logger_provider:
  processors:
    - batch: {exporter: {posthog: }}
"""


def test_every_exporter_of_ours_is_found_with_its_place(tmp_path: Path) -> None:
    path = tmp_path / "otel.yaml"
    path.write_text(FILE)
    found = read(str(path), {"KEY": "phc_1"})
    assert found.problem == ""
    assert [(block.place, dict(block.keywords)) for block in found.blocks] == [
        ("tracer_provider.processors[1].simple", {"api_key": "phc_1", "host": "eu", "event_prefix": "$x"}),
        ("logger_provider.processors[0].batch", {}),
    ]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        pytest.param("a: [1\nb: 2\n", "no YAML at line", id="broken YAML"),
        pytest.param("- 1\n", "no mapping", id="a list"),
        pytest.param("tracer_provider: {processors: 5}\n", "", id="processors that are none"),
    ],
)
def test_a_file_that_can_not_be_used_says_why(tmp_path: Path, text: str, problem: str) -> None:
    path = tmp_path / "otel.yaml"
    path.write_text(text)
    found = read(str(path), {})
    assert found.blocks == ()
    assert problem in found.problem
    assert bool(found.problem) == bool(problem)


def test_a_file_that_is_not_there_says_so(tmp_path: Path) -> None:
    assert read(str(tmp_path / "none.yaml"), {}).problem == "No such file or directory"
