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
    def text(self) -> ReasonText:
        return _TEXTS[self]


_TEXTS: dict[Reason, ReasonText] = {}
