"""However the interpreter ends, what was queued is delivered: no thread is needed for it, no hook is ours."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest

from opentelemetry.exporter.posthog.testing import PostHogDouble
from tests.e2e.processes import APPS, run


@pytest.fixture
def double() -> Iterator[PostHogDouble]:
    with PostHogDouble.listening() as running:
        yield running
        assert not running.refused, running.explain()


@pytest.mark.parametrize(
    ("way", "code"),
    [
        pytest.param("return", 0, id="the program ends"),
        pytest.param("exception", 1, id="an exception nobody caught"),
        pytest.param("sys.exit", 3, id="sys.exit"),
        pytest.param("ctrl-c", None, id="an interrupt from the keyboard"),
    ],
)
def test_the_last_batch_is_delivered_at_exit(double: PostHogDouble, way: str, code: int | None) -> None:
    done = run([sys.executable, APPS / "ending.py", way], {"TEST_HOST": double.url})
    assert done.returncode == code if code is not None else done.returncode != 0
    assert sorted(event.name for event in double.events) == ["GET /", "left"]
    assert double.organization("org_last").properties == {"name": "Last"}
    assert "posthog" not in done.stderr.lower().replace("opentelemetry/exporter/posthog", "")


def test_a_forked_child_that_closes_its_providers_loses_nothing_and_neither_does_the_parent(
    double: PostHogDouble,
) -> None:
    done = run([sys.executable, APPS / "ending.py", "child"], {"TEST_HOST": double.url})
    assert done.returncode == 0
    assert sorted(event.name for event in double.events) == ["GET /", "left", "left by the child"]


def test_no_exit_handler_is_registered_by_us() -> None:
    """One that an exporter registers runs before the providers flush, too early for the last batch."""
    code = (
        "import atexit, sys\n"
        "seen = []\n"
        "register = atexit.register\n"
        "atexit.register = lambda f, *a, **k: (seen.append(f.__module__), register(f, *a, **k))[1]\n"
        "from opentelemetry.exporter.posthog import PostHogSpanExporter\n"
        "exporter = PostHogSpanExporter(api_key='phc_x', host='http://127.0.0.1:9')\n"
        "exporter.export([])\n"
        "exporter.shutdown()\n"
        "sys.exit(any('posthog' in str(name) for name in seen))\n"
    )
    assert run([sys.executable, "-c", code], {}).returncode == 0
