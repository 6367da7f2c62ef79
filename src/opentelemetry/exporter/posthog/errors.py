"""The errors this package raises on purpose, and to whom.

::

    PostHogExporterError              everything below; catch this one
    ├── ConfigurationError            settings can't be used: all problems at once
    ├── HookError                     a function that settings name by its import path can't be called
    ├── MissingExtraError             a feature needs a package that is not installed
    ├── LedgerError                   the ledger's store did not do what was asked
    ├── StateFileError                a file of the ledger or the outbox can't be used here and now
    │   ├── BusyStateError            somebody holds it for longer than anybody should
    │   └── ForkedStateError          it was open when this process was forked off, past Python's fork hooks
    └── OutboxError                   the outbox did not do what was asked
        └── ForeignStateError         the file belongs to another host and key, or to another program
            └── NewerStateError       a newer version of this package wrote it

None of them ever leaves ``export()``, ``force_flush()`` or ``shutdown()``: there they become counted
reasons and quiet log lines. People meet them in plain Python construction of settings, in the command
line and in tests.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


class PostHogExporterError(Exception):
    """Root of all errors of this package."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One setting that can't be used: its name as the user typed it, what came, and the mend.

    ``got`` describes the *shape* of the value ("starts with phx_, 40 characters"), never the value itself:
    it ends up in logs. ``fatal`` says whether the exporter has to stay inert because of it (rule: key, host,
    groups, privacy or a foreign state file); every other problem falls back to the default.
    """

    name: str
    got: str
    fix: str
    fatal: bool = False

    def __str__(self) -> str:
        return f"{self.name}: {self.got}. {self.fix}"


class ConfigurationError(PostHogExporterError):
    """One or more settings can't be used. ``problems`` holds all of them, in reading order."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__(tuple(problems))
        self.problems = tuple(problems)

    def __str__(self) -> str:
        count = len(self.problems)
        head = f"{count} PostHog exporter setting{'s need' if count != 1 else ' needs'} a change:"
        return "\n".join([head, *(f"  {problem}" for problem in self.problems)])


class HookError(PostHogExporterError):
    """``before_send`` or ``opt_out`` names a function that is not there; what it guards is not sent."""

    def __init__(self, path: str, why: str) -> None:
        super().__init__(path, why)
        self.path = path
        self.why = why

    def __str__(self) -> str:
        return (
            f"{self.path} can't be called: {self.why}. Check `package.module:function` and the Python path."
        )


class MissingExtraError(PostHogExporterError):
    """A feature was asked for whose package is not installed; says which extra brings it."""

    def __init__(self, feature: str, extra: str) -> None:
        super().__init__(feature, extra)
        self.feature = feature
        self.extra = extra

    def __str__(self) -> str:
        return (
            f"{self.feature} needs a package that is not installed. "
            f"Run: pip install 'opentelemetry-exporter-posthog[{self.extra}]'"
        )


class LedgerError(PostHogExporterError):
    """The ledger's store failed; observations stay in the process and are taken again later."""


class StateFileError(PostHogExporterError):
    """A file of the ledger or the outbox can't be used here and now: which one, why, and the mend."""

    def __init__(self, path: str, why: str, fix: str) -> None:
        super().__init__(path, why, fix)
        self.path = path
        self.why = why
        self.fix = fix

    def __str__(self) -> str:
        return f"{self.path}: {self.why}. {self.fix}"


class BusyStateError(StateFileError):
    """Another process or thread holds the file for longer than anybody should; it may let go."""


class ForkedStateError(StateFileError):
    """The file was open when this process was forked behind Python's back; to open it again loses rows."""


class OutboxError(PostHogExporterError):
    """The outbox failed; what could not be stored is told to the caller, never reported as accepted."""


class ForeignStateError(OutboxError):
    """A state file belongs to another (host, key) or was written by a newer version. It is left untouched."""


class NewerStateError(ForeignStateError):
    """A newer version of this package wrote the file. Ours can't read it, and leaves it for an upgrade."""
