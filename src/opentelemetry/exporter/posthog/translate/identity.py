"""Who did it: a signal's user, and which ids PostHog takes for no id at all."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Final

from ..identifiers import MAX_ID_BYTES
from .properties import clean_text

if TYPE_CHECKING:
    from collections.abc import Mapping

ILLEGAL_IDS: Final = frozenset(
    {
        "0", "00000000-0000-0000-0000-000000000000", "[object object]", "anonymous",
        "anonymous-user", "backend", "distinct_id", "distinctid", "email", "false", "guest", "id",
        "nan", "none", "not_authenticated", "null", "system", "true", "undefined", "user",
    }
)  # fmt: skip
"""Words that programs write where an id is missing. PostHog switches persons and groups off for them, and
before it did, they merged people who had nothing in common. Compared without case and quotes."""

USER, GROUP, NOBODY = "user", "group", "none"
"""Values of ``posthog.actor``: who an event counts for, so that analysts can leave machines out."""


def identifier(value: object) -> str | None:
    """An id as PostHog will know it, or None: only text and whole numbers are ids.

    A key like ``True`` or ``1.5`` or ``undefined`` is a mistake of whoever wrote it, and an event filed under
    it would spoil a real report.
    """
    if type(value) is str:
        return _identifier(value)
    if isinstance(value, str):
        return _identifier(str.__str__(value))
    if (
        isinstance(value, int) and not isinstance(value, bool) and value.bit_length() <= 128
    ):  # as wide as a UUID
        return _identifier(int.__repr__(value))
    return None


@lru_cache(maxsize=4_096)  # the same few organizations and users come again and again
def _identifier(text: str) -> str | None:
    text = clean_text(text).strip()
    if len(text.encode()) > MAX_ID_BYTES:
        return None
    bare = text.strip("'\"\ufffd ")
    return None if not bare or bare.lower() in ILLEGAL_IDS else text


def user_of(attributes: Mapping[str, object], keys: tuple[str, ...]) -> tuple[str | None, bool]:
    """The first usable user id of a signal, and whether some other one was no id. ``keys``: of its shape."""
    unusable = False
    for key in keys:
        value = attributes[key]
        user = _identifier(value) if type(value) is str else identifier(value)
        if user is not None:
            return user, unusable
        unusable = unusable or attributes[key] not in (None, "")
    return None, unusable
