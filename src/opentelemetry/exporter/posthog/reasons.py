"""Why a signal did not become a capture, or a capture was not delivered: one row a reason.

Counters, log lines, ``explain``, ``dry_run``, the inspector and the documentation all read this table, so a
user meets the same word and the same sentence everywhere.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


@dataclass(frozen=True, slots=True)
class ReasonText:
    """What a reason means, and the setting or the act that would change it."""

    sentence: str
    remedy: str


class Reason(Enum):
    """A counted word. ``.value`` is what counters and metrics carry."""

    # Why a signal was not selected.
    OWN_SCOPE = "own_scope"
    OPTED_OUT = "opted_out"
    CAPTURE_FALSE = "capture_false"
    EXCLUDED_BY_RULE = "excluded_by_rule"
    PRESET_OFF = "preset_off"
    NOT_NAMED = "not_named"
    NOT_AN_ENTRY = "not_an_entry"
    NO_GROUP = "no_group"
    REFUSED_REQUEST = "refused_request"
    PREFLIGHT = "preflight"
    AI_SPAN = "ai_span"
    PLAIN_LOG = "plain_log"
    # Why a signal gave no group although it seemed to carry one.
    AMBIGUOUS_GROUP = "ambiguous_group"
    INVALID_GROUP_KEY = "invalid_group_key"
    GROUP_EVICTED = "group_evicted"
    GROUP_KEY_CUT = "group_key_cut"
    # Why a made capture was dropped.
    BEFORE_SEND = "before_send"
    BEFORE_SEND_ERROR = "before_send_error"
    TRANSLATION_ERROR = "translation_error"
    DUPLICATE_UUID = "duplicate_uuid"
    TOO_LARGE = "too_large"
    INVALID = "invalid"
    DEADLINE = "deadline"
    INERT = "inert"
    SHUT_DOWN = "shut_down"
    DRY_RUN = "dry_run"
    OUTBOX_FULL = "outbox_full"
    OUTBOX_EXPIRED = "outbox_expired"

    @property
    def after_selection(self) -> bool:
        """Whether the signal had been selected: it then counts as a capture that was dropped."""
        return self in (Reason.BEFORE_SEND, Reason.BEFORE_SEND_ERROR)

    @property
    def text(self) -> ReasonText:
        return _TEXTS[self]


_TEXTS: dict[Reason, ReasonText] = {
    Reason.OWN_SCOPE: ReasonText(
        "It is telemetry about delivering telemetry: of this exporter, the SDK, httpx or httpcore.",
        "Nothing to change: an event of it would make a request that makes the next event.",
    ),
    Reason.OPTED_OUT: ReasonText(
        "Its organization or user is opted out, or the opt_out function failed for it.",
        "Take the id out of opt_out, or let the function return False for it.",
    ),
    Reason.CAPTURE_FALSE: ReasonText(
        "It carries posthog.capture=false.", "Remove the attribute where the application sets it."
    ),
    Reason.EXCLUDED_BY_RULE: ReasonText(
        "A selection rule drops it.", "Put a rule that selects it before that one, or remove that one."
    ),
    Reason.PRESET_OFF: ReasonText(
        "This kind of signal is switched off.", "Set spans or logs to another preset than off."
    ),
    Reason.NOT_NAMED: ReasonText(
        "Neither a rule nor posthog.event names it, and the preset takes only what is named.",
        "Set posthog.event on it, add a rule, or choose another preset.",
    ),
    Reason.NOT_AN_ENTRY: ReasonText(
        "It is a step inside a request, not its entry: its parent is in this process, or it calls out.",
        "Set posthog.event on it, set the group attribute on it in your own code, or add a rule.",
    ),
    Reason.NO_GROUP: ReasonText(
        "It carries no group: the configured attribute is not on this very signal.",
        "Use `with organization(...)`, or set the attribute on the span; check the option groups.",
    ),
    Reason.REFUSED_REQUEST: ReasonText(
        "The request was answered 401 or 403: the group in it is what somebody asked for, not what they are.",
        "Change refused_statuses if these answers mean something else in your service.",
    ),
    Reason.PREFLIGHT: ReasonText(
        "It is an OPTIONS or HEAD request, which browsers and monitors make on their own.",
        "Add a rule or set posthog.event if it counts.",
    ),
    Reason.AI_SPAN: ReasonText(
        "It is a step of a model call, which PostHog's own AI ingestion takes.",
        "Name it with a rule or posthog.event, or set ai_spans=true if nothing else sends it.",
    ),
    Reason.PLAIN_LOG: ReasonText(
        "It is a log line without an event name.",
        "Emit it with event_name=..., or with extra={'otel.event.name': ...}; or add a rule.",
    ),
    Reason.AMBIGUOUS_GROUP: ReasonText(
        "Two different groups of one type were set on one span, so it belongs to neither.",
        "Open a span of its own for each group, inside `with organization(...)`.",
    ),
    Reason.INVALID_GROUP_KEY: ReasonText(
        "The group attribute holds no key: blank, longer than 200 bytes, neither text nor a whole number, "
        "or a word like null, undefined or 0.",
        "Set the attribute to the organization's own id, and not at all where none is known.",
    ),
    Reason.GROUP_EVICTED: ReasonText(
        "Attributes were dropped by the SDK's limit, the oldest first, and no group is left.",
        "Raise OTEL_ATTRIBUTE_COUNT_LIMIT, set fewer attributes, or use PostHogGroupProcessor.",
    ),
    Reason.GROUP_KEY_CUT: ReasonText(
        "The group's key is exactly as long as the SDK's limit for values, so it was probably cut, and two "
        "organizations could become one.",
        "Raise OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT above the length of your ids.",
    ),
    Reason.BEFORE_SEND: ReasonText(
        "The before_send function returned None.", "Let it return the event if it is to be sent."
    ),
    Reason.BEFORE_SEND_ERROR: ReasonText(
        "The before_send function raised an error or returned no event.",
        "Call it in a test with the event that `otel-posthog explain` shows.",
    ),
    Reason.TRANSLATION_ERROR: ReasonText(
        "The signal could not be read.",
        "Report it with the name of the error that was logged: this is our mistake.",
    ),
    Reason.DUPLICATE_UUID: ReasonText(
        "The same event, by span or idempotency key, was in the batch already.",
        "Nothing to change, if the signal came twice; else give each its own idempotency key.",
    ),
    Reason.TOO_LARGE: ReasonText(
        "The event is larger than PostHog takes.",
        "Drop its largest properties with privacy.drop or before_send.",
    ),
    Reason.INVALID: ReasonText(
        "The event breaks a rule of PostHog's, and one such event can cost a whole request.",
        "Look at it with `otel-posthog inspect`.",
    ),
    Reason.DEADLINE: ReasonText(
        "PostHog did not take it before the export's deadline, and no outbox keeps it.",
        "Set outbox to a directory; look at the log for what PostHog answered.",
    ),
    Reason.INERT: ReasonText(
        "The exporter has no usable key, host, groups or privacy policy, or is disabled.",
        "See the ERROR that was logged at start, or run `otel-posthog doctor`.",
    ),
    Reason.SHUT_DOWN: ReasonText(
        "It came after the exporter was shut down.", "Shut the provider down after the last span has ended."
    ),
    Reason.DRY_RUN: ReasonText("dry_run is on: nothing is sent.", "Switch dry_run off."),
    Reason.OUTBOX_FULL: ReasonText(
        "The outbox had reached its size.", "Raise outbox_max_bytes, and see why PostHog takes nothing."
    ),
    Reason.OUTBOX_EXPIRED: ReasonText(
        "It had waited in the outbox for longer than outbox_max_age.",
        "Raise outbox_max_age, and see why PostHog took nothing.",
    ),
}


LEDGER_TEXTS: dict[str, ReasonText] = {
    "sent": ReasonText(
        "It was new, so a group update was sent.", "Nothing to change: PostHog did not know this value."
    ),
    "unchanged": ReasonText(
        "PostHog holds this very value already, so nothing was sent.",
        "Nothing to change: this is a $groupidentify saved.",
    ),
    "older": ReasonText(
        "A newer value of this property was seen before, by event time, so this one changes nothing.",
        "If it should win, give the observation its true time: organization(..., at=...).",
    ),
    "waits": ReasonText(
        "It is new and waits: for an update under way, for the group's interval, or for the ledger's store.",
        "Flush the exporter to send it at once, or lower group_interval_millis.",
    ),
    "forgotten": ReasonText(
        "It is older than what this ledger remembers, so nobody knows whether it is news.",
        "Use a durable ledger, which forgets nothing at a restart.",
    ),
}
"""What the ledger says of a property that was observed: a word, its sentence and what would change it."""
