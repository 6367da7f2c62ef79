"""The settings of this shell's environment, as the exporter would read them; what is wrong goes to stderr."""

from __future__ import annotations

import os
from collections.abc import Mapping

import typer

from ..errors import ConfigurationError
from ..settings.model import Settings
from ..settings.sources import Resolution
from ..settings.surroundings import resolve_here
from .exits import USAGE
from .output import talk

KEYLESS = "phc_not_needed_here"
"""Stands for the key in commands that send nothing."""


def usable_settings(*, needs_key: bool = True) -> tuple[Settings, Resolution]:
    """Settings to work with. Ends the command when there are none: with every problem on stderr."""
    keywords = {} if needs_key or _has_key(os.environ) else {"api_key": KEYLESS}
    resolution = resolve_here(keywords, os.environ)
    if resolution.problems:
        talk(str(ConfigurationError(resolution.problems)))
    settings = resolution.settings
    if settings is None:
        talk("Nothing was done. `otel-posthog doctor` explains the settings one by one.")
        raise typer.Exit(USAGE)
    if settings.disabled and needs_key:
        talk(f"{resolution.origins['disabled']} switches the exporter off, so nothing was done.")
        raise typer.Exit(USAGE)
    return settings, resolution


def _has_key(env: Mapping[str, str]) -> bool:
    return any(env.get(name) for name in ("OTEL_EXPORTER_POSTHOG_API_KEY", "POSTHOG_API_KEY",
                                          "POSTHOG_PROJECT_API_KEY"))  # fmt: skip
