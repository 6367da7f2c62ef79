"""Counted words that translation says beside the reason: what was left out of a signal, and why.

A note is a word, or a word and a detail with a colon between. There are few of them whatever the signals
hold (a detail is a group type and a property's name, of which a type may have 50), so they can be counted.
"""

from __future__ import annotations

from typing import Final

PROPERTY_RESERVED: Final = "property_reserved"
"""A property whose name PostHog acts on was dropped."""

PROPERTY_CAMPAIGN: Final = "property_campaign"
"""A campaign name was dropped, which PostHog would have lifted onto the person."""

PROPERTY_CONVENTION: Final = "property_convention"
"""A semantic convention that is not on the list was left out."""

PROPERTY_PRIVATE: Final = "property_private"
"""A property was withheld or hashed by the privacy policy."""

PROPERTY_UNNAMED: Final = "property_unnamed"
"""A property was dropped because its name is too long."""

PROPERTY_SURPLUS: Final = "property_surplus"
"""Properties beyond the bound of one event were dropped."""

GROUP_VALUE: Final = "group_property_not_scalar"
"""A group's property was left out because it is a map or a list of lists."""

GROUP_SURPLUS: Final = "group_property_surplus"
"""A group type has its 50 property names, and this is another one."""

GROUP_PROPERTY: Final = "group_property"
"""``group_property:<type>:<name>``: a property name of a group type, seen for the first time."""

RESOURCE_GROUP_UNUSED: Final = "resource_group_unused"
"""The resource carries a group key, and ``groups_from_resource`` is off."""

RESOURCE_GROUP_UNUSED_TEXT: Final = (
    "the resource carries a group key, which is not used: set groups_from_resource=true if "
    "this whole process serves one group"
)

FUTURE_TIME: Final = "future_time"
"""An observation lay more than five minutes ahead and took the time at which it was seen."""

OBSERVED_AT_INVALID: Final = "observed_at_invalid"
"""``posthog.observed_at`` holds no instant, so the event's own time holds."""

OPT_OUT_ERROR: Final = "opt_out_error"
"""The ``opt_out`` function raised; the signal was treated as opted out."""

USER_ID_INVALID: Final = "user_id_invalid"
"""A user id was blank, too long, no id by its kind, or on PostHog's list of illegal ids."""

BEFORE_SEND_INVALID: Final = "before_send_invalid"
"""``before_send`` changed a part into something that can't be sent; that part was kept as it had been."""


def group_property(group_type: str, name: str) -> str:
    return f"{GROUP_PROPERTY}:{group_type}:{name}"
