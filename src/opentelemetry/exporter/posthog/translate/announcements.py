"""Notes of translation that are worth a line of their own, once: what begins to leave, and what might."""

from __future__ import annotations

from .notes import GROUP_PROPERTY, RESOURCE_GROUP_UNUSED, RESOURCE_GROUP_UNUSED_TEXT

_NEW_PROPERTY = GROUP_PROPERTY + ":"


def announcement(note: str) -> str | None:
    """The line that a note deserves; None for those that are only counted. Names, never values."""
    if note.startswith(_NEW_PROPERTY):
        group_type, _, name = note[len(_NEW_PROPERTY) :].partition(":")
        return (
            f"the property {name} of {group_type} goes to PostHog from now on; "
            "privacy.group_properties lists what may, privacy.drop what may not"
        )
    return RESOURCE_GROUP_UNUSED_TEXT if note == RESOURCE_GROUP_UNUSED else None
