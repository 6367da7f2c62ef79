"""The package as its users get it: built once a run, installed into empty environments, used from there."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

from tests.package.homes import ROOT, Built, Home, empty_home, run_checked


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """``python -m build``, which makes the wheel of the source archive; and the wheel of the tree itself."""
    release, tree = tmp_path_factory.mktemp("release"), tmp_path_factory.mktemp("tree")
    # Without isolation, since `make check` builds with it: the build backend is in requirements/dev.txt.
    run_checked([sys.executable, "-m", "build", "--no-isolation", "--outdir", str(release), str(ROOT)])
    run_checked([sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tree)], cwd=ROOT)
    (wheel,), (sdist,), (other,) = release.glob("*.whl"), release.glob("*.tar.gz"), tree.glob("*.whl")
    return Built(wheel, sdist, other)


@pytest.fixture(scope="session")
def plain(built: Built, tmp_path_factory: pytest.TempPathFactory) -> Home:
    """An empty environment after ``pip install`` of the wheel, no more."""
    home = empty_home(tmp_path_factory.mktemp("plain") / "home")
    home.install(str(built.wheel))
    return home


@pytest.fixture(scope="session")
def full(built: Built, tmp_path_factory: pytest.TempPathFactory) -> Home:
    """One with every extra, the zero-code agent and another OpenTelemetry exporter beside ours."""
    home = empty_home(tmp_path_factory.mktemp("full") / "home")
    home.install(f"{built.wheel}[all,yaml]", "opentelemetry-distro", "opentelemetry-exporter-otlp-proto-http")
    return home


@pytest.fixture
def consumer(tmp_path: Path) -> Path:
    """A project of somebody else, with one file that uses every public name."""
    shutil.copy(ROOT / "tests/typing/consumer.py", tmp_path)
    return tmp_path
