"""For users' own tests: a local PostHog with the real rules, and the pytest fixture ``posthog_capture``.

The names are loaded when they are first asked for: the pytest plugin beside them is imported in every test
run of everyone who has this package, and must cost nothing until it is used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .capture import NotExported, PostHogCapture
    from .capturing import capturing
    from .double import PostHogDouble
    from .faults import Fault
    from .findings import Finding, Refusal
    from .judgement import Limits, Verdict
    from .recorder import Exchange
    from .stored import Change, GroupProfile, IngestionWarning, Person, Repeat, StoredEvent

__all__ = [
    "Change",
    "Exchange",
    "Fault",
    "Finding",
    "GroupProfile",
    "IngestionWarning",
    "Limits",
    "NotExported",
    "Person",
    "PostHogCapture",
    "PostHogDouble",
    "Refusal",
    "Repeat",
    "StoredEvent",
    "Verdict",
    "capturing",
]

_HOMES = {
    "NotExported": ".capture",
    "PostHogCapture": ".capture",
    "capturing": ".capturing",
    "PostHogDouble": ".double",
    "Fault": ".faults",
    "Finding": ".findings",
    "Refusal": ".findings",
    "Limits": ".judgement",
    "Verdict": ".judgement",
    "Exchange": ".recorder",
    "Change": ".stored",
    "GroupProfile": ".stored",
    "Person": ".stored",
    "Repeat": ".stored",
    "StoredEvent": ".stored",
    "IngestionWarning": ".stored",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value: object = getattr(import_module(_HOMES[name], __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
