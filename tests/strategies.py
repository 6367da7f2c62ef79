"""Everything that an application may hand over, for laws that hold for all of it."""

from __future__ import annotations

from datetime import datetime, timezone
from decimal import Decimal
from enum import Enum, IntEnum
from typing import Any
from uuid import UUID

from hypothesis import strategies as st


class Plan(str, Enum):
    TEAM = "team"


class Level(IntEnum):
    HIGH = 3


class Opaque:
    """Says nothing of itself."""


TEXTS = st.one_of(
    st.text(max_size=12),
    st.text(st.characters(), max_size=6),
    st.sampled_from(
        [
            "", "  ", "\0", "\ud800", "a\udfffb", "anna@example.com",
            "https://u:p@acme.com/a?token=x#y", "sk_live_abcdefgh12345678", "4111 1111 1111 1111",
            "eyJhbGciOiJI.eyJzdWIiOiIx.abcdefgh", "org_42", "null", "x" * 9_000, "é" * 300,
        ]
    ),
)  # fmt: skip

SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.sampled_from([2**53, -(2**53), 2**63, 2**64 + 1, 10**400]),
    st.floats(),
    TEXTS,
    st.binary(max_size=12),
    st.sampled_from(
        [Plan.TEAM, Level.HIGH, Decimal("1.5"), UUID(int=7), datetime(2026, 1, 1, tzinfo=timezone.utc)]
    ),
    st.builds(Opaque),
)

VALUES: st.SearchStrategy[Any] = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.tuples(inner, inner),
        st.dictionaries(st.one_of(TEXTS, st.integers(0, 3)), inner, max_size=4),
    ),
    max_leaves=8,
)

KNOWN_KEYS = st.sampled_from(
    [
        "organization.id", "organization.name", "organization.plan.name", "organization.plan_name",
        "organization.email", "organization.$set", "organization.tags", "user.id", "user.email",
        "enduser.id", "posthog.event", "posthog.capture", "posthog.distinct_id",
        "posthog.idempotency_key", "posthog.observed_at", "posthog.group.unset",
        "posthog.group.stamped", "posthog.group.ambiguous", "posthog.actor", "posthog.other",
        "posthogDistinctId", "session.id", "sessionId", "otel.event.name", "event.name",
        "cloudevents.event_id", "http.method", "http.request.method", "http.status_code",
        "http.response.status_code", "http.route", "http.url", "url.full", "exception.type",
        "exception.stacktrace", "gen_ai.system", "$set", "$set_once", "$unset", "$groups",
        "$group_0", "$group_set", "$ip", "$lib", "$session_id", "$process_person_profile",
        "distinct_id", "token", "api_key", "alias", "capture_internal", "utm_source", "order.total",
        "password", "service.name", "span.kind",
    ]
)  # fmt: skip

KEYS = st.one_of(
    KNOWN_KEYS, st.text(min_size=1, max_size=8), st.sampled_from(["$" + "x" * 3, "k" * 300, "\ud800", "a\0"])
)

ATTRIBUTES: st.SearchStrategy[dict[str, Any]] = st.dictionaries(KEYS, VALUES, max_size=8)
