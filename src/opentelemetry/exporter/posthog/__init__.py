"""OpenTelemetry telemetry in, PostHog group analytics out, exactly as true as the telemetry was.

The public names; each is loaded when it is first asked for, so that importing the package costs nothing
and the context managers need the OpenTelemetry API only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .version import __version__

if TYPE_CHECKING:
    from .context import group, organization, user
    from .sdk.group_processor import PostHogGroupProcessor
    from .sdk.log_exporter import PostHogLogExporter
    from .sdk.span_exporter import PostHogSpanExporter

__all__ = [
    "PostHogGroupProcessor",
    "PostHogLogExporter",
    "PostHogSpanExporter",
    "__version__",
    "group",
    "organization",
    "user",
]

_HOMES = {
    "PostHogGroupProcessor": ".sdk.group_processor",
    "PostHogLogExporter": ".sdk.log_exporter",
    "PostHogSpanExporter": ".sdk.span_exporter",
    "group": ".context",
    "organization": ".context",
    "user": ".context",
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
