"""What an installed wheel and a source archive must and must not contain. Argument: the folder of both."""

from __future__ import annotations

import re
import sys
import tarfile
import zipfile
from email import message_from_string
from email.message import Message
from pathlib import Path

PACKAGE = "opentelemetry/exporter/posthog"
NEEDED = {f"{PACKAGE}/__init__.py", f"{PACKAGE}/py.typed", f"{PACKAGE}/version.py"}
FORBIDDEN = {"opentelemetry/__init__.py", "opentelemetry/exporter/__init__.py"}
REQUIRED_ALWAYS = {"opentelemetry-api", "opentelemetry-sdk", "httpx", "httpcore", "certifi"}
"""The last two are what httpx stands on: named because we use them too, and no package more to install."""
CLASSIFIERS = {
    "Framework :: OpenTelemetry",
    "Framework :: OpenTelemetry :: Exporters",
    "Framework :: Pytest",
    "Typing :: Typed",
}
ENTRY_POINTS = {
    "opentelemetry_traces_exporter",
    "opentelemetry_logs_exporter",
    "opentelemetry_environment_variables",
    "opentelemetry_pre_instrument",
    "pytest11",
    "console_scripts",
}


def check_wheel(path: Path) -> list[str]:
    with zipfile.ZipFile(path) as wheel:
        names = set(wheel.namelist())
        metadata = message_from_string(_text(wheel, names, "METADATA"))
        entry_points = _text(wheel, names, "entry_points.txt")
    outside = {name for name in names if not name.startswith(PACKAGE) and ".dist-info/" not in name}
    problems = [f"wheel lacks {name}" for name in sorted(NEEDED - names)]
    problems += [f"wheel ships {name}, which breaks other exporters" for name in sorted(FORBIDDEN & names)]
    problems += [f"wheel ships {name}, which is not ours" for name in sorted(outside - FORBIDDEN)]
    if not any(name.endswith(".dist-info/licenses/LICENSE") for name in names):
        problems.append("wheel lacks the licence")
    declared = set(re.findall(r"^\[([^\]]+)\]", entry_points, re.MULTILINE))
    problems += [f"no entry point in group {group}" for group in sorted(ENTRY_POINTS - declared)]
    return problems + check_modules_of(entry_points, names) + check_metadata(metadata)


def _text(wheel: zipfile.ZipFile, names: set[str], file: str) -> str:
    return next((wheel.read(name).decode() for name in names if name.endswith(f".dist-info/{file}")), "")


def check_modules_of(entry_points: str, names: set[str]) -> list[str]:
    """Every entry point names a module that the wheel holds."""
    problems: list[str] = []
    for module in re.findall(r"^[\w-]+\s*=\s*([\w.]+)", entry_points, re.MULTILINE):
        path = module.replace(".", "/")
        if f"{path}.py" not in names and f"{path}/__init__.py" not in names:
            problems.append(f"an entry point names {module}, which the wheel lacks")
    return sorted(set(problems))


def check_metadata(metadata: Message) -> list[str]:
    requirements = [str(value) for value in metadata.get_all("Requires-Dist", [])]
    always = {re.split(r"[^\w-]", line)[0].lower() for line in requirements if "extra ==" not in line}
    classifiers = {str(value) for value in metadata.get_all("Classifier", [])}
    problems = [f"classifier {name!r} is missing" for name in sorted(CLASSIFIERS - classifiers)]
    if always != REQUIRED_ALWAYS:
        problems.append(
            f"requires {sorted(always)}; a plain installation needs {sorted(REQUIRED_ALWAYS)} only"
        )
    if metadata.get("License-Expression") != "Apache-2.0":
        problems.append("the licence expression is not Apache-2.0")
    if metadata.get("Requires-Python") != ">=3.10":
        problems.append("requires-python is not >=3.10")
    return problems


def check_source_archive(path: Path) -> list[str]:
    with tarfile.open(path) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    wanted = (
        "src/opentelemetry/exporter/posthog/__init__.py",
        "tests/conftest.py",
        "LICENSE",
        "pyproject.toml",
    )
    return [f"source archive lacks {name}" for name in wanted if name not in names]


def main(folder: Path) -> int:
    wheels, archives = list(folder.glob("*.whl")), list(folder.glob("*.tar.gz"))
    if len(wheels) != 1 or len(archives) != 1:
        print(f"{folder} must hold one wheel and one source archive")
        return 1
    problems = check_wheel(wheels[0]) + check_source_archive(archives[0])
    print("\n".join(problems) or "package is complete")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
