"""Print the public names of the package with their signatures, one line each, the same on every Python.

``docs/reference/public-api.txt`` holds the last announced answer; a test fails when they differ. After a
change that CHANGELOG.md tells: ``python scripts/public_api.py --write``.
"""

from __future__ import annotations

import importlib
import inspect
import re
import sys
from pathlib import Path
from typing import Any

SNAPSHOT = Path(__file__).parents[1] / "docs/reference/public-api.txt"
MODULES = ("opentelemetry.exporter.posthog", "opentelemetry.exporter.posthog.testing")


def lines() -> list[str]:
    found: list[str] = []
    for module_name in MODULES:
        module = importlib.import_module(module_name)
        for name in sorted(module.__all__):
            found += describe(f"{module_name}.{name}", getattr(module, name))
    return found + keywords()


def describe(name: str, value: object) -> list[str]:
    if inspect.isclass(value):
        return describe_class(name, value)
    if callable(value):
        return [f"{name}{signature(value)}"]
    return [f"{name}: {type(value).__name__}"]


def describe_class(name: str, value: type) -> list[str]:
    found = [f"class {name}{signature(value)}"]
    for member_name in sorted(vars(value)):
        member: Any = inspect.getattr_static(value, member_name)
        if member_name.startswith("_"):
            continue
        if isinstance(member, property):
            found.append(f"{name}.{member_name}: {signature(member.fget).rpartition(' -> ')[2]}")
        elif isinstance(member, (staticmethod, classmethod)):
            found.append(f"{name}.{member_name}{signature(member.__func__)}")
        elif callable(member):
            found.append(f"{name}.{member_name}{signature(member)}")
    return found


def keywords() -> list[str]:
    """The keywords of both exporters, which their signatures hide behind ``Unpack``."""
    options = importlib.import_module("opentelemetry.exporter.posthog.sdk.options").ExporterOptions
    return [f"ExporterOptions.{key}: {_text(kind)}" for key, kind in sorted(options.__annotations__.items())]


def signature(value: Any) -> str:
    """As written: annotations are text in our modules, and ``inspect`` would show them in quotes."""
    return re.sub(r"(: |-> )'([^']*)'", r"\1\2", str(inspect.signature(value)))


def _text(annotation: object) -> str:
    return str(getattr(annotation, "__forward_arg__", annotation)).replace("'", "")


def main(arguments: list[str]) -> int:
    text = "\n".join(lines()) + "\n"
    if arguments == ["--write"]:
        SNAPSHOT.parent.mkdir(parents=True, exist_ok=True)
        SNAPSHOT.write_text(text)
    else:
        print(text, end="")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
