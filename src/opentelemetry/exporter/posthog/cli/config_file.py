"""The exporters of ours in a declarative configuration file (``OTEL_CONFIG_FILE``)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple, cast

REFERENCE = re.compile(r"\$\$|\$\{(?:env:)?([A-Za-z_]\w*)(?::-([^}\n]*))?\}")
"""``${NAME}``, ``${env:NAME}``, ``${NAME:-default}``, and ``$$`` for a dollar sign."""

ADDED = "extra yaml: pip install 'opentelemetry-exporter-posthog[yaml]'"


class Block(NamedTuple):
    """One exporter: its place in the file, and its keywords."""

    place: str
    keywords: Mapping[str, object]


class ConfigFile(NamedTuple):
    blocks: tuple[Block, ...]
    problem: str = ""  # why the file can't be read


def read(path: str, env: Mapping[str, str]) -> ConfigFile:
    """The blocks of the file at ``path``. Never raises."""
    try:
        yaml: Any = import_module("yaml")
    except ModuleNotFoundError:
        return ConfigFile((), f"no YAML here ({ADDED})")
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        return ConfigFile((), getattr(error, "strerror", None) or "is no text")
    try:
        document = yaml.safe_load(REFERENCE.sub(lambda match: _value(match, env), text))
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        return ConfigFile((), f"is no YAML{f' at line {mark.line + 1}' if mark is not None else ''}")
    if not isinstance(document, dict):
        return ConfigFile((), "holds no mapping")
    return ConfigFile(tuple(_blocks(cast("dict[str, Any]", document))))


def _value(match: re.Match[str], env: Mapping[str, str]) -> str:
    name, default = match.groups()
    return "$" if name is None else env.get(name) or default or ""


def _blocks(document: Mapping[str, Any]) -> Iterator[Block]:
    for provider in ("tracer_provider", "logger_provider"):
        listed = _mapping(document.get(provider)).get("processors")
        processors = cast("list[object]", listed) if isinstance(listed, list) else []
        for number, processor in enumerate(processors):
            for kind in ("batch", "simple"):
                exporter = _mapping(_mapping(_mapping(processor).get(kind)).get("exporter"))
                if "posthog" in exporter:
                    place = f"{provider}.processors[{number}].{kind}"
                    yield Block(place, _mapping(exporter["posthog"]))


def _mapping(value: object) -> Mapping[str, Any]:
    return cast("Mapping[str, Any]", value) if isinstance(value, dict) else {}
