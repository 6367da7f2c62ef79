"""The attributes by which an application steers this exporter, and nothing else does.

Everything under ``posthog.`` belongs to us and never leaves as a property. Attributes named like PostHog's
own controls (``$set``, ``distinct_id``, ``$groups``...) act on nothing: a client may have chosen them.
"""

from __future__ import annotations

from typing import Final

NAMESPACE: Final = "posthog."

EVENT: Final = "posthog.event"
"""str: selects this signal and names its event."""

CAPTURE: Final = "posthog.capture"
"""``False``: no event of this signal; what it says of a group is still taken."""

DISTINCT_ID: Final = "posthog.distinct_id"
"""str or int: the user, before ``posthogDistinctId``, ``user.id`` and ``enduser.id``."""

IDEMPOTENCY_KEY: Final = "posthog.idempotency_key"
"""str or int: signals of one day with the same event name and key are one event, however often they come."""

OBSERVED_AT: Final = "posthog.observed_at"
"""RFC 3339 text or int (ns since the epoch): when the group's properties were true, if not at event time."""

GROUP_UNSET: Final = "posthog.group.unset"
"""str or list of str: property names of the group that are known to be empty now; sent as null."""

GROUP_STAMPED: Final = "posthog.group.stamped"
"""list of str: group types that our processor or a context manager put on this signal, not the application.

A group stamped this way never selects a signal, and its properties count only on selected ones.
"""

GROUP_AMBIGUOUS: Final = "posthog.group.ambiguous"
"""list of str: group types for which two different keys were stamped on this span; it then has neither."""

CONTROLS: Final = frozenset(
    {EVENT, CAPTURE, DISTINCT_ID, IDEMPOTENCY_KEY, OBSERVED_AT, GROUP_UNSET, GROUP_STAMPED, GROUP_AMBIGUOUS}
)

ACTOR: Final = "posthog.actor"
"""A property of every event, written by us: ``user``, ``group`` or ``none``."""

USER_ID: Final = "user.id"
ENDUSER_ID: Final = "enduser.id"
POSTHOG_DISTINCT_ID: Final = "posthogDistinctId"
"""What PostHog's own span processor writes."""

USER_KEYS: Final = (DISTINCT_ID, POSTHOG_DISTINCT_ID, USER_ID, ENDUSER_ID)
"""Where a signal's user is looked for; the first usable id wins."""

CLOUDEVENT_ID: Final = "cloudevents.event_id"
CLOUDEVENT_SOURCE: Final = "cloudevents.event_source"

EVENT_NAME_KEYS: Final = ("otel.event.name", "event.name")
"""Where older log handlers leave a record's event name."""

SESSION_KEYS: Final = ("session.id", "sessionId")
