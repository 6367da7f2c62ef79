"""What is inside the wheel and the source archive."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from email import message_from_string
from email.message import Message
from pathlib import Path

import pytest
import yaml

from tests.package.homes import ROOT, Built, run_checked

pytestmark = pytest.mark.xdist_group("package")

LEFT_OUT_OF_THE_ARCHIVE = {".ci", ".github"}
"""Folders that say how this repository is run, not what the package is."""


def metadata_of(wheel: Path) -> Message:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
        return message_from_string(archive.read(name).decode())


def names_in(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def versioned_files() -> set[str]:
    """Files of the working tree that git knows, or will be told of: those that it does not ignore."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return {name for name in listed.stdout.splitlines() if (ROOT / name).is_file()}


def test_the_wheel_holds_the_package_and_nothing_else(built: Built) -> None:
    ours = {name.removeprefix("src/") for name in versioned_files() if name.startswith("src/")}
    about = {name for name in names_in(built.wheel) if ".dist-info/" in name}

    assert names_in(built.wheel) - about == ours
    assert {name.partition("/")[2] for name in about} == {
        "METADATA",
        "RECORD",
        "WHEEL",
        "entry_points.txt",
        "licenses/LICENSE",
    }


def test_no_file_of_the_wheel_closes_the_shared_namespace(built: Built) -> None:  # [P-NAMESPACE]
    ours = "opentelemetry/exporter/posthog/"
    names = {name for name in names_in(built.wheel) if ".dist-info/" not in name}

    assert names
    assert [name for name in names if not name.startswith(ours)] == []
    assert f"{ours}py.typed" in names


def test_the_source_archive_gives_the_same_wheel_to_the_byte(built: Built) -> None:
    assert built.wheel.name == built.wheel_of_the_tree.name
    assert built.wheel.read_bytes() == built.wheel_of_the_tree.read_bytes()


def test_the_source_archive_holds_what_building_and_testing_need(built: Built) -> None:
    with tarfile.open(built.sdist) as archive:
        inside = {name.partition("/")[2] for name in archive.getnames()}
    wanted = {name for name in versioned_files() if name.split("/")[0] not in LEFT_OUT_OF_THE_ARCHIVE}

    assert sorted(wanted - inside) == []
    assert sorted(inside - wanted - {"PKG-INFO"}) == []


def test_no_file_of_either_names_the_machine_it_was_built_on(built: Built) -> None:
    home = str(ROOT).encode()
    with zipfile.ZipFile(built.wheel) as archive:
        assert [name for name in archive.namelist() if home in archive.read(name)] == []
    with tarfile.open(built.sdist) as archive:
        files = [member for member in archive.getmembers() if member.isfile()]
        read = {member.name: archive.extractfile(member) for member in files}
        assert [name for name, file in read.items() if file is not None and home in file.read()] == []


def test_the_index_page_has_what_people_look_for(built: Built) -> None:
    about = metadata_of(built.wheel)
    description = str(about.get_payload())

    assert about["License-Expression"] == "Apache-2.0"
    assert about["Description-Content-Type"] == "text/markdown"
    assert description.strip() == (ROOT / "README.md").read_text().strip()
    assert "Apache License" in (ROOT / "LICENSE").read_text()
    assert len(about["Summary"]) < 120
    extras = set(about.get_all("Provides-Extra", []))
    assert extras == {"all", "cli", "fast", "inspector", "redis", "yaml"}


def test_the_release_names_the_repository_as_home_and_its_page_has_no_broken_link(tmp_path: Path) -> None:
    for name in ("pyproject.toml", "README.md", "LICENSE", "src/opentelemetry/exporter/posthog/version.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    home = "https://forge.example/we/exporter"

    run_checked([sys.executable, str(ROOT / "scripts/name_home.py"), home, "v9", str(tmp_path)])

    told = subprocess.run(
        [sys.executable, "-m", "hatchling", "metadata"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    about = json.loads(told.stdout)
    assert about["urls"]["Repository"] == home
    assert about["urls"]["Changelog"] == f"{home}/blob/v9/CHANGELOG.md"
    page = (tmp_path / "README.md").read_text()
    assert f"]({home}/blob/v9/CONTRIBUTING.md)" in page
    assert [link for link in re.findall(r"\]\(([^)]+)\)", page) if not link.startswith(("https:", "#"))] == []


def test_the_pythons_that_are_promised_are_those_that_the_workflow_tries(built: Built) -> None:
    about = metadata_of(built.wheel)
    classifiers = about.get_all("Classifier", [])
    said = [line.split()[-1] for line in classifiers if re.fullmatch(r"Programming .* :: 3\.\d+", line)]
    workflow = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text())

    assert said == ["3.10", "3.11", "3.12", "3.13", "3.14"]
    assert about["Requires-Python"] == f">={said[0]}"
    assert workflow["jobs"]["pythons"]["strategy"]["matrix"]["python"] == said


def test_a_release_is_published_without_a_token_and_only_after_everything_ran() -> None:
    workflow = yaml.safe_load((ROOT / ".github/workflows/release.yml").read_text())
    build, publish = workflow["jobs"]["build"], workflow["jobs"]["publish"]
    commands = [step["run"] for step in build["steps"] if "run" in step]

    assert publish["needs"] == "build"
    assert publish["permissions"] == {"id-token": "write"}
    assert publish["environment"] == "pypi"
    assert workflow["permissions"] == {"contents": "read"}
    assert "secrets." not in (ROOT / ".github/workflows/release.yml").read_text()
    assert commands.index("bash .ci/run") < next(n for n, run in enumerate(commands) if "-m build" in run)
