"""What an application may say of a group, checked and made plain. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from typing import TypeAlias, cast
from uuid import UUID

from opentelemetry.util.types import AttributeValue

from ..identifiers import MAX_ID_BYTES
from ..timestamp import from_datetime, parse_rfc3339

PropertyValue: TypeAlias = (
    str | bool | int | float | datetime | date | Decimal | UUID | Enum
    | Sequence[str] | Sequence[bool] | Sequence[int] | Sequence[float] | None
)  # fmt: skip
"""``None`` says nothing; to empty a property there is the attribute ``posthog.group.unset``."""


def group_key(value: object) -> str | None:
    """The key as text: a non-empty str or int of at most 200 bytes, stripped. None: this is no key."""
    if isinstance(value, Enum):
        value = value.value
    if isinstance(value, UUID):
        value = str(value)
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        return None
    key = str(value).strip()
    if not key or len(key.encode(errors="replace")) > MAX_ID_BYTES:
        return None
    return key


def instant(value: object) -> int | None:
    """Nanoseconds since the epoch, or None: a time without a zone says no instant."""
    if isinstance(value, datetime):
        return from_datetime(value) if value.tzinfo is not None else None
    if isinstance(value, str):
        return parse_rfc3339(value)
    if isinstance(value, int) and not isinstance(value, bool) and value > 0:
        return value
    return None


def attribute_value(value: object) -> AttributeValue | None:
    """``value`` as the SDK itself keeps it, whatever its version; None if there is no such form."""
    if isinstance(value, Enum):
        value = value.value
    if isinstance(value, (str, bool, int, float)):
        return value
    if isinstance(value, (datetime, date)):
        return value.isoformat()
    if isinstance(value, (UUID, Decimal)):
        return str(value)
    if isinstance(value, (list, tuple)):
        return _alike([attribute_value(item) for item in cast("Sequence[object]", value)])
    return None


def _alike(items: Sequence[object]) -> Sequence[str]:
    """Items of one type. Before SDK 1.42, a mixed list is refused with a warning in the application's log."""
    if None not in items and len({type(item) for item in items}) < 2:
        return cast("Sequence[str]", tuple(items))
    return tuple(str(item) for item in items if item is not None)
