"""How processes end and fork, and who carries the events: what only costs events later."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from ...settings.model import Preset, Settings
from .finding import Finding, hint, ok, warning

HOT_SHARE = 0.5
"""Of the sampled events under one id: more than half is a service's id, or one huge customer's."""

HOT_SAMPLE = 200
"""Events; in fewer, one busy organization may well be most of them."""


def process_findings(
    env: Mapping[str, str], settings: Settings, values: Mapping[str, object], distributions: Mapping[str, str]
) -> Iterator[Finding]:
    if "uvicorn" in distributions and not values.get("sigterm_flush"):
        yield hint(
            "SIGTERM",
            "uvicorn is installed, and ends on SIGTERM without Python's exit hooks: the "
            "last seconds of events are lost at each stop",
            "Set OTEL_EXPORTER_POSTHOG_SIGTERM_FLUSH=true.",
        )
    if "celery" in distributions and not values.get("celery"):
        yield hint(
            "Celery",
            "Celery is installed, and its worker processes run no exit hooks",
            "Set OTEL_EXPORTER_POSTHOG_CELERY=true in the workers.",
        )
    forking = [name for name in ("gunicorn", "celery") if name in distributions]
    if forking and not (settings.ledger or settings.outbox):
        yield hint(
            "ledger",
            f"{' and '.join(forking)} run several processes, and with a ledger in memory "
            "each of them sends every group once, after each restart",
            "Set OTEL_EXPORTER_POSTHOG_LEDGER to a file on this machine, or to Redis.",
        )
    if not settings.outbox:
        yield hint(
            "outbox",
            "no outbox: what PostHog does not take within "
            f"{settings.timeout:g} s is lost, and so is what a killed process was sending",
            "Set OTEL_EXPORTER_POSTHOG_OUTBOX to a directory.",
        )
    if not values.get("group_processor"):
        yield hint(
            "group_processor",
            "organization(...) blocks stamp spans only with the group processor",
            "Set OTEL_EXPORTER_POSTHOG_GROUP_PROCESSOR=true, or add PostHogGroupProcessor in code.",
        )
    yield from _ids_of_services(env, settings)


def _ids_of_services(env: Mapping[str, str], settings: Settings) -> Iterator[Finding]:
    """Settings under which one distinct id may carry a whole service."""
    if Preset.ALL in (settings.spans.preset, settings.logs.preset):
        yield warning(
            "distinct ids",
            "signals without user and group all go under one id, "
            f"otel:{_service(env)}: PostHog keeps no person for it, and no groups",
            "Put a user or an organization on them, or select less.",
        )
    if settings.groups_from_resource:
        yield hint(
            "distinct ids",
            "with groups_from_resource, all events without a user go under the one "
            "id of this process's group; PostHog stops persons and groups above 5,000 events a second",
            "Set user ids on what people do.",
        )


def _service(env: Mapping[str, str]) -> str:
    return env.get("OTEL_SERVICE_NAME", "").strip() or "<service.name>"


def hot_ids(distinct_ids: Sequence[str]) -> Iterator[Finding]:
    """``distinct_ids``: of the events at hand, one each."""
    if len(distinct_ids) < HOT_SAMPLE:
        return
    ((_, most),) = Counter(distinct_ids).most_common(1)
    share = most / len(distinct_ids)
    if share > HOT_SHARE:
        yield warning(
            "distinct ids",
            f"{share:.0%} of {len(distinct_ids)} stored events have one distinct id; when it runs hot, "
            "PostHog drops its person and its groups",
            "Set user ids on what people do; never one id for a whole service.",
        )
    else:
        yield ok("distinct ids", f"no id has more than {share:.0%} of {len(distinct_ids)} stored events")
