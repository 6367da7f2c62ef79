"""What one option is: a row of the table that parser, documentation and help are made from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

PREFIX = "OTEL_EXPORTER_POSTHOG_"


class Topic(Enum):
    """Chapters of the configuration reference, in reading order."""

    CONNECTION = "Where events go"
    GROUPS = "Groups"
    SELECTION = "What becomes an event"
    PRIVACY = "What may leave the process"
    DELIVERY = "Delivery"
    PROFILES = "Profiles"
    ZERO_CODE = "Zero-code set-up"


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """One option: its names, its parser and everything that people are told about it.

    ``name`` is the keyword in Python and YAML. ``fields`` are the fields of ``Settings`` that it decides,
    with other options or alone. ``parse`` takes what a user wrote and raises ``UnusableError``. ``default``
    is the default as a user would write it, empty for none. ``text`` and ``example`` are one example, as an
    environment variable and as a Python or YAML value. ``fatal``: without a usable value the exporter is
    inert, instead of using the default. ``environment_only``: read before any exporter exists, so no keyword.
    """

    name: str
    fields: tuple[str, ...]
    parse: Callable[[object], Any] = field(repr=False)
    default: str = ""
    unit: str = ""
    sentence: str
    effect: str
    fix: str
    text: str
    example: object
    topic: Topic
    fatal: bool = False
    secret: bool = False
    environment_only: bool = False
    own_variable: str = ""
    fallbacks: tuple[str, ...] = ()

    @property
    def variable(self) -> str:
        """The environment variable: the upper-cased keyword, but for the specification's ``_TIMEOUT``."""
        return PREFIX + (self.own_variable or self.name.upper())

    @property
    def variables(self) -> tuple[str, ...]:
        """All variables that are read, the first one that is set holds."""
        return (self.variable, *self.fallbacks)
