"""The hook of tests/conftest.py: with CI=true, a skip of any kind fails the run."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]

WAYS_TO_SKIP = {
    "mark": "import pytest\n@pytest.mark.skip(reason='why')\ndef test_it(): pass\n",
    "call": "import pytest\ndef test_it(): pytest.skip('why')\n",
    "fixture": "import pytest\n@pytest.fixture\ndef it(): pytest.skip('why')\ndef test_it(it): pass\n",
    "missing import": "import pytest\npytest.importorskip('no_such_module')\ndef test_it(): pass\n",
    "module": "import pytest\npytest.skip('why', allow_module_level=True)\n",
}


def run_with_our_hooks(sources: Mapping[str, str], folder: Path, *, ci: str) -> tuple[int, list[str]]:
    """The exit status, and the lines of the report; each source is a file ``test_<name>.py``."""
    for name, source in sources.items():
        (folder / f"test_{name.replace(' ', '_')}.py").write_text(source)
    options = [
        "-q",
        "-rA",
        "-p",
        "tests.conftest",
        "-p",
        "no:cacheprovider",
        "--continue-on-collection-errors",
    ]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *options, str(folder)],
        cwd=folder,
        env={**os.environ, "CI": ci, "PYTHONPATH": str(ROOT), "COLUMNS": "300"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    print(done.stdout)
    return done.returncode, done.stdout.splitlines()


@pytest.fixture(scope="module")
def told_in_ci(tmp_path_factory: pytest.TempPathFactory) -> tuple[int, list[str]]:
    """All ways to skip and a test that passes, in one run: starting pytest takes longer than they do."""
    passes = {"passes": "def test_it(): pass\n"}
    return run_with_our_hooks({**WAYS_TO_SKIP, **passes}, tmp_path_factory.mktemp("ci"), ci="true")


@pytest.mark.parametrize("way", WAYS_TO_SKIP)
def test_with_ci_set_a_skipped_test_fails_the_run(way: str, told_in_ci: tuple[int, list[str]]) -> None:
    status, lines = told_in_ci
    bad = [line for line in lines if line.startswith(("FAILED ", "ERROR "))]

    assert status not in (0, 5)
    (told,) = [line for line in bad if f"test_{way.replace(' ', '_')}.py" in line]
    assert "with CI=true nothing may be skipped" in told


def test_with_ci_set_nothing_but_skips_fails(told_in_ci: tuple[int, list[str]]) -> None:
    _, lines = told_in_ci

    assert "PASSED test_passes.py::test_it" in lines
    assert len([line for line in lines if line.startswith(("FAILED ", "ERROR "))]) == len(WAYS_TO_SKIP)


def test_without_ci_a_skip_is_only_a_skip(tmp_path: Path) -> None:
    status, lines = run_with_our_hooks({"mark": WAYS_TO_SKIP["mark"]}, tmp_path, ci="")

    assert status == 0, lines
    assert any("1 skipped" in line for line in lines)
