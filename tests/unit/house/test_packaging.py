"""Promises of the package itself: a shared namespace left alone, a cheap import, bounds that are tested."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib.metadata import requires
from pathlib import Path

ROOT = Path(__file__).parents[3]
PACKAGE = ROOT / "src/opentelemetry/exporter/posthog"

HEAVY = (
    "httpx",
    "sqlite3",
    "redis",
    "pytest",
    "opentelemetry.sdk",
    "orjson",
    "zstandard",
    "asyncio",
    "typer",
)


def modules_after(code: str) -> set[str]:
    """The modules that a fresh interpreter holds after running ``code``."""
    run = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport sys; print(*sys.modules)"],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return set(run.stdout.split())


def loaded_by(code: str) -> set[str]:
    """The heavy modules that ``code`` loads and a bare interpreter does not."""
    added = modules_after(code) - modules_after("pass")
    return {name for name in HEAVY if name in added}


def test_no_init_file_stands_above_our_package() -> None:  # [P-NAMESPACE]
    above = [PACKAGE.parents[1] / "__init__.py", PACKAGE.parents[0] / "__init__.py"]

    assert [str(path) for path in above if path.exists()] == []
    assert (PACKAGE / "py.typed").exists()


def test_importing_the_package_loads_nothing_heavy() -> None:  # [P-IMPORT]
    assert loaded_by("import opentelemetry.exporter.posthog") == set()


def test_naming_an_organization_loads_neither_sdk_nor_http() -> None:
    assert loaded_by("from opentelemetry.exporter.posthog import organization, group, user") == set()


def test_making_the_exporters_loads_nothing_that_only_an_export_needs() -> None:
    loaded = modules_after(
        "from opentelemetry.exporter.posthog import PostHogSpanExporter, PostHogLogExporter\n"
        "PostHogSpanExporter(api_key='phc_x'), PostHogLogExporter(api_key='phc_x')"
    )
    ours = {name.removeprefix("opentelemetry.exporter.posthog.").split(".")[0] for name in loaded}
    assert (
        ours & {"translate", "wire", "delivery", "groups", "pipeline", "assembly", "httpx", "orjson"} == set()
    )


def test_importing_the_exporters_loads_no_http_no_store_and_no_test_tool() -> None:
    code = "from opentelemetry.exporter.posthog import PostHogSpanExporter, PostHogLogExporter"

    assert loaded_by(code) & {"httpx", "sqlite3", "redis", "pytest", "zstandard", "typer"} == set()


def test_the_pytest_plugin_loads_nothing_that_pytest_would_not_load() -> None:
    plugin = "opentelemetry.exporter.posthog.testing.pytest_plugin"
    added = modules_after(f"import pytest, {plugin}") - modules_after("import pytest")

    assert added & {"httpx", "sqlite3", "redis", "opentelemetry.sdk", "opentelemetry.trace"} == set()


def test_the_floor_pins_exactly_the_lower_bounds_that_we_declare() -> None:
    declared = {}
    for line in requires("opentelemetry-exporter-posthog") or []:
        found = re.match(r"([\w-]+)(?:\[[^\]]*\])?.*?>=([\d.]+)", line.split(";")[0])
        if found and "yaml" not in line:  # the YAML way needs a newer SDK than the floor; its extra says so
            declared[found[1].lower()] = found[2]
    pinned = dict(
        re.findall(r"^([\w-]+)==(\S+)$", (ROOT / "requirements/floor.txt").read_text(), re.MULTILINE)
    )

    assert declared
    wrong = {
        name: (bound, pinned.get(name))
        for name, bound in declared.items()
        if not _same(bound, pinned.get(name, ""))
    }
    assert wrong == {}


def _same(bound: str, pin: str) -> bool:
    """``0.27`` and ``0.27.0`` are one version."""
    return re.sub(r"(\.0)+$", "", bound) == re.sub(r"(\.0)+$", "", pin)


def test_every_version_in_the_package_is_the_same() -> None:
    from importlib.metadata import version

    from opentelemetry.exporter.posthog import __version__

    assert version("opentelemetry-exporter-posthog") == __version__
