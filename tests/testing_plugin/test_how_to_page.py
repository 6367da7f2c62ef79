"""docs/how-to/testing.md: every suite on the page passes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

pytest_plugins = "pytester"

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "testing.md"
RUNS = {"docs/how-to/testing.md": ("python", "ini")}


def blocks(kind: str) -> list[str]:
    return re.findall(rf"```{kind}\n(.*?)```", PAGE.read_text(), re.DOTALL)


def test_the_suites_of_the_page_pass(pytester: pytest.Pytester) -> None:  # [P-CAPTURE]
    code, conftest, *suites = blocks("python")
    pytester.makepyfile(billing=code)
    pytester.makeconftest(conftest)
    [ini] = blocks("ini")
    pytester.makeini(ini)
    for number, suite in enumerate(suites):
        pytester.makepyfile(**{f"test_{number}": suite})

    result = pytester.runpytest_subprocess(
        "-W", "error", "-p", "no:cacheprovider", "-p", "no:hypothesispytest"
    )

    result.assert_outcomes(passed=6)


def test_the_page_names_every_call_of_the_doubles_api() -> None:
    from opentelemetry.exporter.posthog.testing import admin

    calls = set(re.findall(r"/_double/\w+", admin.__doc__ or ""))

    assert calls == set(re.findall(r"/_double/\w+", PAGE.read_text()))


def test_the_page_names_what_a_capture_can_be_asked() -> None:
    from opentelemetry.exporter.posthog.testing import PostHogCapture

    public = {name for name in vars(PostHogCapture) if not name.startswith("_")} - {
        "flush",
        "fail",
        "explain",
    }

    assert [name for name in sorted(public) if f"`.{name}" not in PAGE.read_text()] == []
