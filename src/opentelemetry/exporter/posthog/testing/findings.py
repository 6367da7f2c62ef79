"""What the double has to say of a request: what it refused, and what PostHog would silently do otherwise.

A *refusal* is PostHog's own no: a status, or a dropped event. A *finding* is what PostHog would let pass
and an exporter must not rely on, because PostHog then changes, loses or misfiles something without a word.
Each has a name, the number of its rule and a sentence. Neither ever holds a key or a property's value.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple


class Rule(NamedTuple):
    """The number and the sentence of a named check."""

    number: int
    sentence: str


@dataclass(frozen=True, slots=True)
class Finding:
    """PostHog accepts it, and something is lost or changed all the same."""

    name: str  # a key of RULES
    request: int = 0  # number of the request, from 1
    event: str = ""  # name of the event, when it is about one
    uuid: str = ""
    detail: str = ""  # names and sizes, never a value

    @property
    def rule(self) -> int:
        """The number of PostHog's rule that it is about."""
        return RULES[self.name].number

    @property
    def sentence(self) -> str:
        """That rule, in words."""
        return RULES[self.name].sentence

    def __str__(self) -> str:
        where = f"request {self.request}" + (f", {self.event} {self.uuid}" if self.event or self.uuid else "")
        detail = f" ({self.detail})" if self.detail else ""
        return f"rule {self.rule} {self.name}, {where}: {self.sentence}{detail}"


@dataclass(frozen=True, slots=True)
class Refusal:
    """PostHog said no: to a whole request (no uuid), or to one event of it."""

    name: str  # PostHog's own tag where it has one
    rule: int
    status: int  # of the whole answer; 200 when only this event was dropped
    request: int = 0
    event: str = ""
    uuid: str = ""
    detail: str = ""

    def __str__(self) -> str:
        what = f"{self.event} {self.uuid}".strip() or "the whole request"
        detail = f" ({self.detail})" if self.detail else ""
        where = f"rule {self.rule} {self.name}, request {self.request}"
        return f"{where}: status {self.status} refused {what}{detail}"


RULES: dict[str, Rule] = {
    "get_on_batch": Rule(
        1, "PostHog still reads events from a GET, but bodies and keys in URLs end up in logs."
    ),
    # JSON
    "duplicate_key": Rule(4, "A key occurs twice in one object; the last one wins and the others are lost."),
    "unsafe_integer": Rule(4, "An integer beyond 2^53 - 1 is rounded silently; send it as a string."),
    "lone_surrogate": Rule(4, "A lone surrogate escape refuses the whole batch on the legacy protocol."),
    "too_deep": Rule(4, "Nesting beyond 127 levels refuses the whole batch on the legacy protocol."),
    "number_out_of_range": Rule(
        4, "A number beyond a double refuses the whole batch on the legacy protocol."
    ),
    # legacy
    "near_size_limit": Rule(
        14, "An event over 921,600 bytes of JSON may exceed the server's limit once escaped."
    ),
    "distinct_id_changed": Rule(18, "PostHog stores another distinct id than was sent."),
    "distinct_id_long": Rule(18, "A distinct id over 200 bytes is dropped by the v1 protocol."),
    "timestamp_ignored": Rule(19, "PostHog can't parse the timestamp and silently takes its own time."),
    "sent_at_ignored": Rule(19, "PostHog can't parse sent_at and silently corrects no skew."),
    "uuid_missing": Rule(19, "Without a uuid of its own an event that is sent again is stored again."),
    "offset_used": Rule(
        19, "offset overrides the timestamp: the event's time is when it arrived, less offset."
    ),
    "unknown_event_key": Rule(
        19, "A key that PostHog does not know at the top of an event is dropped silently."
    ),
    # v1
    "timestamp_form": Rule(23, "A time is not in the form YYYY-MM-DDTHH:MM:SS[.f](Z|+00:00)."),
    "sdk_info_form": Rule(
        23, "PostHog-Sdk-Info is not <lib>/<version> of at most 200 bytes: $lib is not written."
    ),
    "sdk_info_differs": Rule(23, "PostHog-Sdk-Info and User-Agent name different libraries."),
    "legacy_body_key": Rule(34, "The v1 body holds a key of the legacy protocol, which is ignored."),
    "historical_migration_false": Rule(34, "historical_migration is to be omitted when false."),
    "null_option": Rule(34, "An unset option is to be omitted, not sent as null."),
    "legacy_property": Rule(
        34, "On v1 this has a place of its own; inside properties it is overridden or ignored."
    ),
    "top_level_set": Rule(34, "v1 knows no top-level $set or $set_once: it is lost. Put it into properties."),
    "uuid_form": Rule(34, "A uuid that is not canonical text does not occur among the results."),
    # retry discipline
    "attempt_not_next": Rule(35, "PostHog-Attempt must rise by exactly one with each try of a request."),
    "created_at_changed": Rule(35, "created_at must stay the same over all tries of a request."),
    "event_changed": Rule(35, "An event must be sent again with the same time and content."),
    "batch_changed": Rule(35, "A retry must carry exactly the events that are to be sent again."),
    "request_timestamp_not_newer": Rule(35, "PostHog-Request-Timestamp must be newer with each try."),
    "settled_event_resent": Rule(35, "An event was sent again although its result was final."),
    "retry_too_soon": Rule(35, "A retry came before the back-off or the Retry-After was over."),
    "retry_after_final": Rule(35, "The request was tried again after a final answer."),
    # ingestion
    "group_key_not_text": Rule(
        37, "A group key must be text: a number and its digits become different groups."
    ),
    "group_key_empty": Rule(37, "An empty group key names no group."),
    "sixth_group_type": Rule(
        37, "A project holds five group types; further ones are ignored without a warning."
    ),
    "groups_not_an_object": Rule(37, "$groups must be an object of group type to group key; it is ignored."),
    "personless_with_groups": Rule(37, "PostHog ignores the groups of an event without person processing."),
    "unstable_group_id": Rule(
        39, "Updates of one group keep their order only under its one id, $<type>_<key>."
    ),
    "redundant_group_update": Rule(
        39, "The update changes nothing in a profile that this client knows to be stored."
    ),
    "groups_on_group_update": Rule(39, "$groups on a $groupidentify has no effect on the group."),
    "person_on_group_update": Rule(39, "$set, $set_once and $unset are removed from a $groupidentify."),
    "personless_group_update": Rule(39, "Without person processing a $groupidentify writes no group."),
    "group_update_incomplete": Rule(
        39, "Without group type, key and an object as $group_set no group is written."
    ),
    "profile_flag_not_bool": Rule(40, "$process_person_profile is not a boolean: PostHog ignores it."),
    "lifted_property": Rule(
        41, "PostHog lifts this property onto the person; it must not come from an attribute."
    ),
    "uuid_not_v7": Rule(42, "PostHog warns of uuids that are not version 7."),
    "uuid_time_far": Rule(42, "A uuid more than three days from the event's time can't be looked up."),
    "session_id_invalid": Rule(42, "$session_id is not a UUID: session analytics does not see the event."),
    "geoip_open": Rule(43, "Without $geoip_disable PostHog places the person at this server's address."),
    "exception_malformed": Rule(
        45, "The exception makes no issue: its list, levels or owned keys are not as asked."
    ),
    "exception_null": Rule(45, "An unknown part of an exception is to be omitted, not sent as null."),
    "reserved_property": Rule(46, "PostHog acts on this property; it must not come from an attribute."),
    "reserved_event_name": Rule(46, "PostHog acts on this event name; it must not come from an attribute."),
}
