"""The hook of tests/conftest.py: with CI=true, a skip of any kind fails the run."""

from __future__ import annotations

import os
import subprocess
import sys
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


def run_with_our_hooks(source: str, folder: Path, *, ci: str) -> subprocess.CompletedProcess[str]:
    (folder / "test_sample.py").write_text(source)
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "tests.conftest",
        "-p",
        "no:cacheprovider",
        str(folder),
    ]
    environment = {**os.environ, "CI": ci, "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=60, check=False
    )


@pytest.mark.parametrize("way", WAYS_TO_SKIP)
def test_with_ci_set_a_skipped_test_fails_the_run(way: str, tmp_path: Path) -> None:
    run = run_with_our_hooks(WAYS_TO_SKIP[way], tmp_path, ci="true")

    assert run.returncode not in (0, 5), run.stdout
    assert "with CI=true nothing may be skipped" in run.stdout


def test_without_ci_a_skip_is_only_a_skip(tmp_path: Path) -> None:
    run = run_with_our_hooks(WAYS_TO_SKIP["mark"], tmp_path, ci="")

    assert run.returncode == 0, run.stdout
    assert "1 skipped" in run.stdout
